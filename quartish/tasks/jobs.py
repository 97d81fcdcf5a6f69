"""An app's context around jobs that a queue's worker runs."""

from __future__ import annotations

import functools
import typing as t

from .._concurrency.coroutines import from_thread
from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import is_awaitable
from ..typing import AppLike


def in_app_context(app: AppLike, func: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Return `func`, still `def` or `async def`, such that each call has an app context of its own.
    The teardown functions run in the same thread."""
    if is_async_callable(func):

        @functools.wraps(func)
        async def async_call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            async with app.app_context():
                return await func(*args, **kwargs)

        return async_call

    @functools.wraps(func)
    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        with app.app_context():
            rv = func(*args, **kwargs)
            return from_thread(rv) if is_awaitable(rv) else rv

    return call
