"""The command `quartish port`: what it prints, writes and ends with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quartish._port import command
from quartish.cli import cli
from tests.port._runner import runner

APP = """from flask import Flask

app = Flask(__name__)


@app.get('/')
def hi():
    return ''
"""
AFTER = APP.replace("flask", "quartish").replace("def hi", "async def hi")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP + "\n\nraise SystemExit('this was run')\n")
    (tmp_path / "requirements.txt").write_text("flask\n")
    return tmp_path


def call(*arguments: str | Path) -> tuple[int, str, str]:
    result = runner().invoke(cli, ["port", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_it_shows_and_does_not_write(project: Path) -> None:
    before = (project / "app.py").read_text()
    code, out, err = call(project)
    assert code == 0
    assert "-from flask import Flask\n+from quartish import Flask\n" in out
    assert "-def hi():\n+async def hi():\n" in out
    assert "Views: 1; 1 turned to async def" in out
    assert err == "Nothing was written: --write does it.\n"
    assert (project / "app.py").read_text() == before
    assert "+from" not in call(project, "--no-diff")[1]


def test_it_writes(project: Path) -> None:
    code, out, err = call(project, "--write")
    assert (code, err) == (0, "") and "@@" not in out
    assert (project / "app.py").read_text().startswith(AFTER)
    assert (project / "requirements.txt").read_text() == "quartish\n"
    assert "Nothing to change." in call(project)[1]


def test_check_is_for_ci(project: Path) -> None:
    assert call(project, "--check")[0] == 1
    call(project, "--write")
    assert call(project, "--check")[0] == 0
    assert call(project, "--check", "--write")[0] == 2


def test_one_file(project: Path) -> None:
    assert call(project / "app.py", "--write")[0] == 0
    assert (project / "app.py").read_text().startswith(AFTER)
    assert (project / "requirements.txt").read_text() == "flask\n"


def test_json(project: Path) -> None:
    report = json.loads(call(project, "--format", "json")[1])
    assert report["counts"]["views turned to async def"] == 1
    assert [one["file"] for one in report["files"]] == ["app.py", "requirements.txt"]
    assert report["views"][0]["why"] == "needs no worker thread any more"
    assert report["failed"] == {}


def test_html(project: Path) -> None:
    (project / "app.py").write_text(APP + "x = '<script>'\n")
    page = project / "report.html"
    code, out, _ = call(project, "--html", page, "--format", "html")
    assert code == 0
    assert page.read_text() == out
    assert out.startswith("<!doctype html>") and "<script" not in out
    assert '<td class="old">from flask import Flask</td>' in out
    assert '<td class="new">from quartish import Flask</td>' in out


def test_what_cannot_be_read_is_told_and_the_rest_ported(project: Path) -> None:
    (project / "old.py").write_text("print 'flask'\n")
    code, out, _ = call(project, "--write")
    assert code == 0 and "old.py:1: unread: SyntaxError" in out
    assert (project / "app.py").read_text().startswith(AFTER)


def test_settings_of_another_form(project: Path) -> None:
    for text in ("[tool.quartish.port]\nharmless = 1\n", "[tool.quartish]\nport = 1\n", "= =\n"):
        (project / "pyproject.toml").write_text(text)
        code, _, err = call(project)
        assert code == 1 and err.startswith("Error: ")


def test_excluded(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.quartish.port]\nexclude = ["app.py"]\n')
    assert "app.py" not in call(project)[1]


def test_without_libcst_it_says_what_to_install(project: Path) -> None:
    code = (
        "import sys; sys.modules['libcst'] = None\n"
        f"sys.argv = ['quartish', 'port', {str(project)!r}]\n"
        "from quartish.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'pip install "quartish[port]"' in done.stderr


def test_an_app_does_not_load_libcst() -> None:
    code = "import sys, quartish.cli; print('libcst' in sys.modules, 'ast' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split()[0] == "False"


def test_one_of_a_kind_is_counted_as_one(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import flask")
    code, out, _ = call(tmp_path, "--no-diff")
    assert code == 0 and "1 Python file, 1 line; 1 file changes." in out, out
    (tmp_path / "app.py").write_text(
        "from flask import Flask\napp = Flask(__name__)\n"
        "@app.get('/')\ndef one():\n    return open('x').read()\n"
        "@app.get('/two')\nasync def two():\n    return ''\n"
        "@app.errorhandler(404)\ndef missing(error):\n    return open('x').read()\n"
    )
    _, out, _ = call(tmp_path, "--no-diff")
    assert "1 was it already, 1 stays def" in out and "; 1 hook or error handler\n" in out, out


def test_many_files_by_many_processes(tmp_path: Path) -> None:
    for number in range(70):
        (tmp_path / f"m{number}.py").write_text(f"from flask import g\nx = {number}\n")
    code, out, _ = call(tmp_path, "--write", "--no-diff")
    assert code == 0 and "70 Python files, 210 lines; 70 files change." in out
    assert (tmp_path / "m69.py").read_text() == "from quartish import g\nx = 69\n"


def test_a_terminal_is_told_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command._progress() is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(command, "_OFTEN", -1)
    say = command._progress()
    assert say is not None
    say("reading", 1, 2)
    say("rewriting", 2, 2)
    assert re.findall(r"\w+: \d of \d files", capsys.readouterr().err) == [
        "reading: 1 of 2 files",
        "rewriting: 2 of 2 files",
    ]
