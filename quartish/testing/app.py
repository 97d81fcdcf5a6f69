"""An app with its lifespan around the tests, as under a server."""

from __future__ import annotations

import asyncio
import typing as t
from types import TracebackType

from ..typing import Message
from ..typing import ServedApp

DEFAULT_TIMEOUT = 6
"""Seconds for start-up, and for shutdown."""


class LifespanError(Exception):
    """The app has reported that start-up or shutdown failed."""


class TestApp:
    """Start an app up and shut it down: `async with TestApp(app) as test_app`."""

    __test__ = False  # for pytest

    def __init__(
        self,
        app: ServedApp,
        startup_timeout: float = DEFAULT_TIMEOUT,
        shutdown_timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self.app = app
        self.startup_timeout = startup_timeout
        self.shutdown_timeout = shutdown_timeout
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def test_client(self, **kwargs: t.Any) -> t.Any:
        """Return an asynchronous test client of the app."""
        return self.app.async_test_client(**kwargs)

    async def startup(self) -> None:
        """Start up. Raises LifespanError, or the app's exception, if that fails."""
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": {},
        }
        self._task = asyncio.create_task(self.app(scope, self._to_app.get, self._from_app.put))
        await self._pass("startup", self.startup_timeout)

    async def shutdown(self) -> None:
        """Shut down and wait for the end. Raises as `startup` does."""
        assert self._task is not None, "shutdown before startup"
        await self._pass("shutdown", self.shutdown_timeout)
        await self._task

    async def _pass(self, phase: str, timeout: float) -> None:
        """Send the message of a phase to the app and wait for its reply."""
        assert self._task is not None
        await self._to_app.put({"type": f"lifespan.{phase}"})
        reply = asyncio.create_task(self._from_app.get())
        try:
            await asyncio.wait(
                {reply, self._task}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            replied = reply.done()
            reply.cancel()
        if not replied:
            if self._task.done():
                await self._task  # raises the app's exception
                raise LifespanError(f"The app ended without a reply to {phase}.")
            self._task.cancel()
            raise TimeoutError(f"The app's {phase} took more than {timeout} seconds.")
        message = reply.result()
        if message["type"] != f"lifespan.{phase}.complete":
            await asyncio.wait({self._task}, timeout=timeout)
            raise LifespanError(f"Error during {phase}: {message.get('message', '')}")

    async def __aenter__(self) -> t.Self:
        await self.startup()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.shutdown()
