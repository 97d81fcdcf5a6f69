"""The dispatch family: methods of the app that may replace steps of the flow.

Our own methods of these names are marked (`default`). Any other method of such a name, whether a
subclass defines it or it was set on the app object, replaces the step.
"""

from __future__ import annotations

import functools
import inspect
import typing as t
from types import MethodType

from werkzeug.sansio.response import Response as SansioResponse

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import is_awaitable
from .._concurrency.coroutines import mark_async
from .._concurrency.coroutines import settled
from .._context import AppContext

Step = t.Callable[..., t.Awaitable[t.Any]]
F = t.TypeVar("F", bound=t.Callable[..., t.Any])

#: Methods that steps always call through the app. A `def` that redefines one may expect to run in a
#: thread, as it does under Flask.
HELPERS = (
    "ensure_sync",
    "async_to_sync",
    "make_response",
    "log_exception",
    "raise_routing_exception",
    "make_default_options_response",
    "create_url_adapter",
)

#: Steps whose methods Quart 0.22 gives the context as their last argument.
CONTEXT_LAST = frozenset(
    ["full_dispatch", "preprocess", "dispatch", "finalize", "postprocess", "teardown_connection"]
)
_CONTEXTS = frozenset(["request_context", "websocket_context"])

#: What was marked, and its code: an agent may replace the code of the function.
_defaults: dict[object, object] = {}


def default(method: F) -> F:
    """Mark a method of the app as ours, so that an override is recognised."""
    _defaults[method] = _code_of(method)
    return method


def is_default(method: object) -> bool:
    """Say whether a method was marked. The mark is not an attribute, as `functools.wraps` would
    copy that to a wrapper."""
    if type(method) is not MethodType:
        return False
    func: t.Any = method.__func__
    return func in _defaults and _defaults[func] is _code_of(func)


def _code_of(func: object) -> object:
    """Return a function's code; of one that a decorator of ours is around, the code within."""
    return getattr(getattr(func, "__wrapped__", func), "__code__", None)


def either_form(method: F) -> F:
    """Let a method of the app be called with its own signature, which is Quart 0.22's; or as Quart
    0.23 calls it, with the context first or as `ctx`."""
    names = list(inspect.signature(method).parameters)[1:]
    context = next(name for name in names if name in ("ctx", *_CONTEXTS))
    others = [name for name in names if name != context]

    @functools.wraps(method)
    def call(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        ctx = kwargs.pop("ctx", None)
        if ctx is None and args and isinstance(args[0], AppContext):
            ctx, *args = args  # type: ignore[assignment]
        if ctx is None:
            return method(self, *args, **kwargs)
        return method(self, **dict(zip(others, args, strict=False)), **{context: ctx}, **kwargs)

    return t.cast(F, mark_async(call) if is_async_callable(method) else call)


def as_step(method: t.Callable[..., t.Any], context_last: bool = False) -> Step:
    """Return a step that calls the app's own method, with the arguments that Flask or Quart gives
    it.

    *Flask:* 3.1 gives these methods no context, 3.2 and Quart 0.23 give it first: one whose
    first parameter is named `ctx` gets it. *Quart:* 0.22 gives it to some (`context_last`) after
    the other arguments, and so to those that take whatever comes.
    """
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):  # one of C, or an object that has every attribute
        parameters = {}  # type: ignore[assignment]
    takes_ctx = list(parameters)[:1] == ["ctx"]
    if not takes_ctx and context_last:
        context_last = not _CONTEXTS.isdisjoint(parameters) or any(
            parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters.values()
        )

    async def step(ctx: AppContext, *args: t.Any, **flags: t.Any) -> t.Any:
        if takes_ctx:
            rv = method(ctx, *args, **flags)
        elif context_last:
            rv = method(*args, ctx, **flags)
        else:
            rv = method(*args, **flags)
        if is_awaitable(rv) and not isinstance(rv, SansioResponse):
            rv = await awaited(rv)
        return rv

    return step


def as_handler(handler: t.Callable[[t.Any], t.Any]) -> Step:
    """Return the step that calls the app's own `handle_request` or `handle_websocket`. *Quart:*
    what it raises is not handled."""

    async def handle(ctx: AppContext, *args: t.Any) -> t.Any:
        return await settled(handler(ctx.conn))

    return handle
