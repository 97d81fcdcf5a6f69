"""What the asynchronous test client makes of what an app of either colour sent."""

from __future__ import annotations

import typing as t
from functools import lru_cache

from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from ..typing import AppLike
from ..typing import Scope
from ..wrappers.awaitable_response import Response
from ..wrappers.request import Request


def make_response(app: AppLike, scope: Scope, status: int, headers: Headers, body: bytes) -> t.Any:
    """Return the response to a request: for the plain colour as its synchronous client gives it,
    with the request, for the awaitable colour one whose body is awaited."""
    response: t.Any
    if app.plain:
        request = Request.quartish_from_scope(scope)
        response = _plain(app.response_class)([body], status, headers, request=request)
    else:
        cls = app.response_class
        cls = cls if issubclass(cls, Response) else Response
        response = cls(body, status)
        response.headers = headers
        # *Quart:* as the body is at hand, its length is told
        response.headers.setdefault("Content-Length", str(len(body)))
    response.json_module = app.json
    return response


@lru_cache(maxsize=16)
def _plain(cls: type[t.Any]) -> type[t.Any]:
    """Return what a test client makes of a response class."""
    return cls if issubclass(cls, TestResponse) else type(cls.__name__, (TestResponse, cls), {})
