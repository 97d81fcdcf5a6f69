"""Making responses of what views return; the pages of errors; building URLs."""

from __future__ import annotations

import collections.abc as cabc
import functools
import typing as t
from asyncio import _get_running_loop
from types import AsyncGeneratorType
from types import GeneratorType
from urllib.parse import quote

from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import InternalServerError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.exceptions import RequestTimeout
from werkzeug.routing import BuildError
from werkzeug.sansio.response import Response as SansioResponse

from .._concurrency.coroutines import from_thread
from .._concurrency.coroutines import is_awaitable
from .._context import AppContext
from .._current import find_context
from ..typing import LiveApp

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


UNREADABLE = (BadRequest, RequestEntityTooLarge, RequestTimeout)
"""What reading a malformed, too large or too slow body raises. *Flask:* a 500 if it is raised after
the view."""
PRESERVE = "_quart._preserve_context"
"""Key of a scope: a function that is called with the context, so that a test client can keep it."""


def failed_response(app: LiveApp, name: str | None = None) -> t.Any:
    """Return the response to an error whose handler failed: Werkzeug's page of a 500. If the `name`
    of its view is given, log the exception that is being handled."""
    if name is not None:
        app.logger.exception("Exception in the error handler of %s", name)
    return app.response_class(InternalServerError().get_body(), 500, mimetype="text/html")


def propagates(app: LiveApp) -> bool:
    """Say whether errors are raised to the server, or to a test, instead of making a 500."""
    propagate = app.config["PROPAGATE_EXCEPTIONS"]
    return bool(propagate or (propagate is None and (app.testing or app.debug)))


def report_unsendable(ctx: AppContext, error: Exception) -> None:
    """Log that a response cannot be sent; raise the error if `propagates` says so."""
    app = ctx.app
    if propagates(app):
        raise error
    assert ctx.flow is not None, "it is being dispatched"
    name = ctx.flow.plan.describe(ctx)
    app.logger.error("The response of %s cannot be sent", name, exc_info=error)


def _coerce(app: LiveApp, rv: t.Any) -> t.Any:
    """Coerce another response class, call a WSGI callable."""
    redefined: t.Collection[str] = getattr(app.response_class, "redefined", ())
    if isinstance(rv, HTTPException) and not ("force_type" in redefined or "set_data" in redefined):
        page = error_page(rv)
        if page is not None:
            return app.response_class(page, rv.code, dict(_HTML))
    ctx = find_context()
    environ = getattr(ctx.request, "environ", None) if ctx is not None and ctx.has_request else None
    if environ is None and hasattr(type(rv), "get_response"):
        # An HTTPException, or what answers like one, where no WSGI callable can be asked.
        rv = rv.get_response()
    try:
        return app.response_class.force_type(rv, environ)
    except TypeError as error:
        raise TypeError(
            f"{error}\nThe view function{_of_endpoint()} did not return a valid response."
            f" {_KINDS}, but it was a {type(rv).__name__}."
        ).with_traceback(error.__traceback__) from None


_PAGE_METHODS = ("get_response", "get_headers", "get_body")
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_pages: dict[t.Any, bytes] = {}


@functools.lru_cache(maxsize=256)
def _has_page(kind: t.Any) -> bool:
    """Say whether errors of a class are Werkzeug's own, which do not look at the environ."""
    return kind.__module__.startswith("werkzeug.") and all(
        getattr(kind, name) is getattr(HTTPException, name) for name in _PAGE_METHODS
    )


def error_page(error: HTTPException) -> bytes | None:
    """Return the page that Werkzeug makes of one of its errors, or None: ask the error.

    PERF(12 us): it says the same each time.
    """
    kind: t.Any = type(error)
    if not _has_page(kind) or error.response is not None:  # others may have no `response`
        return None
    key = (kind, error.code, error.description)
    page = _pages.get(key)
    if page is None:
        if len(_pages) >= 128:  # descriptions may hold what clients sent
            _pages.clear()
        page = _pages[key] = error.get_body().encode()
    return page


def _of_endpoint() -> str:
    ctx = find_context()
    return f" for {ctx.conn.endpoint!r}" if ctx is not None and ctx.has_request else ""


def build_url(
    app: LiveApp,
    endpoint: str,
    *,
    anchor: str | None,
    method: str | None,
    scheme: str | None,
    external: bool | None,
    values: dict[str, t.Any],
) -> str:
    """Build the URL of an endpoint, as `app.url_for` documents it."""
    ctx = find_context()
    connected = ctx is not None and (ctx.has_request or ctx.has_websocket)
    adapter: t.Any = app.create_url_adapter(None) if ctx is None else ctx.url_adapter
    if connected:
        assert ctx is not None
        if endpoint[:1] == ".":  # relative to the current blueprint
            blueprint = ctx.conn.blueprint
            endpoint = endpoint[1:] if blueprint is None else f"{blueprint}{endpoint}"
        if external is None:
            external = scheme is not None
    else:
        if adapter is None:
            raise RuntimeError(
                "Unable to build URLs outside an active request without 'SERVER_NAME'"
                " configured. Also configure 'APPLICATION_ROOT' and 'PREFERRED_URL_SCHEME'"
                " as needed."
            )
        if external is None:
            external = True
    if scheme is not None and not external:
        # A scheme that silently went unused could leave a link insecure.
        raise ValueError("When specifying '_scheme', '_external' must be True.")
    app.inject_url_defaults(endpoint, values)
    try:
        url: str = adapter.build(
            endpoint, values, method=method, url_scheme=scheme, force_external=external
        )
    except BuildError as error:
        values.update(_anchor=anchor, _method=method, _scheme=scheme, _external=external)
        return app.handle_url_build_error(error, endpoint, values)
    return url if anchor is None else with_anchor(url, anchor)


def with_anchor(url: str, anchor: str) -> str:
    """Return a URL that leads to a place in its page."""
    return url + "#" + quote(anchor, safe="%!#$&'()*+,/:;=?@")
