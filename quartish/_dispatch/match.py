"""Matching a connection's URL: by the ASGI scope and the map's table if that is enough; else by the
connection, and by Werkzeug's matcher."""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound
from werkzeug.exceptions import RequestHeaderFieldsTooLarge
from werkzeug.exceptions import SecurityError
from werkzeug.routing import RequestRedirect

from .._context import AppContext
from .._http.head import check_head
from ..routing.map import is_valid_host
from ..routing.map import Map
from ..routing.map import NO_RULES
from ..routing.map import VALID_HOSTS
from .plan import Plan

Found = t.Any  # a rule and its arguments, or None: Werkzeug's types do not tell them apart


def match_scope(plan: Plan, ctx: AppContext) -> bool:
    """Match the URL by the ASGI scope alone, so that no request has to be made. Return False if
    that is not enough. Raises NotFound (404) and MethodNotAllowed (405)."""
    raw_headers, settings = ctx.quartish_raw_headers, plan.settings
    if (
        not plan.takes_scope
        or raw_headers.get(b"host") not in VALID_HOSTS
        or settings.TRUSTED_HOSTS is not None
        or (plan.minds_host and settings.SERVER_NAME is not None)
    ):
        return False
    scope = ctx.scope
    url_map: t.Any = plan.url_map
    if (
        len(raw_headers) != len(scope["headers"])  # some name came twice
        or scope.get("root_path")
        or url_map.host_matching
    ):
        return False
    websocket, path = ctx.kind == "websocket", scope["path"]
    method = "GET" if websocket else scope["method"]
    # What `_find` looks up first, without its two calls.
    rule = url_map.table.static.get(path, NO_RULES).get(not websocket and method)
    if rule is not None:
        found: Found = rule, {}
    elif path[:1] == "/" and "//" not in path and path.isascii():
        found = _find(url_map, path, method, websocket)
        if found is None:
            return False
    else:
        return False
    knows: t.Any = ctx if ctx.made is None else ctx.made
    knows.url_rule, knows.view_args = found
    return True


def match_url(plan: Plan, ctx: AppContext) -> None:
    """Match the URL of a context's connection. An exception is kept as its `routing_exception`:
    NotFound (404), MethodNotAllowed (405), RequestRedirect (308), WebsocketMismatch (400),
    SecurityError (400)."""
    conn = ctx.conn if ctx.made is None else ctx.made
    url_map, websocket = plan.url_map, ctx.kind == "websocket"
    found: t.Any = None
    try:
        check_head(conn, plan.app.config)
        if not plan.plain and conn.root_path and conn.quartish_is_outside_root():
            raise NotFound  # as in Quart; by WSGI there are no such requests
        if (
            url_map is not None
            and not url_map.host_matching
            and plan.settings.TRUSTED_HOSTS is None
            and conn.trusted_hosts is None
            and is_valid_host(conn.quartish_raw_host)
            and not (plan.minds_host and _is_elsewhere(plan, conn.quartish_raw_host))
        ):
            path = conn.path
            if path != "/" or conn.quartish_path_info:
                found = _find(url_map, path, conn.method, websocket)
        if found is None:  # the adapter may match another path, if the app has its own
            adapter: t.Any = ctx.url_adapter
            found = adapter.match(return_rule=True, websocket=websocket)
        conn.url_rule, conn.view_args = found
    except HTTPException as error:
        conn.routing_exception = error
        if isinstance(error, (SecurityError, RequestHeaderFieldsTooLarge)):
            # The host, or all headers, were refused. An error handler may still read `host` and
            # build URLs.
            conn.host = ""
            ctx.url_adapter = plan.app.quartish_bind_without_host(conn)


def _is_elsewhere(plan: Plan, host: str) -> bool:
    server_name = plan.settings.SERVER_NAME
    return server_name is not None and host != server_name


def _find(url_map: Map, path: str, method: str, websocket: bool) -> Found:
    """Return the rule for a path and its arguments. Return None for a redirect, whose target
    depends on the host."""
    found: Found = url_map.table.find(path, method, websocket)
    if found is None:
        try:
            found = url_map.matcher.match(path, method, return_rule=True, websocket=websocket)
        except RequestRedirect:
            pass
    return found
