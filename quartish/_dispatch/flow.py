"""The dispatch flow: what happens to a request between door and view.

    run                                      teardown functions are given what was raised
      handle                                 what no error handler took goes to fail
        full_dispatch
          produce                            errors go to recover: handle_user_exception
            preprocess                       url value preprocessors, before functions
            dispatch                         the view
          finalize                           make_response, postprocess (after functions, session)
        fail: handle_exception
      take                                   the door's: what is sent of the response
      end: life.release                      teardown functions

There is one short way, `straight`, for requests on the loop lane in which nothing but the view
takes part. Where nothing looks at the response, `direct_outgoing` takes the place of `finalize`.

The flow is written once, for requests and for websockets (`_dispatch.websocket` says how these
differ). The doors drive it on a loop or in a thread (`_concurrency.coroutines`). So it must await
nothing but its own steps and `awaited(...)`. Every step can be overridden: if a subclass of the
app, or the app object itself, redefines the method that belongs to a step, the flow calls that
method instead of the step.
"""

from __future__ import annotations

import sys
import typing as t
from asyncio import CancelledError
from types import CoroutineType

from blinker import Signal
from werkzeug.exceptions import BadRequestKeyError
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import InternalServerError
from werkzeug.routing import RoutingException

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import is_awaitable
from .._concurrency.coroutines import settled
from .._concurrency.coroutines import unwrapped
from .._concurrency.threads import this_thread
from .._context import AppContext
from .._current import call_with_context
from .._http.headers import check_sendable
from .._http.headers import Unsendable
from .._http.outgoing import close_response
from .._http.outgoing import Outgoing
from .._mistakes.explain import explain
from ..sansio.app import Core
from .direct import direct_outgoing
from .errors import failed_response
from .errors import propagates
from .errors import UNREADABLE
from .hooks import functions_of
from .hooks import goes_apart
from .hooks import itself
from .lane import enter
from .life import announced
from .life import match
from .life import open_session
from .life import pop
from .life import push
from .life import release
from .own_contexts import is_own
from .own_contexts import pop_own
from .own_contexts import push_own
from .plan import HTTP
from .plan import Kind
from .plan import Plan
from .plan import WEBSOCKET
from .teardown import teardown_app
from .teardown import teardown_connection
from .websocket import beside_cancellations
from .websocket import is_over

#: `take(ctx, response)` of a door.
Take = t.Callable[[AppContext, t.Any], t.Any]
Coming = t.Awaitable[t.Any]


async def ended(rv: t.Any = None, error: BaseException | None = None) -> t.Any:
    """Take the place of a view that has ended: return what it returned, or raise what it raised."""
    try:
        if error is not None:
            raise error
        return rv
    finally:
        del error  # its traceback holds this frame


class Flow:
    """The flow of one app's requests, or of its websockets (`plan.kind`)."""

    def __init__(self, app: Core, kind: Kind = HTTP) -> None:
        self.app = app
        self.plan: Plan = Plan(app, kind)
        for step, method in self.plan.steps.items():
            setattr(self, step, method)
        self.colours: dict[str, tuple[t.Any, bool, t.Any]] = {}

    enter = enter
    #: Called by the methods of contexts (`AppContext.push` and its like).
    push = push
    match = match
    pop = pop
    release = release

    # --- the flow -------------------------------------------------------------------------

    async def run(
        self,
        ctx: AppContext,
        on_loop: bool = False,
        take: Take | None = None,
        view: Coming | None = None,
        direct: bool = False,
    ) -> None:
        """Run the whole of a request that was entered, and end its context. Leave the response as
        `ctx.outcome`, or what the door's `take(ctx, response)` makes of it, which is called before
        the teardown functions. With `direct` it may be an `Outgoing`, where nothing looks at the
        response. `on_loop` says that a loop drives this; `view` is as in `handle`.

        Raises errors where `PROPAGATE_EXCEPTIONS`, testing or debugging say so.
        """
        plan = self.plan
        try:
            unpushed = await push_own(plan, ctx) if plan.own_contexts else None
            if unpushed is None:
                outcome = await self.handle(ctx, on_loop, view, direct)
            else:
                outcome = await self.fail(ctx, unpushed)
            if take is not None and outcome is not None and type(outcome) is not Outgoing:
                outcome = take(ctx, outcome)
            ctx.outcome = outcome
        except BaseException as error:
            ctx.error = unwrapped(error)
            raise
        finally:
            if (
                ctx.error is not None
                or (ctx.made is not None and ctx.made.quartish_needs_close)
                or any(plan.at_end)
            ):
                await self.end(ctx)
            else:  # PERF(0.8 us): most have no teardown functions, and nothing to close
                ctx.pushes -= 1

    async def straight(self, ctx: AppContext, take: Take) -> None:
        """Do what `run` does on the loop lane, for a request in which nothing but the view takes
        part, and whose body has come whole. What turns out to need more is left to `run`.

        PERF(1.2 us): saves three steps of the flow that would only await the next one.
        """
        app, plan, conn = self.app, self.plan, ctx.made
        view: t.Any = ctx.view  # not None: else the door calls `run`
        if not app._got_first_request:
            app._got_first_request = True
        try:
            if ctx.reads_ahead and not conn.quartish_read_at_once():
                rv = self.produce(ctx, True)
            else:
                rv = view(**(ctx.view_args if conn is None else conn.view_args))
            rv = await (rv if type(rv) is CoroutineType else settled(rv))
        except BaseException as error:
            await self.run(ctx, True, take, ended(None, error), True)
            return
        conn = ctx.made
        more = (conn is not None and conn.quartish_needs_close) or any(plan.at_end)
        outgoing = None if more else direct_outgoing(plan, ctx, rv)
        if outgoing is None:  # `run` need not try `direct_outgoing` again
            await self.run(ctx, True, take, ended(rv), more)
        else:
            ctx.outcome = outgoing
            ctx.pushes -= 1

    async def handle(
        self,
        ctx: AppContext,
        on_loop: bool = False,
        view: Coming | None = None,
        direct: bool = False,
    ) -> t.Any:
        """Return the response to a request, or an `Outgoing`, as `run` says. The caller ends the
        context. If `view` is given, it is awaited instead of `produce`."""
        plan = self.plan
        try:
            try:
                if ctx.unsettled is not None:
                    await announced(ctx)
                if not plan.direct:
                    await open_session(plan, ctx)
                    if view is None and "full_dispatch" in plan.replaced:
                        return await self.full_dispatch(ctx)
                return await Flow.full_dispatch(self, ctx, on_loop, view, direct)
            except Exception as error:
                return await self.fail(ctx, error)
        except (CancelledError, BaseExceptionGroup) as end:
            if view is not None or not is_over(ctx, end):
                raise
            others = beside_cancellations(end)
            if others is None:
                return await self.finalize(ctx, None)
            return await self.handle(ctx, False, ended(None, others))

    async def full_dispatch(
        self,
        ctx: AppContext,
        on_loop: bool = False,
        view: Coming | None = None,
        direct: bool = False,
    ) -> t.Any:
        app, plan = self.app, self.plan
        if not app._got_first_request:
            app._got_first_request = True
        try:
            rv = await (self.produce(ctx, on_loop) if view is None else view)
        except Exception as error:
            rv = await self.recover(ctx, error)
        outgoing = direct_outgoing(plan, ctx, rv) if direct and plan.unchanged else None
        return outgoing or await self.finalize(ctx, rv)

    async def produce(self, ctx: AppContext, on_loop: bool) -> t.Any:
        """Return what a before function or the view returned."""
        if self.plan.starting:
            await self.send(self.plan.kind.started)
        unread = ctx.reads_ahead and not (
            ctx.made.quartish_read_at_once() or await ctx.made.quartish_read_ahead()
        )
        if self.plan.before or self.plan.preprocessors or self.plan.replaced:
            rv = await self.preprocess(ctx)
            if rv is not None:
                return rv
        if unread:  # too large before; a before function may have raised the limit
            await ctx.made.quartish_read_ahead(last=True)
        if self.plan.replaced:
            return await self.dispatch(ctx)
        if ctx.view is not None:  # nothing took part before it; only its body was read
            rv = ctx.view(**(ctx if ctx.made is None else ctx.made).view_args)
        else:
            rv = self.view_call(ctx)
        return await (rv if on_loop and type(rv) is CoroutineType else settled(rv))

    async def recover(self, ctx: AppContext, error: Exception) -> t.Any:
        """Return what an error handler returned; raise the error if there is none."""
        if type(error) is RuntimeError:
            error = unwrapped(error)
        # A TaskGroup that fails while the door cancels it cancels its task again (Python 3.13): the
        # next `await` would raise.
        if ctx.uncancel is not None:
            ctx.uncancel()
        try:
            rv = await self.handle_user_exception(ctx, error)
            if ctx.made is not None and error is ctx.made.routing_exception:
                error.__traceback__ = None  # holds the connection
            return rv
        finally:
            del error  # its traceback holds this frame

    async def preprocess(self, ctx: AppContext) -> t.Any:
        plan = self.plan
        if plan.preprocessors:
            conn = ctx.conn
            for func in functions_of(plan.preprocessors, ctx, outer_first=True):
                rv = self.call(ctx, func, conn.endpoint, conn.view_args)
                if type(rv) is CoroutineType:
                    await awaited(rv)
        if plan.before:
            for func in functions_of(plan.before, ctx, outer_first=True):
                rv = self.call(ctx, func)
                if rv is not None:
                    rv = await (awaited(rv) if type(rv) is CoroutineType else settled(rv))
                    if rv is not None:
                        return rv
        return None

    async def dispatch(self, ctx: AppContext) -> t.Any:
        return await settled(self.view_call(ctx))

    def view_call(self, ctx: AppContext) -> t.Any:
        """Call the view that matched, or what replaces it (a redirect, OPTIONS), and return its
        value."""
        app, conn = self.app, ctx.conn if ctx.made is None else ctx.made
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
        """Call a function that the user registered, in this thread, whether `def` or `async def`,
        unless `SYNC_HOOKS_IN_THREAD` says otherwise. The caller has to settle what it returns."""
        if self.plan.adapt is not None:
            func = self.plan.adapt(func)
        if ctx.hook_thread is not None and goes_apart(ctx, func):
            return ctx.hook_thread.do(func, *args)
        return func(*args)

    async def finalize(self, ctx: AppContext, rv: t.Any, from_error_handler: bool = False) -> t.Any:
        kind, response = self.plan.kind, None
        if kind is WEBSOCKET:
            ctx.ending = True
        if rv is not None or kind is HTTP:  # a websocket's handler need not return anything
            response = self.plan.make(rv)
            if type(response) is CoroutineType:  # an `async def` override
                response = await awaited(response)
        try:
            response = await self.postprocess(ctx, response)
            if self.plan.finishing:
                await self.send(kind.finished, response=response)
            if rv is not None or kind is HTTP:
                ctx.checked = check_sendable(response, ctx.scope is not None)
        except BaseException as error:
            if not (from_error_handler and isinstance(error, Exception)):
                if response is not None:
                    await close_response(response)
                raise
            self.app.logger.exception(
                "%s finalizing failed with an error while handling an error", kind.name
            )
            if isinstance(error, Unsendable):
                response = failed_response(self.app)
        return response

    async def postprocess(self, ctx: AppContext, response: t.Any) -> t.Any:
        app = self.app
        for func in ctx.after or ():
            response = await self.call_after(ctx, func, response)
        if self.plan.after:
            for func in functions_of(self.plan.after, ctx):
                response = await self.call_after(ctx, func, response)
        if self.plan.saves_session(ctx):
            session = ctx._session
            interface: t.Any = app.session_interface
            if self.plan.lazy_session and type(session) is interface.session_class:
                interface.quartish_store(app, session, response, stock=True)
            elif not interface.is_null_session(session):
                saved: t.Any = self.plan.saver(ctx)(app, session, response)
                if is_awaitable(saved):
                    await awaited(saved, prepared=True)
        return response

    async def call_after(
        self, ctx: AppContext, func: t.Callable[..., t.Any], response: t.Any
    ) -> t.Any:
        """Call an after function. It has to return a response, except for a websocket."""
        rv = self.call(ctx, func, response)
        rv = await (awaited(rv) if type(rv) is CoroutineType else settled(rv))
        if rv is None and self.plan.kind is WEBSOCKET:
            return response
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
        return await settled(self.call(ctx, handler, error))

    async def handle_http_exception(self, ctx: AppContext, error: HTTPException) -> t.Any:
        # Error handlers are not asked for an exception without a code, which is a response by
        # itself, nor for a redirect of routing.
        if error.code is None or isinstance(error, RoutingException):
            return error
        handler = self.handler_of(ctx, error)
        return error if handler is None else await settled(self.call(ctx, handler, error))

    def handler_of(self, ctx: AppContext, error: Exception) -> t.Any:
        """Return the handler that was registered for an error, or None."""
        app = self.app
        if not app.error_handler_spec:
            return None
        return app._find_error_handler(error, ctx.conn.blueprints)

    async def fail(self, ctx: AppContext, error: Exception) -> t.Any:
        """Return the response to an error that no error handler took, or raise it."""
        if type(error) is RuntimeError:
            error = unwrapped(error)
        ctx.error = error
        try:
            if (
                isinstance(error, UNREADABLE)
                and type(error).__module__.startswith("werkzeug.")  # not a class of the user's
                and not self.app.trap_http_exception(error)
            ):
                # An after function or an error handler has read the body: a 4xx nevertheless.
                return await self.finalize(ctx, error, from_error_handler=True)
            explain(error, ctx)
            return await self.handle_exception(ctx, error)
        except Exception as another:  # of the handler for the 500
            if another is error or propagates(self.app):
                raise
            return failed_response(self.app, self.plan.describe(ctx))
        finally:
            del error  # its traceback holds this frame

    async def handle_exception(self, ctx: AppContext, error: Exception) -> t.Any:
        app = self.app
        if self.plan.kind.failed.receivers:
            await self.send(self.plan.kind.failed, exception=error)
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
            rv = await settled(self.call(ctx, handler, rv))
        return await self.finalize(ctx, rv, from_error_handler=True)

    # --- the end --------------------------------------------------------------------------

    teardown_connection = teardown_connection
    teardown_app = teardown_app

    async def end(self, ctx: AppContext) -> None:
        """End a context, whether or not the request was cancelled. What a teardown function raises
        is logged, or raised when testing. The response is sent nevertheless. *Flask:* it is not."""
        if ctx.error is not None and self.app.should_ignore_error(ctx.error):
            ctx.error = None
        lane = this_thread.lane
        if lane is not None:
            lane.spared = True
        try:
            if self.plan.own_contexts and is_own(self.plan, ctx):
                await pop_own(ctx)
            else:
                await release(self, ctx, ctx.error)
        except Exception as error:
            propagate = self.app.config["PROPAGATE_EXCEPTIONS"]
            if propagate or (propagate is None and self.app.testing):
                raise
            self.app.logger.error(
                "Exception in the end of %s", self.plan.describe(ctx), exc_info=error
            )
        if lane is not None:
            lane.spared = False

    async def send(self, signal: Signal, **kwargs: t.Any) -> None:
        """Send a signal with the app as its sender; async receivers are awaited."""
        wrapper = self.plan.adapt or itself
        for _, rv in signal.send(self.app, _async_wrapper=wrapper, **kwargs):
            if is_awaitable(rv):
                await awaited(rv)
