"""What an app provides to typed views: factories by type, and what stands in for them in tests.

It only keeps what was registered; `quartish.typed` makes plans of it.
"""

from __future__ import annotations

import inspect
import typing as t
from contextlib import contextmanager

from .._mistakes.places import place_of
from .scaffold import Scaffold
from .scaffold import setupmethod

T = t.TypeVar("T")
F = t.TypeVar("F", bound=t.Callable[..., t.Any])
ComponentScope = t.Literal["app", "request", "message"]

_SCOPES = t.get_args(ComponentScope)


class Component(t.NamedTuple):
    """How a component is made, and how long it lives."""

    factory: t.Any
    scope: ComponentScope


class Components(Scaffold):
    """The components of an app."""

    def _quartish_provide_nothing(self) -> None:
        #: {type: component}, as `provide` was told.
        self.components: dict[t.Any, Component] = {}
        #: {type or factory: what stands in for it}, as `override` was told.
        self.component_overrides: dict[t.Any, Component] = {}
        #: Counts the changes of both: plans that are older than the last one are made anew.
        self.quartish_components_version: int = 0

    @t.overload
    def provide(
        self, cls: type[T], factory: None = None, *, scope: ComponentScope = "request"
    ) -> t.Callable[[F], F]: ...
    @t.overload
    def provide(
        self,
        cls: type[T],
        factory: t.Callable[..., T | t.Awaitable[T] | t.Iterator[T] | t.AsyncIterator[T]],
        *,
        scope: ComponentScope = "request",
    ) -> None: ...
    @setupmethod
    def provide(
        self, cls: type[t.Any], factory: t.Any = None, *, scope: ComponentScope = "request"
    ) -> t.Any:
        """Register the `factory` of `cls` for typed views; without one, return a decorator for it.

        Args:
            cls: The type that views and other factories name.
            factory: A function, `def` or `async def`, or a generator that yields once and closes
                after that. It may ask for what a typed view may.
            scope: "request": made once for each request that needs it. "app": made when first
                needed, closed when serving ends; one for each event loop if it is async.
                "message": made for each message of a websocket, closed when that was handled.

        Raises:
            TypeError: The factory cannot be called.
            ValueError: There is no such scope.
        """
        if factory is None:

            def decorator(func: F) -> F:
                self._quartish_provide(cls, func, scope)
                return func

            return decorator
        return self._quartish_provide(cls, factory, scope)

    def _quartish_provide(self, cls: t.Any, factory: t.Any, scope: ComponentScope) -> None:
        self.components[cls] = _component(factory, scope)
        self.quartish_components_version += 1

    @contextmanager
    def override(self, cls: t.Any, factory: t.Any) -> t.Iterator[None]:
        """Replace what makes `cls`: by `factory`, which is a function, a class, or the object
        itself.

        For tests, in a `with` block. `cls` is what `provide` was told, or a function that a view
        `Depends` on; the scope stays what it was.
        """
        known = self.component_overrides.get(cls)
        scope: ComponentScope = self.components[cls].scope if cls in self.components else "request"
        made = factory if callable(factory) else _constant(factory)
        self.component_overrides[cls] = _component(made, scope)
        self.quartish_components_version += 1
        try:
            yield
        finally:
            self.component_overrides.pop(cls)
            if known is not None:
                self.component_overrides[cls] = known
            self.quartish_components_version += 1

    def quartish_component_of(self, key: t.Any) -> Component | None:
        """Return the component that `key`, a type or a factory, stands for; None: it has none."""
        found = self.component_overrides.get(key) or self.components.get(key)
        if found is None and not isinstance(key, type) and callable(key):
            found = Component(key, "request")
        return found


def _component(factory: t.Any, scope: ComponentScope) -> Component:
    if not callable(factory):
        raise TypeError(
            f"A component's factory has to be a function or a class, not {factory!r}. For a ready"
            " object write `lambda: it`."
        )
    if scope not in _SCOPES:
        where = place_of(factory) if inspect.isfunction(factory) else repr(factory)
        raise ValueError(f"The scope of {where} is {scope!r}: it has to be one of {_SCOPES}.")
    return Component(factory, scope)


def _constant(value: t.Any) -> t.Callable[[], t.Any]:
    def constant() -> t.Any:
        return value

    return constant
