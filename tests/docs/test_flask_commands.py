"""Every command of Flask's quickstart and tutorial, with the name changed, typed for real.

The pages come from Flask's release; each line of theirs that begins as a prompt does is found
there, so none is left out: it is typed below, in the order of the pages, or stands in `NOT_TYPED`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import httpx
import pytest

from tests._processes import free_port
from tests._processes import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.extensions,
    pytest.mark.skipif(sys.platform == "win32", reason="its commands are those of a POSIX shell"),
]

RELEASE = "3.1.3"
PATIENCE = 300.0  # seconds; packages are installed
PAGES = ["quickstart", *(f"tutorial/{name}" for name in ("layout factory database".split()))]
PAGES += [f"tutorial/{name}" for name in ("views", "templates", "static", "blog", "install")]
PAGES += ["tutorial/tests", "tutorial/deploy", "tutorial/next"]
#: Page and command, as Flask has them: why it is not typed.
NOT_TYPED: dict[tuple[str, str], str] = {}
#: What the pages do not show as a command by itself, and everybody types.
MORE = ["flask --app flaskr routes", "flask --app flaskr shell", "python -m pytest"]

Prompt = tuple[str, str]  # a page, and what is typed there


class Tutorial:
    """Flask's release, and what its reader has: two folders and two environments."""

    def __init__(self, release: Path, home: Path) -> None:
        self.release, self.home = release, home
        self.folder = home / "start"
        self.folder.mkdir()
        self.venv = self.make_venv("venv")
        self.typed: list[Prompt] = []

    def make_venv(self, name: str) -> Path:
        """Make an environment with quartish in it, as the installation has Flask."""
        venv = self.home / name
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-qq", str(ROOT)]
        subprocess.run(pip, check=True, timeout=PATIENCE)
        return venv

    def env(self, **more: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "FLASK", "QUART", "COV"))
        }
        path = os.pathsep.join([str(self.venv / "bin"), kept["PATH"]])
        return {**kept, "VIRTUAL_ENV": str(self.venv), "PATH": path, **more}

    def minimal_application(self) -> str:
        """Return the first block of Python of the quickstart, with the name changed."""
        text = (self.release / "docs" / "quickstart.rst").read_text()
        match = re.search(r"(?m)^    from flask import Flask\n(?:    .*\n|\n)+", text)
        assert match is not None
        return renamed("\n".join(line[4:] for line in match[0].splitlines()) + "\n")

    def run(self, command: str, typed: str = "", **env: str) -> str:
        """Type a command and return what it prints; it has to succeed."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.env(**env),
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def serve(self, command: str, port: int, path: str = "/", **env: str) -> tuple[str, str]:
        """Type a command that serves; return what it prints and what a path is answered with."""
        log = self.home / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env=self.env(PYTHONUNBUFFERED="1", **env),
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=hear_interrupts,
            )
        try:
            answer = visit(f"http://127.0.0.1:{port}{path}", process)
        finally:
            process.send_signal(signal.SIGINT)  # "Press CTRL+C to quit"
            status = process.wait(PATIENCE)
        text = log.read_text()
        assert answer is not None, f"{command}\n{text}"
        assert status in (0, -signal.SIGINT, 130), f"{command}: {status}\n{text}"
        return text, answer


def hear_interrupts() -> None:
    """Undo that who runs the tests in the background lets them ignore Ctrl+C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def visit(url: str, process: subprocess.Popen[t.Any]) -> str | None:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            return httpx.get(url, timeout=PATIENCE).text
        except httpx.TransportError:
            time.sleep(0.05)
    return None


def renamed(text: str) -> str:
    """Change the name, and nothing else."""
    return re.sub(r"\bflask\b", "quartish", text)


def prompts(release: Path) -> list[Prompt]:
    """Return each command of the pages."""
    found: list[Prompt] = []
    for page in PAGES:
        text = (release / "docs" / f"{page}.rst").read_text()
        found += [(page, line) for line in re.findall(r"(?m)^ +(?:\$|>|PS.*>) (.+)$", text)]
    return found


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Tutorial:
    home = tmp_path_factory.mktemp("tutorial")
    sys.path.insert(0, str(ROOT / "tests" / "extensions"))
    try:
        import suites

        release: t.Any = suites.unpack_release("flask", RELEASE, home / "flask")
    finally:
        sys.path.pop(0)
    return Tutorial(release, home)


def test_each_command(tutorial: Tutorial) -> None:
    known = {path.stem for path in (tutorial.release / "docs" / "tutorial").glob("*.rst")}
    assert {f"tutorial/{name}" for name in known - {"index"}} | {"quickstart"} == set(PAGES)
    found = prompts(tutorial.release)
    assert len(found) > 20
    (tutorial.folder / "hello.py").write_text(tutorial.minimal_application())
    for page, command in found:
        if (page, command) not in NOT_TYPED:
            type_it(tutorial, page, command)
        if (page, command) == ("tutorial/tests", "coverage html"):  # where all is at hand
            for more in MORE:
                type_it(tutorial, "", more)
    assert {command for page, command in tutorial.typed if not page} == set(MORE)
    typed = {prompt for prompt in tutorial.typed if prompt[0]}
    assert typed | NOT_TYPED.keys() == set(found) and not typed & NOT_TYPED.keys()


def type_it(tutorial: Tutorial, page: str, command: str) -> None:
    """Type a command with the name changed, and look at what it does."""
    port = free_port()
    ours = renamed(command)
    serving = {"QUARTISH_RUN_PORT": str(port)}
    folder = tutorial.folder
    match shlex.split(ours):
        # --- the quickstart ---
        case ["quartish", "--app", "hello", "run"]:
            said, answer = tutorial.serve(ours, port, **serving)
            assert answer == "<p>Hello, World!</p>"
            assert " * Serving quartish app 'hello'" in said
            assert f"Running on http://127.0.0.1:{port}" in said and "Press CTRL+C to quit" in said
        case ["quartish", "run", "--host=0.0.0.0"]:
            run_for_others(tutorial, ours)
        case ["quartish", "--app", "hello", "run", "--debug"]:
            said, answer = tutorial.serve(ours, port, **serving)
            assert answer == "<p>Hello, World!</p>"
            for line in (" * Debug mode: on", " * Debugger is active!", " * Debugger PIN: "):
                assert line in said
        case ["python", "-c", script] if "secrets" in script:
            key = tutorial.run(ours).strip()
            assert re.fullmatch("[0-9a-f]{64}", key)
        # --- the tutorial ---
        case ["mkdir", "quartish-tutorial" as name]:
            tutorial.run(ours)
            assert (folder / name).is_dir()
        case ["cd", name]:
            tutorial.folder = folder / name
            assert tutorial.folder.is_dir()
        case ["mkdir", "flaskr"]:
            tutorial.run(ours)
            copy_renamed(tutorial.release / "examples" / "tutorial", folder)
        case ["quartish", "--app", "flaskr", "run", "--debug"]:
            said, answer = tutorial.serve(ours, port, "/hello", **serving)
            assert answer == "Hello, World!" and " * Debugger PIN: " in said
        case ["quartish", "--app", "flaskr", "init-db"]:
            said = tutorial.run(ours)
            assert said == "Initialized the database.\n"
            assert list(folder.glob("**/flaskr.sqlite")) or list(
                tutorial.venv.glob("var/flaskr-instance/flaskr.sqlite")
            )
        case ["pip", "install", "-e", "."]:
            tutorial.run(ours)
        case ["pip", "list"]:
            said = tutorial.run(ours)
            assert re.search(rf"(?m)^flaskr +1\.0\.0 +{folder}$", said), said
            assert re.search(r"(?m)^quartish +\d", said)
            assert not re.search(r"(?mi)^flask ", said)
        case ["pip", "install", *_] if "flaskr" not in ours:
            tutorial.run(ours)
        case ["pytest"] | ["python", "-m", "pytest"] | ["coverage", "run", "-m", "pytest"]:
            said = tutorial.run(ours)
            assert re.search(r"=+ 24 passed in ", said), said
        case ["coverage", "report"]:
            said = tutorial.run(ours)
            rows = re.findall(r"(?m)^(flaskr/\w+\.py) .* (\d+%)$", said)
            assert [row[1] for row in rows] == ["100%"] * 4, said
        case ["coverage", "html"]:
            tutorial.run(ours)
            assert (folder / "htmlcov" / "index.html").exists()
        case ["python", "-m", "build", "--wheel"]:
            tutorial.run(ours)
            assert len(list((folder / "dist").glob("flaskr-1.0.0-py*-none-any.whl"))) == 1
        case ["pip", "install", "flaskr-1.0.0-py3-none-any.whl" as named]:
            # "Copy this file to another machine, set up a new virtualenv." What builds it names
            # it as one for Python 2 as well.
            [wheel] = (folder / "dist").glob("*.whl")
            other = tutorial.home / "other"
            other.mkdir()
            shutil.copy(wheel, other)
            tutorial.folder, tutorial.venv = other, tutorial.make_venv("other-venv")
            tutorial.run(ours.replace(named, wheel.name))
        case ["waitress-serve", "--call", "flaskr:create_app"]:
            # By itself it listens to everybody. And what a reader of ours types: an ASGI server.
            lines = {
                f"Serving on http://127.0.0.1:{port}": (
                    f"waitress-serve --listen=127.0.0.1:{port} --call flaskr:create_app"
                ),
                "Running on http://": f"hypercorn 'flaskr:create_app()' --bind 127.0.0.1:{port}",
            }
            for expected, line in lines.items():
                said, answer = tutorial.serve(line, port)
                assert "<h1>Posts</h1>" in answer and expected in said
        # --- and more ---
        case ["quartish", "--app", "flaskr", "routes"]:
            said = tutorial.run(ours)
            assert re.search(r"(?m)^auth\.login +GET, POST +/auth/login", said), said
        case ["quartish", "--app", "flaskr", "shell"]:
            said = tutorial.run(
                ours, "import asyncio\nprint(app.name, await asyncio.sleep(0, 7))\n"
            )
            assert "flaskr 7" in said, said
        case _:
            raise AssertionError(f"{page}: nobody has said what {command!r} is to do")
    tutorial.typed.append((page, command))


def run_for_others(tutorial: Tutorial, command: str) -> None:
    """Serve on all addresses, and ask one that is not the usual, where nobody else hears it: in a
    network of its own."""
    ask = (
        "import time, urllib.request as r\n"
        "for _ in range(600):\n"
        "    try: print('says', r.urlopen('http://127.0.0.7:5000').read().decode()); break\n"
        "    except OSError: time.sleep(0.1)\n"
    )
    (tutorial.home / "ask.py").write_text(ask)
    line = f"{command} & pid=$!; python {tutorial.home / 'ask.py'}; kill $pid; wait $pid; echo = $?"
    alone = ["unshare", "--net", "--map-root-user", "sh", "-c"]
    up = "python -c 'import fcntl, socket, struct; s = socket.socket(); fcntl.ioctl(s, 0x8914, "
    up += 'struct.pack("16sh", b"lo", 1))\'; '
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no network of its own can be had here")
    said = tutorial.run(shlex.join([*alone, up + line]), QUARTISH_APP="hello")
    assert " * Running on http://127.0.0.1:5000" in said, said
    assert "says <p>Hello, World!</p>" in said and said.endswith("= 0\n"), said


def copy_renamed(source: Path, target: Path) -> None:
    """Copy a project, its name of the framework changed."""
    for path in source.rglob("*"):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        else:
            shutil.copy(path, copy)
            if path.suffix in (".py", ".toml"):
                copy.write_text(renamed(path.read_text()))
