"""The command `quartish openapi`: the document of the app, written or compared."""

from __future__ import annotations

import difflib
import importlib
import json
import typing as t
from pathlib import Path

import click

from .._current import current_app
from .commands import with_appcontext

_NEEDS = 'quartish openapi needs typed views: pip install "quartish[typed]"'


@click.command("openapi", short_help="Write the OpenAPI document of the app.")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--check", is_flag=True, help="Write nothing: end with status 1 where PATH differs.")
@with_appcontext
def openapi_command(path: Path | None, check: bool) -> None:
    """Write the OpenAPI document of the app to PATH, or print it."""
    try:
        openapi: t.Any = importlib.import_module("quartish.typed.openapi")
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{_NEEDS} ({error})") from error
    app = current_app()
    document = openapi.openapi_of(app).document(app)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if check:
        if path is None:
            raise click.UsageError("--check needs the PATH of the document to compare.")
        before = path.read_text("utf-8") if path.exists() else ""
        if before == text:
            return
        for line in difflib.unified_diff(
            before.splitlines(), text.splitlines(), str(path), "the app", lineterm=""
        ):
            click.echo(line)
        raise click.ClickException(
            f"{path} is not the document of the app. Write it anew: quartish openapi {path}"
        )
    if path is None:
        click.echo(text, nl=False)
    else:
        path.write_text(text, "utf-8")
