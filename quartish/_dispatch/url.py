"""Building URLs."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from werkzeug.routing import BuildError

from .._current import find_context
from ..typing import LiveApp


class UrlValues(dict[str, t.Any]):
    """The values of a URL that cannot be built, as Quart's handlers are given them; and, for those
    of mounted apps, the options of `url_for`."""

    def __init__(self, values: dict[str, t.Any], options: dict[str, t.Any]) -> None:
        super().__init__(values)
        self.options = options


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
        # Ignoring the scheme silently could make an insecure link.
        raise ValueError("When specifying '_scheme', '_external' must be True.")
    app.inject_url_defaults(endpoint, values)
    try:
        url: str = adapter.build(
            endpoint, values, method=method, url_scheme=scheme, force_external=external
        )
    except BuildError as error:
        options = dict(_anchor=anchor, _method=method, _scheme=scheme, _external=external)
        if app.plain:
            values.update(options)
        else:  # Quart's handlers are given the values alone
            values = UrlValues(values, options)
        return app.handle_url_build_error(error, endpoint, values)
    return url if anchor is None else with_anchor(url, anchor)


def with_anchor(url: str, anchor: str) -> str:
    """Return a URL with a fragment."""
    return url + "#" + quote(anchor, safe="%!#$&'()*+,/:;=?@")
