"""How a websocket ends: that its client disconnects, or that the server stops, is the usual end of
one, not an error. The after functions run then as they do after a return."""

from __future__ import annotations

from asyncio import CancelledError

from .._context import AppContext


def is_over(ctx: AppContext, error: BaseException) -> bool:
    """Say whether the door has cancelled a handler because the websocket has ended, and take the
    cancellation back. If tasks of the handler raised other errors with it, these are handled."""
    if ctx.ending or ctx.uncancel is None or not ctx.uncancel():
        return False
    others = beside_cancellations(error)
    return others is None or isinstance(others, Exception)


def beside_cancellations(error: BaseException) -> BaseException | None:
    """Return what the tasks of a group raised beside cancellations, or None."""
    return error.split(CancelledError)[1] if isinstance(error, BaseExceptionGroup) else None
