"""The responses of the asynchronous test client, made of an app's messages."""

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
    """Return the response to a request: for the plain colour as of its synchronous client, with the
    request; for the awaitable colour one whose body is awaited."""
    response: t.Any
    if app.plain:
        request = Request.quartish_from_scope(scope)
        response = _plain(app.response_class)([body], status, headers, request=request)
    else:
        cls = app.response_class
        cls = cls if issubclass(cls, Response) else Response
        response = cls(body, status)
        response.headers = headers
        # *Quart:* sets the length, as the body is in memory
        response.headers.setdefault("Content-Length", str(len(body)))
    response.json_module = app.json
    return response


@lru_cache(maxsize=16)
def _plain(cls: type[t.Any]) -> type[t.Any]:
    """Return the class of responses that a test client makes of a response class."""
    return cls if issubclass(cls, TestResponse) else type(cls.__name__, (TestResponse, cls), {})
