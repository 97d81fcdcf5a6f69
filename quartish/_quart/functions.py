"""The functions of `quartish.quart` that differ from those of `quartish`.

They are coroutine functions where Quart's are, and their arguments have Quart's names. They work
with an app of either colour.
"""

from __future__ import annotations

import io
import os
import typing as t
from datetime import datetime
from pathlib import Path

from jinja2 import Template

from .. import _files
from .. import _import_paths as _packages
from .. import ctx
from .. import helpers
from .. import json
from .._cli import commands as _commands
from .._concurrency.coroutines import is_awaitable
from .._current import current_app
from ..templating.render import rendered
from ..templating.render import streamed
from ..wrappers.awaitable_response import Response

F = t.TypeVar("F", bound=t.Callable[..., t.Any])
FilePath = t.Union[str, os.PathLike[str]]
TemplateName = t.Union[str, Template, list[t.Union[str, Template]]]
MaxAge = t.Union[int, t.Callable[[t.Optional[str]], t.Optional[int]], None]


async def make_response(*args: t.Any) -> Response:
    """Make a response of what a view may return, for example to add headers to it.

    Several arguments are the parts of a tuple: `await make_response(body, 404)`.
    """
    response: Response = await helpers.response_of(current_app(), args)
    return response


async def flash(message: str, category: str = "message") -> None:
    """Keep a message in the session until `get_flashed_messages` shows it."""
    await helpers.flash(message, category)


def redirect(location: str, code: int = 302) -> Response:
    """Return a redirect to `location`, made by the current app's `redirect` if there is an app."""
    return t.cast(Response, helpers.redirect(location, code))


async def send_file(
    filename_or_io: FilePath | t.IO[bytes] | io.BytesIO | None = None,
    mimetype: str | None = None,
    as_attachment: bool = False,
    attachment_filename: str | None = None,
    add_etags: bool | str = True,
    cache_timeout: MaxAge = None,
    conditional: bool = False,
    last_modified: datetime | float | None = None,
    **flask_names: t.Any,
) -> Response:
    """Return a response with a file: a path, first looked for in the working directory and then in
    the app's `root_path`, or a file object that is open in binary mode.

    Args:
        filename_or_io: The path, or the open file.
        mimetype: The media type; by default guessed from `attachment_filename`.
        as_attachment: Whether the browser saves it, in place of showing it.
        attachment_filename: The name to save it under; by default that of the path.
        add_etags: Whether an ETag is made, or the ETag.
        cache_timeout: Seconds that it may be cached, or what returns them for a path; by default
            `app.get_send_file_max_age`.
        conditional: Whether `If-None-Match` and the like are honoured (304), and `Range` (206).
        last_modified: When it was changed; by default as the file system says.
        **flask_names: The same by Flask's names: `path_or_file`, `download_name`, `etag`,
            `max_age`.

    Raises:
        RequestedRangeNotSatisfiable (416): The range is beyond the file.
        TypeError: Nothing tells the mimetype.
        OSError: The file cannot be opened.
    """
    options = _by_flasks_names(flask_names, locals())
    return await quarts_headers(_files.send_file(**options))


async def send_from_directory(
    directory: FilePath,
    file_name: FilePath | None = None,
    *,
    mimetype: str | None = None,
    as_attachment: bool = False,
    attachment_filename: str | None = None,
    add_etags: bool | str = True,
    cache_timeout: MaxAge = None,
    conditional: bool = True,
    last_modified: datetime | float | None = None,
    **flask_names: t.Any,
) -> Response:
    """Return a response with a file under `directory`.

    Args:
        directory: A folder, relative to the app's `root_path`.
        file_name: The path below it, which may come from a client; Flask calls it `path`.
        mimetype: The media type; by default guessed from the name.
        as_attachment: Whether the browser saves it, in place of showing it.
        attachment_filename: The name to save it under.
        add_etags: Whether an ETag is made, or the ETag.
        cache_timeout: Seconds that it may be cached, or what returns them for a path.
        conditional: Whether `If-None-Match` and the like are honoured (304), and `Range` (206).
        last_modified: When it was changed; by default as the file system says.
        **flask_names: The same by Flask's names.

    Raises:
        NotFound (404): `file_name` is outside of the folder, or is no file.
    """
    options = _by_flasks_names(flask_names, locals())
    return await quarts_headers(_files.send_from_directory(**options))


def _by_flasks_names(
    flask_names: dict[str, t.Any], arguments: dict[str, t.Any]
) -> dict[str, t.Any]:
    """Return arguments of Quart's by Flask's names; those given by Flask's names take
    precedence."""
    names = {**_files.QUART_NAMES, "file_name": "path"}
    options = {names.get(name, name): value for name, value in arguments.items()}
    del options["flask_names"]
    return {**options, **flask_names}


async def quarts_headers(sent: t.Any) -> Response:
    """Remove `Content-Disposition: inline` from a response: Flask sends it, and Quart does not."""
    response: Response = await sent if is_awaitable(sent) else sent
    if response.headers.get("Content-Disposition", "").startswith("inline"):
        del response.headers["Content-Disposition"]
    return response


def stream_with_context(func: t.Any) -> t.Any:
    """Keep the context for a stream: a generator, or what the decorated function returns."""
    return helpers.stream_with_context(func)


def find_package(name: str) -> tuple[Path | None, Path]:
    """Return the prefix under which a package is installed, or None, and where it is."""
    prefix, package_path = _packages.find_package(name)
    return None if prefix is None else Path(prefix), Path(package_path)


# --- templates ----------------------------------------------------------------------------


async def render_template(template_name_or_list: TemplateName, **context: t.Any) -> str:
    """Render a template, or the first of a list that exists.

    Raises:
        TemplateNotFound: There is none.
    """
    app = current_app()
    template = app.jinja_env.get_or_select_template(template_name_or_list)
    return await rendered(app, template, context)


async def render_template_string(source: str, **context: t.Any) -> str:
    """Render a template given as its source, with autoescaping."""
    app = current_app()
    return await rendered(app, app.jinja_env.from_string(source), context)


async def stream_template(
    template_name_or_list: TemplateName, **context: t.Any
) -> t.AsyncIterator[str]:
    """Render a template piece by piece; a view may return the iterator as its response."""
    app = current_app()
    template = app.jinja_env.get_or_select_template(template_name_or_list)
    return await streamed(app, template, context)  # type: ignore[no-any-return]


async def stream_template_string(source: str, **context: t.Any) -> t.AsyncIterator[str]:
    """Render a template given as its source piece by piece, as `stream_template` does."""
    app = current_app()
    stream: t.AsyncIterator[str] = await streamed(app, app.jinja_env.from_string(source), context)
    return stream


# --- contexts -----------------------------------------------------------------------------


def after_this_request(func: F) -> F:
    """Call `func(response)` after this request, before the `after_request` functions."""
    return ctx.after_this_request(func)


def copy_current_request_context(func: F) -> F:
    """Return a function that runs `func` in a copy of the current request context."""
    return ctx.copy_current_request_context(func)


def with_appcontext(fn: F | None = None) -> F:
    """Run the command `fn` with its app's context active, and to its end if it is async."""
    return t.cast(F, with_appcontext if fn is None else _commands.with_appcontext(fn))


# --- JSON ---------------------------------------------------------------------------------


def dumps(object_: t.Any, **kwargs: t.Any) -> str:
    """Serialize an object to text."""
    return json.dumps(object_, **kwargs)


def dump(object_: t.Any, fp: t.IO[str], **kwargs: t.Any) -> None:
    """Serialize an object into a text file."""
    json.dump(object_, fp, **kwargs)


def loads(object_: str | bytes, **kwargs: t.Any) -> t.Any:
    """Deserialize text or UTF-8 bytes.

    Raises:
        ValueError: They are not JSON.
    """
    return json.loads(object_, **kwargs)
