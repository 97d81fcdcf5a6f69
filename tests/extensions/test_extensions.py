"""Real extensions, unedited: the apps in `apps/` answer under quartish as under Flask.

Each app is played (see `play`) in processes of its own: on Flask, and on quartish with
`def` and with `async def` views. Twenty visitors at once come in through the test client,
which is the WSGI door, and through Hypercorn.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from functools import cache
from pathlib import Path

import pytest

from ._environment import clean_environ
from ._environment import HERE
from ._environment import make

pytestmark = [pytest.mark.slow, pytest.mark.extensions]
APPS = sorted(path.stem for path in (HERE / "apps").glob("*.py"))
NEEDS_REDIS = {"flask_session_redis"}


@pytest.fixture(scope="session")
def python() -> Path:
    return make()


@cache
def answers(python: Path, framework: str, colour: str, app: str) -> dict[str, t.Any]:
    done = subprocess.run(
        [python, HERE / "play.py", framework, colour, app],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environ(),
    )
    assert done.returncode == 0, f"{app} on {framework} ({colour}):\n{done.stderr[-4000:]}"
    return t.cast("dict[str, t.Any]", json.loads(done.stdout))


@pytest.mark.parametrize("colour", ["def", "async"])
@pytest.mark.parametrize("app", APPS)
def test_answers_as_under_flask(python: Path, app: str, colour: str) -> None:
    if app in NEEDS_REDIS and shutil.which("redis-server") is None:
        pytest.skip("THERE IS NO redis-server ON THE PATH: install it to run this test")
    expected = answers(python, "flask", "def", app)
    found = answers(python, "quartish", colour, app)
    assert expected.keys() == found.keys()
    for door, (visits, end) in expected.items():
        assert len(visits) == len(found[door][0])
        for number, visit in enumerate(visits):
            for step, answer in enumerate(visit):
                assert found[door][0][number][step] == answer, f"{door}, visitor {number}"
            assert len(found[door][0][number]) == len(visit)
        assert found[door][1] == end, f"{door}, at the end"
