"""Start-up and shutdown of the app under a server.

Source: ASGI specification, "Lifespan Protocol".
"""

from __future__ import annotations

import inspect
import typing as t
import weakref

from .._concurrency.coroutines import is_awaitable
from .._current import call_with_context
from ..debugger import debugger_of
from ..signals import got_serving_exception
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import LiveApp
from ..typing import Scope
from .inflated import bound_messages

Phase = t.Literal["starting", "serving", "stopping"]


async def handle_lifespan(app: LiveApp, receive: ASGIReceive, send: ASGISend) -> None:
    """Handle the server's start-up and shutdown events."""
    while True:
        event = (await receive())["type"]
        if event == "lifespan.startup":
            step = app.startup
            bound_messages(send)
            if app.config["DEBUG"] and app.config["DEBUGGER"]:
                debugger_of(app)  # which logs its PIN
        elif event == "lifespan.shutdown":
            step = app.shutdown
        else:
            continue
        try:
            await step()
        except Exception as error:
            await send({"type": f"{event}.failed", "message": str(error)})
            return
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return


class ASGILifespan:
    """The app's life under a server: `await ASGILifespan(app, scope)(receive, send)`. A subclass
    may be an app's `asgi_lifespan_class`."""

    def __init__(self, app: LiveApp, scope: Scope) -> None:
        self.app = app
        self.scope = scope

    async def __call__(self, receive: ASGIReceive, send: ASGISend) -> None:
        await handle_lifespan(self.app, receive, send)


class Serving:
    """The serving hooks and generators of an app, from start-up to shutdown."""

    def __init__(self, app: weakref.ref[t.Any]) -> None:
        self._app = app
        self._running: list[t.Any] = []
        #: "starting", "serving" or "stopping"; None if that has not begun: by WSGI, or under a
        #: server without the lifespan protocol.
        self.phase: Phase | None = None

    @property
    def app(self) -> t.Any:
        app = self._app()
        assert app is not None, "used after its app was collected"
        return app

    async def start(self) -> None:
        """Call `before_serving`, then start `while_serving`. What was started is ended in
        reverse when something fails."""
        app = self.app
        if app.plain and not (app.before_serving_funcs or app.while_serving_funcs):
            return  # no context, so that agents that count contexts find as many as in Flask
        try:
            async with app.app_context():
                for func in app.before_serving_funcs:
                    await _call(func)
                for func in app.while_serving_funcs:
                    generator = func()
                    await _advance(generator)
                    self._running.append(generator)
        except BaseException as error:
            if isinstance(error, Exception):
                await self._failed(error)
            await self._undo()
            raise

    async def stop(self) -> None:
        """End the `while_serving` generators, the last first, then call `after_serving`. All
        of them run; the first error is raised at the end."""
        app = self.app
        if app.plain and not (self._running or app.after_serving_funcs):
            return
        errors: list[Exception] = []
        async with app.app_context():
            while self._running:
                generator = self._running.pop()
                try:
                    if await _advance(generator, ending=True):
                        raise RuntimeError(
                            f"While serving generator {generator!r} didn't terminate: it has to"
                            " have exactly one 'yield'."
                        )
                except Exception as error:
                    errors.append(error)
            for func in app.after_serving_funcs:
                try:
                    await _call(func)
                except Exception as error:
                    errors.append(error)
        for each in errors:
            await self._failed(each)
        if errors:
            raise errors[0]

    async def _undo(self) -> None:
        async with self.app.app_context():
            while self._running:
                try:
                    await _advance(self._running.pop(), ending=True)
                except Exception as error:
                    await self._failed(error)

    async def _failed(self, error: Exception) -> None:
        for _, rv in got_serving_exception.send(
            self.app, _async_wrapper=self.app.ensure_sync, exception=error
        ):
            if is_awaitable(rv):
                await rv
        call_with_context(self.app.log_exception, (type(error), error, error.__traceback__))


async def _call(func: t.Callable[[], t.Any]) -> None:
    rv = func()
    if is_awaitable(rv):
        await rv


async def _advance(generator: t.Any, ending: bool = False) -> bool:
    """Run a generator to its next yield; return False if it has ended instead."""
    try:
        if inspect.isasyncgen(generator) or hasattr(generator, "__anext__"):
            await anext(generator)
        else:
            next(generator)
    except (StopIteration, StopAsyncIteration):
        if not ending:
            raise RuntimeError(
                f"While serving generator {generator!r} ended before it yielded."
            ) from None
        return False
    return True
