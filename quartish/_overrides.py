"""The dispatch family: methods of the app that steps of the flow may be replaced by.

An app's own methods are marked (`default`); any other that bears the name of one, whether a
subclass defines it or it was set on the app, takes the step's place.
"""

from __future__ import annotations

import inspect
import typing as t
from types import MethodType

from werkzeug.sansio.response import Response as SansioResponse

from ._bridge import awaited
from ._bridge import is_awaitable

Step = t.Callable[..., t.Awaitable[t.Any]]
F = t.TypeVar("F", bound=t.Callable[..., t.Any])

#: Methods that steps call through the app, whoever defines them; a `def` that redefines one
#: may expect to run in a thread, as it would under Flask.
HELPERS = (
    "ensure_sync",
    "async_to_sync",
    "make_response",
    "log_exception",
    "raise_routing_exception",
    "make_default_options_response",
    "create_url_adapter",
)

_defaults: set[object] = set()


def default(method: F) -> F:
    """Mark a method of the app as the step's own, so that an override can be told from it."""
    _defaults.add(method)
    return method


def is_default(method: object) -> bool:
    """Say whether a method was marked. The function itself is looked up: an attribute would
    be copied by what wraps it."""
    return type(method) is MethodType and method.__func__ in _defaults


def as_step(method: t.Callable[..., t.Any]) -> Step:
    """Return a step that calls the app's own method in its place.

    *Flask:* 3.1 gives these methods no context, 3.2 and Quart 0.23 give it first: one whose
    first parameter is named `ctx` gets it.
    """
    parameters = list(inspect.signature(method).parameters)
    takes_ctx = parameters[:1] == ["ctx"]

    async def step(ctx: t.Any, *args: t.Any) -> t.Any:
        rv = method(ctx, *args) if takes_ctx else method(*args)
        if is_awaitable(rv) and not isinstance(rv, SansioResponse):
            rv = await awaited(rv)
        return rv

    return step
