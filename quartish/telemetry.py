"""What instrumentations are told of an app, beside what they see themselves."""

from __future__ import annotations

import typing as t

from .globals import request
from .globals import websocket
from .sansio.app import Core
from .typing import Scope


class Route:
    """The rule that a connection has matched, as ASGI instrumentations look for it.

    `path_format` is what OpenTelemetry's and others' ask a route for; `path` is Starlette's name.
    """

    def __init__(self, path: str, endpoint: str) -> None:
        self.path: str = path
        self.path_format: str = path
        self.endpoint = endpoint

    def __repr__(self) -> str:
        return f"<Route {self.path!r} of {self.endpoint!r}>"


def tell_routes(app: Core) -> None:
    """Put the rule that a connection has matched into its ASGI scope, as `scope["route"]`, before
    any other function of the app is called.

    A middleware that counts or traces then finds there, once the app has returned, what to call a
    request: `/users/<int:id>`, and not as many names as there are users. There is none where
    nothing was matched (404, 405). Instrumentations of Flask need no such thing: they ask
    `request.url_rule`.

    Source: Starlette's and FastAPI's scopes; OpenTelemetry, semantic conventions, `http.route`.
    """
    app.before_request_funcs.setdefault(None, []).insert(0, _tell_request)
    app.before_websocket_funcs.setdefault(None, []).insert(0, _tell_websocket)


def _tell_request() -> None:
    _tell(request.scope, request.url_rule)


def _tell_websocket() -> None:
    _tell(websocket.scope, websocket.url_rule)


def _tell(scope: Scope, rule: t.Any) -> None:
    if rule is not None:
        scope["route"] = Route(rule.rule, rule.endpoint)
