"""The dispatch flow: what happens to a request between door and view.

    full_dispatch
      produce                              errors go to recover: handle_user_exception
        preprocess                         url value preprocessors, before functions
        dispatch                           the view
      finalize                             make_response, postprocess (after functions, session)
    fail: handle_exception                 what nothing above could answer
    end_context                            teardown functions

A request in which nobody takes part but the view, on the loop lane, is shorter: the door calls
the view itself, and comes here with what it returned (`answer`, else `conclude`) or raised
(`rescue`).

It is written once. The doors drive it on a loop or in a thread (`_concurrency.coroutines`); it
must not await anything but its own steps and `awaited(...)`. Every step may be overridden: where
a subclass of the app, or the app itself, redefines the method of that name, the method takes the
step's place, whichever step calls it.
"""

from __future__ import annotations

import sys
import typing as t
from types import CoroutineType

from werkzeug.exceptions import BadRequestKeyError
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import InternalServerError
from werkzeug.routing import RoutingException
from werkzeug.sansio.response import Response as SansioResponse

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import is_awaitable
from .._concurrency.coroutines import unwrapped
from .._current import call_with_context
from .._http.headers import check_sendable
from .._http.headers import Unsendable
from .._mistakes import explain
from ..ctx import AppContext
from ..sansio.app import Core
from ..signals import appcontext_tearing_down
from .direct import direct_answer
from .hooks import collect
from .hooks import goes_apart
from .hooks import itself
from .match import match_scope
from .match import match_url
from .own_contexts import OwnContexts
from .plan import HTTP
from .plan import Kind
from .plan import Plan
from .response import drop_response
from .response import failed_response
from .response import propagates
from .response import UNREADABLE

#: What is known of a view that was not looked at.
_UNKNOWN: tuple[t.Any, bool, t.Any] = (object(), False, None)


class Flow(OwnContexts):
    """The flow of one app's requests. `_dispatch.websocket` says how a websocket's differs."""

    KIND: t.ClassVar[Kind] = HTTP

    def __init__(self, app: Core) -> None:
        self.app = app
        self.plan: Plan = Plan(app, self.KIND)
        for step, method in self.plan.steps.items():
            setattr(self, step, method)
        #: The view of an endpoint, when it was last looked at, whether it is an `async def`,
        #: and the view again if it is and nothing but hooks may have a word in its call.
        #: PERF(0.5 us): to find out takes a call or two.
        self._colours: dict[str, tuple[t.Any, bool, t.Any]] = {}
        if self.plan.handler is not None:
            self.handle = self._handle_by_app  # type: ignore[method-assign]
        if self.plan.own_contexts:
            self.let_contexts_be(self.enter, self.handle)

    # --- the lane -------------------------------------------------------------------------

    def enter(self, ctx: AppContext) -> bool:
        """Make a connection's context active, match the URL, and say whether the loop lane is
        taken: its view is an `async def`, and no step was overridden by a `def`. Without a view
        (a 404) the hooks decide."""
        plan = self.plan
        ctx.begin(plan.asks_for_app_context)
        try:
            if not match_scope(plan, ctx):
                match_url(plan, ctx)  # a context that matches by itself is pushed, by `handle_own`
        except Exception as error:  # a converter's own fault, too: dispatched like a view's
            ctx.conn.routing_exception = error
        if plan.overridden:
            return False
        conn = ctx.made
        if conn is None:
            rule, method = ctx.url_rule, ctx.scope["method"]
        elif conn.routing_exception is None:
            rule, method, ctx.view_args = conn.url_rule, conn.method, conn.view_args
        else:
            return plan.misses_on_loop(ctx)
        endpoint = rule.endpoint
        view: t.Any = self.app.view_functions.get(endpoint)
        known, on_loop, bare = self._colours.get(endpoint, _UNKNOWN)
        if known is not view:
            adapted = plan.adapt is not None  # to what is awaited, as its base does
            on_loop = view is None or adapted or is_async_callable(view)
            bare = None
            if on_loop and not adapted and plan.direct and not plan.replaced:
                bare = view
            self._colours[endpoint] = view, on_loop, bare
        # OPTIONS has no view where it is answered automatically.
        if method != "OPTIONS" and ctx.unsettled is None:
            ctx.view = bare
        return on_loop

    def match_url(self, ctx: AppContext) -> None:
        """Match the URL, for a context that asks for it."""
        match_url(self.plan, ctx)

    # --- the flow -------------------------------------------------------------------------

    async def handle(self, ctx: AppContext, on_loop: bool = False) -> t.Any:
        """Return the response to the request; on the loop lane its answer, if nobody looks at
        the response before it is sent. The caller ends the context afterwards.

        Raises what went wrong where `PROPAGATE_EXCEPTIONS`, testing or debugging say so.
        """
        try:
            if ctx.unsettled is not None:
                await ctx.announced()
            if not self.plan.direct:
                await ctx.open_session()
                if "full_dispatch" in self.plan.replaced:
                    return await self.full_dispatch(ctx)
            try:
                rv = await self.produce(ctx, on_loop)
            except Exception as error:
                rv = await self.recover(ctx, error)
            return (on_loop and direct_answer(self.plan, ctx, rv)) or await self.finalize(ctx, rv)
        except Exception as error:
            return await self.fail(ctx, error)

    async def _handle_by_app(self, ctx: AppContext, on_loop: bool = False) -> t.Any:
        """Have the app's own `handle_request` answer. *Quart:* what it raises is raised."""
        return await self.settle(self.plan.handler(ctx.conn))

    async def conclude(self, ctx: AppContext, rv: t.Any) -> t.Any:
        """Return the response, as `handle` does, to a request whose view was called by the door
        and returned this."""
        try:
            return await self.finalize(ctx, rv)
        except Exception as error:
            return await self.fail(ctx, error)

    async def rescue(self, ctx: AppContext, error: Exception) -> t.Any:
        """Return the response, or the answer, as `handle` does, to a request whose view was
        called by the door and raised this."""
        try:
            rv = await self.recover(ctx, error)
            return direct_answer(self.plan, ctx, rv) or await self.finalize(ctx, rv)
        except Exception as unhandled:
            return await self.fail(ctx, unhandled)
        finally:
            del error  # its traceback holds this frame

    async def full_dispatch(self, ctx: AppContext) -> t.Any:
        try:
            rv = await self.produce(ctx, False)
        except Exception as error:
            rv = await self.recover(ctx, error)
        return await self.finalize(ctx, rv)

    async def produce(self, ctx: AppContext, on_loop: bool) -> t.Any:
        """Return what a before function or the view returned."""
        app = self.app
        if not app._got_first_request:
            app._got_first_request = True
        if self.plan.starting:
            await self.send(self.KIND.started)
        unread = ctx.reads_ahead and not (ctx.made.read_at_once() or await ctx.made.read_ahead())
        # PERF(0.2 us): a step that nobody replaced and that has nothing to do.
        if self.plan.before or self.plan.preprocessors or self.plan.replaced:
            rv = await self.preprocess(ctx)
            if rv is not None:
                return rv
        if unread:  # a before function may have raised the limit
            await ctx.made.read_ahead(last=True)
        if self.plan.replaced:
            return await self.dispatch(ctx)
        rv = self.view_call(ctx)  # PERF(0.1 us): `dispatch`, without a call
        return await (rv if on_loop and type(rv) is CoroutineType else self.settle(rv))

    async def recover(self, ctx: AppContext, error: Exception) -> t.Any:
        """Return what an error handler returned; raise the error where there is none."""
        if type(error) is RuntimeError:
            error = unwrapped(error)
        try:
            rv = await self.handle_user_exception(ctx, error)
            if error is ctx.conn.routing_exception:
                error.__traceback__ = None  # holds the connection
            return rv
        finally:
            del error  # its traceback holds this frame

    async def preprocess(self, ctx: AppContext) -> t.Any:
        conn = ctx.conn
        names = (None, *reversed(conn.blueprints))
        for name in names:
            for func in self.plan.preprocessors.get(name, ()):
                rv = self.call(ctx, func, conn.endpoint, conn.view_args)
                if type(rv) is CoroutineType:
                    await self.settle(rv)
        for name in names:
            for func in self.plan.before.get(name, ()):
                rv = self.call(ctx, func)
                if rv is not None:
                    rv = await self.settle(rv)
                    if rv is not None:
                        return rv
        return None

    async def dispatch(self, ctx: AppContext) -> t.Any:
        return await self.settle(self.view_call(ctx))

    def view_call(self, ctx: AppContext) -> t.Any:
        """Call the view that matched, or what takes its place, and return what it returns."""
        app, conn = self.app, ctx.conn
        if conn.routing_exception is not None:
            app.raise_routing_exception(conn)
        rule = conn.url_rule
        if conn.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
            return call_with_context(app.make_default_options_response)
        view: t.Any = app.view_functions[rule.endpoint]
        if self.plan.adapt is not None:
            view = self.plan.adapt(view)
        return view(**conn.view_args)

    def call(self, ctx: AppContext, func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        """Call what the user registered: in this very thread, whatever colour it has, unless
        `SYNC_HOOKS_IN_THREAD` says otherwise. Return what it returns, which is to be settled."""
        if self.plan.adapt is not None:
            func = self.plan.adapt(func)
        if ctx.hook_thread is not None and goes_apart(ctx, func):
            return ctx.hook_thread.do(func, *args)
        return func(*args)

    async def settle(self, rv: t.Any) -> t.Any:
        """Return a value; await it first if it is an awaitable and no response."""
        if type(rv) is CoroutineType or (is_awaitable(rv) and not isinstance(rv, SansioResponse)):
            rv = await awaited(rv)
        return rv

    async def finalize(self, ctx: AppContext, rv: t.Any, from_error_handler: bool = False) -> t.Any:
        response = self.plan.make(rv)
        if type(response) is CoroutineType:  # an `async def` override
            response = await awaited(response)
        try:
            response = await self.postprocess(ctx, response)
            if self.plan.finishing:
                await self.send(self.KIND.finished, response=response)
            ctx.checked = check_sendable(response, ctx.scope is not None)
        except BaseException as error:
            if not (from_error_handler and isinstance(error, Exception)):
                await drop_response(response)
                raise
            self.app.logger.exception(
                "Request finalizing failed with an error while handling an error"
            )
            if isinstance(error, Unsendable):
                response = failed_response(self.app)
        return response

    async def postprocess(self, ctx: AppContext, response: t.Any) -> t.Any:
        app = self.app
        for func in ctx._after_request_functions:
            response = await self.call_after(ctx, func, response)
        if self.plan.after:
            for name in (*ctx.conn.blueprints, None):
                for func in reversed(self.plan.after.get(name, ())):
                    response = await self.call_after(ctx, func, response)
        if self.plan.saves_session(ctx):
            session = ctx._session
            interface: t.Any = app.session_interface
            if self.plan.lazy_session and type(session) is interface.session_class:
                interface.store(app, session, response, stock=True)
            elif not interface.is_null_session(session):
                saved: t.Any = self.plan.saver(ctx)(app, session, response)
                if is_awaitable(saved):
                    await awaited(saved, prepared=True)
        return response

    async def call_after(
        self, ctx: AppContext, func: t.Callable[..., t.Any], response: t.Any
    ) -> t.Any:
        """Call an after function, which has to return a response."""
        rv = await self.settle(self.call(ctx, func, response))
        if rv is None:
            raise TypeError(
                f"The after function {getattr(func, '__qualname__', func)!r} returned None;"
                " it has to return the response it was given or another one."
            )
        return rv

    # --- errors ---------------------------------------------------------------------------

    async def handle_user_exception(self, ctx: AppContext, error: Exception) -> t.Any:
        app = self.app
        if isinstance(error, BadRequestKeyError) and (
            app.debug or app.config["TRAP_BAD_REQUEST_ERRORS"]
        ):
            error.show_exception = True
        if isinstance(error, HTTPException) and not app.trap_http_exception(error):
            return await self.handle_http_exception(ctx, error)
        handler = self.handler_of(ctx, error)
        if handler is None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return await self.settle(self.call(ctx, handler, error))

    async def handle_http_exception(self, ctx: AppContext, error: HTTPException) -> t.Any:
        # Without a code it is for the server; a redirect of routing is no error of the user's.
        if error.code is None or isinstance(error, RoutingException):
            return error
        handler = self.handler_of(ctx, error)
        return error if handler is None else await self.settle(self.call(ctx, handler, error))

    def handler_of(self, ctx: AppContext, error: Exception) -> t.Any:
        """Return the handler that was registered for an error, or None."""
        app = self.app
        if not app.error_handler_spec:
            return None
        return app._find_error_handler(error, ctx.conn.blueprints)

    async def fail(self, ctx: AppContext, error: Exception) -> t.Any:
        """Return the response to what no error handler took, or raise it."""
        if type(error) is RuntimeError:
            error = unwrapped(error)
        ctx.error = error
        try:
            if (
                isinstance(error, UNREADABLE)
                and type(error).__module__.startswith("werkzeug.")  # no class of the user's
                and not self.app.trap_http_exception(error)
            ):
                # An after function or an error handler read it: the client's fault still.
                return await self.finalize(ctx, error, from_error_handler=True)
            explain(error, ctx)
            return await self.handle_exception(ctx, error)
        except Exception as another:  # of the error handler's
            if another is error or propagates(self.app):
                raise
            return failed_response(self.app, self.plan.describe(ctx))
        finally:
            del error  # its traceback holds this frame

    async def handle_exception(self, ctx: AppContext, error: Exception) -> t.Any:
        app = self.app
        if self.KIND.failed.receivers:
            await self.send(self.KIND.failed, exception=error)
        if propagates(app):
            raise error
        exc_info: t.Any = sys.exc_info()
        if exc_info[1] is not error:
            exc_info = (type(error), error, error.__traceback__)
        logged = call_with_context(app.log_exception, exc_info)
        if is_awaitable(logged):
            await awaited(logged)
        rv: t.Any = InternalServerError(original_exception=error)
        handler = self.handler_of(ctx, rv)
        if handler is not None:
            rv = await self.settle(self.call(ctx, handler, rv))
        return await self.finalize(ctx, rv, from_error_handler=True)

    # --- the end --------------------------------------------------------------------------

    async def end(self, ctx: AppContext) -> None:
        """End a context for a door. What a teardown function raises is logged, or raised when
        testing; the response that was made goes out. *Flask:* it is lost."""
        try:
            await (self.pop(ctx) if self.plan.own_contexts else ctx.release(ctx.error))
        except Exception as error:
            propagate = self.app.config["PROPAGATE_EXCEPTIONS"]
            if propagate or (propagate is None and self.app.testing):
                raise
            self.app.logger.error(
                "Exception in the end of %s", self.plan.describe(ctx), exc_info=error
            )

    async def end_context(self, ctx: AppContext, exc: BaseException | None) -> None:
        """Run all teardown functions, whether or not one of them raises; then raise what the
        first of them raised."""
        errors: list[BaseException] = []
        ctx.error = None  # its traceback holds the context
        app = self.app
        if ctx.kind is not None:
            if ctx.made is not None and ctx.made.routing_exception is not None:
                ctx.made.routing_exception.__traceback__ = None  # holds the connection
            # PERF(1.5 us): steps that nobody overrode are left out where they have nothing to do.
            if (
                self.plan.overridden
                or self.plan.teardown
                or self.KIND.tearing_down.receivers
                or "teardown_connection" in self.plan.replaced
            ):
                await collect(errors, self.teardown_connection(ctx, exc))
            if ctx.kind == "request" and ctx.made is not None and ctx.made.needs_close:
                await self._close(errors, ctx.made)
        if ctx.outer is None and (
            self.plan.overridden
            or app.teardown_appcontext_funcs
            or appcontext_tearing_down.receivers
            or "teardown_app" in self.plan.replaced
        ):
            ctx.hide_connection()
            await collect(errors, self.teardown_app(ctx, exc))
        if errors:
            raise errors[0]

    async def _close(self, errors: list[BaseException], request: t.Any) -> None:
        try:
            closed = request.close()
            if closed is not None and is_awaitable(closed):
                await awaited(closed)
        except Exception as error:
            errors.append(error)
        if "environ" in request.__dict__:
            request.environ["werkzeug.request"] = None  # the one reference back

    async def teardown_connection(self, ctx: AppContext, exc: BaseException | None) -> None:
        errors: list[BaseException] = []
        if self.plan.teardown:
            for name in (*ctx.conn.blueprints, None):
                for func in reversed(self.plan.teardown.get(name, ())):
                    await self._tear_down(ctx, errors, func, exc)
        if self.KIND.tearing_down.receivers:
            await collect(errors, self.send(self.KIND.tearing_down, exc=exc))
        if errors:
            raise errors[0]

    async def teardown_app(self, ctx: AppContext, exc: BaseException | None) -> None:
        errors: list[BaseException] = []
        for func in self.app.teardown_appcontext_funcs[:: -1 if self.plan.plain else 1]:  # as Quart
            await self._tear_down(ctx, errors, func, exc)
        if appcontext_tearing_down.receivers:
            await collect(errors, self.send(appcontext_tearing_down, exc=exc))
        if errors:
            raise errors[0]

    async def _tear_down(
        self,
        ctx: AppContext,
        errors: list[BaseException],
        func: t.Callable[..., t.Any],
        exc: BaseException | None,
    ) -> None:
        try:
            rv = self.call(ctx, func, exc)
            if rv is not None:
                await self.settle(rv)
        except Exception as error:
            errors.append(error)

    async def send(self, signal: t.Any, **kwargs: t.Any) -> None:
        """Send a signal with the app as its sender; async receivers are awaited."""
        wrapper = self.plan.adapt or itself
        for _, rv in signal.send(self.app, _async_wrapper=wrapper, **kwargs):
            if is_awaitable(rv):
                await awaited(rv)
