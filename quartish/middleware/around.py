"""Middleware around an app, and apps mounted below it: `app.add_middleware`, `app.mount`.

*Flask:* has neither; `DispatcherMiddleware` stands outside of the app, and URLs are not built
across.
"""

from __future__ import annotations

import sys
import typing as t
from urllib.parse import quote

from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.exceptions import NotFound
from werkzeug.routing import BuildError
from werkzeug.routing import RequestRedirect
from werkzeug.routing.exceptions import WebsocketMismatch

from .._dispatch.url import UrlValues
from .._dispatch.url import with_anchor
from .._lazy import lazy
from ..sansio.app import Core
from ..sansio.scaffold import setupmethod
from ..typing import ASGIApp
from ..typing import Scope
from ..wrappers.connection import Conn
from .mount import AnyServed
from .mount import as_asgi
from .mount import FromWSGI
from .mount import Mount

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.routing import MapAdapter

P = t.ParamSpec("P")


class Mounted(t.NamedTuple):
    """An app in another, and its name there."""

    prefix: str
    app: AnyServed
    name: str


class Composed(Core):
    """An app's methods for middleware and mounted apps."""

    asgi_app: t.Any
    wsgi_app: t.Any
    #: The middleware that knows the mounted apps; None where there are none.
    _quartish_mount: Mount | None = None

    @lazy
    def quartish_mounted(self) -> list[Mounted]:
        return []

    @lazy  # an app may have an attribute of its own of this name
    def mounted(self) -> list[Mounted]:
        """The apps that `mount` put into this one, in order."""
        return self.quartish_mounted

    @lazy
    def quartish_above(self) -> list[_Above]:
        """Where this app is mounted itself."""
        return []

    @setupmethod
    def add_middleware(
        self,
        middleware: t.Callable[t.Concatenate[t.Any, P], ASGIApp],
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> None:
        """Put an ASGI middleware around the app and all that was put around it before.

        `app.add_middleware(CORSMiddleware, allow_origins=["*"])` is
        `app.asgi_app = CORSMiddleware(app.asgi_app, allow_origins=["*"])`. Requests by WSGI, those
        of the plain test client among them, do not pass it.

        Args:
            middleware: Called with an ASGI app, `args` and `options`, returns one.
            args: As it takes them.
            options: As it takes them.
        """
        self.asgi_app = middleware(self.asgi_app, *args, **options)

    @setupmethod
    def mount(self, prefix: str, app: AnyServed, *, name: str | None = None) -> None:
        """Hand the paths below a prefix to another app: ASGI, or WSGI as a Flask app is.

        The mounted app finds the prefix as its `root_path` (`SCRIPT_NAME`), and starts and stops
        with this one. Hooks, error handlers and limits of this app do not concern it. `url_for`
        finds endpoints across: what an app does not know is looked for in the apps mounted in it
        and in the one that it is mounted in; `url_for("name:endpoint")` asks one of them alone.

        Args:
            prefix: "/legacy" for whole segments: "/legacy" and "/legacy/x", not "/legacyx". Of
                several the longest wins. "/" for all that this app has no route for, so that
                endpoints move from one app to the other one at a time, under their URLs.
            app: The app. What takes two arguments and is not `async` counts as WSGI.
            name: For `url_for`; the prefix by itself, with dots for slashes.

        Raises:
            ValueError: `prefix` is none, or there is a mount of that prefix or name.

        Flask:
            `DispatcherMiddleware` does it for WSGI, outside of the app.
        """
        name = prefix.strip("/").replace("/", ".") if name is None else name
        for other in self.quartish_mounted:
            if prefix == other.prefix or name == other.name:
                raise ValueError(f"{other.app!r} is mounted at {other.prefix!r} as {other.name!r}.")
        if self._quartish_mount is None:
            self._quartish_mount = Mount(self.asgi_app, {})
            self._quartish_mount.is_own = self._quartish_has_route
            self.asgi_app = self._quartish_mount
            self.url_build_error_handlers.append(t.cast(t.Any, self._quartish_url_below))
        if prefix == "/":
            self._quartish_mount.rest = as_asgi(app)
        else:
            self._quartish_mount.add(prefix, app)
        self.quartish_mounted.append(Mounted(prefix, app, name))
        inside, above = _inside(app), _Above(self, prefix.rstrip("/"))
        handlers: list[t.Any] | None = getattr(inside, "url_build_error_handlers", None)
        if handlers is not None:
            handlers.append(above)
        if isinstance(inside, Composed):
            inside.quartish_above.append(above)

    def _quartish_has_route(self, scope: Scope) -> bool:
        return self._quartish_matches(Conn.quartish_from_scope(scope), scope["type"] == "websocket")

    def _quartish_matches(self, conn: t.Any, websocket: bool = False) -> bool:
        try:
            adapter = self.create_url_adapter(conn)
            assert adapter is not None
            adapter.match(websocket=websocket)
        except RequestRedirect:
            return True
        except (NotFound, MethodNotAllowed, WebsocketMismatch):
            return False
        except HTTPException:  # a malformed host, for which this app makes the response
            return True
        return True

    def quartish_serve_wsgi(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> t.Iterable[bytes]:
        """Serve WSGI by this app or one of those that are mounted in it.

        Raises:
            TypeError: The mounted app speaks ASGI alone.
        """
        mount = self._quartish_mount
        assert mount is not None
        script, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
        prefix = mount.find(path.encode("latin-1").decode(errors="replace"))
        if prefix is not None:
            below = prefix.encode().decode("latin-1")
            environ = {
                **environ,
                "SCRIPT_NAME": script + below,
                "PATH_INFO": path[len(below) :],
            }
            app: AnyServed = mount.mounts[prefix]
        elif mount.rest is not None and not self._quartish_matches(self.request_class(environ)):
            app = mount.rest
        else:
            return t.cast("t.Iterable[bytes]", self.wsgi_app(environ, start_response))
        if not (isinstance(app, FromWSGI) or getattr(app, "plain", False)):
            raise TypeError(
                f"{app!r}, mounted at {prefix or '/'!r}, is an ASGI app, and was asked by WSGI: use"
                " `app.async_test_client()` in tests, and an ASGI server."
            )
        return t.cast("t.Iterable[bytes]", app(environ, start_response))

    # --- URLs -----------------------------------------------------------------------------------

    def _quartish_url_below(
        self, error: BuildError, endpoint: str, values: dict[str, t.Any]
    ) -> str | None:
        return self.quartish_url_of_mounted(error, _script(error), endpoint, values)

    def quartish_url_of_mounted(
        self, error: BuildError, script: str, endpoint: str, values: dict[str, t.Any]
    ) -> str | None:
        """Return the URL of a mounted app's endpoint, or None.

        Args:
            error: That this app has no such endpoint, or another.
            script: Where this app is found.
            endpoint: Of any of them, or behind a name and a colon of that one.
            values: As `handle_url_build_error` is given them.
        """
        for mounted in self.quartish_mounted:
            app, there = _inside(mounted.app), script + mounted.prefix.rstrip("/")
            rest = endpoint.removeprefix(f"{mounted.name}:")
            url = None
            if rest != endpoint or ":" not in endpoint:
                url = _build(app, error, there, rest, values)
            if url is None and isinstance(app, Composed):
                url = app.quartish_url_of_mounted(error, there, rest, values)
            if url is not None:
                return url
        return None


class _Above:
    """Builds URLs of the app that another app is mounted in, for that other app."""

    def __init__(self, app: Composed, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    def __call__(self, error: BuildError, endpoint: str, values: dict[str, t.Any]) -> str | None:
        return self.find(error, _script(error), endpoint, values)

    def find(
        self, error: BuildError, script: str, endpoint: str, values: dict[str, t.Any]
    ) -> str | None:
        """Return the URL of an endpoint that the app at `script` does not have, or None."""
        if not script.endswith(self.prefix):
            return None  # the app is served by itself
        script = script.removesuffix(self.prefix)
        url = _build(self.app, error, script, endpoint, values)
        if url is None:
            url = self.app.quartish_url_of_mounted(error, script, endpoint, values)
        for above in self.app.quartish_above if url is None else ():
            url = url or above.find(error, script, endpoint, values)
        return url


def _inside(app: AnyServed) -> AnyServed:
    return app.wsgi_app if isinstance(app, FromWSGI) else app


def _script(error: BuildError) -> str:
    adapter = error.adapter
    return "" if adapter is None else adapter.script_name.rstrip("/")


def _build(
    app: AnyServed, error: BuildError, script: str, endpoint: str, values: dict[str, t.Any]
) -> str | None:
    """Return the URL of an app's endpoint, where the app is found at `script`; None where it has
    no such endpoint."""
    adapter = error.adapter
    url_map: t.Any = getattr(app, "url_map", None)
    if adapter is None:
        return None
    options = values.options if isinstance(values, UrlValues) else values
    given = {name: value for name, value in values.items() if name not in _OPTIONS}
    if not hasattr(url_map, "bind"):
        return _starlettes(app, adapter, script, endpoint, given, options)
    t.cast(Core, app).inject_url_defaults(endpoint, given)
    there: MapAdapter = url_map.bind(
        adapter.server_name, script + "/", adapter.subdomain, adapter.url_scheme
    )
    try:
        url: str = there.build(
            endpoint,
            given,
            method=options.get("_method"),
            url_scheme=options.get("_scheme"),
            force_external=bool(options.get("_external")),
        )
    except BuildError:
        return None
    anchor = options.get("_anchor")
    return url if anchor is None else with_anchor(url, anchor)


def _starlettes(
    app: AnyServed,
    adapter: MapAdapter,
    script: str,
    name: str,
    given: dict[str, t.Any],
    options: dict[str, t.Any],
) -> str | None:
    """Return the URL of a route of Starlette's, FastAPI's or another app's that builds them by name
    as those do; None where it has none of that name with just these parameters."""
    build: t.Any = getattr(app, "url_path_for", None)
    routing: t.Any = sys.modules.get("starlette.routing")
    if build is None or routing is None:
        return None
    try:
        path: str = build(name, **given)
    except (routing.NoMatchFound, AssertionError):  # the latter: no such value can be in a path
        return None
    url = f"{script}/{quote(path.lstrip('/'), safe=_IN_PATHS)}"
    if options.get("_external") or options.get("_scheme"):
        url = f"{options.get('_scheme') or adapter.url_scheme}://{adapter.get_host(None)}{url}"
    anchor = options.get("_anchor")
    return url if anchor is None else with_anchor(url, anchor)


_IN_PATHS = "/:@!$&'()*+,;=~"
"""Characters that are not escaped in paths. *Source:* RFC 3986, 3.3."""
_OPTIONS = ("_anchor", "_method", "_scheme", "_external")
