"""The two doors of an app, told apart: ASGI calls with (scope, receive, send), WSGI with
(environ, start_response).

The rule: what comes by the wrong door is refused with a sentence that names the thing, the
place and the cure; what may be meant either way is let through.
"""

from __future__ import annotations

import functools
import inspect
import typing as t

from ._concurrency.coroutines import mark_async
from ._observed import WatchedType
from .typing import AppLike

F = t.TypeVar("F", bound=t.Callable[..., t.Any])

ASGI = "(scope, receive, send)"
WSGI = "(environ, start_response)"


class AppType(WatchedType):
    """The class of app classes: a `__call__` that was made for WSGI lets ASGI in as well.

    Servers that take ASGI and WSGI look whether it is an `async def`. It cannot be one, as it
    serves WSGI too; so it is marked as what servers look for.
    """

    def __init__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, t.Any], **options: t.Any
    ) -> None:
        super().__init__(name, bases, namespace, **options)
        if "__call__" in namespace:
            super().__setattr__("__call__", mark_async(both_doors(namespace["__call__"])))

    def __setattr__(cls, name: str, value: t.Any) -> None:
        if name == "__call__":
            value = mark_async(both_doors(value))
        super().__setattr__(name, value)


def both_doors(call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Return a `__call__` for WSGI, as tools for Flask put it on the class, that lets ASGI in
    as well: http requests then go through it, as through a replaced `wsgi_app`."""
    if _takes_asgi(call):
        return call

    @functools.wraps(call)
    def __call__(self: t.Any, *args: t.Any) -> t.Any:
        if len(args) == 3:
            return self.asgi_app(*args)
        if len(args) != 2:
            raise wrong_call(self, *args)
        return call(self, *args)

    __call__.for_wsgi = True  # type: ignore[attr-defined]
    return __call__


def _takes_asgi(call: t.Any) -> bool:
    """Say whether a `__call__` was made for ASGI too. A wrapper that takes whatever comes does
    not say; it counts as a tool for Flask, which looks at its arguments as WSGI's."""
    # Not `iscoroutinefunction`: a wrapper has copied the mark that says so (Python 3.12).
    if getattr(getattr(call, "__code__", None), "co_flags", 0) & inspect.CO_COROUTINE:
        return True
    if hasattr(call, "__wrapped__") and (
        not inspect.isfunction(call) or call.__code__.co_flags & inspect.CO_VARARGS
    ):
        return False
    try:
        inspect.signature(call, follow_wrapped=False).bind("self", "scope", "receive", "send")
    except TypeError:
        return False
    return True


def is_for_wsgi(call: t.Callable[..., t.Any]) -> bool:
    """Say whether `call` takes (environ, start_response), and (scope, receive, send) not."""
    return _takes(call, 2) and not _takes(call, 3)


def is_for_asgi(call: t.Callable[..., t.Any]) -> bool:
    """Say whether `call` takes (scope, receive, send), and (environ, start_response) not."""
    return _takes(call, 3) and not _takes(call, 2)


def _takes(call: t.Callable[..., t.Any], count: int) -> bool:
    # What a wrapper copied from inside says nothing about how it wants to be called itself.
    try:
        inspect.signature(call, follow_wrapped=False).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # something built in, which does not say
        pass
    return True


def wsgi_only(method: F) -> F:
    """Refuse calls of an app's `wsgi_app` that are not WSGI's."""

    @functools.wraps(method)
    def wsgi_app(
        self: t.Any, environ: t.Any = None, start_response: t.Any = None, *others: t.Any
    ) -> t.Any:
        if (
            start_response is None
            or others
            or ("type" in environ and "REQUEST_METHOD" not in environ)
        ):
            raise wrong_call(self, environ, start_response, *others)
        return method(self, environ, start_response)

    return t.cast(F, wsgi_app)


def wrong_call(app: AppLike, *args: t.Any) -> TypeError:
    """Return the error for a call of an app, or of its `wsgi_app`; None is no argument."""
    given = [argument for argument in args if argument is not None]
    count = "one argument" if len(given) == 1 else f"{len(given)} arguments"
    first = given[0] if given and isinstance(given[0], dict) else {}
    if "REQUEST_METHOD" in first:
        return TypeError(
            f"{app!r} was called with a WSGI environ, {count} in all: WSGI calls `app{WSGI}`."
        )
    if "type" not in first:
        return TypeError(
            f"{app!r} was called with {count}: ASGI calls `app{ASGI}`, WSGI `app{WSGI}`."
        )
    message = (
        f"{app!r} was called as a WSGI app, but with an ASGI scope ({first['type']!r}), {count}"
        " in all: give the server the app itself, not its `wsgi_app` and not a wrapper for WSGI."
    )
    if app.plain:
        message += " A WSGI middleware belongs inside: `app.wsgi_app = Middleware(app.wsgi_app)`."
    if len(given) == 1:
        message += (
            " (A server that calls with a scope alone took what it was given for ASGI 2, as it"
            " is not `async`. Under uvicorn, `--interface asgi3` or `wsgi` says what it is.)"
        )
    return TypeError(message)


def check_middleware(app: object, door: str, middleware: t.Any) -> None:
    """Refuse WSGI middleware for `asgi_app` and ASGI middleware for `wsgi_app`, when it is
    assigned: each call would fail. Raises TypeError."""
    if door == "asgi_app" and is_for_wsgi(middleware):
        right, takes = "wsgi_app", WSGI
    elif door == "wsgi_app" and is_for_asgi(middleware):
        right, takes = "asgi_app", ASGI
    else:
        return
    raise TypeError(
        f"`{door}` of {app!r} was set to {name_of(middleware)}, which takes {takes}: write"
        f" `{put_inside(right, middleware)}`."
    )


def check_served(app: t.Callable[..., t.Any]) -> None:
    """Refuse to serve a WSGI app by ASGI. Raises TypeError."""
    if is_for_wsgi(app):
        raise TypeError(
            f"{name_of(app)} cannot be served by ASGI, as it takes {WSGI}. If it is a middleware"
            f" around an app of quartish, write `{put_inside('wsgi_app', app)}` and serve `app`;"
            " any other WSGI app is served as `quartish.middleware.FromWSGI(wsgi_app)`."
        )


def put_inside(door: str, middleware: object) -> str:
    """Return the line that puts a middleware inside its app."""
    kind = "Middleware" if inspect.isroutine(middleware) else type(middleware).__name__
    return f"app.{door} = {kind}(app.{door})"


def name_of(thing: object) -> str:
    """Name a function, or the class of an object, with the module that has it."""
    named: t.Any = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"
