"""Agents that watch a program from outside see quartish as they see Flask and Quart.

`traced.py` is run under each of them, on the real framework and on quartish: what the agent
kept of the requests by the WSGI door has to be what it keeps by each door of quartish, and an
`async def` view is inside of its request as a `def` view is.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tomllib
import typing as t
import urllib.request
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from ._environment import CHECKOUT
from ._environment import clean_environ
from ._environment import HERE
from ._environment import make

pytestmark = [pytest.mark.slow, pytest.mark.extensions]
COMMANDS = {
    "ddtrace": ["ddtrace-run"],
    "newrelic": ["newrelic-admin", "run-program"],
    "opentelemetry": ["opentelemetry-instrument"],
    "sentry": ["env"],
}
SERVERS = {
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:0"],
    "uvicorn": ["uvicorn", "--port", "0"],
    "gunicorn": ["gunicorn", "--bind", "127.0.0.1:0"],
}
#: Nobody listens: what they keep stays with them. One agent heeds the settings of another.
SETTINGS: dict[str, dict[str, str]] = {
    "ddtrace": {
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    },
    "newrelic": {"NEW_RELIC_DEVELOPER_MODE": "true", "NEW_RELIC_STARTUP_TIMEOUT": "10"},
    "opentelemetry": {
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_TRACES_EXPORTER": "none",
    },
    "sentry": {},
}


@pytest.fixture(scope="session")
def python() -> Path:
    return make("agents", ["agents-requirements.txt"])


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with quartish's metadata: its entry points, as where it is installed."""
    folder = tmp_path_factory.mktemp("installed")
    info = folder / "quartish-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quartish\nVersion: 0.1.0\n")
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    lines: list[str] = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {place}" for name, place in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


def started_by(python: Path, agent: str) -> list[str | Path]:
    name, *words = COMMANDS[agent]
    return [python.parent / name if name != "env" else name, *words]


def environ(python: Path, installed: Path, agent: str, **settings: str) -> dict[str, str]:
    return {
        **clean_environ(),
        **SETTINGS[agent],
        **settings,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{installed}{os.pathsep}{CHECKOUT}",
    }


@cache
def run(
    python: Path, installed: Path, framework: str, agent: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*started_by(python, agent), python, HERE / "traced.py", framework, agent],
        capture_output=True,
        text=True,
        timeout=120,
        env=environ(python, installed, agent, **settings),
    )


def seen(python: Path, installed: Path, framework: str, agent: str) -> t.Any:
    settings = {"QUARTISH_AS_FLASK": "1"} if framework == "quartish" else {}
    done = run(python, installed, framework, agent, **settings)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Failed to" not in done.stderr
    doors, complaints = json.loads(done.stdout.splitlines()[-1])
    assert complaints == []
    return doors


@pytest.mark.parametrize("agent", COMMANDS)
def test_a_plain_app_is_seen_as_flasks(python: Path, installed: Path, agent: str) -> None:
    there = seen(python, installed, "flask", agent)
    here = seen(python, installed, "quartish", agent)
    assert there.keys() == {"client", "wsgi"}
    assert here.keys() == {"client", "wsgi", "hypercorn", "uvicorn"}
    for door, (answers, kept, distinct) in here.items():
        expected = there.get(door, there["wsgi"])
        assert answers == expected[0], door
        assert kept == expected[1], door
        assert distinct is True, door
        told = [text for path, _, text in answers if path in ("/plain/ada", "/waits/ada")]
        assert set(told) == {"inside of one"}, door


@pytest.mark.parametrize("agent", ["ddtrace", "sentry"])
def test_an_awaitable_app_is_seen_as_quarts(python: Path, installed: Path, agent: str) -> None:
    there = seen(python, installed, "quart", agent)
    here = seen(python, installed, "quartish.quart", agent)
    assert there.keys() == here.keys() == {"hypercorn", "uvicorn"}
    assert here == there


def test_an_agent_that_was_first_is_answered_with_what_to_do(python: Path, installed: Path) -> None:
    done = run(python, installed, "quartish", "opentelemetry")
    assert done.returncode == 1
    assert "ImportError: 'flask' was already imported, from" in done.stderr
    assert "set QUARTISH_AS_FLASK=1" in done.stderr


@contextmanager
def served(
    python: Path, installed: Path, agent: str, server: str, **settings: str
) -> t.Iterator[tuple[int, list[str]]]:
    """Start `watched.py` by a server's command, as the agent's; yield its port, and what it said
    until it listened."""
    name, *words = SERVERS[server]
    process = subprocess.Popen(
        [*started_by(python, agent), python.parent / name, *words, "watched:app"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE,
        env=environ(python, installed, agent, **settings),
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            found = re.search(r"(?:unning on|Listening at:) http://127.0.0.1:(\d+)", line)
            if found:
                break
        else:
            raise AssertionError("".join(said))
        yield int(found[1]), said
    finally:
        process.send_signal(signal.SIGINT)
        try:
            said.append(process.communicate(timeout=30)[1])
        finally:
            process.kill()


def ask(port: int, path: str) -> t.Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return json.load(answer)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("agent", [name for name in COMMANDS if name != "sentry"])
def test_the_commands_of_the_documentation(
    python: Path, installed: Path, agent: str, server: str
) -> None:
    settings = {"QUARTISH_AS_FLASK": "1"} if agent == "opentelemetry" else {}
    with served(python, installed, agent, server, BEGINS="as_flask", **settings) as (port, said):
        for path in ("/plain", "/waits", "/waits"):
            assert ask(port, path) == {"inside": True}
    assert "Failed to" not in "".join(said)


@pytest.mark.parametrize("agent", [name for name in COMMANDS if name != "sentry"])
def test_a_program_that_an_agent_does_not_know_says_what_to_do(
    python: Path, installed: Path, agent: str
) -> None:
    with served(python, installed, agent, "uvicorn", BEGINS="quartish") as (port, said):
        ask(port, "/plain")
    todo = "QUARTISH_AS_FLASK=1" if agent == "opentelemetry" else "'import quartish.as_flask'"
    (line,) = [line for line in said[:-1] if "does not see Flask in quartish" in line]
    assert todo in line
