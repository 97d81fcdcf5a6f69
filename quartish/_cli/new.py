"""`quartish new`: a small, tested project to begin with.

The files of `project/` are its text; `@@name@@` and `@@package@@` stand for the names.
"""

from __future__ import annotations

import keyword
import re
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

#: Where a file of ours would not be seen as what it is, or would hide others from tools.
_NAMES = {
    "gitignore": ".gitignore",
    "dockerignore": ".dockerignore",
    "flaskenv": ".flaskenv",
}
#: *Source:* packaging.python.org, "Names and normalization".
_NAME = re.compile(r"(?i)[a-z]([a-z0-9._-]*[a-z0-9])?")


def package_of(name: str) -> str:
    """Return the import name of a project. Raises UsageError where it cannot have one."""
    package = re.sub(r"[-.]+", "_", name).lower()
    if not _NAME.fullmatch(name) or keyword.iskeyword(package):
        raise click.UsageError(
            f"{name!r} cannot be the name of a project: take letters, digits and hyphens,"
            " and a letter first."
        )
    if package in sys.stdlib_module_names or package in ("quartish", "tests"):
        raise click.UsageError(
            f"{name!r} would hide the module {package!r} from Python: take another name."
        )
    return package


def write_project(name: str, folder: Path) -> list[Path]:
    """Write the project into a folder, which may be there and empty; return its files."""
    package = package_of(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.UsageError(f"{str(folder)!r} is there and not empty: nothing was written.")
    written: list[Path] = []

    def write(source: Traversable, target: Path) -> None:
        for part in source.iterdir():
            if part.is_dir():
                write(part, target / (package if part.name == "package" else part.name))
            elif part.name.endswith(".txt"):
                file = part.name.removesuffix(".txt")
                path = target / _NAMES.get(file, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                text = part.read_text("utf-8")
                text = text.replace("@@name@@", name).replace("@@package@@", package)
                path.write_text(text, "utf-8")
                written.append(path)

    write(files("quartish._cli") / "project", folder)
    return sorted(written)


@click.command("new", short_help="Write a new, tested project.")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to write it; by default a folder of that name.",
)
def new_command(name: str, folder: Path | None) -> None:
    """Write a small project called NAME: an app factory, a blueprint, templates, a websocket,
    tests, types and a container file. Its tests pass, under mypy strict."""
    folder = Path(name) if folder is None else folder
    for path in write_project(name, folder):
        click.echo(f"  {path}")
    click.echo(
        f"\nNow:\n\n  cd {folder}\n  python -m venv .venv && . .venv/bin/activate\n"
        "  pip install -e '.[test]'\n  quartish run --debug"
    )
