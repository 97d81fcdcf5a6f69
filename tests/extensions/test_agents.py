"""Agents that watch a program from outside see quartish as they see Flask and Quart.

`traced.py` is run under each of them, on the real framework and on quartish: what the agent
kept of the requests by the WSGI door has to be what it keeps by each door of quartish, and an
`async def` view is inside of its request as a `def` view is.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
import typing as t
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
    "sentry": [],
}
#: Nobody listens: what they keep stays with them.
SETTINGS = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "NEW_RELIC_DEVELOPER_MODE": "true",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_TRACES_EXPORTER": "none",
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


@cache
def run(
    python: Path, installed: Path, framework: str, agent: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    command = [str(python.parent / word) for word in COMMANDS[agent][:1]] + COMMANDS[agent][1:]
    return subprocess.run(
        [*command, python, HERE / "traced.py", framework, agent],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **clean_environ(),
            **SETTINGS,
            **settings,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{installed}{os.pathsep}{CHECKOUT}",
        },
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


def test_an_agent_that_was_first_is_answered_with_what_to_do(
    python: Path, installed: Path
) -> None:
    done = run(python, installed, "quartish", "opentelemetry")
    assert done.returncode == 1
    assert "ImportError: 'flask' was already imported, from" in done.stderr
    assert "set QUARTISH_AS_FLASK=1" in done.stderr
