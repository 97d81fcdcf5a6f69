"""How the dispatch flow of a websocket differs from that of a request.

Other hooks and signals; a handler that returns nothing has done its work; and that the
client leaves, or the server stops, is the usual end of one, not an error.
"""

from __future__ import annotations

import typing as t
from asyncio import CancelledError

from ..ctx import AppContext
from .flow import Flow
from .plan import WEBSOCKET


class WebsocketFlow(Flow):
    """The flow of a websocket: other hooks and signals, and a view that returns nothing
    has done its work."""

    KIND = WEBSOCKET

    async def handle(self, ctx: AppContext, on_loop: bool = False) -> t.Any:
        """Return the response, if any. When the door cancels the handler because the
        conversation is over, the after functions run too."""
        try:
            return await super().handle(ctx, on_loop)
        except (CancelledError, BaseExceptionGroup) as error:
            others = _others(error)
            if ctx.ending or ctx.took_back is None or not ctx.took_back():
                raise
            if others is None:
                return await self.finalize(ctx, None)
            if not isinstance(others, Exception):
                raise
            return await self.rescue(ctx, others)

    async def recover(self, ctx: AppContext, error: Exception) -> t.Any:
        # A TaskGroup that failed while it was cancelled by the door has cancelled its task anew
        # (Python 3.13): the next `await` would raise.
        if ctx.took_back is not None:
            ctx.took_back()
        return await super().recover(ctx, error)

    async def finalize(self, ctx: AppContext, rv: t.Any, from_error_handler: bool = False) -> t.Any:
        ctx.ending = True
        if rv is not None:
            return await super().finalize(ctx, rv, from_error_handler)
        try:
            rv = await self.postprocess(ctx, None)
            if self.plan.finishing:
                await self.send(self.KIND.finished, response=rv)
        except Exception:
            if not from_error_handler:
                raise
            self.app.logger.exception(
                "Websocket finalizing failed with an error while handling an error"
            )
        return rv

    async def call_after(
        self, ctx: AppContext, func: t.Callable[..., t.Any], response: t.Any
    ) -> t.Any:
        """Call an after function; for a websocket it may return nothing."""
        rv = await self.settle(self.call(ctx, func, response))
        return response if rv is None else rv


def _others(error: BaseException) -> BaseException | None:
    """Return what the tasks of a group raised beside cancellations, or None."""
    return error.split(CancelledError)[1] if isinstance(error, BaseExceptionGroup) else None
