"""The reloader as people use it: a command whose files change while it runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from quartish import Blueprint
from quartish import Flask
from quartish._serving.pages import code_of
from quartish._serving.pages import pages_of
from quartish._serving.watch import of_program
from quartish._serving.watch import Watched
from quartish._serving.watch import Watcher
from tests._processes import free_port
from tests._waiting import wait_until
from tests.cli._program import get
from tests.cli._program import PATIENCE
from tests.cli._program import Program

APP = """
import asyncio, os, time
from quartish import Flask, render_template, websocket

app = Flask(__name__)

@app.get("/")
async def index():
    return f"as it is {os.getpid()}"

@app.get("/page")
async def page():
    return render_template("page.html", pid=os.getpid())

@app.get("/waits")
async def waits():
    print("waits", flush=True)
    await asyncio.sleep(60)

@app.get("/blocks")
def blocks():
    print("blocks", flush=True)
    time.sleep(60)

@app.websocket("/ws")
async def ws():
    while True:
        await websocket.send(str(os.getpid()))
        await websocket.receive()
"""
BROWSER = {"Accept": "text/html"}


class Shelf:
    """An app in a folder, and the command that runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "shelf.py"
        (folder / "templates").mkdir()
        self.page = folder / "templates" / "page.html"
        self.page.write_text("first {{ pid }}")
        self.programs: list[Program] = []

    def start(self, *options: str, text: str = APP, command: tuple[str, ...] = ()) -> Program:
        self.file.write_text(text)
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        usual = ("-m", "quartish", "--app", "shelf", "run", "--debug", "--port", str(port))
        program = Program(*(command or (*usual, *options)), cwd=self.folder)
        self.programs.append(program)
        program.wait_for("Running on ")
        return program

    def write(self, path: Path, text: str) -> None:
        """Write as an editor does: all at once, and at a time that differs."""
        new = self.folder / "new~"
        new.write_text(text)
        new.replace(path)

    def await_text(self, text: str, path: str = "/", **headers: str) -> httpx.Response:
        """Ask until an answer has that text."""
        until = time.monotonic() + PATIENCE
        while True:
            response = get(self.url + path, headers=headers)
            if text in response.text:
                return response
            assert time.monotonic() < until, response.text
            time.sleep(0.05)


@pytest.fixture
def shelf(tmp_path: Path) -> t.Iterator[Shelf]:
    found = Shelf(tmp_path)
    yield found
    for program in found.programs:
        if program.process.poll() is None:
            program.end()
        t.cast(t.Any, program.process.stdout).close()


def runs(pid: int | str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def children(program: Program) -> list[str]:
    pid = program.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_day_at_work(shelf: Shelf) -> None:
    """Broken from the start, put right, broken again by what is not there, and stopped."""
    program = shelf.start(text="def index(:\n")
    told = shelf.await_text("SyntaxError", accept="text/html")
    assert told.status_code == 500 and "shelf.py" in told.text
    assert "importlib" not in told.text and "click" not in told.text  # it is folded
    told = get(shelf.url, headers={"Accept": "application/json"})
    assert told.headers["content-type"] == "application/problem+json"
    assert "SyntaxError" in told.json()["detail"]
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(shelf.url.replace("http", "ws") + "/ws"),
    ):
        pass
    program.wait_for("Waiting for a file to change.")

    shelf.write(shelf.file, APP)
    first = shelf.await_text("as it is").text
    shown = get(f"{shelf.url}/page").text
    shelf.write(shelf.page, "second {{ pid }}")
    # The same process shows it: templates need no other.
    assert shelf.await_text("second", "/page").text.split()[1] == shown.split()[1]
    program.wait_for("page.html', pages show it")

    shelf.write(shelf.file, f"import books\n{APP}")
    told = shelf.await_text("ModuleNotFoundError")
    assert "import books" in told.text and "folded away" in told.text
    shelf.write(shelf.folder / "books.py", "")
    assert shelf.await_text("as it is").text != first

    [child] = children(program)
    with connect(shelf.url.replace("http", "ws") + "/ws") as websocket:
        websocket.recv()
        asking = threading.Thread(target=httpx.get, args=[f"{shelf.url}/waits"])
        asking.start()
        program.wait_for("waits\n")
        program.process.send_signal(signal.SIGINT)
        with pytest.raises(ConnectionClosed):
            websocket.recv(PATIENCE)
        asking.join(PATIENCE)
        assert not asking.is_alive()
    assert program.wait() == 0, program.output
    assert not runs(child)


def test_a_change_within_a_second_is_seen(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its source Python's bytecode knows the second of its time, and its size: CPython#75953."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    shelf.start()
    shelf.await_text("as it is")
    before = shelf.file.stat()
    second = before.st_mtime_ns // 10**9 * 10**9
    assert [*(shelf.folder / "__pycache__").glob("shelf.*")]
    for number in (1, 2):
        new = shelf.folder / "new~"
        new.write_text(APP.replace("as it is", f"as it {number}s"))
        moved = second + (before.st_mtime_ns + number * 1000) % 10**9
        os.utime(new, ns=(moved, moved))
        assert new.stat().st_size == before.st_size
        new.replace(shelf.file)
        shelf.await_text(f"as it {number}s")


@pytest.mark.slow
@pytest.mark.parametrize("keeps", [True, False])
def test_nobody_is_refused_while_it_reloads(shelf: Shelf, keeps: bool) -> None:
    """A client asks every 20 ms through several reloads, by one connection and by one for each."""
    shelf.start()
    shelf.await_text("as it is")
    over = threading.Event()
    answers: list[tuple[int, str]] = []
    errors: list[Exception] = []

    def ask() -> None:
        with httpx.Client(timeout=PATIENCE) as client:
            while not over.wait(0.02):
                try:
                    response = (client if keeps else httpx).get(shelf.url, timeout=PATIENCE)
                    answers.append((response.status_code, response.text))
                except Exception as error:
                    errors.append(error)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    for number in range(4):
        seen = len(answers)
        shelf.write(shelf.file, APP.replace("as it is", f"now {number}"))
        shelf.await_text(f"now {number}")
        wait_until(lambda: len(answers) > seen)  # noqa: B023  called at once
    over.set()
    for client in clients:
        client.join()
    assert errors == []
    assert {status for status, _ in answers} == {200}
    assert len({text for _, text in answers}) >= 4  # as many processes


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("path", ["/blocks", "/waits", "import"])
def test_a_signal_ends_it_whatever_it_does(shelf: Shelf, signum: int, path: str) -> None:
    loads = "import time; print('loads', flush=True); time.sleep(60)"
    program = shelf.start(text=loads if path == "import" else APP)
    if path == "import":
        program.wait_for("loads\n")
    else:
        shelf.await_text("as it is")
        client = threading.Thread(target=lambda: _ask(shelf.url + path), daemon=True)
        client.start()
        program.wait_for(f"{path[1:]}\n")
    [child] = children(program)
    assert program.end(signum) == 0
    assert not runs(child)


def _ask(url: str) -> None:
    try:
        httpx.get(url, timeout=PATIENCE)
    except httpx.HTTPError:
        pass


@pytest.mark.slow
def test_nothing_is_left_of_it_when_it_is_killed(shelf: Shelf) -> None:
    program = shelf.start()
    shelf.await_text("as it is")
    [child] = children(program)
    program.process.kill()
    until = time.monotonic() + PATIENCE
    while runs(child):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_it_outlives_whatever_ends_the_app(shelf: Shelf) -> None:
    program = shelf.start()
    shelf.await_text("as it is")
    [child] = children(program)
    os.kill(int(child), signal.SIGKILL)
    shelf.await_text("ended by signal 9")
    shelf.write(shelf.file, "import sys; sys.exit('no database')")
    shelf.await_text("ended with status 1", accept="text/html")
    program.wait_for("no database")
    shelf.write(shelf.file, APP)
    shelf.await_text("as it is")


@pytest.mark.slow
def test_a_script_outlives_its_mistakes(shelf: Shelf) -> None:
    script = APP + "app.run(port=0, debug=True)\n"
    program = shelf.start(text=script, command=("shelf.py",))
    shelf.url = program.url()
    shelf.await_text("as it is")
    shelf.write(shelf.file, "def index(:\n")  # before a line of ours is run
    shelf.await_text("SyntaxError")
    shelf.write(shelf.file, f"{script}\nimport books")
    shelf.await_text("as it is")  # which is served before that line
    shelf.write(shelf.file, f"from quartish import Flask\nimport books\n{script}")
    assert "import books" in shelf.await_text("ModuleNotFoundError").text
    shelf.write(shelf.file, script)
    shelf.await_text("as it is")
    assert program.end(signal.SIGINT) == 0


@pytest.mark.slow
def test_quarts_command_outlives_its_mistakes(shelf: Shelf) -> None:
    """Also at the very start. It serves by `app.run`, so it loads the app first."""
    code = "from quartish.quart import cli; cli.main()"
    command = ("-c", code, "--app", "shelf", "run", "--debug", "--port", "0")
    program = shelf.start(text="import books\n", command=command)
    shelf.url = program.url()
    assert "import books" in shelf.await_text("ModuleNotFoundError").text
    shelf.write(shelf.file, APP)
    shelf.await_text("as it is")
    assert program.end(signal.SIGINT) == 0


@pytest.mark.slow
def test_where_there_is_no_debugger_nothing_is_told(shelf: Shelf) -> None:
    shelf.start("--no-debugger", text="1 / 0")
    told = shelf.await_text("The app did not load.")
    assert told.status_code == 500 and "ZeroDivisionError" not in told.text


@pytest.mark.slow
def test_a_name_that_is_misspelt_ends_it(tmp_path: Path) -> None:
    program = Program(
        *("-m", "quartish", "--app", "shell", "run", "--debug", "--port", str(free_port())),
        cwd=tmp_path,
    )
    assert program.wait() == 2
    assert "Could not import 'shell'." in program.output
    t.cast(t.Any, program.process.stdout).close()


# --- What is watched ---------------------------------------------------------------------------


def test_what_a_program_is_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    found = of_program(["a.toml"], ["*/b.py"], [str(tmp_path / "templates")])
    assert str(tmp_path) in found.roots
    assert not [root for root in found.roots if root.endswith("site-packages")]
    assert __file__ in found.files and os.__file__ not in found.files
    assert httpx.__file__ in found.files  # a package that is worked on, perhaps
    assert found.extra == {os.path.abspath("a.toml")}
    assert found.is_page(str(tmp_path / "templates" / "x.html"))
    assert not found.is_page(str(tmp_path / "templates.py"))


def test_which_files_are_looked_at(tmp_path: Path) -> None:
    wanted = ["app.py", "deep/er/__init__.py", "deep/er/more.py", "page/a.css", "extra/x.toml"]
    others = [
        *("notes.txt", ".hidden/a.py", "node_modules/a.py", "env/pyvenv.cfg", "env/lib.py"),
        *("__pycache__/a.py", "page/.swap", "page/a.html~", "no/py/here/at/all.py", "gone.py"),
    ]
    for name in (*wanted, *others):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    watched = Watched(
        {str(tmp_path)},
        {str(tmp_path / "nothing.py")},
        {str(tmp_path / "extra")},
        {str(tmp_path / "page")},
        {"*/gone.py"},
    )
    assert sorted(watched.look()) == sorted(str(tmp_path / name) for name in wanted)


@pytest.mark.parametrize("kind", ["stat", "watchfiles"])
def test_changes_are_told(tmp_path: Path, kind: str) -> None:
    if kind == "watchfiles":
        pytest.importorskip("watchfiles")
    told: list[list[str]] = []
    came = threading.Event()

    def tell(paths: list[str]) -> None:
        told.append([os.path.basename(path) for path in paths])
        came.set()

    def write(path: Path) -> list[str]:
        """Write until that is told: what watches may just have begun to."""
        until = time.monotonic() + PATIENCE
        while not came.wait(0.5):
            assert time.monotonic() < until
            path.write_text(f"{path.read_text()}1" if path.exists() else "")
        came.clear()
        return told.pop()

    one, two, page = tmp_path / "one.py", tmp_path / "two.py", tmp_path / "pages" / "x.html"
    page.parent.mkdir()
    one.write_text("")
    # By the clock it would be late.
    watcher = Watcher(Watched({str(tmp_path)}), tell, 0.02 if kind == "stat" else 60, kind)
    watcher.start()
    try:
        assert write(one) == ["one.py"]
        two.write_text("")
        assert write(two) == ["two.py"]
        two.unlink()
        assert "two.py" in write(one)
        os.utime(one, (1, 1))  # an older one is another one, too
        assert write(one) == ["one.py"]
        page.write_text("not watched")
        watcher.watch(Watched({str(tmp_path)}, pages={str(page.parent)}))
        until = time.monotonic() + PATIENCE
        while not watcher.watched.pages and time.monotonic() < until:
            time.sleep(0.01)
        assert write(page) == ["x.html"]
        assert not told
    finally:
        watcher.end()
        watcher.join(PATIENCE)
    assert not watcher.is_alive()


def test_what_changes_before_it_is_watched_is_told(tmp_path: Path) -> None:
    """The app's process looks at its pages before it serves; the one that watches, a bit later."""
    told: list[list[str]] = []
    came = threading.Event()

    def tell(paths: list[str]) -> None:
        told.append([os.path.basename(path) for path in paths])
        came.set()

    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ("changed", "gone", "same"):
        (pages / f"{name}.html").write_text("one")
    watched = Watched({str(tmp_path)}, pages={str(pages)})
    watcher = Watcher(Watched({str(tmp_path)}), tell, 0.02, "stat")
    seen = watched.look_beside_roots()
    (pages / "changed.html").write_text("another")
    (pages / "gone.html").unlink()
    watcher.watch(watched, seen)
    # What is said later of the same does not hide it.
    watcher.watch(watched, watched.look_beside_roots())
    watcher.start()
    try:
        assert came.wait(PATIENCE)
        assert told == [["changed.html", "gone.html"]]
    finally:
        watcher.end()
        watcher.join(PATIENCE)


def test_the_clock_does_where_the_system_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchfiles = pytest.importorskip("watchfiles")

    def fail(*args: t.Any, **options: t.Any) -> t.NoReturn:
        raise OSError("inotify watch limit reached")

    monkeypatch.setattr(watchfiles, "watch", fail)
    came = threading.Event()
    watcher = Watcher(Watched({str(tmp_path)}), lambda paths: came.set(), 0.02)
    watcher.start()
    (tmp_path / "one.py").write_text("")
    assert came.wait(PATIENCE)
    watcher.end()
    watcher.join(PATIENCE)


def test_no_other_reloader_is_known() -> None:
    with pytest.raises(ValueError, match="'guess'"):
        Watcher(Watched(), print, 1, "guess")


def test_the_pages_of_an_app(tmp_path: Path) -> None:
    for name in ("templates", "static", "bp/templates", "bp/static"):
        (tmp_path / name).mkdir(parents=True)
    app = Flask("app", root_path=str(tmp_path))
    blueprint = Blueprint(
        "bp",
        "bp",
        root_path=str(tmp_path / "bp"),
        template_folder="templates",
        static_folder="static",
    )
    app.register_blueprint(blueprint)
    folders = {str(tmp_path / n) for n in ("templates", "static", "bp/templates", "bp/static")}
    templates = {folder for folder in folders if folder.endswith("templates")}
    app.debug = True
    assert ({*pages_of(app)}, code_of(app)) == (folders, [])
    app.config["TEMPLATES_AUTO_RELOAD"] = False  # then it takes another process
    assert ({*pages_of(app)}, {*code_of(app)}) == (folders - templates, templates)


def test_importing_quartish_asks_for_no_parent() -> None:
    """What a program hands to those that it starts is not for them."""
    code = "import os, quartish; print(os.environ.get('QUARTISH_PARENT'))"
    given = '{"socket": 987, "listeners": [], "reloads": true, "first": true, "adhoc": null}'
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "QUARTISH_PARENT": given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch("None\n", done.stdout)
