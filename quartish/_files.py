"""Sending files: the same headers in both colours, and the body that fits each.

Werkzeug makes the headers, and the plain colour's body, which a server reads from disk as it sends.
Nothing here reads a file. Only `send_from_directory` may be given a path that comes from a client.
"""

from __future__ import annotations

import io
import os
import typing as t

from werkzeug import utils
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join
from werkzeug.wrappers import Response as WerkzeugResponse

from ._concurrency.coroutines import is_awaitable
from ._current import current_context
from ._current import find_context
from ._current import NO_REQUEST
from ._precompressed import beside
from ._precompressed import choose
from .typing import AppLike

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .wrappers.response import Response

    Path = t.Union[str, os.PathLike[str]]

#: What Quart calls an argument, and what Flask does.
QUART_NAMES = {
    "filename_or_io": "path_or_file",
    "attachment_filename": "download_name",
    "add_etags": "etag",
    "cache_timeout": "max_age",
}


def send_file(
    path_or_file: Path | t.IO[bytes] | None = None,
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | int | float | None = None,
    max_age: int | Callable[[str | None], int | None] | None = None,
    **quart_names: t.Any,
) -> Response:
    """Return a response with a file: a path, relative to the app's `root_path`, or a file object
    that is open in binary mode. Awaitable in the awaitable colour, where a relative path is first
    looked for in the working directory, as in *Quart*.

    Args:
        path_or_file: The path, or the open file.
        mimetype: The media type; by default guessed from `download_name`.
        as_attachment: Whether it is saved by the browser, and not shown.
        download_name: The name to save it under; by default that of the path.
        conditional: Whether `If-None-Match` and its kin are honoured (304), and `Range` (206); in
            the awaitable colour nothing is without a request.
        etag: Whether an ETag is made, or the ETag.
        last_modified: When it was changed; by default as the file system says.
        max_age: Seconds that it may be cached, or what returns them for a path; by default
            `app.get_send_file_max_age`.
        **quart_names: Quart's names of them: `attachment_filename`, `add_etags`, `cache_timeout`,
            `filename_or_io`.

    Raises:
        RequestedRangeNotSatisfiable (416): The range is beyond the file.
        TypeError: Nothing tells the mimetype.
        OSError: The file cannot be opened.

    Quart:
        `conditional` is off by default.
    """
    options = _flask_names(
        dict(
            path_or_file=path_or_file,
            mimetype=mimetype,
            as_attachment=as_attachment,
            download_name=download_name,
            conditional=conditional,
            etag=etag,
            last_modified=last_modified,
            max_age=max_age,
        ),
        quart_names,
    )
    ctx = current_context(NO_REQUEST)
    if ctx.app.plain:
        return t.cast("Response", _send_plain(utils.send_file, ctx, options))
    return t.cast("Response", _send_awaitable(ctx.app, ctx, options))


def _flask_names(options: dict[str, t.Any], quart_names: dict[str, t.Any]) -> dict[str, t.Any]:
    for name, value in quart_names.items():
        if name not in QUART_NAMES:
            raise TypeError(f"send_file() got an unexpected keyword argument {name!r}")
        options[QUART_NAMES[name]] = value
    if options["path_or_file"] is None:
        raise TypeError("send_file() missing the argument 'path_or_file'")
    return options


def _send_plain(
    send: Callable[..., t.Any], ctx: t.Any, options: dict[str, t.Any], *where: Path
) -> t.Any:
    """Call `send`, one of Werkzeug's two functions: looked up when it is called, as
    Flask does, since tests replace them there."""
    app = ctx.app
    response: t.Any = send(
        *where,
        environ=ctx.request.environ,
        response_class=app.response_class,
        use_x_sendfile=app.config["USE_X_SENDFILE"],
        **_with_defaults(app, options),
    )
    if "X-Sendfile" in response.headers:
        # The server in front knows the length, and which range it is asked for.
        response.headers.pop("Content-Length", None)
        if response.headers.pop("Content-Range", None):
            response.status_code = 200
            response.response = []
    return response


def _with_defaults(app: AppLike, options: dict[str, t.Any]) -> dict[str, t.Any]:
    if options.get("max_age") is None:
        options["max_age"] = app.get_send_file_max_age
    options["_root_path"] = app.root_path
    return options


async def _send_awaitable(app: AppLike, ctx: t.Any, options: dict[str, t.Any]) -> t.Any:
    file = _with_defaults(app, options)["path_or_file"]
    if isinstance(file, (str, os.PathLike)):
        file = options["path_or_file"] = _beside_or_here(app, file)
    elif options["mimetype"] is None and options["download_name"] is None:
        raise ValueError(
            "Nothing tells the mimetype of a file without a name: give 'mimetype' or"
            " 'download_name'."
        )
    conditional = options.pop("conditional") and ctx.has_request
    if isinstance(file, io.BytesIO):  # *Quart:* what was made for this request is not kept
        if options["max_age"] == app.get_send_file_max_age:
            options["max_age"] = None
        if options["etag"] is True:
            options["etag"] = False
    # Told that a server in front sends the file, Werkzeug does all but open it.
    draft = utils.send_file(
        environ={},
        conditional=False,
        use_x_sendfile=True,
        response_class=WerkzeugResponse,
        **options,
    )
    headers = draft.headers
    length: int | None = draft.content_length
    cls = app.response_class
    body: t.Any = None
    if "X-Sendfile" not in headers:
        body = cls.io_body_class(file) if isinstance(file, io.BytesIO) else draft.response
    elif app.config["USE_X_SENDFILE"]:
        length = None
        headers.pop("Content-Length")
    else:
        body = cls.file_body_class(headers.pop("X-Sendfile"))
    response = cls(body, headers=headers)
    if conditional:
        await response.make_conditional(ctx.request, accept_ranges=True, complete_length=length)
        if response.status_code == 304:
            response.headers.pop("X-Sendfile", None)
    return response


def send_from_directory(
    directory: Path,
    path: Path | None = None,
    *,
    file_name: Path | None = None,
    precompressed: bool = False,
    **kwargs: t.Any,
) -> Response:
    """Return a response with a file under `directory`, which is relative to the app's `root_path`.

    `path` may come from a client (*Quart* calls it `file_name`): NotFound (404) is raised
    where it leads outside, and where there is no such file. With `precompressed` a
    compressed file beside it (`app.js.br`, `.zst`, `.gz`) is sent to clients that accept it: only
    for a folder in which no visitor can put files. The other arguments, `kwargs`, are
    `send_file`'s. Awaitable in the awaitable colour.

    Flask:
        There is no `precompressed`.

    Source:
        RFC 9110, 12.5.3 "Accept-Encoding".
    """
    path = path if file_name is None else file_name
    if path is None:
        raise TypeError("send_from_directory() missing the argument 'path'")
    directory = os.fspath(directory)
    ctx = find_context()
    if ctx is None and not os.path.isabs(directory):
        ctx = current_context(NO_REQUEST)  # tells that there is none
    if ctx is not None and ctx.app.plain:
        options = {QUART_NAMES.get(name, name): value for name, value in kwargs.items()}
        # Absolute: Werkzeug would put a relative `root_path` in front twice.
        at_root = os.path.abspath(os.path.join(ctx.app.root_path, directory))
        if precompressed and (sent := _send_compressed(ctx, at_root, path, options)) is not None:
            return t.cast("Response", sent)
        return t.cast(
            "Response", _send_plain(utils.send_from_directory, ctx, options, at_root, path)
        )
    if ctx is not None:
        directory = _beside_or_here(ctx.app, directory)
        if precompressed and (sent := _send_compressed(ctx, directory, path, kwargs)) is not None:
            return t.cast("Response", sent)
    file = safe_join(directory, os.fspath(path))
    if file is None or not os.path.isfile(file := os.path.abspath(file)):
        raise NotFound()
    return send_file(file, **kwargs)


def _send_compressed(ctx: t.Any, directory: str, path: Path, options: dict[str, t.Any]) -> t.Any:
    """Return a response with a file that has a compressed one beside it: in the encoding that the
    client likes best, or as it is. None if there is no such file."""
    found = safe_join(directory, os.fspath(path))
    if found is None or options.get("as_attachment") or not ctx.has_request:
        return None
    file = os.path.abspath(found)
    encodings = beside(file) if os.path.isfile(file) else {}
    if not encodings:
        return None
    encoding = choose(encodings, ctx.request.headers)
    options = {
        "download_name": os.path.basename(file),
        "last_modified": os.stat(file).st_mtime,
        **{QUART_NAMES.get(name, name): value for name, value in options.items()},
    }
    if encoding is not None:
        if isinstance(options.get("etag"), str):
            options["etag"] += f"-{encoding}"
        max_age = options.get("max_age")
        if max_age is None or callable(max_age):  # a function of the path that was asked for
            options["max_age"] = (max_age or ctx.app.get_send_file_max_age)(file)
    # Without a range: the client knows the lengths of another one.
    sent = send_file(file if encoding is None else encodings[encoding][0], **options)

    def finish(response: t.Any) -> t.Any:
        response.vary.add("Accept-Encoding")
        if encoding is not None:
            response.headers.pop("Accept-Ranges", None)
            if response.status_code != 304:
                response.headers["Content-Encoding"] = encoding
        return response

    return then(sent, finish)


def then(response: t.Any, finish: Callable[[t.Any], t.Any]) -> t.Any:
    """Return `finish(response)`; awaitable where the response is."""

    async def finished() -> t.Any:
        return finish(await response)

    return finished() if is_awaitable(response) else finish(response)


def _beside_or_here(app: AppLike, path: Path) -> str:
    """Return the path of a file of the awaitable colour: relative to where the server was
    started, as in *Quart*, else to the app's `root_path`."""
    name = os.fspath(path)
    if os.path.isabs(name) or os.path.exists(name):
        return os.path.abspath(name)
    return os.path.join(app.root_path, name)
