"""The environments that hold the extensions, Flask or Quart, and quartish beside it.

Each is made once, outside of the checkout, and made anew when its requirements change.
quartish itself is imported from the checkout; what it depends on is installed.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tomllib
import typing as t
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "quartish-extensions"


def make(name: str = "venv", files: t.Sequence[str] = ("requirements.txt",)) -> Path:
    """Return the Python of an environment with what these files require; the first call takes
    a minute or two."""
    home = CACHE / name
    python = home / "bin" / "python"
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    paths = [HERE / file for file in files]
    wanted = [*project["dependencies"], *(f"--requirement={path}" for path in paths)]
    said = [path.read_text("utf-8") for path in paths]  # the same in any checkout
    recipe = "\n".join([sys.version, *project["dependencies"], *said])
    stamp = home / "recipe"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text("utf-8") != recipe:
            venv.create(home, clear=True, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-qq", *wanted], check=True)
            stamp.write_text(recipe, "utf-8")
    return python


def clean_environ() -> dict[str, str]:
    """Return the environment variables without the caller's Python settings; sets of strings
    are iterated in one and the same order."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
