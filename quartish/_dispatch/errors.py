"""Responses to errors that no error handler took; whether they are raised instead; their pages."""

from __future__ import annotations

import functools
import typing as t

from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import InternalServerError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.exceptions import RequestTimeout

from .._context import AppContext
from ..typing import LiveApp

UNREADABLE = (BadRequest, RequestEntityTooLarge, RequestTimeout)
"""What reading a malformed, too large or too slow body raises. *Flask:* a 500 if it is raised after
the view."""


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


_PAGE_METHODS = ("get_response", "get_headers", "get_body")
_pages: dict[t.Any, bytes] = {}


@functools.lru_cache(maxsize=256)
def _has_page(kind: t.Any) -> bool:
    """Say whether a class of errors has Werkzeug's own page, which does not depend on the
    environ."""
    return kind.__module__.startswith("werkzeug.") and all(
        getattr(kind, name) is getattr(HTTPException, name) for name in _PAGE_METHODS
    )


def error_page(error: HTTPException) -> bytes | None:
    """Return the page that Werkzeug makes of one of its errors; None if the error has to be called
    for it.

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
