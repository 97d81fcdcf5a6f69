"""`quartish check` says of an app that runs what `quartish port` says of its tree."""

from __future__ import annotations

import importlib
import sys
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner

from quartish._port.plan import Options
from quartish._port.runner import port
from quartish._port.running import check_views
from quartish.cli import cli

APP = """
import time
from quartish import Flask
from quartish.views import MethodView
from . import helpers

app = Flask(__name__)
app.config["SECRET_KEY"] = "dev"


@app.get("/")
async def bad():
    time.sleep(0)
    return helpers.read()


@app.get("/plain")
def plain():
    time.sleep(0)


@app.before_request
async def hook():
    open(__file__)


class View(MethodView):
    async def get(self):
        helpers.read()


app.add_url_rule("/class", view_func=View.as_view("class"))
"""
HELPERS = "def read():\n    return open('x').read()\n\n\ndef unused():\n    open('y')\n"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    package = tmp_path / "checked_shop"
    package.mkdir()
    (package / "__init__.py").write_text(APP)
    (package / "helpers.py").write_text(HELPERS)
    (tmp_path / "another.py").write_text("import time\nasync def f():\n    time.sleep(1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("checked_shop").app
    for name in [name for name in sys.modules if name.startswith("checked_shop")]:
        del sys.modules[name]


def test_they_say_the_same(app: t.Any, tmp_path: Path) -> None:
    told = {f"{one.says} {one.cure}" for one in check_views(app) if one.name == "blocks-loop"}
    report = port(tmp_path / "checked_shop", Options())
    of_tree = {
        f"checked_shop/{one.file}:{one.line}: {one.says} {one.cure}"
        for one in report.findings
        if one.rule == "blocks-loop"
    }
    assert told == of_tree
    assert sorted(line.split(": ")[0] for line in told) == [
        "checked_shop/__init__.py:13",
        "checked_shop/__init__.py:24",
        "checked_shop/helpers.py:2",
    ]


def test_settings_are_told_in_the_same_words(
    app: t.Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUARTISH_APP", "checked_shop")
    result = CliRunner().invoke(cli, ["check"])
    assert result.exit_code == 1
    [key] = [line for line in result.output.splitlines() if line.startswith("SECRET_KEY")]
    assert "blocks-loop: checked_shop/helpers.py:2: `builtins.open" in result.output
    report = port(tmp_path / "checked_shop", Options())
    assert key.rstrip(".") in {one.says for one in report.findings if one.rule == "production"}
    assert "blocks-loop" not in CliRunner().invoke(cli, ["check", "--skip", "blocks-loop"]).output
