"""The two colours of the app: `Flask`, whose values are plain, and `Quart`, awaitable.

Each names its request class, its response class, its driver and its test client. The
methods of the dispatch family are synchronous in the one and coroutines in the other; all
of them may be overridden, and what is overridden is called wherever the flow would have
taken its own step.
"""

from __future__ import annotations

import asyncio
import typing as t

from werkzeug.exceptions import HTTPException

from . import wrappers
from ._application import App
from ._asgi_or_wsgi import wsgi_only
from ._concurrency.coroutines import drive
from ._current import current_context
from ._current import find_context
from ._current import NO_REQUEST
from ._current import NO_WEBSOCKET
from ._defaults import QUART_DEFAULTS
from ._dispatch.flow import Flow
from ._dispatch.overrides import default
from ._dispatch.overrides import either_form
from ._quart.app import QuartApp
from ._quart.contexts import AppContext as AwaitableContext
from ._quart.contexts import RequestContext
from ._quart.contexts import WebsocketContext
from .asgi.connections import ASGIHTTPConnection
from .asgi.connections import ASGIWebsocketConnection
from .asgi.connections import off_loop
from .config import Config
from .config import QuartConfig
from .ctx import AppContext
from .debugger import KEEP
from .logging import log_failure
from .routing import Rule as Rule
from .sansio.app import _make_timedelta as _make_timedelta
from .sessions import AwaitableCookieSessionInterface
from .sessions import SessionInterface
from .templating import update_template_context
from .testing import EnvironBuilder
from .testing import FlaskClient
from .testing import FlaskCliRunner
from .testing.app import TestApp
from .testing.client import AsyncFlaskClient
from .testing.client import QuartClient
from .testing.utils import make_test_request_context
from .typing import Handled
from .typing import ResponseReturnValue
from .wrappers.awaitable_request import Request as AwaitableRequest
from .wrappers.awaitable_response import Response as AwaitableResponse
from .wsgi import handle_wsgi

T = t.TypeVar("T")
_Given = t.Optional[AppContext]  # None: the active one


def _ctx() -> AppContext:
    ctx = current_context(NO_REQUEST).conn_ctx
    if ctx is None:
        raise RuntimeError(NO_REQUEST)
    return t.cast(AppContext, ctx)


class Flask(App):
    """An application in the plain colour.

    A Flask app, served as ASGI: views may be `def` (run in a worker thread, with the whole
    of their request) or `async def` (run on the event loop). Request attributes, the
    functions of the API and the test client are plain, as in Flask.
    """

    plain = True
    request_class: type[wrappers.Request] = wrappers.Request
    response_class: type[wrappers.Response] = wrappers.Response
    test_client_class: type[FlaskClient] | None = None
    test_cli_runner_class: type[FlaskCliRunner] | None = None

    def drive(self, coro: t.Coroutine[t.Any, t.Any, T]) -> T:
        return drive(coro)

    if t.TYPE_CHECKING:  # what the class of the colour says of what both share

        def make_response(self, rv: ResponseReturnValue) -> wrappers.Response: ...
        def make_default_options_response(self) -> wrappers.Response: ...
        def redirect(self, location: str, code: int = 302) -> wrappers.Response: ...
        def send_static_file(self, filename: str) -> wrappers.Response: ...

    @default
    def full_dispatch_request(self) -> wrappers.Response:
        """Dispatch the request with its hooks and error handlers; return the response."""
        ctx = _ctx()
        return drive(Flow.full_dispatch(self.flow_of(ctx), ctx))

    @default
    def preprocess_request(self) -> ResponseReturnValue | None:
        """Run the url value preprocessors and the before functions, until one returns."""
        ctx = _ctx()
        return t.cast("ResponseReturnValue | None", drive(Flow.preprocess(self.flow_of(ctx), ctx)))

    @default
    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view that matched and return what it returned."""
        ctx = _ctx()
        return t.cast(ResponseReturnValue, drive(Flow.dispatch(self.flow_of(ctx), ctx)))

    @default
    def finalize_request(
        self, rv: ResponseReturnValue | HTTPException, from_error_handler: bool = False
    ) -> wrappers.Response:
        """Make a response of what a view or handler returned, and postprocess it."""
        ctx = _ctx()
        return drive(Flow.finalize(self.flow_of(ctx), ctx, rv, from_error_handler))

    @default
    def process_response(self, response: wrappers.Response) -> wrappers.Response:
        """Run the after functions and save the session."""
        ctx = _ctx()
        return drive(Flow.postprocess(self.flow_of(ctx), ctx, response))

    @default
    def handle_user_exception(self, e: Exception) -> Handled:
        """Answer an exception of a view or hook by its handler, or raise it."""
        ctx = _ctx()
        return drive(Flow.handle_user_exception(self.flow_of(ctx), ctx, e))

    @default
    def handle_http_exception(self, e: HTTPException) -> Handled:
        """Answer an HTTP exception by its handler, or by itself."""
        ctx = _ctx()
        return drive(Flow.handle_http_exception(self.flow_of(ctx), ctx, e))

    @default
    def handle_exception(self, e: Exception) -> wrappers.Response:
        """Log an exception that no handler took and answer 500, or raise it
        (`PROPAGATE_EXCEPTIONS`, testing, debugging)."""
        ctx = _ctx()
        return drive(Flow.handle_exception(self.flow_of(ctx), ctx, e))

    @default
    def log_exception(self, exc_info: t.Any) -> None:
        """Log an exception that no handler took, once, with path, method and endpoint."""
        log_failure(self, exc_info)

    @default
    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the request."""
        ctx = _ctx()
        drive(Flow.teardown_connection(self.flow_of(ctx), ctx, exc))

    @default
    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the application context."""
        ctx = t.cast(AppContext, current_context().app_ctx)
        drive(Flow.teardown_app(self.flow_of(ctx), ctx, exc))

    @default
    def full_dispatch_websocket(self) -> t.Any:
        """Dispatch the websocket with its hooks and error handlers."""
        ctx = _ctx()
        return drive(Flow.full_dispatch(self.websocket_flow, ctx))

    @default
    def preprocess_websocket(self) -> t.Any:
        """Run the url value preprocessors and the before functions, until one returns."""
        ctx = _ctx()
        return drive(Flow.preprocess(self.websocket_flow, ctx))

    @default
    def dispatch_websocket(self) -> t.Any:
        """Call the websocket's handler."""
        ctx = _ctx()
        return drive(Flow.dispatch(self.websocket_flow, ctx))

    @default
    def finalize_websocket(self, rv: t.Any, from_error_handler: bool = False) -> t.Any:
        """Make a response of what a handler returned, if anything, and postprocess it."""
        ctx = _ctx()
        return drive(Flow.finalize(self.websocket_flow, ctx, rv, from_error_handler))

    @default
    def postprocess_websocket(self, response: t.Any) -> t.Any:
        """Run the websocket's after functions."""
        ctx = _ctx()
        return drive(Flow.postprocess(self.websocket_flow, ctx, response))

    @default
    def handle_websocket_exception(self, e: Exception) -> t.Any:
        """Log an exception that no handler took, or raise it."""
        ctx = _ctx()
        return drive(Flow.handle_exception(self.websocket_flow, ctx, e))

    @default
    def do_teardown_websocket(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the websocket."""
        ctx = _ctx()
        drive(Flow.teardown_connection(self.websocket_flow, ctx, exc))

    def update_template_context(self, context: dict[str, t.Any]) -> None:
        """Add to `context` what the context processors give; what is in it stays."""
        drive(update_template_context(self, find_context(), context))

    # --- doors ------------------------------------------------------------------------------

    @default
    @wsgi_only
    def wsgi_app(self, environ: dict[str, t.Any], start_response: t.Any) -> t.Iterable[bytes]:
        """Serve WSGI, in the caller's thread. Assign to it to put a WSGI middleware around the
        app, for ASGI requests too: `app.wsgi_app = ProxyFix(app.wsgi_app)`."""
        return handle_wsgi(self, environ, start_response)

    @default
    def request_context(self, environ: dict[str, t.Any]) -> AppContext:
        """Return a context for the request that a WSGI environ describes."""
        return self.context_class(self, environ)

    def test_request_context(self, *args: t.Any, **kwargs: t.Any) -> AppContext:
        """Return a context for a made-up request; arguments are `EnvironBuilder`'s."""
        builder = EnvironBuilder(self, *args, **kwargs)
        try:
            return self.request_context(builder.get_environ())
        finally:
            builder.close()

    def test_client(self, use_cookies: bool = True, **kwargs: t.Any) -> FlaskClient:
        """Return a synchronous test client; `kwargs` go to `test_client_class`."""
        cls = self.test_client_class or FlaskClient
        return cls(self, self.response_class, use_cookies=use_cookies, **kwargs)

    def async_test_client(self, use_cookies: bool = True, **kwargs: t.Any) -> AsyncFlaskClient:
        """Return a test client with Quart's API, that calls the app as ASGI; its responses are
        those of `test_client`."""
        return AsyncFlaskClient(self, use_cookies=use_cookies, **kwargs)

    def test_cli_runner(self, **kwargs: t.Any) -> FlaskCliRunner:
        """Return a runner for the app's commands; `kwargs` go to `test_cli_runner_class`."""
        cls = self.test_cli_runner_class or FlaskCliRunner
        return cls(self, **kwargs)

    def test_app(self) -> TestApp:
        """Return the app as a server runs it, start-up and shutdown included: `async with`."""
        return TestApp(self)


class Quart(QuartApp):
    """An application in the awaitable colour.

    What reads a body, renders a template or runs hooks is awaited, as in Quart. Views are
    `async def`; a `def` view runs in a worker thread with the whole of its request.
    """

    plain = False
    request_class: type[AwaitableRequest] = AwaitableRequest
    response_class: type[AwaitableResponse] = AwaitableResponse
    test_client_class: type[QuartClient] = QuartClient
    test_app_class: type[TestApp] = TestApp
    asgi_http_class: t.Any = ASGIHTTPConnection
    asgi_websocket_class: t.Any = ASGIWebsocketConnection
    lock_class: type[t.Any] = asyncio.Lock
    context_class: type[AppContext] = AwaitableContext
    session_interface: SessionInterface = AwaitableCookieSessionInterface()
    jinja_options: dict[str, t.Any] = {"enable_async": True}
    default_config = QUART_DEFAULTS
    config_class: type[Config] = QuartConfig

    def drive(self, coro: t.Coroutine[t.Any, t.Any, T]) -> t.Coroutine[t.Any, t.Any, T]:
        return coro

    @default
    @either_form
    async def full_dispatch_request(self, request_context: _Given = None) -> AwaitableResponse:
        """Dispatch the request with its hooks and error handlers; return the response."""
        ctx = request_context or _active()
        return await Flow.full_dispatch(self.flow_of(ctx), ctx)

    @default
    @either_form
    async def preprocess_request(
        self, request_context: _Given = None
    ) -> ResponseReturnValue | None:
        """Run the url value preprocessors and the before functions, until one returns."""
        ctx = request_context or _active()
        return await Flow.preprocess(self.flow_of(ctx), ctx)

    @default
    @either_form
    async def dispatch_request(self, request_context: _Given = None) -> ResponseReturnValue:
        """Call the view that matched and return what it returned."""
        ctx = request_context or _active()
        return await Flow.dispatch(self.flow_of(ctx), ctx)

    @default
    @either_form
    async def finalize_request(
        self,
        result: ResponseReturnValue | HTTPException,
        request_context: _Given = None,
        from_error_handler: bool = False,
    ) -> AwaitableResponse:
        """Make a response of `result`, and postprocess it; `from_error_handler`: log what that
        raises. `request_context` is the active one if not given."""
        ctx = request_context or _active()
        return await Flow.finalize(self.flow_of(ctx), ctx, result, from_error_handler)

    @default
    @either_form
    async def process_response(
        self, response: AwaitableResponse, request_context: _Given = None
    ) -> AwaitableResponse:
        """Run the after functions and save the session."""
        ctx = request_context or _active()
        return await Flow.postprocess(self.flow_of(ctx), ctx, response)

    @default
    @either_form
    async def handle_user_exception(self, error: Exception, ctx: _Given = None) -> Handled:
        """Answer an exception of a view or hook by its handler, or raise it."""
        ctx = ctx or _active()
        return await Flow.handle_user_exception(self.flow_of(ctx), ctx, error)

    @default
    @either_form
    async def handle_http_exception(self, error: HTTPException, ctx: _Given = None) -> Handled:
        """Answer an HTTP exception by its handler, or by itself."""
        ctx = ctx or _active()
        return await Flow.handle_http_exception(self.flow_of(ctx), ctx, error)

    @default
    @either_form
    async def handle_exception(self, error: Exception, ctx: _Given = None) -> AwaitableResponse:
        """Log an exception that no handler took and answer 500, or raise it."""
        ctx = ctx or _active()
        return await Flow.handle_exception(self.flow_of(ctx), ctx, error)

    @default
    @either_form
    def log_exception(self, exception_info: t.Any, ctx: _Given = None) -> None:
        """Log an exception that no handler took, once, with path, method and endpoint."""
        log_failure(self, exception_info)

    @default
    @either_form
    async def do_teardown_request(
        self, exc: BaseException | None = None, request_context: _Given = None
    ) -> None:
        """Run the teardown functions of the request."""
        ctx = request_context or _active()
        await Flow.teardown_connection(self.flow_of(ctx), ctx, exc)

    @default
    @either_form
    async def do_teardown_appcontext(
        self, exc: BaseException | None = None, ctx: _Given = None
    ) -> None:
        """Run the teardown functions of the application context."""
        ctx = ctx or _active()
        await Flow.teardown_app(self.flow_of(ctx), ctx, exc)

    @default
    @either_form
    async def full_dispatch_websocket(self, websocket_context: _Given = None) -> t.Any:
        """Dispatch the websocket with its hooks and error handlers."""
        ctx = websocket_context or _active()
        return await Flow.full_dispatch(self.websocket_flow, ctx)

    @default
    @either_form
    async def preprocess_websocket(self, websocket_context: _Given = None) -> t.Any:
        """Run the url value preprocessors and the before functions, until one returns."""
        ctx = websocket_context or _active()
        return await Flow.preprocess(self.websocket_flow, ctx)

    @default
    @either_form
    async def dispatch_websocket(self, websocket_context: _Given = None) -> t.Any:
        """Call the websocket's handler."""
        ctx = websocket_context or _active()
        return await Flow.dispatch(self.websocket_flow, ctx)

    @default
    @either_form
    async def finalize_websocket(
        self,
        result: t.Any,
        websocket_context: _Given = None,
        from_error_handler: bool = False,
    ) -> t.Any:
        """Make a response of `result`, if any, and postprocess it; `from_error_handler`: log what
        that raises. `websocket_context` is the active one if not given."""
        ctx = websocket_context or _active()
        return await Flow.finalize(self.websocket_flow, ctx, result, from_error_handler)

    @default
    @either_form
    async def postprocess_websocket(
        self, response: t.Any, websocket_context: _Given = None
    ) -> t.Any:
        """Run the websocket's after functions."""
        ctx = websocket_context or _active()
        return await Flow.postprocess(self.websocket_flow, ctx, response)

    @default
    @either_form
    async def handle_websocket_exception(
        self, error: Exception, ctx: _Given = None
    ) -> AwaitableResponse | None:
        """Log an exception that no handler took, or raise it."""
        ctx = ctx or _active()
        return await Flow.handle_exception(self.websocket_flow, ctx, error)

    @default
    @either_form
    async def do_teardown_websocket(
        self, exc: BaseException | None = None, websocket_context: _Given = None
    ) -> None:
        """Run the teardown functions of the websocket."""
        ctx = websocket_context or _active()
        await Flow.teardown_connection(self.websocket_flow, ctx, exc)

    @either_form
    async def update_template_context(self, context: dict[str, t.Any], ctx: _Given = None) -> None:
        """Add to `context` what the context processors give; what is in it stays."""
        await update_template_context(self, ctx or find_context(), context)

    # --- doors ------------------------------------------------------------------------------

    def context_class_of(self, maker: str) -> type[AppContext]:
        """Return the class of what `request_context` or `websocket_context` makes: Quart's one of
        that name, where somebody patched it."""
        kind = RequestContext if maker == "request_context" else WebsocketContext
        patched = kind.redefined - self.context_class.redefined
        return kind if patched and self.context_class is AwaitableContext else self.context_class

    @default
    def request_context(self, request: AwaitableRequest) -> AppContext:
        """Return a context for a request, for `async with`."""
        return self.context_class_of("request_context")(self, request=request)

    @default
    def websocket_context(self, websocket: wrappers.Websocket) -> AppContext:
        """Return a context for a websocket, for `async with`."""
        return self.context_class_of("websocket_context")(self, t.cast(t.Any, websocket))

    def test_request_context(self, path: str, **kwargs: t.Any) -> AppContext:
        """Return a context for a made-up request; arguments are the test client's."""
        return self.request_context(make_test_request_context(self, path, **kwargs))

    def test_client(self, use_cookies: bool = True, **kwargs: t.Any) -> QuartClient:
        """Return an asynchronous test client that calls the app as ASGI."""
        return self.test_client_class(self, use_cookies=use_cookies, **kwargs)

    async_test_client = test_client

    def test_app(self) -> TestApp:
        """Return the app as a server runs it, start-up and shutdown included: `async with`."""
        return self.test_app_class(self)

    @default
    async def handle_request(self, request: AwaitableRequest) -> AwaitableResponse:
        """Return the response to a request, with its whole flow around it."""
        ctx = _active_for(request)
        if ctx is not None:
            return await Flow.handle(self.http_flow, ctx)
        async with self.request_context(request) as ctx:
            if KEEP in request.scope:
                request.scope[KEEP](ctx)
            return await off_loop(self.http_flow, ctx, Flow.handle(self.http_flow, ctx))

    @default
    async def handle_websocket(self, websocket: wrappers.Websocket) -> AwaitableResponse | None:
        """Run a websocket's handler with its whole flow around it; return what rejects it."""
        ctx = _active_for(websocket)
        if ctx is not None:
            return await Flow.handle(self.websocket_flow, ctx)
        async with self.websocket_context(websocket) as ctx:
            return await off_loop(self.websocket_flow, ctx, Flow.handle(self.websocket_flow, ctx))


Quartish = Quart


def _active_for(conn: t.Any) -> AppContext | None:
    """Return the active context where it is this connection's: an override asks, within the
    flow."""
    active = find_context()
    ctx = None if active is None else t.cast("AppContext | None", active.conn_ctx)
    return ctx if ctx is not None and ctx.made is conn else None


def _active() -> AppContext:
    """Return the context of a method that was called without one."""
    active = find_context()
    if active is None:
        raise RuntimeError(NO_WEBSOCKET)
    return t.cast(AppContext, active.conn_ctx or active.app_ctx)
