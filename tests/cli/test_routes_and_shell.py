"""`quartish routes` with what Flask's does not show, and `quartish shell` by IPython."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner

import quartish
from quartish.cli import FlaskGroup

APP = """
from quartish import Flask

app = Flask(__name__)

@app.shell_context_processor
def names():
    return {"answer": 42}
"""


def make_app() -> quartish.Flask:
    app = quartish.Flask("app", static_folder=None)
    admin = quartish.Blueprint("admin", "admin", url_prefix="/admin")

    @app.before_request
    def load_user() -> None: ...

    @admin.before_request
    async def require_admin() -> None: ...

    @app.teardown_appcontext
    def close(error: BaseException | None) -> None: ...

    @app.route("/", methods=["GET", "POST"])
    async def index() -> str:
        return ""

    @admin.websocket("/live")
    async def live() -> None: ...

    app.register_blueprint(admin)
    return app


def routes(app: quartish.Flask, *args: str) -> str:
    result = CliRunner().invoke(FlaskGroup(create_app=lambda: app), ["routes", *args])
    assert result.exit_code == 0, result.output
    return result.output


def test_json() -> None:
    told = json.loads(routes(make_app(), "--json"))
    place = f"{__name__}:make_app.<locals>"
    assert told["routes"] == [
        {
            "rule": "/admin/live",
            "endpoint": "admin.live",
            "websocket": True,
            "methods": [],
            "subdomain": None,
            "host": None,
            "view": f"{place}.live",
        },
        {
            "rule": "/",
            "endpoint": "index",
            "websocket": False,
            "methods": ["GET", "POST"],
            "subdomain": None,
            "host": None,
            "view": f"{place}.index",
        },
    ]
    assert told["hooks"] == {
        "before_request": {"": [f"{place}.load_user"], "admin": [f"{place}.require_admin"]},
        "teardown_appcontext": {"": [f"{place}.close"]},
    }
    assert json.loads(routes(quartish.Flask("app", static_folder=None), "--json")) == {
        "routes": [],
        "hooks": {},
    }


def test_json_is_sorted_as_the_table_is() -> None:
    app = make_app()
    told = json.loads(routes(app, "--json", "--sort", "rule", "--all-methods"))["routes"]
    assert [route["rule"] for route in told] == ["/", "/admin/live"]
    assert told[0]["methods"] == ["GET", "HEAD", "OPTIONS", "POST"]


def test_hooks() -> None:
    output = routes(make_app(), "--hooks")
    table = [line.split() for line in output.partition("\n\n")[2].splitlines()]
    place = f"{__name__}:make_app.<locals>"
    assert table[0] == ["Hook", "Of", "Function"]
    assert table[2:] == [
        ["before_request", "(app)", f"{place}.load_user"],
        ["before_request", "admin", f"{place}.require_admin"],
        ["teardown_appcontext", "(app)", f"{place}.close"],
    ]
    assert "No hooks were registered." in routes(quartish.Flask("app"), "--hooks")
    assert "Hook" not in routes(make_app())


def shell(folder: Path, *args: str, stdin: str, **environ: str) -> str:
    (folder / "app.py").write_text(APP)
    done = subprocess.run(
        [sys.executable, "-m", "quartish", "shell", *args],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": str(folder), "IPYTHONDIR": str(folder), **environ},
    )
    return done.stdout + done.stderr


def test_ipython_awaits_in_the_context_of_the_app(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    lines = [
        "import asyncio, quartish",
        "first = await asyncio.sleep(0, asyncio.get_running_loop())",
        "same = first is await asyncio.sleep(0, asyncio.get_running_loop())",
        "print('got', answer, quartish.current_app.name, same)",
        "exit",
    ]
    said = shell(tmp_path, "--ipython", stdin="\n".join([*lines, ""]))
    assert "got 42 app True" in said and "IPython" in said


def test_without_a_terminal_it_is_pythons(tmp_path: Path) -> None:
    said = shell(tmp_path, stdin="print('got', answer)\n")
    assert "got 42" in said and "IPython" not in said


def test_ipython_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: t.Any = None
    monkeypatch.setitem(sys.modules, "IPython", hidden)
    group = FlaskGroup(create_app=lambda: quartish.Flask("app"))
    result = CliRunner().invoke(group, ["shell", "--ipython"])
    assert result.exit_code == 2 and "pip install ipython" in result.output
