"""Functions that make the requests of the asynchronous test client."""

from __future__ import annotations

import typing as t
import warnings
from urllib.parse import unquote
from urllib.parse import urlencode

from werkzeug.datastructures import Authorization
from werkzeug.datastructures import FileStorage
from werkzeug.datastructures import Headers
from werkzeug.datastructures import iter_multi_items
from werkzeug.datastructures import MultiDict
from werkzeug.sansio.multipart import Data
from werkzeug.sansio.multipart import Epilogue
from werkzeug.sansio.multipart import Field
from werkzeug.sansio.multipart import File
from werkzeug.sansio.multipart import MultipartEncoder
from werkzeug.sansio.multipart import Preamble
from werkzeug.urls import iri_to_uri

from .._dispatch.life import PRESERVE
from .._http.headers import latin_lines
from ..json import dumps
from ..typing import AppLike
from ..typing import Scope
from ..wrappers.connection import hand_down

HeadersLike = t.Union[Headers, t.Mapping[str, t.Any], t.Iterable[tuple[str, str]], None]
FormLike = t.Union[MultiDict[str, t.Any], t.Mapping[str, t.Any]]
FilesLike = t.Union[MultiDict[str, FileStorage], t.Mapping[str, FileStorage]]
Auth = t.Union[Authorization, tuple[str, str], None]

sentinel: t.Any = object()
"""Means that no JSON was given, as None means null."""

_BOUNDARY = "----QuartBoundary"


def make_test_headers_path_and_query_string(
    app: AppLike,
    path: str,
    headers: HeadersLike = None,
    query_string: FormLike | str | None = None,
    auth: Auth = None,
    subdomain: str | None = None,
) -> tuple[Headers, str, bytes]:
    """Return headers with defaults, the unquoted path, and the query.

    The query comes after a `?` in the path or from `query_string`. Raises ValueError for both.
    """
    headers = Headers(headers)
    if auth is not None:
        if isinstance(auth, tuple):
            auth = Authorization("basic", {"username": auth[0], "password": auth[1]})
        headers.setdefault("Authorization", auth.to_header())
    headers.setdefault("User-Agent", "Quart")
    host = app.config["SERVER_NAME"] or "localhost"
    headers.setdefault("Host", host if subdomain is None else f"{subdomain}.{host}")
    path, mark, query = path.partition("?")
    if query_string is not None:
        if mark:
            raise ValueError("The query is given twice: in the path and as query_string.")
        query = query_string if isinstance(query_string, str) else _urlencode(query_string)
    if path[:1] != "/" and "://" not in path:
        path = f"/{path}"
    # What is ASCII is sent as it was typed: `a[]=1`, as by Quart and by browsers.
    sent = query if query.isascii() else iri_to_uri(query)
    return headers, unquote(path), sent.encode("ascii")


def _urlencode(values: FormLike) -> str:
    return urlencode([item for item in iter_multi_items(values) if item[1] is not None])


def make_test_body_with_headers(
    *,
    data: str | bytes | None = None,
    form: FormLike | None = None,
    files: FilesLike | None = None,
    json: t.Any = sentinel,
    app: AppLike | None = None,
) -> tuple[bytes, Headers]:
    """Return a body and the headers that describe it.

    It is `data`, or `json`, or `form` and `files`; ValueError for more than one of those.
    `data` of another type is ignored with a warning; Quart ignores it without one.
    """
    given = [data is not None, json is not sentinel, form is not None or files is not None]
    if sum(given) > 1:
        raise ValueError("A body is made of 'data', of 'json', or of 'form' and 'files'.")
    headers = Headers()
    body = b""
    if data is not None:
        if not isinstance(data, (str, bytes, bytearray)):
            said = (
                f"'data' is a body of str or bytes, not {type(data).__name__}: fields are given"
                " as 'form', files as 'files'."
            )
            if app is not None and app.plain:  # as in Flask, where it is a form
                raise TypeError(said)
            warnings.warn(f"Nothing is sent: {said}", stacklevel=4)
            data = b""
        body = data.encode() if isinstance(data, str) else bytes(data)
    elif json is not sentinel:
        body = (dumps if app is None else app.json.dumps)(json).encode()
        headers["Content-Type"] = "application/json"
    elif files is not None:
        body = _multipart(form or {}, files)
        headers["Content-Type"] = f"multipart/form-data; boundary={_BOUNDARY}"
    elif form is not None:
        body = _urlencode(form).encode("ascii")
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return body, headers


def _multipart(form: FormLike, files: FilesLike) -> bytes:
    encoder = MultipartEncoder(_BOUNDARY.encode())
    parts = [encoder.send_event(Preamble(data=b""))]
    for name, file in iter_multi_items(files):
        part = File(name=name, filename=file.filename or "", headers=file.headers)
        parts.append(encoder.send_event(part))
        parts.append(encoder.send_event(Data(data=file.read(), more_data=False)))
    for name, value in iter_multi_items(form):
        parts.append(encoder.send_event(Field(name=name, headers=Headers())))
        parts.append(encoder.send_event(Data(data=str(value).encode(), more_data=False)))
    parts.append(encoder.send_event(Epilogue(data=b"")))
    return b"".join(parts)


def make_test_scope(
    type_: str,
    path: str,
    method: str,
    headers: Headers,
    query_string: bytes,
    scheme: str,
    root_path: str,
    http_version: str,
    scope_base: t.Mapping[str, t.Any] | None,
    *,
    subprotocols: t.Sequence[str] = (),
    _preserve_context: t.Any = False,
) -> Scope:
    """Return an ASGI scope of type "http" or "websocket"; `scope_base` overrides it. It names
    neither server nor client: the remote address is "<local>"."""
    scope: Scope = {
        "type": type_,
        "http_version": http_version,
        "asgi": {"spec_version": "2.1"},
        "method": method.upper(),
        "scheme": scheme,
        "path": path,
        "raw_path": iri_to_uri(path).encode("ascii"),
        "query_string": query_string,
        "root_path": root_path,
        "headers": encode_headers(headers),
        "extensions": {},
        PRESERVE: _preserve_context,
    }
    if type_ == "websocket":
        scope["subprotocols"] = list(subprotocols)
        scope["extensions"]["websocket.http.response"] = {}
    elif http_version in ("2", "3"):
        scope["extensions"]["http.response.push"] = {}
    return {**scope, **(scope_base or {})}


def make_test_request_context(
    app: AppLike,
    path: str,
    *,
    method: str = "GET",
    headers: HeadersLike = None,
    query_string: FormLike | str | None = None,
    scheme: str = "http",
    send_push_promise: t.Callable[[str, Headers], t.Awaitable[None]] | None = None,
    data: str | bytes | None = None,
    form: FormLike | None = None,
    files: FilesLike | None = None,
    json: t.Any = sentinel,
    root_path: str = "",
    http_version: str = "1.1",
    scope_base: t.Mapping[str, t.Any] | None = None,
    auth: Auth = None,
    subdomain: str | None = None,
) -> t.Any:
    """Return a request of the app's awaitable `request_class` for a test, with its whole body."""
    headers, path, query = make_test_headers_path_and_query_string(
        app, path, headers, query_string, auth, subdomain
    )
    body, body_headers = make_test_body_with_headers(
        data=data, form=form, files=files, json=json, app=app
    )
    headers.update(body_headers)
    scope = make_test_scope(
        "http", path, method, headers, query, scheme, root_path, http_version, scope_base
    )
    request = app.request_class(
        method,
        scheme,
        path,
        query,
        headers,
        root_path,
        http_version,
        scope,
        send_push_promise=send_push_promise or no_op_push,
    )
    hand_down(app, request)
    request.body.set_result(body)
    return request


async def no_op_push(path: str, headers: Headers) -> None:
    """Push nothing: for requests that are made for a test."""


def encode_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return headers in ASGI's form."""
    return latin_lines(headers)


def decode_headers(headers: t.Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return ASGI's headers as Werkzeug's `Headers`."""
    return Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
