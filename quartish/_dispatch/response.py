"""Making responses of what views return."""

from __future__ import annotations

import collections.abc as cabc
import typing as t
from asyncio import _get_running_loop
from types import AsyncGeneratorType
from types import GeneratorType

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.sansio.response import Response as SansioResponse

from .._concurrency.coroutines import from_thread
from .._concurrency.coroutines import is_awaitable
from .._current import find_context
from .._http.outgoing import OnePiece
from ..typing import LiveApp
from .errors import error_page

_BODIES = (str, bytes, bytearray, cabc.Iterator, cabc.AsyncIterator)
_STREAMS = (AsyncGeneratorType, GeneratorType)
_KINDS = (
    "The return type must be a string, dict, list, tuple with headers or status,"
    " Response instance, or WSGI callable"
)


def make_response(app: LiveApp, rv: t.Any) -> t.Any:
    """Return what a view returned as an instance of `app.response_class`.

    A str or bytes is the body; a dict or list is sent as JSON; an iterator or an async
    iterator is streamed; another response class is coerced, a WSGI callable called; a tuple
    is `(body, status, headers)`, `(body, status)` or `(body, headers)`; in a thread
    without a running loop an awaitable is waited for. Raises TypeError, naming the
    endpoint, for anything else.
    """
    response_class = app.response_class
    if type(rv) is str:  # PERF(0.4 us): what most views return
        return response_class(rv)
    if type(rv) is dict:  # PERF(0.9 us): and what most others do
        return app.json.response(rv)
    status: t.Any = None
    headers: t.Any = None
    if isinstance(rv, tuple):
        rv, status, headers = unpacked(rv)
    if type(rv) in _STREAMS:  # PERF(1 us): what is asked below asks abstract classes
        return response_class(rv, status=status, headers=headers)
    if rv is None:
        raise TypeError(
            f"The view function{_of_endpoint()} did not return a valid response. The function"
            " either returned None or ended without a return statement."
        )
    if not isinstance(rv, response_class):
        if type(rv) is str or isinstance(rv, _BODIES):
            return response_class(rv, status=status, headers=headers)
        if isinstance(rv, (dict, list)):
            rv = app.json.response(rv)
        elif isinstance(rv, SansioResponse) or callable(rv) or hasattr(type(rv), "get_response"):
            rv = _coerce(app, rv)
        elif is_awaitable(rv) and _get_running_loop() is None:
            # An extension's decorator calls an async view as it would a `def`.
            rv = make_response(app, from_thread(rv))
        else:
            raise TypeError(
                f"The view function{_of_endpoint()} did not return a valid response. {_KINDS},"
                f" but it was a {type(rv).__name__}."
            )
    if status is not None:
        if isinstance(status, (str, bytes, bytearray)):
            rv.status = status
        else:
            rv.status_code = status
    if headers:
        rv.headers.update(headers)
    return rv


def unpacked(rv: tuple[t.Any, ...]) -> tuple[t.Any, t.Any, t.Any]:
    """Return body, status and headers of the tuple that a view returned; None for what is not in
    it. Raises TypeError for any other tuple."""
    if len(rv) == 3:
        return rv
    if len(rv) == 2:
        body, other = rv
        if isinstance(other, (Headers, dict, tuple, list)):
            return body, None, other
        return body, other, None
    raise TypeError(
        f"The view function{_of_endpoint()} did not return a valid response tuple. The"
        " tuple must have the form (body, status, headers), (body, status), or"
        " (body, headers)."
    )


def _coerce(app: LiveApp, rv: t.Any) -> t.Any:
    """Coerce another response class, call a WSGI callable."""
    redefined: t.Collection[str] = getattr(app.response_class, "quartish_redefined", ())
    if isinstance(rv, HTTPException) and not ("force_type" in redefined or "set_data" in redefined):
        page = error_page(rv)
        if page is not None:
            return app.response_class(_as_called(app, page), rv.code, _page_headers(page))
    ctx = find_context()
    environ = getattr(ctx.request, "environ", None) if ctx is not None and ctx.has_request else None
    if environ is None and hasattr(type(rv), "get_response"):
        # An HTTPException, or an object like one, where there is no environ to call it with.
        rv = rv.get_response()
    try:
        return app.response_class.force_type(rv, environ)
    except TypeError as error:
        raise TypeError(
            f"{error}\nThe view function{_of_endpoint()} did not return a valid response."
            f" {_KINDS}, but it was a {type(rv).__name__}."
        ).with_traceback(error.__traceback__) from None


def _page_headers(page: bytes) -> dict[str, str]:
    return {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}


def _as_called(app: LiveApp, page: bytes) -> bytes | OnePiece:
    """Return the body of the page of an error, as after functions see it.
    *Flask:* the error is called by WSGI; its page is a stream, and empty for HEAD. *Quart:* it is
    neither."""
    ctx = find_context() if app.plain else None
    if ctx is None or not ctx.has_request:
        return page
    return OnePiece(b"" if ctx.request.method == "HEAD" else page)


def _of_endpoint() -> str:
    ctx = find_context()
    return f" for {ctx.conn.endpoint!r}" if ctx is not None and ctx.has_request else ""
