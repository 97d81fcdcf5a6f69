"""The environment that measurements run in: this checkout, its peers and their servers.

It lives in the user's cache, so the command works on a fresh machine, and is made anew
when what belongs in it changes. A package that cannot be installed is named and left out.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
import sys
import tomllib
import typing as t
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "quartish-benchmarks"

PEERS = [
    *("quart==0.22.0", "flask==3.1.3", "starlette", "fastapi", "python-multipart"),
    *("litestar", "blacksheep", "falcon", "sanic", "msgspec", "pydantic"),
    *("redis", "cachelib", "flask-session", "quart-session", "brotli", "zstandard"),
]
SERVERS = ["hypercorn", "uvicorn", "uvloop", "httptools", "granian", "gunicorn"]
#: The packages whose versions a result names.
NAMED = [
    *("quart", "flask", "werkzeug", "starlette", "fastapi", "litestar", "blacksheep", "falcon"),
    *("sanic", "hypercorn", "uvicorn", "uvloop", "granian", "gunicorn"),
    *("redis", "flask-session", "quart-session"),
]


class Unable(Exception):
    """Something could not be measured: says why."""


def make(here: bool = False) -> Path:
    """Return the Python to measure with; `here` takes the one that runs this command.

    The checkout itself is found by `PYTHONPATH`, its dependencies are installed.
    """
    if here:
        return Path(sys.executable)
    home = CACHE / f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    recipe = "\n".join([sys.version, *project["dependencies"], *PEERS, *SERVERS])
    stamp = home / "recipe"
    if stamp.exists() and stamp.read_text("utf-8") == recipe:
        return python
    say("making the environment: some minutes, once")
    venv.create(home, clear=True, with_pip=True)
    install = (str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
    subprocess.run([*install, *project["dependencies"]], check=True)
    for package in (*SERVERS, *PEERS):
        if subprocess.run([*install, package], capture_output=True).returncode:
            say(f"SKIPPED: {package} cannot be installed here")
    stamp.write_text(recipe, "utf-8")
    return python


_NAME = str.maketrans("[]<", "---")


def install(python: Path, packages: t.Sequence[str]) -> None:
    """Install packages that one command alone needs, once. Raises Unable where that fails."""
    stamp = python.parent.parent / f"with-{'-'.join(packages)}".translate(_NAME)
    if not stamp.exists():
        say("installing what this command needs")
        command = (str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check")
        if subprocess.run([*command, *packages], capture_output=True).returncode:
            raise Unable(f"one of {', '.join(packages)} cannot be installed")
        stamp.touch()


def say(text: str) -> None:
    """Tell whoever watches; results alone go to the standard output."""
    print(f"# {text}", file=sys.stderr, flush=True)


def child(python: Path, module: str, *arguments: str, timeout: float) -> t.Any:
    """Run a module of this package in a process of its own; return the JSON it prints last.

    Raises Unable with the last line of what it said where it fails or takes too long.
    """
    command = [str(python), "-m", f"benchmarks.{module}", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=clean_environ(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Unable(f"no answer in {timeout:.0f} s") from None
    if done.returncode:
        raise Unable((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])


def clean_environ() -> dict[str, str]:
    """Return the environment variables with nothing of the caller's Python settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONPATH": str(CHECKOUT), "PYTHONHASHSEED": "0"}


@functools.cache
def versions(python: Path) -> dict[str, str]:
    """Return the versions of what is compared, as installed for `python`."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "found = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({n: found[n] for n in sys.argv[1:] if n in found}))"
    )
    done = subprocess.run(
        [str(python), "-c", code, *NAMED], capture_output=True, text=True, check=True
    )
    return t.cast("dict[str, str]", json.loads(done.stdout))


def load() -> float | None:
    """Return how many processes wanted a core in the last minute; None where unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def machine() -> str:
    """Describe the machine in words, without its name or a path of it."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = os.cpu_count() or 1
    return f"{model}, {cores} core{'s' * (cores > 1)}, {platform.system()}"


@functools.cache
def python_of(python: Path) -> str:
    """Return which Python measures: `CPython 3.11.7`."""
    code = "import platform as p; print(p.python_implementation(), p.python_version())"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()
