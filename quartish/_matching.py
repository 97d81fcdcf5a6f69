"""The rule that a connection's URL matches: found in the map's table by what the ASGI scope
says, by what the connection says, or by Werkzeug's matcher."""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import SecurityError
from werkzeug.routing import RequestRedirect

from ._core import Core
from ._overrides import is_default
from ._survey import Survey
from .ctx import AppContext
from .routing import is_valid_host
from .routing import Map
from .routing import NO_RULES
from .routing import VALID_HOSTS


class Matching(Survey):
    """A flow that finds the rule for a connection."""

    def __init__(self, app: Core) -> None:
        super().__init__(app)
        #: The map, where path and method may be looked up in its table: no subdomains are
        #: matched, and nobody overrode what matches.
        self.url_map: Map | None = None
        if not app.subdomain_matching and is_default(app.create_url_adapter):
            self.url_map = app.url_map if type(app.url_map) is Map else None
        #: Whether contexts leave that to the flow.
        self.matches = self.context_class.match_request is AppContext.match_request

    def match_scope(self, ctx: AppContext) -> bool:
        """Say whether the URL was matched by what the ASGI scope says, so that no request has to
        be made for it. Raises NotFound (404)."""
        raw, url_map = ctx.raw_headers, self.url_map
        if (
            raw.get(b"host") not in VALID_HOSTS
            or url_map is None
            or url_map.host_matching
            or self.app.config["TRUSTED_HOSTS"] is not None
            or not self.matches
        ):
            return False
        scope = ctx.scope
        if len(raw) != len(scope["headers"]) or scope.get("root_path"):
            return False  # some name came twice, or the path is more than the app's own
        path, method, table = scope["path"], scope["method"], url_map.table
        # PERF(0.1 us): what `find` would find first, without a call.
        rule = table.static.get(path, NO_RULES).get(method)
        if rule is not None:
            arguments: dict[str, t.Any] = {}
        elif path[:1] == "/" and path.isascii():
            found = table.find(path, method, False)
            if found is None:
                return False
            rule, arguments = found
        else:
            return False
        ctx.url_rule, ctx.view_args = rule, arguments
        conn = ctx.made
        if conn is not None:
            conn.url_rule, conn.view_args = rule, arguments
        return True

    def match_url(self, ctx: AppContext) -> None:
        """Match the URL of a context's connection; what goes wrong is kept as its
        `routing_exception`: NotFound (404), MethodNotAllowed (405), RequestRedirect (308),
        WebsocketMismatch (400), SecurityError (400)."""
        conn, url_map = ctx.conn, self.url_map
        found: t.Any = None
        try:
            if (
                url_map is not None
                and not url_map.host_matching
                and self.app.config["TRUSTED_HOSTS"] is None
                and is_valid_host(conn.raw_host)
            ):
                found = url_map.table.find(conn.path, conn.method, ctx.has_websocket)
                if found is None:
                    try:
                        found = url_map.matcher.match(
                            conn.path,
                            conn.method,
                            return_rule=True,
                            websocket=ctx.has_websocket,
                        )
                    except RequestRedirect:
                        pass  # where to depends on the host
            if found is None:  # the adapter says what path and method it is about
                found = ctx.url_adapter.match(return_rule=True, websocket=ctx.has_websocket)  # type: ignore[union-attr]
            conn.url_rule, conn.view_args = found
        except HTTPException as error:
            conn.routing_exception = error
            if isinstance(error, SecurityError):
                # The host was refused. An error handler may still ask for it and build URLs.
                conn.host = ""
                ctx.url_adapter = self.app.bind_without_host(conn)
