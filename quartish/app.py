"""`Flask`, the app of the plain colour. `Quart`, of the awaitable one, is in `_quart.app`.

The methods that dispatch a request are synchronous here. Each may be overridden: the flow then
calls the override in place of its own step.
"""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import HTTPException

from . import wrappers
from ._application import App
from ._asgi_or_wsgi import wsgi_only
from ._concurrency.coroutines import drive
from ._current import current_context
from ._current import find_context
from ._current import NO_REQUEST
from ._dispatch.flow import Flow
from ._dispatch.overrides import default
from ._quart.app import Quart as Quart
from .ctx import AppContext
from .logging import log_failure
from .routing import Rule as Rule
from .sansio.app import _make_timedelta as _make_timedelta
from .templating import update_template_context
from .testing import EnvironBuilder
from .testing import FlaskClient
from .testing import FlaskCliRunner
from .testing.app import TestApp
from .testing.client import AsyncFlaskClient
from .typing import Handled
from .typing import ResponseReturnValue
from .wsgi import handle_wsgi

T = t.TypeVar("T")


def _ctx() -> AppContext:
    ctx = current_context(NO_REQUEST).conn_ctx
    if ctx is None:
        raise RuntimeError(NO_REQUEST)
    return t.cast(AppContext, ctx)


class Flask(App):
    """An application in the plain colour: a Flask app, served as ASGI.

    A `def` view runs in a worker thread, together with all sync code of its request; an `async def`
    view runs on the event loop. Request attributes, functions and the test client return plain
    values, as in Flask.
    """

    plain = True
    request_class: type[wrappers.Request] = wrappers.Request
    response_class: type[wrappers.Response] = wrappers.Response
    test_client_class: type[FlaskClient] | None = None
    test_cli_runner_class: type[FlaskCliRunner] | None = None

    def quartish_drive(self, coro: t.Coroutine[t.Any, t.Any, T]) -> T:
        return drive(coro)

    if t.TYPE_CHECKING:  # methods that both colours share, with the types of this one

        def make_response(self, rv: ResponseReturnValue) -> wrappers.Response: ...
        def make_default_options_response(self) -> wrappers.Response: ...
        def redirect(self, location: str, code: int = 302) -> wrappers.Response: ...
        def send_static_file(self, filename: str) -> wrappers.Response: ...

    @default
    def full_dispatch_request(self) -> wrappers.Response:
        """Dispatch the request with its hooks and error handlers; return the response."""
        ctx = _ctx()
        return drive(Flow.full_dispatch(self.quartish_flow_of(ctx), ctx))

    @default
    def preprocess_request(self) -> ResponseReturnValue | None:
        """Run the URL value preprocessors, then the before functions until one returns a value."""
        ctx = _ctx()
        return t.cast(
            "ResponseReturnValue | None", drive(Flow.preprocess(self.quartish_flow_of(ctx), ctx))
        )

    @default
    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view of the matched rule, and return what it returns."""
        ctx = _ctx()
        return t.cast(ResponseReturnValue, drive(Flow.dispatch(self.quartish_flow_of(ctx), ctx)))

    @default
    def finalize_request(
        self, rv: ResponseReturnValue | HTTPException, from_error_handler: bool = False
    ) -> wrappers.Response:
        """Make a response of what a view or error handler returned, and process it.

        With `from_error_handler` errors of that are logged, and not raised.
        """
        ctx = _ctx()
        return drive(Flow.finalize(self.quartish_flow_of(ctx), ctx, rv, from_error_handler))

    @default
    def process_response(self, response: wrappers.Response) -> wrappers.Response:
        """Run the after functions, then save the session; return the response."""
        ctx = _ctx()
        return drive(Flow.postprocess(self.quartish_flow_of(ctx), ctx, response))

    @default
    def handle_user_exception(self, e: Exception) -> Handled:
        """Handle an exception of a view or hook by its error handler, or raise it."""
        ctx = _ctx()
        return drive(Flow.handle_user_exception(self.quartish_flow_of(ctx), ctx, e))

    @default
    def handle_http_exception(self, e: HTTPException) -> Handled:
        """Handle an HTTP exception by its error handler; without one return it as the response."""
        ctx = _ctx()
        return drive(Flow.handle_http_exception(self.quartish_flow_of(ctx), ctx, e))

    @default
    def handle_exception(self, e: Exception) -> wrappers.Response:
        """Log an exception that no error handler took, and return a 500 response; or raise it
        (`PROPAGATE_EXCEPTIONS`, testing, debugging)."""
        ctx = _ctx()
        return drive(Flow.handle_exception(self.quartish_flow_of(ctx), ctx, e))

    @default
    def log_exception(self, exc_info: t.Any) -> None:
        """Log an exception that no error handler took, once, with path, method and endpoint."""
        log_failure(self, exc_info)

    @default
    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the request."""
        ctx = _ctx()
        drive(Flow.teardown_connection(self.quartish_flow_of(ctx), ctx, exc))

    @default
    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the application context."""
        ctx = t.cast(AppContext, current_context().app_ctx)
        drive(Flow.teardown_app(self.quartish_flow_of(ctx), ctx, exc))

    @default
    def full_dispatch_websocket(self) -> t.Any:
        """Dispatch the websocket with its hooks and error handlers."""
        ctx = _ctx()
        return drive(Flow.full_dispatch(self.quartish_websocket_flow, ctx))

    @default
    def preprocess_websocket(self) -> t.Any:
        """Run the URL value preprocessors, then the before functions until one returns a value."""
        ctx = _ctx()
        return drive(Flow.preprocess(self.quartish_websocket_flow, ctx))

    @default
    def dispatch_websocket(self) -> t.Any:
        """Call the websocket's handler."""
        ctx = _ctx()
        return drive(Flow.dispatch(self.quartish_websocket_flow, ctx))

    @default
    def finalize_websocket(self, rv: t.Any, from_error_handler: bool = False) -> t.Any:
        """Make a response of what a websocket's handler returned, if anything, and process it.

        With `from_error_handler` errors of that are logged, and not raised.
        """
        ctx = _ctx()
        return drive(Flow.finalize(self.quartish_websocket_flow, ctx, rv, from_error_handler))

    @default
    def postprocess_websocket(self, response: t.Any) -> t.Any:
        """Run the websocket's after functions."""
        ctx = _ctx()
        return drive(Flow.postprocess(self.quartish_websocket_flow, ctx, response))

    @default
    def handle_websocket_exception(self, e: Exception) -> t.Any:
        """Log an exception that no error handler took, or raise it."""
        ctx = _ctx()
        return drive(Flow.handle_exception(self.quartish_websocket_flow, ctx, e))

    @default
    def do_teardown_websocket(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the websocket."""
        ctx = _ctx()
        drive(Flow.teardown_connection(self.quartish_websocket_flow, ctx, exc))

    def update_template_context(self, context: dict[str, t.Any]) -> None:
        """Add the variables of the context processors to `context`; those that it has are kept."""
        drive(update_template_context(self, find_context(), context))

    # --- doors ------------------------------------------------------------------------------

    @default
    @wsgi_only
    def wsgi_app(self, environ: dict[str, t.Any], start_response: t.Any) -> t.Iterable[bytes]:
        """Handle a WSGI request in the caller's thread. Set it to wrap the app in a WSGI
        middleware, which ASGI requests pass as well: `app.wsgi_app = ProxyFix(app.wsgi_app)`."""
        return handle_wsgi(self, environ, start_response)

    @default
    def request_context(self, environ: dict[str, t.Any]) -> AppContext:
        """Return a context for the request that a WSGI environ describes."""
        return self.quartish_context_class(self, environ)

    def test_request_context(self, *args: t.Any, **kwargs: t.Any) -> AppContext:
        """Return a context for a made-up request; the arguments are those of `EnvironBuilder`."""
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
        """Return a test client with Quart's methods, which calls the app as ASGI; its responses are
        those of `test_client`."""
        return AsyncFlaskClient(self, use_cookies=use_cookies, **kwargs)

    def test_cli_runner(self, **kwargs: t.Any) -> FlaskCliRunner:
        """Return a runner for the app's commands; `kwargs` go to `test_cli_runner_class`."""
        cls = self.test_cli_runner_class or FlaskCliRunner
        return cls(self, **kwargs)

    def test_app(self) -> TestApp:
        """Return the app with start-up and shutdown around it, for `async with`."""
        return TestApp(self)


Quartish = Quart
