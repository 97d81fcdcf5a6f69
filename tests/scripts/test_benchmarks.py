"""The benchmark command: it runs on a tiny budget, and what it times is answered rightly.

No duration is asserted: that is what the command is for.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from werkzeug.sansio.request import Request as SansioRequest

from benchmarks import environment
from benchmarks import footprint
from benchmarks import groups
from benchmarks import inprocess
from benchmarks import report
from benchmarks import sessions
from benchmarks import static
from benchmarks import wire
from benchmarks.__main__ import main
from benchmarks.__main__ import parse
from benchmarks.apps import FRAMEWORKS
from benchmarks.apps import OURS
from benchmarks.apps.content import prepare
from benchmarks.driver import asgi_call
from benchmarks.driver import checked
from benchmarks.driver import Wrong
from benchmarks.driver import wsgi_call
from benchmarks.report import cell
from benchmarks.report import Table
from benchmarks.workloads import HEAD
from benchmarks.workloads import MORE
from benchmarks.workloads import SMALL
from benchmarks.workloads import TAIL
from benchmarks.workloads import TYPED
from benchmarks.workloads import Workload
from benchmarks.workloads import WORKLOADS

PYTHON = Path(sys.executable)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results and a page of the test's own."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "docs" / "benchmarks")
    monkeypatch.setattr(report, "PAGE", tmp_path / "docs" / "performance.md")
    return tmp_path


# --- the driver -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("workload", [*SMALL, *MORE, *TYPED], ids=lambda workload: workload.name)
async def test_our_apps_answer_every_workload(name: str, workload: Workload) -> None:
    prepare()
    framework = FRAMEWORKS[name]
    call = await checked(framework, workload, framework.build(workload.app))
    status, _ = await call()
    assert status == workload.status


#: Quart 0.22 calls what a Request says that its form is made of; Werkzeug says None since 3.2.
quart = pytest.param(
    "Quart",
    marks=pytest.mark.skipif(
        SansioRequest.parameter_storage_class is None,
        reason="Quart answers no form with this Werkzeug",
    ),
)


@pytest.mark.parametrize("name", [quart, "Flask", "Starlette"])
def test_peers_answer_as_far_as_they_go(name: str) -> None:
    names = [workload.name for workload in (*SMALL, *MORE)]
    found = environment.child(PYTHON, "driver", name, "0", *names, timeout=60)
    missing = {"Quart": set(), "Flask": {"ws"}, "Starlette": {"hooks", "nested"}}
    assert {workload for workload, figure in found.items() if figure is None} == missing[name]
    assert all(figure > 0 for figure in found.values() if figure is not None), found


@pytest.mark.parametrize("name", [*OURS, "Flask"])
async def test_an_upload_and_a_download(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(download=True)
    framework = FRAMEWORKS[name]
    app = framework.build()
    make_call = wsgi_call if framework.wsgi else asgi_call
    upload = WORKLOADS["upload"]._replace(upload=200_001, expect=b"200001")
    assert await make_call(app, upload)() == (200, b"200001")
    assert b"".join(upload.pieces()) == HEAD + bytes(200_001) + TAIL
    assert upload.length == len(b"".join(upload.pieces()))
    download = WORKLOADS["download"]
    assert await make_call(app, download)() == (200, download.expect)


async def test_a_wrong_answer_is_not_timed() -> None:
    framework = FRAMEWORKS["quartish.Flask"]
    app = framework.build()
    with pytest.raises(Wrong, match="/json: status 200"):
        await checked(framework, WORKLOADS["json"]._replace(expect=b"{}"), app)
    with pytest.raises(LookupError):
        await checked(framework, WORKLOADS["hello"]._replace(path="/nowhere"), app)
    with pytest.raises(LookupError, match="no 'hooked' app"):
        FRAMEWORKS["raw ASGI"].build("hooked")


# --- in process -----------------------------------------------------------------------------


def test_medians_of_interleaved_rounds(monkeypatch: pytest.MonkeyPatch, capsys: t.Any) -> None:
    turns: list[str] = []
    answers = iter([1e-6, 5e-6, 9e-6, 2e-6, 3e-6, 7e-6])

    def child(python: Path, module: str, name: str, *rest: str, timeout: float) -> t.Any:
        turns.append(name)
        if name == "Sanic":
            raise environment.Unable("no such thing")
        return {"hello": next(answers), "ws": "Wrong: 42", "page": None}

    monkeypatch.setattr(inprocess, "child", child)
    (table,) = inprocess.measure(
        PYTHON, ["Quart", "Sanic", "Flask"], ["hello", "ws", "page"], count=3, seconds=0
    )
    assert turns == ["Quart", "Sanic", "Flask", "Quart", "Flask", "Quart", "Flask"]
    assert table.columns == ["hello", "page", "ws"]
    assert table.rows == [
        ("Quart", [pytest.approx(3.0), None, None]),
        ("Flask", [pytest.approx(5.0), None, None]),
    ]
    said = capsys.readouterr().err
    assert "SKIPPED: Sanic: no such thing" in said
    assert "SKIPPED: Quart, ws: Wrong: 42" in said


def test_a_profile_names_the_modules() -> None:
    table = inprocess.profile(PYTHON, "quartish.Flask", "hello", 0.5)
    rooms = [name for name, _ in table.rows]
    assert any(name.startswith("quartish._dispatch.") for name in rooms)  # of a few samples
    assert "driver and view" in rooms
    total = sum(row[0] for _, row in table.rows)
    assert total > 0


def test_a_child_that_fails_says_why() -> None:
    with pytest.raises(environment.Unable, match="KeyError: 'Nonesuch'"):
        environment.child(PYTHON, "driver", "Nonesuch", "0", "hello", timeout=30)
    with pytest.raises(environment.Unable, match="no answer in 0 s"):
        environment.child(PYTHON, "driver", "Quart", "0", "hello", timeout=0.01)


# --- memory and import ----------------------------------------------------------------------


@pytest.mark.slow
def test_memory_of_apps_and_idle_websockets() -> None:
    table = footprint.memory(PYTHON, ["quartish.Quart", "Flask"], websockets=20)
    rows = dict(table.rows)
    app, websocket = rows["quartish.Quart"]
    assert app > 100 and 0.1 < websocket < 100
    assert rows["Flask"][1] is None


def test_imports(monkeypatch: pytest.MonkeyPatch, capsys: t.Any) -> None:
    monkeypatch.setattr(footprint, "LIBRARIES", ("flask", "quartish", "no_such_library"))
    rows = dict(footprint.imports(PYTHON, count=2).rows)
    assert list(rows) == ["import flask", "import quartish"]
    assert rows["import flask"][1] == 1
    assert capsys.readouterr().err.count("SKIPPED: import no_such_library") == 1


# --- over the wire --------------------------------------------------------------------------

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


@needs_wrk
@pytest.mark.slow
def test_servers_are_started_loaded_and_stopped() -> None:
    (table,) = wire.measure(
        PYTHON,
        ["Hypercorn"],
        ["quartish.Flask"],
        paths=["/json"],
        count=1,
        seconds=1,
        connections=4,
    )
    assert [name for name, _ in table.rows] == ["raw ASGI", "quartish.Flask"]
    assert all(row[0].endswith(")") for _, row in table.rows)


@needs_wrk
def test_a_server_that_answers_with_errors_is_told() -> None:
    with wire.serving(PYTHON, "quartish.Flask", "uvicorn") as address:
        rate = wire.load(address + "/wait", 4, 1)
        assert 0 < rate.requests <= 4 / 0.020 * 1.5
        assert 20 <= rate.half <= rate.most
        with pytest.raises(environment.Unable, match="Non-2xx"):
            wire.load(address + "/nowhere", 2, 1)


def test_servers_are_stopped_when_the_benchmark_is_ended(tmp_path: Path) -> None:
    wrk, told = tmp_path / "wrk", tmp_path / "told"
    wrk.write_text(f"#!/bin/sh\necho $* > {told}.part && mv {told}.part {told}\nexec sleep 60\n")
    wrk.chmod(0o755)
    command = ["-m", "benchmarks", "wire", "quartish.Flask", "-s", "uvicorn", "--here"]
    benchmark = subprocess.Popen(
        [PYTHON, *command],
        cwd=environment.CHECKOUT,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with benchmark:
        end = time.monotonic() + 60
        while not told.exists() and time.monotonic() < end:
            time.sleep(0.05)
        address = urlsplit(told.read_text().split()[-1])
        benchmark.terminate()
        assert benchmark.wait(30) != 0
    assert address.port is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address.port), 1).close()


def test_a_server_that_does_not_start() -> None:
    with pytest.raises(environment.Unable, match="did not start"):
        with wire.serving(PYTHON, "no such framework", "uvicorn"):
            pass  # pragma: no cover


def test_without_wrk(monkeypatch: pytest.MonkeyPatch, capsys: t.Any) -> None:
    monkeypatch.setattr(wire.shutil, "which", lambda name: None)
    assert main(["wire", "--here"]) == 1
    assert "SKIPPED: wire: wrk is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "ms"), [("850.00us", 0.85), ("21.30ms", 21.3), ("1.20s", 1200), ("1.00m", 6e4)]
)
def test_what_wrk_writes(text: str, ms: float) -> None:
    assert wire._ms(text) == pytest.approx(ms)


# --- the page -------------------------------------------------------------------------------

ROWS: list[tuple[str, list[t.Any]]] = [("quartish.Flask", [1.234, None])]
TABLE = Table("Title", "microseconds", ["hello", "ws"], ROWS, ["A note."])


def test_a_table_for_the_terminal_and_for_the_page() -> None:
    assert TABLE.text() == (
        "Title (microseconds)\n"
        "                   hello      ws\n"
        "quartish.Flask      1.23       –\n"
        "A note."
    )
    assert TABLE.markdown() == (
        "### Title\n\nMicroseconds.\n\n"
        "| | hello | ws |\n|---|---:|---:|\n| **quartish.Flask** | 1.23 | – |\n\n- A note.\n"
    )


@pytest.mark.parametrize(
    ("figure", "shown"),
    [(None, "–"), (0.567, "0.57"), (9.99, "9.99"), (12.34, "12.3"), (1234.5, "1,234"), ("x", "x")],
)
def test_figures_have_three_digits(figure: t.Any, shown: str) -> None:
    assert cell(figure) == shown


def test_the_page_is_made_of_the_latest_results(cache: Path) -> None:
    report.keep("wire", [TABLE], PYTHON, load=0.1)
    report.keep("inprocess", [TABLE], PYTHON, load=2.5)
    report.write()
    page = report.PAGE.read_text("utf-8")
    assert page.index("## Inside the framework") < page.index("## Over the wire")
    assert "## Memory" not in page
    assert "| **quartish.Flask** | 1.23 | – |" in page
    result = json.loads((report.RESULTS / "wire.json").read_text())
    day = result["day"]
    assert result["command"] == "python -m benchmarks wire --write"
    assert result["python"] == environment.python_of(PYTHON) != ""
    assert f"Measured on {day}: {environment.machine()}, {result['python']}." in page
    assert page.count("werkzeug 3.") == 1 and f"Measured on {day} as above." in page
    assert page.count("busy with other work (load 2.5)") == page.count("busy") == 1
    assert str(Path.home()) not in page and str(environment.CHECKOUT) not in page


def test_the_page_is_the_one_of_the_results_that_are_kept() -> None:
    """docs/performance.md is written by `python -m benchmarks page`, never by hand."""
    assert report.PAGE.read_text("utf-8") == report.page()
    for path in report.RESULTS.glob("*.json"):
        result = json.loads(path.read_text("utf-8"))
        assert result["command"] == f"python -m benchmarks {path.stem} --write"
        assert path.stem in report.SECTIONS
        assert "/" not in result["machine"] and socket.gethostname() not in path.read_text("utf-8")


# --- sessions and static files --------------------------------------------------------------


@pytest.mark.slow
def test_sessions_are_measured(capsys: t.Any) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("NOT TESTED with Redis: there is no redis-server on the PATH")
    (table,) = sessions.measure(PYTHON, 1, 0.01)
    expected = [
        name  # Quart-Session is installed where it is measured, and not for tests
        for name in sessions.ROWS
        if "Quart-Session" not in name or importlib.util.find_spec("quart_session")
    ]
    assert [name for name, _ in table.rows] == expected, capsys.readouterr().err
    assert all(figure > 0 for _, row in table.rows for figure in row)


@pytest.mark.slow
def test_static_files_are_measured(capsys: t.Any) -> None:
    (table,) = static.measure(PYTHON, 1, 0.01)
    rows = dict(table.rows)
    assert list(rows) == list(static.ROWS), capsys.readouterr().err
    assert rows["Flask"][1] == "100.0%"
    sizes = {name: int(row[0].replace(",", "")) for name, row in rows.items()}
    assert 5 * sizes["quartish.Flask, digested, br"] < sizes["quartish.Flask, as it is"]


def test_the_command(cache: Path, capsys: t.Any) -> None:
    command = ["inprocess", "quartish.Flask", "-w", "hello", "-r", "1", "-d", "0.01"]
    assert main([*command, "--here", "--write"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Microseconds for a request (microseconds, less is better)")
    assert "quartish.Flask" in said.out
    assert "**quartish.Flask**" in report.PAGE.read_text("utf-8")


def test_an_unknown_framework_is_refused(capsys: t.Any) -> None:
    with pytest.raises(SystemExit):
        parse(["inprocess", "Nonesuch"])
    assert "no such framework: Nonesuch" in capsys.readouterr().err


def test_a_package_that_cannot_be_installed_is_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: t.Any
) -> None:
    ran: list[str] = []

    def run(command: list[str], **options: t.Any) -> t.Any:
        ran.append(command[-1])
        return t.cast(t.Any, type("Done", (), {"returncode": command[-1] == "sanic"}))

    monkeypatch.setattr(environment, "CACHE", tmp_path)
    monkeypatch.setattr(environment.venv, "create", lambda home, **options: home.mkdir())
    monkeypatch.setattr(environment.subprocess, "run", run)
    python = environment.make()
    assert python.is_relative_to(tmp_path)
    assert "SKIPPED: sanic cannot be installed here" in capsys.readouterr().err
    assert {"uvicorn", "starlette", "quart==0.22.0"} < set(ran)
    ran.clear()
    assert environment.make() == python and not ran  # made once


# --- groups ---------------------------------------------------------------------------------


@pytest.mark.redis
@pytest.mark.slow
def test_a_room_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: t.Any) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("NOT TESTED with Redis: there is no redis-server on the PATH")
    monkeypatch.setattr(groups, "install", lambda python, packages: None)
    broken = ("with_nothing", ("uvicorn", "--port", "{port}"), "plain")
    ours = groups.LIBRARIES["quartish.groups"]
    monkeypatch.setattr(groups, "LIBRARIES", {"quartish.groups": ours, "broken": broken})
    (table,) = groups.measure(PYTHON, [], sockets=3, count=1, seconds=0.2)
    assert [name for name, _ in table.rows] == ["quartish.groups, memory", "quartish.groups, Redis"]
    for _, (told, share, ms) in table.rows:
        assert told > 0 and share == 1 and ms > 0
    assert "SKIPPED: broken, memory: the server did not start" in capsys.readouterr().err


def test_rooms_need_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(environment.Unable, match="there is no redis-server"):
        groups.measure(PYTHON, [], sockets=1, count=1, seconds=0)


def test_what_one_command_needs_is_installed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[t.Any] = []

    def run(command: t.Any, **options: t.Any) -> t.Any:
        asked.append(command[-2:])
        return subprocess.CompletedProcess(command, len(asked) == 1)

    monkeypatch.setattr(subprocess, "run", run)
    python = tmp_path / "bin" / "python"
    with pytest.raises(environment.Unable, match="one of a, b<2 cannot be installed"):
        environment.install(python, ["a", "b<2"])
    for _ in range(2):
        environment.install(python, ["a", "b<2"])
    assert asked == [["a", "b<2"]] * 2
