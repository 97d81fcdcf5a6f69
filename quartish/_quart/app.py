"""`Quart`: the app of the awaitable colour.

Requests, responses, contexts and the test client have methods to await. The methods that dispatch a
request are coroutine functions, which take the context as an optional argument. Each may be
overridden: the flow then calls the override in place of its own step.
"""

from __future__ import annotations

import asyncio
import os
import typing as t

from werkzeug.exceptions import HTTPException

from .._application import App
from .._current import find_context
from .._current import NO_WEBSOCKET
from .._defaults import QUART_DEFAULTS
from .._dispatch.flow import Flow
from .._dispatch.overrides import default
from .._dispatch.overrides import either_form
from .._dispatch.response import make_response
from ..asgi.connections import ASGIHTTPConnection
from ..asgi.connections import ASGIWebsocketConnection
from ..asgi.connections import off_loop
from ..config import Config
from ..config import QuartConfig
from ..ctx import AppContext
from ..debugger import KEEP
from ..logging import log_failure
from ..sansio.scaffold import as_seconds
from ..sansio.scaffold import PathLike
from ..serving import serve
from ..serving import ServerConfig
from ..sessions.interface import AwaitableCookieSessionInterface
from ..sessions.interface import SessionInterface
from ..templating.render import update_template_context
from ..testing.app import TestApp
from ..testing.client import QuartClient
from ..testing.utils import make_test_request_context
from ..testing.wsgi_client import FlaskCliRunner
from ..typing import Handled
from ..typing import ResponseReturnValue
from ..typing import RouteCallable
from ..wrappers.awaitable_request import Request
from ..wrappers.awaitable_response import Response
from ..wrappers.websocket import Websocket
from .contexts import AppContext as AwaitableContext
from .contexts import RequestContext
from .contexts import WebsocketContext
from .files import Files
from .files import Opening

T = t.TypeVar("T")
_Given = t.Optional[AppContext]  # None: the active one


class Quart(Files, App):
    """An application in the awaitable colour.

    What reads a body, renders a template or runs hooks is awaited, as in Quart. An `async def` view
    runs on the event loop; a `def` view runs in a worker thread, together with all sync code of its
    request.
    """

    plain = False
    request_class: type[Request] = Request
    response_class: type[Response] = Response
    test_client_class: type[QuartClient] = QuartClient
    test_app_class: type[TestApp] = TestApp
    test_cli_runner_class: type[FlaskCliRunner] = FlaskCliRunner
    asgi_http_class: t.Any = ASGIHTTPConnection
    asgi_websocket_class: t.Any = ASGIWebsocketConnection
    lock_class: type[t.Any] = asyncio.Lock
    quartish_context_class: type[AppContext] = AwaitableContext
    session_interface: SessionInterface = AwaitableCookieSessionInterface()
    jinja_options: dict[str, t.Any] = {"enable_async": True}
    default_config = QUART_DEFAULTS
    config_class: type[Config] = QuartConfig

    def quartish_drive(self, coro: t.Coroutine[t.Any, t.Any, T]) -> t.Coroutine[t.Any, t.Any, T]:
        return coro

    # --- dispatching --------------------------------------------------------------------------

    @default
    @either_form
    async def full_dispatch_request(self, request_context: _Given = None) -> Response:
        """Dispatch the request with its hooks and error handlers; return the response."""
        ctx = request_context or _active()
        return await Flow.full_dispatch(self.quartish_flow_of(ctx), ctx)

    @default
    @either_form
    async def preprocess_request(
        self, request_context: _Given = None
    ) -> ResponseReturnValue | None:
        """Run the URL value preprocessors, then the before functions until one returns a value."""
        ctx = request_context or _active()
        return await Flow.preprocess(self.quartish_flow_of(ctx), ctx)

    @default
    @either_form
    async def dispatch_request(self, request_context: _Given = None) -> ResponseReturnValue:
        """Call the view of the matched rule, and return what it returns."""
        ctx = request_context or _active()
        return await Flow.dispatch(self.quartish_flow_of(ctx), ctx)

    @default
    @either_form
    async def finalize_request(
        self,
        result: ResponseReturnValue | HTTPException,
        request_context: _Given = None,
        from_error_handler: bool = False,
    ) -> Response:
        """Make a response of `result`, and process it.

        With `from_error_handler` errors of that are logged, and not raised. `request_context` is
        by default the active one.
        """
        ctx = request_context or _active()
        return await Flow.finalize(self.quartish_flow_of(ctx), ctx, result, from_error_handler)

    @default
    @either_form
    async def process_response(
        self, response: Response, request_context: _Given = None
    ) -> Response:
        """Run the after functions, then save the session; return the response."""
        ctx = request_context or _active()
        return await Flow.postprocess(self.quartish_flow_of(ctx), ctx, response)

    @default
    @either_form
    async def handle_user_exception(self, error: Exception, ctx: _Given = None) -> Handled:
        """Handle an exception of a view or hook by its error handler, or raise it."""
        ctx = ctx or _active()
        return await Flow.handle_user_exception(self.quartish_flow_of(ctx), ctx, error)

    @default
    @either_form
    async def handle_http_exception(self, error: HTTPException, ctx: _Given = None) -> Handled:
        """Handle an HTTP exception by its error handler; without one return it as the response."""
        ctx = ctx or _active()
        return await Flow.handle_http_exception(self.quartish_flow_of(ctx), ctx, error)

    @default
    @either_form
    async def handle_exception(self, error: Exception, ctx: _Given = None) -> Response:
        """Log an exception that no error handler took, and return a 500 response; or raise it."""
        ctx = ctx or _active()
        return await Flow.handle_exception(self.quartish_flow_of(ctx), ctx, error)

    @default
    @either_form
    def log_exception(self, exception_info: t.Any, ctx: _Given = None) -> None:
        """Log an exception that no error handler took, once, with path, method and endpoint."""
        log_failure(self, exception_info)

    @default
    @either_form
    async def do_teardown_request(
        self, exc: BaseException | None = None, request_context: _Given = None
    ) -> None:
        """Run the teardown functions of the request."""
        ctx = request_context or _active()
        await Flow.teardown_connection(self.quartish_flow_of(ctx), ctx, exc)

    @default
    @either_form
    async def do_teardown_appcontext(
        self, exc: BaseException | None = None, ctx: _Given = None
    ) -> None:
        """Run the teardown functions of the application context."""
        ctx = ctx or _active()
        await Flow.teardown_app(self.quartish_flow_of(ctx), ctx, exc)

    @default
    @either_form
    async def full_dispatch_websocket(self, websocket_context: _Given = None) -> t.Any:
        """Dispatch the websocket with its hooks and error handlers."""
        ctx = websocket_context or _active()
        return await Flow.full_dispatch(self.quartish_websocket_flow, ctx)

    @default
    @either_form
    async def preprocess_websocket(self, websocket_context: _Given = None) -> t.Any:
        """Run the URL value preprocessors, then the before functions until one returns a value."""
        ctx = websocket_context or _active()
        return await Flow.preprocess(self.quartish_websocket_flow, ctx)

    @default
    @either_form
    async def dispatch_websocket(self, websocket_context: _Given = None) -> t.Any:
        """Call the websocket's handler."""
        ctx = websocket_context or _active()
        return await Flow.dispatch(self.quartish_websocket_flow, ctx)

    @default
    @either_form
    async def finalize_websocket(
        self,
        result: t.Any,
        websocket_context: _Given = None,
        from_error_handler: bool = False,
    ) -> t.Any:
        """Make a response of `result`, if any, and process it.

        With `from_error_handler` errors of that are logged, and not raised. `websocket_context` is
        by default the active one.
        """
        ctx = websocket_context or _active()
        return await Flow.finalize(self.quartish_websocket_flow, ctx, result, from_error_handler)

    @default
    @either_form
    async def postprocess_websocket(
        self, response: t.Any, websocket_context: _Given = None
    ) -> t.Any:
        """Run the websocket's after functions."""
        ctx = websocket_context or _active()
        return await Flow.postprocess(self.quartish_websocket_flow, ctx, response)

    @default
    @either_form
    async def handle_websocket_exception(
        self, error: Exception, ctx: _Given = None
    ) -> Response | None:
        """Log an exception that no error handler took, or raise it."""
        ctx = ctx or _active()
        return await Flow.handle_exception(self.quartish_websocket_flow, ctx, error)

    @default
    @either_form
    async def do_teardown_websocket(
        self, exc: BaseException | None = None, websocket_context: _Given = None
    ) -> None:
        """Run the teardown functions of the websocket."""
        ctx = websocket_context or _active()
        await Flow.teardown_connection(self.quartish_websocket_flow, ctx, exc)

    @default
    async def make_response(self, result: ResponseReturnValue) -> Response:
        """Make a response of what a view may return."""
        return t.cast(Response, make_response(self, result))

    @default
    @either_form
    async def make_default_options_response(self, ctx: AppContext | None = None) -> Response:
        """Return the automatic response to OPTIONS."""
        return t.cast(Response, super().make_default_options_response())

    if t.TYPE_CHECKING:

        def redirect(self, location: str, code: int = 302) -> Response: ...  # type: ignore[override]

    @either_form
    async def handle_background_exception(
        self, error: Exception, ctx: AppContext | None = None
    ) -> None:
        """Send the signal and log the exception of a background task."""
        await super().handle_background_exception(error)

    @either_form
    async def update_template_context(self, context: dict[str, t.Any], ctx: _Given = None) -> None:
        """Add the variables of the context processors to `context`; those that it has are kept."""
        await update_template_context(self, ctx or find_context(), context)

    # --- doors ------------------------------------------------------------------------------

    def context_class_of(self, maker: str) -> type[AppContext]:
        """Return the class of the contexts that `maker`, `request_context` or `websocket_context`,
        makes: `RequestContext` or `WebsocketContext` where somebody patched that."""
        kind = RequestContext if maker == "request_context" else WebsocketContext
        patched = kind.quartish_redefined - self.quartish_context_class.quartish_redefined
        return (
            kind
            if patched and self.quartish_context_class is AwaitableContext
            else self.quartish_context_class
        )

    @default
    def request_context(self, request: Request) -> AppContext:
        """Return a context for a request, for `async with`."""
        return self.context_class_of("request_context")(self, request=request)

    @default
    def websocket_context(self, websocket: Websocket) -> AppContext:
        """Return a context for a websocket, for `async with`."""
        return self.context_class_of("websocket_context")(self, t.cast(t.Any, websocket))

    def test_request_context(self, path: str, **kwargs: t.Any) -> AppContext:
        """Return a context for a made-up request; the arguments are those of the test client."""
        return self.request_context(make_test_request_context(self, path, **kwargs))

    def test_client(self, use_cookies: bool = True, **kwargs: t.Any) -> QuartClient:
        """Return an asynchronous test client that calls the app as ASGI."""
        return self.test_client_class(self, use_cookies=use_cookies, **kwargs)

    async_test_client = test_client

    def test_cli_runner(self, **kwargs: t.Any) -> FlaskCliRunner:
        """Return a runner for the app's commands; `kwargs` go to `test_cli_runner_class`."""
        return self.test_cli_runner_class(self, **kwargs)

    def test_app(self) -> TestApp:
        """Return the app with start-up and shutdown around it, for `async with`."""
        return self.test_app_class(self)

    @default
    async def handle_request(self, request: Request) -> Response:
        """Run the whole flow of a request, and return the response."""
        ctx = _active_for(request)
        if ctx is not None:
            return await Flow.handle(self.quartish_http_flow, ctx)
        async with self.request_context(request) as ctx:
            if KEEP in request.scope:
                request.scope[KEEP](ctx)
            return await off_loop(
                self.quartish_http_flow, ctx, Flow.handle(self.quartish_http_flow, ctx)
            )

    @default
    async def handle_websocket(self, websocket: Websocket) -> Response | None:
        """Run the whole flow of a websocket; return the response that rejects it, if one does."""
        ctx = _active_for(websocket)
        if ctx is not None:
            return await Flow.handle(self.quartish_websocket_flow, ctx)
        async with self.websocket_context(websocket) as ctx:
            return await off_loop(
                self.quartish_websocket_flow, ctx, Flow.handle(self.quartish_websocket_flow, ctx)
            )

    # --- files --------------------------------------------------------------------------------

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Return for how many seconds a client may cache `filename`; None: it has to ask."""
        return as_seconds(self.config["SEND_FILE_MAX_AGE_DEFAULT"])

    def _quartish_static_view(self) -> RouteCallable:
        return self.send_static_file  # extensions compare it with the method

    async def open_instance_resource(  # type: ignore[override]
        self, path: PathLike, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> Opening:
        """Open the file at `path` in the instance folder, as `open_resource` does, in any `mode` of
        `open`; `encoding` is for text modes."""
        return Opening(os.path.join(self.instance_path, path), mode, encoding)

    # --- serving ------------------------------------------------------------------------------

    def run(  # type: ignore[override]
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        use_reloader: bool | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        ca_certs: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        **options: t.Any,
    ) -> None:
        """Serve the app on this machine while developing it, by Hypercorn.

        It does nothing while a command runs, such as `quart run`.

        Args:
            host: Where to listen; by default that of `SERVER_NAME`, else 127.0.0.1.
            port: By default that of `SERVER_NAME`, else 5000.
            debug: Debug mode; by default as the app has it.
            use_reloader: Whether files are watched; by default in debug mode.
            loop: The event loop to serve on, which is closed at the end.
            ca_certs: The file of the authorities that clients' certificates are checked by.
            certfile: The file of the server's certificate.
            keyfile: The file of its key.
            **options: Those of `Flask.run`.
        """
        if use_reloader is not None:
            options["use_reloader"] = use_reloader
        files = {"ca_certs": ca_certs, "certfile": certfile, "keyfile": keyfile}
        options.update((name, file) for name, file in files.items() if file is not None)
        super().run(host, port, debug, loop=loop, **options)

    def run_task(
        self,
        host: str = "127.0.0.1",
        port: int = 5000,
        debug: bool | None = None,
        ca_certs: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        shutdown_trigger: t.Callable[[], t.Awaitable[object]] | None = None,
    ) -> t.Coroutine[t.Any, t.Any, None]:
        """Return a coroutine that serves the app by Hypercorn on the running event loop.

        Args:
            host: Where to listen; `unix:` and `fd:` are understood.
            port: The port.
            debug: Debug mode; by default as the app has it.
            ca_certs: The file of the authorities that clients' certificates are checked by.
            certfile: The file of the server's certificate.
            keyfile: The file of its key.
            shutdown_trigger: Serving ends when the awaitable that this returns is done; by default
                at SIGINT or SIGTERM.
        """
        if debug is not None:
            self.debug = debug
        config = ServerConfig()
        config.bind = [host if host.startswith(("unix:", "fd:")) else f"{host}:{port}"]
        config.ca_certs = ca_certs
        config.set_certificate((certfile, keyfile))
        return serve(self, config, shutdown_trigger)


def _active_for(conn: t.Any) -> AppContext | None:
    """Return the active context if it is this connection's: then an override calls from within the
    flow. Else return None."""
    active = find_context()
    ctx = None if active is None else t.cast("AppContext | None", active.conn_ctx)
    return ctx if ctx is not None and ctx.made is conn else None


def _active() -> AppContext:
    """Return the context of a method that was called without one."""
    active = find_context()
    if active is None:
        raise RuntimeError(NO_WEBSOCKET)
    return t.cast(AppContext, active.conn_ctx or active.app_ctx)
