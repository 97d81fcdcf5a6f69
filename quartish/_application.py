"""The app with its doors: what `Flask` and `Quart` have in common.

A door (`__call__`) is called by a server, or a test client, for a request. The rest is in `asgi`,
`wsgi`, `ctx` and `_dispatch.flow`; this module connects them.
"""

from __future__ import annotations

import asyncio
import os
import typing as t
import weakref
from contextvars import copy_context
from functools import partial

from werkzeug import serving as werkzeug_serving
from werkzeug.routing import RequestRedirect

from ._asgi_or_wsgi import AppType
from ._asgi_or_wsgi import check_middleware
from ._asgi_or_wsgi import wrong_call
from ._asgi_or_wsgi import wsgi_only
from ._cli.commands import is_running_from_cli
from ._cli.find_app import load_dotenv as _load_dotenv
from ._concurrency.coroutines import from_thread
from ._concurrency.coroutines import is_async_callable
from ._concurrency.coroutines import settled
from ._concurrency.threads import to_thread
from ._concurrency.workers import Workers
from ._current import find_context
from ._dispatch.flow import Flow
from ._dispatch.overrides import default
from ._dispatch.overrides import HELPERS
from ._dispatch.overrides import is_default
from ._dispatch.plan import HTTP
from ._dispatch.plan import WEBSOCKET
from ._dispatch.response import make_response
from ._dispatch.url import build_url
from ._lazy import lazy
from ._observed import watch
from ._observed import Watched
from ._serving.pages import code_of
from ._serving.pages import pages_of
from .asgi.http import handle_http
from .asgi.lifespan import ASGILifespan
from .asgi.lifespan import Phase
from .asgi.lifespan import Serving
from .asgi.stopping import cancelled_requests
from .asgi.websocket import end_websockets
from .asgi.websocket import handle_websocket
from .blueprints import T_after_serving
from .blueprints import T_before_serving
from .blueprints import T_while_serving
from .ctx import _AppCtxGlobals
from .ctx import AppContext
from .debughelpers import explain_miss
from .debughelpers import FormDataRoutingRedirect
from .globals import g
from .globals import request
from .globals import session
from .helpers import get_debug_flag
from .helpers import get_flashed_messages
from .helpers import get_load_dotenv
from .middleware.around import Composed
from .sansio.app import Core
from .sansio.scaffold import setupmethod
from .serving import resolve_address
from .serving import run as _serve
from .serving import show_server_banner
from .tasks.background import Tasks
from .tasks.of_app import WithTasks
from .typing import AfterServingCallable
from .typing import ASGIReceive
from .typing import ASGISend
from .typing import BeforeServingCallable
from .typing import Scope
from .typing import WhileServingCallable
from .wrappers.websocket import Websocket

_run_simple = werkzeug_serving.run_simple

T = t.TypeVar("T")

#: Setting one of these on a class or an app changes how requests are dispatched.
FAMILY = frozenset(
    [
        *HTTP.methods.values(),
        *WEBSOCKET.methods.values(),
        *HELPERS,
        *HTTP.hooks,
        *WEBSOCKET.hooks,
        *("teardown_appcontext_funcs", "url_value_preprocessors"),
        *("request_class", "websocket_class", "response_class", "quartish_context_class"),
        *("session_interface", "config", "subdomain_matching", "url_map"),
        *("wsgi_app", "__call__", "app_context"),
        *("handle_request", "request_context", "handle_websocket", "websocket_context"),
        *("ensure_async", "sync_to_async", "asgi_http_class", "asgi_websocket_class"),
    ]
)


class App(WithTasks, Composed, Watched, metaclass=AppType):
    """What both colours share. Use `Flask` or `Quart`."""

    #: Whether request and response attributes are plain values (Flask) or awaitable (Quart).
    plain: bool
    app_ctx_globals_class: type[t.Any] = _AppCtxGlobals
    quartish_context_class: type[AppContext] = AppContext
    websocket_class: type[Websocket] = Websocket
    asgi_lifespan_class: t.Any = ASGILifespan
    event_class: type[t.Any] = asyncio.Event
    quartish_sets: t.ClassVar[tuple[str, ...]] = (
        *Core.quartish_sets,
        *("components", "component_overrides", "websockets"),
        *("before_serving_funcs", "while_serving_funcs", "after_serving_funcs"),
    )

    def _quartish_add_live_parts(self) -> None:
        watch(self)
        self.before_serving_funcs: list[BeforeServingCallable] = []
        self.while_serving_funcs: list[WhileServingCallable] = []
        self.after_serving_funcs: list[AfterServingCallable] = []
        #: Open websockets; they are closed with 1012 at shutdown.
        self.websockets: set[t.Any] = set()
        #: Requests that have waited for something, and are not over.
        self.quartish_exchanges: set[t.Any] = set()
        self.quartish_serving_loop: asyncio.AbstractEventLoop | None = None
        self._quartish_background = Tasks(weakref.ref(self))
        self._quartish_serving = Serving(weakref.ref(self))

    def __setattr__(self, name: str, value: t.Any) -> None:
        if name in ("asgi_app", "wsgi_app"):
            check_middleware(self, name, value)
        super().__setattr__(name, value)

    def _quartish_changed(self, name: str) -> None:
        if name in FAMILY:
            self.quartish_forget_flows()

    # --- doors ------------------------------------------------------------------------------

    def __call__(self, scope: t.Any, receive: t.Any = None, send: t.Any = None) -> t.Any:
        """Serve `(scope, receive, send)` as ASGI, `(environ, start_response)` as WSGI."""
        if send is not None:
            return self.asgi_app(scope, receive, send)
        return (self.wsgi_app if self._quartish_mount is None else self.quartish_serve_wsgi)(
            scope, receive
        )

    async def asgi_app(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve ASGI: `scope`, `receive`, `send`. Wrap it: `app.asgi_app = Outer(app.asgi_app)`."""
        try:
            kind = scope["type"]
        except (KeyError, TypeError):
            raise wrong_call(self, scope, receive, send) from None
        if kind == "http":
            await handle_http(self, scope, receive, send)
        elif kind == "websocket":
            await handle_websocket(self, scope, receive, send)
        elif kind == "lifespan":
            await self.asgi_lifespan_class(self, scope)(receive, send)
        else:
            raise ValueError(f"This app cannot serve the ASGI scope type {kind!r}.")

    @default
    @wsgi_only
    def wsgi_app(self, environ: dict[str, t.Any], start_response: t.Any) -> t.Iterable[bytes]:
        """Refuse WSGI, which `Flask` serves."""
        raise TypeError(
            f"{type(self).__name__} was called with two arguments, as a WSGI app. Its requests"
            " are awaitable: serve it as ASGI, or use the class Flask."
        )

    # --- dispatching --------------------------------------------------------------------------

    @lazy
    def quartish_http_flow(self) -> Flow:
        """The dispatch flow of requests."""
        return Flow(self)

    @lazy
    def quartish_websocket_flow(self) -> Flow:
        """The dispatch flow of websockets."""
        return Flow(self, WEBSOCKET)

    def quartish_flow_of(self, ctx: AppContext) -> Flow:
        """Return the dispatch flow for the context's kind of connection."""
        return self.quartish_websocket_flow if ctx.has_websocket else self.quartish_http_flow

    def quartish_forget_flows(self) -> None:
        """Make new flows, as a method or attribute was set that they depend on."""
        vars(self).pop("quartish_http_flow", None)
        vars(self).pop("quartish_websocket_flow", None)
        self.quartish_settings.look(self)

    def quartish_drive(self, coro: t.Coroutine[t.Any, t.Any, T]) -> t.Any:
        """Run a coroutine to its end in the plain colour; in the awaitable colour return it."""
        raise NotImplementedError

    if t.TYPE_CHECKING:

        def update_template_context(self, context: dict[str, t.Any]) -> t.Any: ...

    else:
        make_response = default(make_response)
        create_url_adapter = default(Core.create_url_adapter)

    @default
    def raise_routing_exception(self, request: t.Any) -> t.NoReturn:
        """Raise the exception of a failed match. In debug mode a redirect that would lose a
        form's data is an error of its own."""
        error = request.routing_exception
        if (
            self.debug
            and isinstance(error, RequestRedirect)
            and error.code not in (307, 308)
            and request.method not in ("GET", "HEAD", "OPTIONS")
        ):
            raise FormDataRoutingRedirect(request)
        if self.debug:
            explain_miss(self, request)
        raise error

    @default
    def make_default_options_response(self) -> t.Any:
        """Return the automatic response to OPTIONS (RFC 9110, 9.3.7)."""
        rv = self.response_class()
        rv.allow.update(t.cast(t.Any, find_context()).url_adapter.allowed_methods())
        return rv

    @default
    def ensure_sync(self, func: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        """Return `func` such that sync code may call it: a `def` as it is.

        If this thread has no running loop, an `async def` is run to its end and the call returns
        its value. On a running loop the call returns the coroutine, which the caller (in the end
        the dispatch flow) awaits.
        """
        return self.async_to_sync(func) if is_async_callable(func) else func

    @default
    def async_to_sync(self, func: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        """Return a `def` for an `async def`, as `ensure_sync` says."""

        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            coro = func(*args, **kwargs)
            return coro if asyncio._get_running_loop() is not None else from_thread(coro)

        return call

    @default
    def ensure_async(self, func: t.Callable[..., t.Any]) -> t.Callable[..., t.Awaitable[t.Any]]:
        """Return an `async def` for `func`; a `def` is run in a worker thread."""
        return func if is_async_callable(func) else self.sync_to_async(func)

    @default
    def sync_to_async(self, func: t.Callable[..., T]) -> t.Callable[..., t.Awaitable[T]]:
        """Return an `async def` that runs `func` in a worker thread, in a copy of the context."""

        async def call(*args: t.Any, **kwargs: t.Any) -> T:
            work = partial(func, *args, **kwargs)
            rv: t.Any = await to_thread(self.view_pool, copy_context(), work)
            return t.cast(T, await settled(rv))

        return call

    # --- threads ------------------------------------------------------------------------------

    @lazy
    def view_pool(self) -> Workers:
        """The worker threads of `def` views: `VIEW_THREADS` at most."""
        return Workers(self.config["VIEW_THREADS"], f"{self.name}-view")

    @lazy
    def file_pool(self) -> Workers:
        """The worker threads that read and write files: `FILE_THREADS` at most."""
        return Workers(self.config["FILE_THREADS"], f"{self.name}-file")

    @lazy
    def hook_pool(self) -> Workers:
        """Threads that requests keep for their hooks. They are apart from those of views, for which
        hooks would have to wait."""
        return Workers(self.config["VIEW_THREADS"], f"{self.name}-hooks")

    async def to_file_thread(self, func: t.Callable[..., T], *args: t.Any) -> T:
        """Run a file operation off the loop."""
        return await to_thread(self.file_pool, copy_context(), func, *args)

    # --- contexts -----------------------------------------------------------------------------

    @default
    def app_context(self) -> AppContext:
        """Return a new application context, for `with` or `async with`."""
        ctx = self.quartish_context_class(self)
        if not is_default(self.create_url_adapter):  # called at once, as in Flask
            ctx.url_adapter = self.create_url_adapter(None)
        return ctx

    def url_for(
        self,
        /,
        endpoint: str,
        *,
        _anchor: str | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        _external: bool | None = None,
        **values: t.Any,
    ) -> str:
        """Return the URL of an endpoint; values it has no variable for become the query.

        `.name` is relative to the current blueprint. Within a request the URL is without
        scheme and host unless `_external` or `_scheme`; outside of one it has them, taken
        from `SERVER_NAME`. Raises BuildError unless `handle_url_build_error` returns a URL.
        """
        return build_url(
            self,
            endpoint,
            anchor=_anchor,
            method=_method,
            scheme=_scheme,
            external=_external,
            values=values,
        )

    def create_jinja_environment(self) -> t.Any:
        env = super().create_jinja_environment()
        # For templates that are imported: those see no context processor's values.
        env.globals.update(
            url_for=self.url_for,
            get_flashed_messages=get_flashed_messages,
            config=self.config,
            request=request,
            session=session,
            g=g,
        )
        return env

    create_jinja_environment.__doc__ = Core.create_jinja_environment.__doc__

    def make_shell_context(self) -> dict[str, t.Any]:
        """Return the names of the interactive shell."""
        names: dict[str, t.Any] = {"app": self, "g": g}
        for processor in self.shell_context_processors:
            names.update(processor())
        return names

    # --- serving ------------------------------------------------------------------------------

    @setupmethod
    def before_serving(self, func: T_before_serving) -> T_before_serving:
        """Call `func()` in an app context before the first request is served."""
        self.before_serving_funcs.append(func)
        return func

    @setupmethod
    def while_serving(self, func: T_while_serving) -> T_while_serving:
        """Run a generator to its `yield` before serving, and to its end after."""
        self.while_serving_funcs.append(func)
        return func

    @setupmethod
    def after_serving(self, func: T_after_serving) -> T_after_serving:
        """Call `func()` in an app context after the last request was served."""
        self.after_serving_funcs.append(func)
        return func

    @lazy
    def shutdown_event(self) -> t.Any:
        """Set when shutdown begins."""
        return self.event_class()

    @property
    def quartish_serving_phase(self) -> Phase | None:
        """The phase of the app: "starting", "serving" or "stopping"; None by WSGI, and under a
        server without the lifespan protocol."""
        return self._quartish_serving.phase

    async def startup(self) -> None:
        """Run the start-up, as the server's lifespan message does."""
        self.quartish_serving_loop = asyncio.get_running_loop()
        self.shutdown_event = self.event_class()
        self._quartish_serving.phase = "starting"
        try:
            await self._quartish_serving.start()
            self._quartish_background.open()
            self._quartish_serving.phase = "serving"
        except BaseException:
            self._quartish_serving.phase = "stopping"
            await self._quartish_background.stop(0)
            self.quartish_serving_loop = None
            raise

    async def shutdown(self) -> None:
        """End serving: close websockets (1012); wait for them and for cancelled requests,
        `DISCONNECT_GRACE` seconds, and for background tasks, `BACKGROUND_TASK_SHUTDOWN_TIMEOUT`
        seconds; then run the serving hooks."""
        self._quartish_serving.phase = "stopping"
        self.shutdown_event.set()
        await end_websockets(self, cancelled_requests(self))
        await self._quartish_background.stop(self.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"])
        try:
            await self._quartish_serving.stop()
        finally:
            self.quartish_serving_loop = None

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        load_dotenv: bool = True,
        **options: t.Any,
    ) -> None:
        """Serve the app here, by Hypercorn unless `server` names another; not under `quartish run`.

        `host` and `port` default to `SERVER_NAME`'s, else 127.0.0.1 and 5000, `debug` to the
        app's; `load_dotenv` reads `.env`. `options` are those of `serving.run`.
        """
        if is_running_from_cli():
            return
        if get_load_dotenv(load_dotenv):
            _load_dotenv()
            if any(f"{name}_DEBUG" in os.environ for name in ("FLASK", "QUARTISH", "QUART")):
                self.debug = get_debug_flag()
        if debug is not None:
            self.debug = bool(debug)
        if False in (options.get("use_debugger"), options.get("use_evalex")):
            self.config["DEBUGGER"] = False
        host, port = resolve_address(host, port, self.config.get("SERVER_NAME"))
        options.setdefault("use_reloader", self.debug)
        show_server_banner(self.debug, self.name)
        # If something has replaced Werkzeug's server, which Flask calls here, it is called.
        try:
            if werkzeug_serving.run_simple is not _run_simple:
                werkzeug_serving.run_simple(host, port, self, **options)
            else:
                if options["use_reloader"] or options.get("live_reload"):
                    options["extra_files"] = [*(options.get("extra_files") or ()), *code_of(self)]
                    options["pages"] = [*options.get("pages", ()), *pages_of(self)]
                _serve(self, host, port, debug=self.debug, **options)
        finally:
            self._got_first_request = False  # it may be changed and run again
