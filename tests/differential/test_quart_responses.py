"""What is done to a response of Quart's by hand, made in each way: read, set, frozen, made
conditional, iterated over."""

from __future__ import annotations

import asyncio
import datetime
import random
import typing as t

from tests.differential._awaiting import assert_same
from tests.differential._beside import Side


async def pieces() -> t.AsyncIterator[t.Any]:
    yield b"one"
    await asyncio.sleep(0)
    yield b"two"


async def pieces_of_text() -> t.AsyncIterator[t.Any]:
    yield "ü"
    yield "x"


BODIES: dict[str, t.Callable[[], t.Any]] = {
    "nothing": lambda: None,
    "text": lambda: "text ü",
    "no text": lambda: "",
    "bytes": lambda: b"bytes\xff",
    "a list": lambda: [b"a", b"b"],
    "a generator": lambda: (piece for piece in (b"1", b"2")),
    "pieces": pieces,
    "pieces of text": pieces_of_text,
    "JSON": lambda: '{"a": [1, "ü"]}',
}
MADE: list[dict[str, t.Any]] = [
    *({}, {}, {"status": 201}, {"status": "418 TEA"}, {"status": 204}, {"status": 206}),
    *({"headers": {"X": "1", "Content-Length": "99"}}, {"headers": [("A", "1"), ("A", "2")]}),
    *({"mimetype": "application/json"}, {"mimetype": "text/x"}, {"content_type": "a/b; c=d"}),
    *({"mimetype": "text/css", "content_type": "a/b"}, {"mimetype": "application/x+xml"}),
]
ASKED: list[dict[str, str]] = [
    *({}, {"Range": "bytes=0-1"}, {"Range": "bytes=1-"}, {"Range": "bytes=9-"}, {"Range": "x"}),
    *({"If-None-Match": '"e"'}, {"If-None-Match": "*"}, {"If-Match": '"other"'}),
    {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"},
    {"Range": "bytes=0-1", "If-Range": '"e"'},
    {"Range": "bytes=0-1", "If-Range": '"other"'},
]
SET: dict[str, list[t.Any]] = {
    "status_code": [200, 404, 299, 204],
    "status": ["201 MADE", "404", 503],
    "mimetype": ["text/plain", "application/json", "text/html"],
    "content_type": ["text/plain", "text/plain; charset=latin-1"],
    "content_length": [3, None],
    "content_encoding": ["gzip"],
    "location": ["/next", "http://x/ü"],
    "last_modified": [datetime.datetime(2023, 11, 14, 22, 13, 20)],
    "expires": [datetime.datetime(2033, 1, 1)],
    "age": [5],
    "retry_after": [7],
    "timeout": [None, 3],
    "access_control_allow_origin": ["*"],
    "content_language": [["de", "en"]],
}
READ = [
    *("status", "status_code", "mimetype", "mimetype_params", "content_type"),
    *("is_json", "last_modified", "location", "expires", "age", "retry_after", "content_encoding"),
    *("content_range", "accept_ranges", "cache_control", "vary", "allow", "timeout"),
    *("content_language", "www_authenticate", "access_control_allow_origin", "charset"),
    *("default_status", "default_mimetype", "max_cookie_size", "implicit_sequence"),
]


#: Headers that are made another way, or at another time.
OURS = ("content-length", "accept-ranges", "etag")
#: What may use up a response's body, in Quart.
LAST = ("iterate", "make_conditional")


def shown(value: t.Any) -> t.Any:
    return value if isinstance(value, str | bytes | int | float | None) else str(value)


def use(side: Side, r: random.Random) -> None:
    module = side.module
    app = side.app()

    async def steps() -> None:
        body, made = r.choice([*BODIES]), r.choice(MADE)
        side.tell(body, sorted(made))
        response: t.Any = None
        for cls in (module.Response, app.response_class):
            try:
                response = cls(BODIES[body](), **made)
            except Exception as error:
                side.tell(error)
        if response is None:
            return
        for _ in range(6):
            what = r.choice([*DONE])
            try:
                side.tell(what, await DONE[what](side, response, r))
            except Exception as error:
                side.tell(what, error)
            lines = sorted((k.lower(), v) for k, v in response.headers)
            side.tell([line for line in lines if line[0] not in OURS], response.status)
            if what in LAST:
                break

    async def within() -> None:
        async with app.test_request_context("/", headers=r.choice(ASKED)):
            await steps()

    asyncio.run(within())


Response = t.Any
Do = t.Callable[[Side, t.Any, random.Random], t.Awaitable[t.Any]]
DONE: dict[str, Do] = {}


def done(func: Do) -> Do:
    DONE[func.__name__] = func  # type: ignore[attr-defined]
    return func


@done
async def get_data(side: Side, response: Response, r: random.Random) -> t.Any:
    return await response.get_data(**r.choice([{}, {"as_text": True}, {"as_text": False}]))


@done
async def data(side: Side, response: Response, r: random.Random) -> t.Any:
    return await response.data


@done
async def set_data(side: Side, response: Response, r: random.Random) -> t.Any:
    return response.set_data(r.choice(["new ü", b"new", ""]))


@done
async def freeze(side: Side, response: Response, r: random.Random) -> t.Any:
    return await response.freeze()


@done
async def iterate(side: Side, response: Response, r: random.Random) -> t.Any:
    return b"".join([piece async for piece in response.iter_encode()])


@done
async def add_etag(side: Side, response: Response, r: random.Random) -> t.Any:
    return await response.add_etag(**r.choice([{}, {"overwrite": True}, {"weak": True}]))


@done
async def set_etag(side: Side, response: Response, r: random.Random) -> t.Any:
    response.set_etag(r.choice(["e", "other"]), **r.choice([{}, {"weak": True}]))
    return response.get_etag()


@done
async def make_conditional(side: Side, response: Response, r: random.Random) -> t.Any:
    options = r.choice([{}, {"accept_ranges": True, "complete_length": 6}])
    await response.make_conditional(side.module.request, **options)


@done
async def cookies(side: Side, response: Response, r: random.Random) -> t.Any:
    options: list[dict[str, t.Any]] = [{}, {"expires": 0, "secure": True}, {"path": None}]
    response.set_cookie("a", "b", **r.choice(options))
    if r.random() < 0.5:
        response.delete_cookie("a")


@done
async def set_attribute(side: Side, response: Response, r: random.Random) -> t.Any:
    name = r.choice([*SET])
    value = r.choice(SET[name])
    side.tell(name, str(value))
    setattr(response, name, value)


@done
async def read_attribute(side: Side, response: Response, r: random.Random) -> t.Any:
    name = r.choice(READ)
    side.tell(name)
    return shown(getattr(response, name))


def test_responses_are_as_quarts() -> None:
    assert_same(use, 150)
