"""Components: made as a plan says, closed at the end of their scope.

Sync factories run where sync code of the request does, async ones on a loop: they are driven with
the view (`_concurrency.coroutines.drive`).
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import types
import typing as t
import weakref
from asyncio import _get_running_loop

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import drive
from .._concurrency.threads import spare
from ..sansio.app import Core

PLAIN, ASYNC, GENERATOR, ASYNC_GENERATOR = range(4)


class Argument(t.NamedTuple):
    """A parameter of a function, and where the plan stores its value."""

    name: str
    slot: int


class Step:
    """One component of a plan."""

    __slots__ = ("arguments", "factory", "key", "kind", "level", "scope", "slot")

    def __init__(self, key: t.Any, factory: t.Any, scope: str, slot: int) -> None:
        self.key: t.Any = key
        self.factory: t.Any = factory
        self.scope: str = scope
        self.slot: int = slot
        self.kind: int = _kind_of(factory)
        self.arguments: list[Argument] = []
        #: The length of the longest chain of components that have to be made before.
        self.level: int = 0

    @property
    def is_async(self) -> bool:
        return self.kind in (ASYNC, ASYNC_GENERATOR)

    def call(self, slots: list[t.Any]) -> t.Any:
        return self.factory(**{name: slots[slot] for name, slot in self.arguments})

    async def make(self, slots: list[t.Any], opened: list[t.Any]) -> t.Any:
        """Return the component; what is to be closed goes to `opened`."""
        made = self.call(slots)
        kind = self.kind
        if kind == PLAIN:
            return await awaited(made) if type(made) is types.CoroutineType else made
        if kind == ASYNC:
            return await awaited(made)
        if kind == GENERATOR:
            value = next(made)
        else:
            value = await awaited(anext(made))
        opened.append(made)
        return value


async def open_all(
    order: list[Step | tuple[Step, ...]], slots: list[t.Any], opened: list[t.Any], app: Core
) -> None:
    """Make components in order, those of a tuple concurrently."""
    for step in order:
        if type(step) is tuple:
            values = await awaited(_together(step, slots))
            for one, value in zip(step, values, strict=True):
                slots[one.slot] = value
            continue
        assert isinstance(step, Step)
        if step.scope == "app":
            slots[step.slot] = await app_scope(app).value(step, slots)
        else:
            slots[step.slot] = await step.make(slots, opened)


async def _together(steps: tuple[Step, ...], slots: list[t.Any]) -> list[t.Any]:
    """Await async functions concurrently. If one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(step.call(slots)) for step in steps]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise


async def close_all(opened: list[t.Any], error: BaseException | None = None) -> None:
    """Close generators, the last one first. Each gets the error, and cannot suppress it; an error
    of its own is raised when all are closed."""
    own: BaseException | None = None
    cancelled = isinstance(error, asyncio.CancelledError)
    if cancelled:
        spare(True)  # what they await to clean up is not cancelled as well
    while opened:
        generator = opened.pop()
        try:
            if isinstance(generator, types.AsyncGeneratorType):
                await awaited(_end_async(generator, error))
            else:
                _end(generator, error)
        except BaseException as raised:
            if raised is not error:
                own = own or raised
    if cancelled:
        spare(False)
    if own is not None:
        raise own


def _end(generator: t.Any, error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    generator.close()
    raise RuntimeError(f"The component {generator.__qualname__!r} yields more than once.")


async def _end_async(generator: t.Any, error: BaseException | None) -> None:
    try:
        if error is None:
            await anext(generator)
        else:
            await generator.athrow(error)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise RuntimeError(f"The component {generator.__qualname__!r} yields more than once.")


def close_with(request: t.Any, opened: list[t.Any]) -> None:
    """Close generators when the request ends, after its teardown functions."""
    close = request.close

    async def end() -> None:
        try:
            await close_all(opened)
        finally:
            closed: t.Any = close()
            if closed is not None:
                await awaited(closed)

    def end_here() -> t.Any:
        return end() if _get_running_loop() is not None else drive(end())

    request.close = end_here
    request.quartish_needs_close = True


class AppScope:
    """The components that live as long as an app serves. A sync factory makes one; an async one
    makes one for each event loop, as pools of connections belong to a loop."""

    def __init__(self) -> None:
        self._values: dict[t.Any, t.Any] = {}
        self._opened: list[t.Any] = []
        self._taken = threading.RLock()
        self._loops: weakref.WeakKeyDictionary[t.Any, _LoopScope] = weakref.WeakKeyDictionary()

    async def value(self, step: Step, slots: list[t.Any]) -> t.Any:
        """Return a component; it is made when it is first needed."""
        if step.is_async:
            return await awaited(self._of_loop(step, slots))
        if step.factory not in self._values:
            with self._taken:
                if step.factory not in self._values:
                    self._values[step.factory] = drive(step.make(slots, self._opened))
        return self._values[step.factory]

    async def _of_loop(self, step: Step, slots: list[t.Any]) -> t.Any:
        here = self._here()
        if step.factory not in here.values:
            async with here.turn:
                if step.factory not in here.values:
                    here.values[step.factory] = await step.make(slots, here.opened)
        return here.values[step.factory]

    def _here(self) -> _LoopScope:
        return self._loops.setdefault(asyncio.get_running_loop(), _LoopScope())

    async def close(self) -> None:
        """Close the components of this loop, and the sync ones."""
        here = self._here()
        here.values.clear()
        self._values.clear()
        try:
            await close_all(here.opened)
        finally:
            await close_all(self._opened)


class _LoopScope:
    def __init__(self) -> None:
        self.values: dict[t.Any, t.Any] = {}
        self.opened: list[t.Any] = []
        self.turn = asyncio.Lock()


_scopes: weakref.WeakKeyDictionary[t.Any, AppScope] = weakref.WeakKeyDictionary()


def app_scope(app: Core) -> AppScope:
    """Return the scope of an app, made when it is first needed."""
    scope = _scopes.get(app)
    if scope is None:
        scope = _scopes[app] = AppScope()
        app.after_serving_funcs.append(scope.close)
    return scope


def _kind_of(factory: t.Any) -> int:
    func = inspect.unwrap(factory)
    if not inspect.isroutine(func) and not inspect.isclass(func):
        func = getattr(func, "__call__", func)  # noqa: B004 (the method itself is looked at)
    if inspect.isasyncgenfunction(func):
        return ASYNC_GENERATOR
    if inspect.isgeneratorfunction(func):
        return GENERATOR
    return ASYNC if inspect.iscoroutinefunction(func) else PLAIN
