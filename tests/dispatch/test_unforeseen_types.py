"""Views, return values, exceptions and response classes of types that nobody foresaw give what they
give on real Flask and real Quart."""

from __future__ import annotations

import collections
import functools
import io
import logging
import types
import typing as t

import markupsafe
import pytest
import werkzeug
import werkzeug.exceptions
from werkzeug.datastructures import Headers
from werkzeug.datastructures import MultiDict

from tests import _overriding
from tests._overriding import Side


class Text(str):
    pass


class Pair(t.NamedTuple):
    body: str
    status: int


class Chunks:
    def __init__(self) -> None:
        self._rest = [b"a", b"b"]

    def __iter__(self) -> t.Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._rest:
            raise StopIteration
        return self._rest.pop(0)


def wsgi(environ: t.Any, start_response: t.Any) -> t.Iterable[bytes]:
    start_response("206 PARTIAL CONTENT", [("X-Bare", "wsgi")])
    return [b"called"]


class Wsgi:
    def __call__(self, environ: t.Any, start_response: t.Any) -> t.Iterable[bytes]:
        return wsgi(environ, start_response)


class Own(werkzeug.Response):
    default_mimetype = "text/x-own"


class Teapot(werkzeug.exceptions.HTTPException):
    code = 418
    description = "short"


class Odd(Exception):
    def get_response(self, environ: t.Any = None) -> t.Any:
        return werkzeug.Response("odd", 499)


class Coded(Exception):
    code = 403


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


RETURNED: dict[str, t.Callable[[Side], t.Any]] = {
    "a subclass of str": lambda _: Text("text"),
    "Markup": lambda _: markupsafe.Markup("<b>"),
    "bytearray": lambda _: bytearray(b"bytes"),
    "an int": lambda _: 5,
    "a float": lambda _: 5.5,
    "True": lambda _: True,
    "a set": lambda _: {1},
    "a range": lambda _: range(2),
    "an iterator": lambda _: Chunks(),
    "an iterator of text": lambda _: iter(["a", "b"]),
    "an OrderedDict": lambda _: collections.OrderedDict(b=1, a=2),
    "a Counter": lambda _: collections.Counter("aab"),
    "a MultiDict": lambda _: MultiDict([("a", "1")]),
    "a mapping that is no dict": lambda _: types.MappingProxyType({"a": 1}),
    "a deque": lambda _: collections.deque([1]),
    "a named tuple": lambda _: Pair("body", 201),
    "a status as text": lambda _: ("body", "202 Fine"),
    "a status of HTTP": lambda _: ("body", 201, Headers([("X-Tuple", "1"), ("X-Tuple", "2")])),
    "a list of headers": lambda _: ("body", [("X-Tuple", "yes")]),
    "a tuple of one": lambda _: ("body",),
    "a tuple of four": lambda _: ("body", 200, {}, 1),
    "an empty tuple": lambda _: (),
    "None with a status": lambda _: (None, 204),
    "a dict with a status": lambda _: ({"a": 1}, 201),
    "a response with another status": lambda side: (side.app_class.response_class("x"), 201),
    "a response of Werkzeug": lambda _: werkzeug.Response("bare", 203, {"X-Bare": "yes"}),
    "a subclass of it": lambda _: Own("own"),
    "a streamed one": lambda _: Own(iter([b"a", b"b"])),
    "an HTTP error": lambda _: werkzeug.exceptions.Gone(),
    "a custom HTTP error": lambda _: Teapot(),
    "a WSGI app": lambda _: wsgi,
    "a WSGI object": lambda _: Wsgi(),
    "a partial WSGI app": lambda _: functools.partial(wsgi),
    "an object": lambda _: object(),
    "a class": lambda _: object,
    "an exception": lambda _: ValueError("x"),
    "a file": lambda _: io.BytesIO(b"file"),
}


#: What is an error on Quart and is answered here, as on Flask.
TAKEN_HERE = ("a file", "a status as text", "an iterator of text", "an iterator", "bytearray")


def _raise(error: BaseException) -> t.NoReturn:
    raise error


RAISED: dict[str, t.Callable[[Side], t.Any]] = {
    "a custom HTTP error": lambda _: _raise(Teapot()),
    "one with a response": lambda _: _raise(Teapot(response=werkzeug.Response("own", 299))),
    "one without a code": lambda _: _raise(werkzeug.exceptions.HTTPException("none")),
    "one that only answers like one": lambda _: _raise(Odd()),
    "one with a code": lambda _: _raise(Coded()),
    "one that says nothing": lambda _: _raise(Unspeakable()),
    "a group": lambda _: _raise(ExceptionGroup("some", [Teapot(), ValueError()])),
    "a key of a form": lambda side: side.module.request.args["nothing"],
    "abort with a response": lambda side: side.module.abort(werkzeug.Response("aborted", 298)),
    "abort with a WSGI app": lambda side: side.module.abort(wsgi),
    "abort with no status": lambda side: side.module.abort(799),
    "StopIteration": lambda _: _raise(StopIteration()),
    "a warning": lambda _: _raise(UserWarning("w")),
}


class Called:
    def __call__(self) -> str:
        return "called"

    def method(self) -> str:
        return "method"

    @staticmethod
    def static() -> str:
        return "static"


class CalledLater:
    async def __call__(self) -> str:
        return "called later"


class View(Called):
    def __init__(self) -> None:
        pass

    def __str__(self) -> str:
        return "view"


async def later(word: str = "later") -> str:
    return word


def letters() -> t.Iterator[str]:
    yield "a"
    yield "b"


def wrapped() -> t.Any:
    @functools.wraps(later)
    def call() -> t.Any:
        return "wrapped"

    return call


VIEWS: dict[str, t.Callable[[], t.Any]] = {
    "a partial": lambda: functools.partial(str, "partial"),
    "a partial of an async def": lambda: functools.partial(later, "partly"),
    "an object": Called,
    "an object of async": CalledLater,
    "a method": lambda: Called().method,
    "a static method": lambda: Called.static,
    "a builtin": lambda: "text".upper,
    "a class": lambda: Text,
    "a generator function": lambda: letters,
    "a def that says it is async": wrapped,
    "a cached function": lambda: functools.lru_cache(lambda: "cached"),
    "an async def": lambda: later,
}


class Shouting(werkzeug.Response):
    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers["X-Seen"] = "yes"


def response_classes(side: Side) -> dict[str, t.Any]:
    own = side.app_class.response_class
    mixin = type("Mixin", (), {"default_status": 201})
    return {
        "with an attribute": type("R", (own,), {"default_mimetype": "text/x-r"}),
        "with a mixin": type("R", (mixin, own), {}),
        **({} if side.awaits else {"of Werkzeug": werkzeug.Response, "of the user": Shouting}),
    }


@pytest.fixture(autouse=True)
def quiet() -> t.Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def app_of(side: Side) -> t.Any:
    app = side.app_class("app", root_path=_overriding.HERE)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


async def seen(app: t.Any, door: t.Any) -> t.Any:
    try:
        return await door(app, "/", {})
    except Exception as error:
        return type(error)


PAIRS = [(_overriding.FLASK, _overriding.OUR_FLASK), (_overriding.QUART, _overriding.OUR_QUART)]
COLOURS = pytest.mark.parametrize(("real", "ours"), PAIRS, ids=["Flask", "Quart"])


async def same(real: Side, ours: Side, prepare: t.Callable[[Side, t.Any], None]) -> None:
    """Play an app on both, by each door."""
    app = app_of(real)
    prepare(real, app)
    expected = await seen(app, real.doors[0])
    for door in ours.doors:
        app = app_of(ours)
        prepare(ours, app)
        assert await seen(app, door) == expected, door.__name__


def from_view(make: t.Callable[[Side], t.Any], is_async: bool) -> t.Any:
    def prepare(side: Side, app: t.Any) -> None:
        async def async_view() -> t.Any:
            return make(side)

        app.add_url_rule("/", "view", async_view if is_async else lambda: make(side))

    return prepare


@COLOURS
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", RETURNED)
async def test_what_a_view_returns(real: Side, ours: Side, kind: str, is_async: bool) -> None:
    if real.awaits and kind in TAKEN_HERE:
        pytest.skip("an error on Quart")
    await same(real, ours, from_view(RETURNED[kind], is_async))


@COLOURS
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", RAISED)
async def test_what_a_view_raises(real: Side, ours: Side, kind: str, is_async: bool) -> None:
    if real.awaits and kind == "StopIteration":
        pytest.skip("Quart waits for ever")
    await same(real, ours, from_view(RAISED[kind], is_async))


@COLOURS
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", VIEWS)
async def test_what_a_view_is(real: Side, ours: Side, kind: str) -> None:
    if kind == "an object of async":
        pytest.skip("neither Flask nor Quart sees that it is async")
    await same(real, ours, lambda _, app: app.add_url_rule("/", "view", VIEWS[kind]()))


@COLOURS
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", response_classes(_overriding.FLASK))
async def test_what_the_response_class_is(real: Side, ours: Side, kind: str) -> None:
    if kind not in response_classes(real):
        pytest.skip("no class for Quart")
    for make in (lambda _: "text", lambda _: {"a": 1}, lambda _: werkzeug.Response("bare", 203)):

        def prepare(side: Side, app: t.Any) -> None:
            app.response_class = response_classes(side)[kind]
            from_view(make, True)(side, app)  # noqa: B023

        await same(real, ours, prepare)


@COLOURS
@pytest.mark.filterwarnings("ignore")
async def test_finalize_request_by_keyword(real: Side, ours: Side) -> None:
    def prepare(side: Side, app: t.Any) -> None:
        own = type(app)

        class Plain(own):  # type: ignore[misc, valid-type]
            def finalize_request(self, rv: t.Any, from_error_handler: bool = False) -> t.Any:
                return super().finalize_request(rv=rv, from_error_handler=from_error_handler)

        class Awaitable(own):  # type: ignore[misc, valid-type]
            async def finalize_request(
                self, result: t.Any, request_context: t.Any = None, from_error_handler: bool = False
            ) -> t.Any:
                return await super().finalize_request(
                    result=result,
                    request_context=request_context,
                    from_error_handler=from_error_handler,
                )

        app.__class__ = Awaitable if side.awaits else Plain
        from_view(lambda _: 1 / 0, True)(side, app)

    await same(real, ours, prepare)
