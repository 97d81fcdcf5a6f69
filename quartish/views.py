"""Class-based views: a class becomes a view function through `as_view`.

Whether that function is `def` or `async def`, and so in which lane it runs, is decided
once, when it is made, by the functions that a request can reach through it.
"""

from __future__ import annotations

import typing as t
from asyncio import _get_running_loop

from ._concurrency.coroutines import is_async_callable
from ._concurrency.coroutines import is_awaitable
from ._current import current_context
from ._current import NO_REQUEST
from .typing import ResponseReturnValue
from .typing import RouteCallable

F = t.TypeVar("F", bound=t.Callable[..., t.Any])

http_method_funcs: frozenset[str] = frozenset(
    {"delete", "get", "head", "options", "patch", "post", "put", "trace"}
)


def survives_disconnect(view: F) -> F:
    """Let a view finish although its client disconnects; an `async def` is cancelled otherwise.

    Put it right below the route: `@app.post("/pay")`, `@survives_disconnect`, `async def ...`.
    The response is then not sent, but the hooks run as ever.

    Flask:
        Every view survives.
    """
    view.survives_disconnect = True  # type: ignore[attr-defined]
    return view


class View:
    """Subclass it, override `dispatch_request`, and register `as_view("endpoint")`.

    `dispatch_request` may be `def` or `async def`, for a route or a websocket.
    """

    methods: t.ClassVar[t.Collection[str] | None] = None
    provide_automatic_options: t.ClassVar[bool | None] = None
    decorators: t.ClassVar[list[t.Callable[..., t.Any]]] = []
    """Applied to the view function in order: the first one is innermost."""
    init_every_request: t.ClassVar[bool] = True
    """False: one instance, made by `as_view`, serves all requests, also at the same time."""

    def dispatch_request(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Handle one request; URL variables arrive as keyword arguments."""
        raise NotImplementedError(f"{type(self).__qualname__} does not define 'dispatch_request'.")

    @classmethod
    def as_view(cls, name: str, *class_args: t.Any, **class_kwargs: t.Any) -> RouteCallable:
        """Make the view function, named `name`, of this class.

        The other arguments go to `__init__`. `view_class` of the function may be replaced
        by another class later, as tests do. The function is `async def` if there are no
        decorators and all that it may call is. Decorators meet a plain `def`, as in Flask.
        """
        shared = None if cls.init_every_request else cls(*class_args, **class_kwargs)
        awaitable = issubclass(cls, AwaitableView)

        def sync_view(**kwargs: t.Any) -> ResponseReturnValue:
            self = view.view_class(*class_args, **class_kwargs) if shared is None else shared
            return _callable(self.dispatch_request)(**kwargs)  # type: ignore[no-any-return]

        async def async_view(**kwargs: t.Any) -> ResponseReturnValue:
            self = view.view_class(*class_args, **class_kwargs) if shared is None else shared
            dispatch = self.dispatch_request
            rv = (_callable(dispatch) if awaitable else dispatch)(**kwargs)
            return await rv if is_awaitable(rv) else rv  # type: ignore[no-any-return]

        as_sync = not awaitable and (cls.decorators or not _is_async(cls))
        view: t.Any = sync_view if as_sync else async_view
        view.__name__ = name
        view.__module__ = cls.__module__
        for decorator in cls.decorators:
            view = decorator(view)
        view.__name__ = name
        view.__module__ = cls.__module__
        view.__doc__ = cls.__doc__
        view.view_class = cls
        view.methods = cls.methods
        view.provide_automatic_options = cls.provide_automatic_options
        return view  # type: ignore[no-any-return]


class MethodView(View):
    """A view with one method for each HTTP method: `get`, `post`, ...

    `methods` is taken from the methods that the class and its bases define.
    """

    methods: t.ClassVar[t.Collection[str] | None]

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        if "methods" not in cls.__dict__:
            methods = {m for base in cls.__bases__ for m in getattr(base, "methods", None) or ()}
            methods.update(name.upper() for name in http_method_funcs if hasattr(cls, name))
            if methods:
                cls.methods = t.cast(t.Any, methods)

    def dispatch_request(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Call the method named after the request's; `get` handles HEAD if there is no `head`.

        An async override may await it in the awaitable colour, whatever the method is.
        """
        method = current_context(NO_REQUEST).request.method
        handler = getattr(self, method.lower(), None)
        if handler is None and method == "HEAD":
            handler = getattr(self, "get", None)
        if handler is None:
            raise AssertionError(
                f"Unimplemented method {method!r}: it is routed to"
                f" {type(self).__qualname__}, which does not define {method.lower()!r}."
            )
        return _callable(handler)(*args, **kwargs)


class AwaitableView(View):
    """Quart's `View`: its view function is an `async def`, which decorators meet, and which calls
    a `dispatch_request` that is a `def` in a worker thread."""

    async def dispatch_request(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Handle one request; URL variables arrive as keyword arguments."""
        return super().dispatch_request(*args, **kwargs)


class AwaitableMethodView(MethodView, AwaitableView):
    """Quart's `MethodView`; a method that is a `def` runs in a worker thread."""

    async def dispatch_request(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Call the method named after the request's; `get` handles HEAD if there is no `head`."""
        rv = MethodView.dispatch_request(self, *args, **kwargs)
        return await rv if is_awaitable(rv) else rv


def _callable(handler: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Return `handler` as its caller expects it.

    A call on a running loop comes from an `async def`: ours, which takes what it gets, or
    the user's (a decorator, an override), which in the awaitable colour always awaits.
    """
    app = current_context().app
    if _get_running_loop() is None:
        return app.ensure_sync(handler)
    return handler if app.plain else app.ensure_async(handler)


def _is_async(cls: type[View]) -> bool:
    """Say whether everything that a request can reach through `cls` is `async def`."""
    if cls.dispatch_request is not MethodView.dispatch_request:
        return is_async_callable(cls.dispatch_request)
    names = http_method_funcs.union(method.lower() for method in cls.methods or ())
    handlers = [getattr(cls, name) for name in names if hasattr(cls, name)]
    return bool(handlers) and all(map(is_async_callable, handlers))
