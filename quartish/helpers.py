"""Functions that views call: responses, URLs, flashed messages, files, streams with a context.

The active app does the work of `make_response`, `redirect`, `abort` and `url_for`, so that it may
override it. What is awaitable in Quart is awaitable here if the active app is of the awaitable
colour.
"""

from __future__ import annotations

import os
import typing as t
from functools import update_wrapper

from werkzeug.exceptions import abort as _abort
from werkzeug.sansio.response import Response as SansioResponse
from werkzeug.utils import redirect as _redirect

from ._concurrency.coroutines import awaited
from ._concurrency.coroutines import drive
from ._concurrency.coroutines import is_awaitable
from ._concurrency.threads import spare
from ._current import _cv_app
from ._current import current_app
from ._current import current_context
from ._current import find_context
from ._current import NO_REQUEST
from ._files import send_file as send_file
from ._files import send_from_directory as send_from_directory
from ._import_paths import find_package as find_package
from ._import_paths import get_root_path as get_root_path
from .signals import message_flashed
from .wrappers.connection import split_blueprint_path

if t.TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from collections.abc import AsyncIterable
    from collections.abc import AsyncIterator
    from collections.abc import Callable
    from collections.abc import Generator
    from collections.abc import Iterable
    from collections.abc import Iterator

    from blinker import NamedSignal
    from werkzeug.wrappers import Response as WerkzeugResponse

    from .typing import AppLike
    from .typing import ContextLike
    from .wrappers.response import Response

T = t.TypeVar("T")
P = t.ParamSpec("P")

_NO = ("0", "false", "no")
_END: t.Any = object()

_split_blueprint_path = split_blueprint_path

# --- the environment ----------------------------------------------------------------------


def get_debug_flag() -> bool:
    """Say whether `QUARTISH_DEBUG` (or `FLASK_DEBUG`, `QUART_DEBUG`) asks for debug mode."""
    value = _environment("DEBUG")
    return bool(value) and value not in _NO


def get_load_dotenv(default: bool = True) -> bool:
    """Say whether dotenv files are to be loaded: not if `QUARTISH_SKIP_DOTENV` (or
    `FLASK_SKIP_DOTENV`, `QUART_SKIP_DOTENV`) is on; `default` if it is not set."""
    value = _environment("SKIP_DOTENV")
    return value in _NO if value else default


def _environment(name: str) -> str:
    """Return the value of the first of the variables that is set, in lower case, or ""."""
    values = (os.environ.get(f"{prefix}_{name}") for prefix in ("QUARTISH", "FLASK", "QUART"))
    return next(filter(None, values), "").lower()


# --- responses ------------------------------------------------------------------------------


def make_response(*args: t.Any) -> Response:
    """Make a response of what a view may return, for example to add headers to it.

    Several arguments are the parts of a tuple: `make_response(body, 404)`. Awaitable in the
    awaitable colour.
    """
    app = current_app()
    return t.cast("Response", app.quartish_drive(response_of(app, args)))


async def response_of(app: AppLike, args: tuple[t.Any, ...]) -> t.Any:
    """Do what `make_response` does, for either colour."""
    if not args:
        return app.response_class()
    rv = app.make_response(args[0] if len(args) == 1 else args)
    if is_awaitable(rv) and not isinstance(rv, SansioResponse):
        rv = await awaited(rv)
    return rv


def redirect(
    location: str, code: int = 302, Response: type[WerkzeugResponse] | None = None
) -> WerkzeugResponse:
    """Return a redirect to `location`, made by the current app's `redirect` if there is an app.

    Its status is `code` (301, 302, 303, 305, 307 or 308), its class the app's `response_class`, or
    `Response` where there is no app.
    """
    ctx = find_context()
    if ctx is not None:
        return t.cast("WerkzeugResponse", ctx.app.redirect(location, code=code))
    return _redirect(location, code=code, Response=Response)


def abort(code: int | SansioResponse, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
    """Raise the HTTPException for a status code, by the current app's `aborter` if there is an app.

    Raises:
        HTTPException: Of the status `code`, or with the response that `code` is.
        LookupError: There is no exception for `code`.
    """
    ctx = find_context()
    if ctx is not None:
        ctx.app.aborter(code, *args, **kwargs)
    _abort(t.cast(int, code), *args, **kwargs)


def url_for(
    endpoint: str,
    *,
    _anchor: str | None = None,
    _method: str | None = None,
    _scheme: str | None = None,
    _external: bool | None = None,
    **values: t.Any,
) -> str:
    """Return the URL of an endpoint, built by the current app's `url_for`.

    Args:
        endpoint: Its name; one that begins with a dot is relative to the current blueprint.
        _anchor: The fragment, after `#`.
        _method: The method that the rule is for, where rules of an endpoint differ by method.
        _scheme: The scheme; the URL has a host as well then.
        _external: Whether the URL has scheme and host; by default not within a request.
        **values: Variables of the rule; those that it does not have become the query.

    Raises:
        BuildError: No rule of the endpoint takes these values.
        RuntimeError: No app is active.
    """
    return current_app().url_for(
        endpoint,
        _anchor=_anchor,
        _method=_method,
        _scheme=_scheme,
        _external=_external,
        **values,
    )


async def make_push_promise(path: str) -> None:
    """Have the server push the response to `path` to the client, if it can (HTTP/2)."""
    await current_context(NO_REQUEST).request.send_push_promise(path)


def get_template_attribute(template_name: str, attribute: str) -> t.Any:
    """Return a macro or variable that a template exports.

    A macro is a plain function in both colours.

    Quart:
        Raises RuntimeError.
    """
    env = current_app().jinja_env
    if env.is_async:
        env = getattr(env, "sync_twin", env)
    return getattr(env.get_template(template_name).module, attribute)


# --- messages for the next request ----------------------------------------------------------


class Ready:
    """The result of a call that has had its effect already: it may be awaited, but need not be.

    `pending` is what remains to be awaited: what async receivers of a signal returned.
    """

    __slots__ = ("_pending",)

    def __init__(self, pending: t.Sequence[t.Awaitable[t.Any]] = ()) -> None:
        self._pending = pending

    def __bool__(self) -> bool:
        return False  # as Flask's None: `return flash("Saved.") or redirect("/")`

    def __await__(self) -> Generator[t.Any, t.Any, None]:
        for awaitable in self._pending:
            yield from awaitable.__await__()


def flash(message: str, category: str = "message") -> Ready:
    """Keep a message in the session until `get_flashed_messages` shows it.

    It acts at once. The result may be awaited, as in Quart; in the awaitable colour it has to be if
    `message_flashed` has async receivers.
    """
    ctx = current_context(NO_REQUEST)
    session = ctx.session
    flashes = session.get("_flashes", [])
    flashes.append((category, message))
    session["_flashes"] = flashes  # a list changed in place would go unnoticed
    if not message_flashed.receivers:
        return Ready()
    app = ctx.app
    if app.plain:
        drive(announce(message_flashed, app, message=message, category=category))
        return Ready()
    return Ready(_send(message_flashed, app, message=message, category=category))


def get_flashed_messages(
    with_categories: bool = False, category_filter: Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]:
    """Return the flashed messages, and remove them from the session.

    Later calls in the same request return them again. With `with_categories` they are `(category,
    message)` pairs. If `category_filter` names any categories, messages of others are left out,
    though they are removed as well.
    """
    ctx = current_context(NO_REQUEST)
    flashes = ctx.flashes
    if flashes is None:
        session = ctx.session
        flashes = ctx.flashes = session.pop("_flashes") if "_flashes" in session else []
    if category_filter:
        flashes = [pair for pair in flashes if pair[0] in category_filter]
    return flashes if with_categories else [pair[1] for pair in flashes]


def _send(signal: NamedSignal, app: AppLike, **kwargs: t.Any) -> list[t.Awaitable[t.Any]]:
    """Send a signal; return the awaitables of async receivers, which are still to be awaited."""
    results = signal.send(app, _async_wrapper=app.ensure_sync, **kwargs)
    return [value for _, value in results if is_awaitable(value)]


async def announce(signal: NamedSignal, app: AppLike, **kwargs: t.Any) -> None:
    """Send a signal, and wait for its async receivers."""
    for awaitable in _send(signal, app, **kwargs):
        await awaited(awaitable)


# --- streams ------------------------------------------------------------------------------


@t.overload
def stream_with_context(generator_or_function: Iterable[T]) -> Iterator[T]: ...
@t.overload
def stream_with_context(generator_or_function: AsyncIterable[T]) -> AsyncIterator[T]: ...
@t.overload
def stream_with_context(
    generator_or_function: Callable[P, Iterator[T]],
) -> Callable[P, Iterator[T]]: ...
@t.overload
def stream_with_context(
    generator_or_function: Callable[P, AsyncIterator[T]],
) -> Callable[P, AsyncIterator[T]]: ...
def stream_with_context(generator_or_function: t.Any) -> t.Any:
    """Keep the context for a stream: `request`, `session` and `g` work while it is iterated,
    and the teardown functions run when it ends or is closed.

    Takes a generator, sync or async, or as a decorator a function that returns one.

    Raises:
        RuntimeError: No request or websocket is active when the stream is made.

    Flask:
        Runs the teardown functions before the stream, and again after it.
    """
    source = generator_or_function
    if hasattr(source, "__aiter__"):
        async_stream = _keep_async(_streaming_context(), aiter(source))
        drive(anext(async_stream))
        return async_stream
    if hasattr(source, "__iter__"):
        stream = _keep(_streaming_context(), iter(source))
        next(stream)
        return stream

    def decorator(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return stream_with_context(source(*args, **kwargs))

    return update_wrapper(decorator, source)


def _streaming_context() -> ContextLike:
    ctx = find_context()
    if ctx is None or not (ctx.has_request or ctx.has_websocket):
        raise RuntimeError(
            "'stream_with_context' can only be used when a request context is active,"
            " such as in a view function."
        )
    return ctx


class _Active:
    """Makes a context the active one for one step, in whichever thread or task that is."""

    __slots__ = ("ctx", "token")

    def __init__(self, ctx: ContextLike) -> None:
        self.ctx = ctx

    def __enter__(self) -> None:
        self.token = _cv_app.set(self.ctx)

    def __exit__(self, *exc_info: object) -> None:
        _cv_app.reset(self.token)


# Both generators run to their first `yield` when they are made. So the context is held before the
# request releases it, and closing a stream that was never iterated releases it too.


def _keep(ctx: t.Any, source: t.Any) -> Generator[t.Any, None, None]:
    """Iterate `source` with `ctx` active in each step."""
    active = _Active(ctx)
    error: BaseException | None = None
    ctx.hold()
    try:
        yield None
        while True:
            with active:
                item = next(source, _END)
            if item is _END:
                break
            yield item
    except BaseException as exc:
        error = None if isinstance(exc, GeneratorExit) else exc  # being closed is no error
        raise
    finally:
        spare(True)
        with active:
            try:
                if hasattr(source, "close"):
                    source.close()
            finally:
                drive(ctx.release(error))
        error = None  # its traceback holds this frame


async def _keep_async(ctx: t.Any, source: t.Any) -> AsyncGenerator[t.Any, None]:
    """Iterate `source` with `ctx` active in each step."""
    active = _Active(ctx)
    error: BaseException | None = None
    ctx.hold()
    try:
        yield None
        while True:
            with active:
                item = await anext(source, _END)
            if item is _END:
                break
            yield item
    except BaseException as exc:
        error = None if isinstance(exc, GeneratorExit) else exc  # being closed is no error
        raise
    finally:
        with active:
            try:
                if hasattr(source, "aclose"):
                    await source.aclose()
            finally:
                await ctx.release(error)
        error = None
