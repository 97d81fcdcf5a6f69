"""What instrumentations are told of an app, in addition to what they see themselves."""

from __future__ import annotations

from ._current import current_context
from ._current import NO_REQUEST
from .sansio.app import Core


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
    app.before_request_funcs.setdefault(None, []).insert(0, _tell)
    app.before_websocket_funcs.setdefault(None, []).insert(0, _tell)


def _tell() -> None:
    conn = current_context(NO_REQUEST).conn
    rule = conn.url_rule
    if rule is not None:
        conn.scope["route"] = Route(rule.rule, rule.endpoint)
