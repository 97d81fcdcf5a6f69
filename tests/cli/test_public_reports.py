"""Reports of others about Flask's debugger, reloader and command line: each is played on Flask and
on quartish, and does here what its reporter asked for."""

from __future__ import annotations

import asyncio
import html
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import flask
import pytest
from werkzeug.debug import DebuggedApplication
from werkzeug.test import Client

import quartish
from tests._doors import Ask
from tests._doors import through_asgi
from tests._processes import free_port
from tests._processes import ROOT
from tests.cli._program import get
from tests.cli._program import Program

FRAMEWORKS = ["flask", "quartish"]
OFFERED = re.compile(r"(?m)^ +EVALEX = true,$")
HTML = [(b"accept", b"text/html")]


# --- the debugger -------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WERKZEUG_DEBUG_PIN", "off")


def raised() -> dict[str, t.Callable[[], t.Any]]:
    def no_source() -> t.NoReturn:
        raise SyntaxError("mismatched tag", ("<string>", 25, 10, None))

    def code_of_a_string() -> None:
        exec(compile("\n" * 24 + "raise LookupError('in ' + 'a string')", "<string>", "exec"))

    def notes() -> t.NoReturn:
        error = LookupError("no such user")
        error.add_note("look " + "here <b>")
        raise error

    def group() -> t.NoReturn:
        raise ExceptionGroup(
            "two", [KeyError("first " + "of two"), ValueError("second " + "of two")]
        )

    def cause() -> t.NoReturn:
        try:
            raise KeyError("at " + "first")
        except KeyError as error:
            raise LookupError("then") from error

    return {each.__name__: each for each in (no_source, code_of_a_string, notes, group, cause)}


def pages(view: t.Any, **config: t.Any) -> dict[str, tuple[int, str]]:
    """Return the debugger's page of what a view raises, of Flask's and of both colours."""
    found = {}
    theirs = flask.Flask("app")
    theirs.debug = True
    theirs.add_url_rule("/", view_func=view)
    answer = Client(DebuggedApplication(theirs, config.get("DEBUGGER", True))).get("/")
    found["flask"] = answer.status_code, answer.text
    for cls in (quartish.Flask, quartish.Quart):
        app: t.Any = cls("app")
        app.config.update(DEBUG=True, **config)
        app.add_url_rule("/", view_func=view)
        reply = asyncio.run(through_asgi(app, Ask("/", headers=HTML)))
        found[cls.__name__] = reply.status, reply.body.decode()
    return found


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        # pallets/werkzeug#3044: an error in a text without a file broke the debugger's page.
        ("no_source", ["mismatched tag"]),
        ("code_of_a_string", ["in a string"]),
        # pallets/werkzeug#3244 doubts that it shows notes, groups and contexts.
        ("notes", ["no such user", "look here <b>"]),
        ("group", ["first of two", "second of two"]),
        ("cause", ["at first", "direct cause", "then"]),
    ],
)
def test_the_page_shows_errors_of_all_kinds(name: str, shown: list[str]) -> None:
    for framework, (status, text) in pages(raised()[name]).items():
        assert status == 500 and "Traceback" in text, framework
        visible = html.unescape(re.sub(r"(?s)<script.*?</script>|<!--.*?-->|<[^>]+>", "", text))
        for each in shown:
            assert each in visible, (framework, each)


def test_no_console_is_offered_where_there_is_none() -> None:
    """pallets/werkzeug#1875: it was shown with `evalex=False`, and did nothing."""

    def view() -> t.NoReturn:
        raise LookupError

    for framework, (_, text) in pages(view, DEBUGGER=False).items():
        assert OFFERED.search(text) is None, framework
    for framework, (_, text) in pages(view).items():
        assert OFFERED.search(text) is not None, framework


# --- the command line ---------------------------------------------------------------------------


def typed(framework: str, folder: Path, *args: str, **env: str) -> tuple[int, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FLASK", "QUART", "WERKZEUG"))
    }
    path = os.pathsep.join([str(ROOT), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", framework, *args],
        cwd=folder,
        env={**clean, "PYTHONPATH": path, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


BROKEN = "from {} import Flask\napp = Flask(__name__)\nimport batrachomyomachy\n"


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("command", ["run", "routes", "shell"])
def test_a_failing_import_names_itself(framework: str, command: str, tmp_path: Path) -> None:
    """pallets/flask#2214, #2625, #4434: the file was said not to exist, or no more than that an
    ImportError was raised."""
    (tmp_path / "broken.py").write_text(BROKEN.format(framework))
    status, said = typed(framework, tmp_path, "--app", "broken", command)
    assert status != 0 and "No module named 'batrachomyomachy'" in said, said
    assert "import batrachomyomachy" in said and "broken.py" in said, said


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_command_of_an_app_that_does_not_import_says_why(framework: str, tmp_path: Path) -> None:
    """pallets/flask#3361: it was said to be unknown, and nothing else."""
    text = BROKEN.format(framework) + "\n@app.cli.command()\ndef start():\n    print('started')\n"
    (tmp_path / "app.py").write_text(text)
    status, said = typed(framework, tmp_path, "start")
    assert status != 0 and "No module named 'batrachomyomachy'" in said, said


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_help_without_an_app_shows_no_traceback(framework: str, tmp_path: Path) -> None:
    """pallets/flask#2768."""
    for args in ([], ["--help"], ["run", "--help"]):
        status, said = typed(framework, tmp_path, *args)
        assert "Traceback" not in said and "Usage:" in said, said
        assert status in (0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_command_finds_the_same_app(framework: str, tmp_path: Path) -> None:
    """pallets/flask#2706: `run` seemed to find an app in a folder below, and `shell` did not."""
    below = tmp_path / "below"
    below.mkdir()
    (below / "app.py").write_text(f"from {framework} import Flask\napp = Flask('below')\n")
    told = []
    for command in ("run", "shell", "routes"):
        status, said = typed(framework, tmp_path, command, FLASK_APP="app.py")
        assert status != 0
        told.append(said.strip().splitlines()[-1])
    assert len(set(told)) == 1, told


# --- the reloader -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_file_that_is_only_read_restarts_nothing(framework: str, tmp_path: Path) -> None:
    """pallets/werkzeug#2603: the server restarted for ever where files were opened."""
    (tmp_path / "hello.py").write_text(
        f"import os\nfrom {framework} import Flask\napp = Flask(__name__)\n\n"
        "@app.get('/')\ndef index():\n    return str(os.getpid())\n"
    )
    port = str(free_port())
    command = ["-m", framework, "--app", "hello", "run", "--debug", "--port", port]
    program = Program(*command, cwd=tmp_path)
    try:
        program.wait_for("Debugger PIN") if framework == "flask" else program.url()
        url = f"http://127.0.0.1:{port}/"
        first = answer(url)
        for _ in range(20):
            for path in [*tmp_path.rglob("*.py"), Path(quartish.__file__), Path(flask.__file__)]:
                path.read_bytes()
            time.sleep(0.1)
        assert answer(url) == first
        (tmp_path / "hello.py").touch()  # while this does
        for _ in range(200):
            if answer(url) != first:
                break
            time.sleep(0.1)
        else:
            raise AssertionError(program.output)
    finally:
        program.end()
        t.cast(t.Any, program.process.stdout).close()


def answer(url: str) -> str:
    for _ in range(200):
        try:
            return get(url).text
        except Exception:  # between two servers
            time.sleep(0.1)
    raise AssertionError("it does not answer")
