"""The awaitable Response: bodies of every kind, read, streamed, ranged and closed."""

from __future__ import annotations

import asyncio
import io
import pathlib
import threading
import typing as t

import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response as WerkzeugResponse

import quartish
from quartish.quart import make_response
from quartish.wrappers.awaitable_request import Request
from quartish.wrappers.awaitable_response import DataBody
from quartish.wrappers.awaitable_response import FileBody
from quartish.wrappers.awaitable_response import IOBody
from quartish.wrappers.awaitable_response import IterableBody
from quartish.wrappers.awaitable_response import Response
from quartish.wrappers.awaitable_response import ResponseBody

MAIN = threading.main_thread()
DATA = bytes(range(256)) * 1000


def asked(method: str = "GET", **headers: str) -> Request:
    raw = [(k.replace("_", "-").lower().encode(), v.encode()) for k, v in headers.items()]
    return Request.quartish_from_scope(
        {"type": "http", "method": method, "path": "/", "headers": raw, "query_string": b""}
    )


async def agenerate() -> t.AsyncIterator[str | bytes]:
    yield "a"
    yield b"b"
    yield "é"


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    file = tmp_path / "data"
    file.write_bytes(DATA)
    return file


# --- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "streamed"),
    [
        (lambda: "abé", False),
        (lambda: "abé".encode(), False),
        (lambda: bytearray("abé".encode()), False),
        (lambda: memoryview("abé".encode()), False),
        (lambda: ["a", b"b", "é"], False),
        (lambda: ("a", b"b", "é"), False),
        (lambda: iter(["a", b"b", "é"]), True),
        (lambda: {"a": 1, "b": 1, "é": 1}, True),
        (agenerate, True),
        (lambda: io.BytesIO("abé".encode()), True),
        (lambda: io.StringIO("abé"), True),
        (lambda: IterableBody(["a", "bé"]), True),
        (lambda: DataBody("abé".encode()), False),
    ],
)
async def test_what_a_body_is_made_of(make: t.Callable[[], t.Any], streamed: bool) -> None:
    response = Response(make())
    assert response.is_streamed is streamed and response.is_sequence is not streamed
    assert (response.in_memory() is None) is streamed
    assert await response.get_data() == "abé".encode()
    assert not response.is_streamed  # it was kept
    assert await response.get_data(as_text=True) == "abé"
    assert await response.data == "abé".encode()
    await response.close()


async def test_no_body() -> None:
    response = Response()
    assert await response.get_data() == b"" and response.content_length is None
    assert response.status == "200 OK" and response.mimetype == "text/html"


async def test_a_character_cut_in_two() -> None:
    async def halves() -> t.AsyncIterator[bytes]:
        yield b"\xc3"
        yield b"\xa9"

    assert await Response(halves()).get_data(as_text=True) == "é"


@pytest.mark.parametrize("body", [[3], iter([3])], ids=["list", "iterator"])
async def test_a_number_is_no_piece_of_a_body(body: t.Any) -> None:
    """As in Quart; it became as many NUL bytes."""
    with pytest.raises(TypeError, match="not of int"):
        await Response(body).get_data()


async def test_the_body_as_the_server_takes_it() -> None:
    for source in (b"ab", iter(["a", "b"]), io.BytesIO(b"ab")):
        response = Response(source)
        assert isinstance(response.response, ResponseBody)
        chunks = []
        async with response.response as body:
            async for chunk in body:
                chunks.append(chunk if isinstance(chunk, bytes) else chunk.encode())
        assert b"".join(chunks) == b"ab"


async def test_the_body_may_be_replaced() -> None:
    response = Response("a")
    assert response.content_length == 1
    response.set_data("é")
    assert response.content_length == 2
    response.data = b"abc"
    assert await response.data == b"abc"
    response.response = agenerate()
    assert await response.get_data(as_text=True) == "abé"
    response.response = "x"
    assert response.in_memory() == b"x"


async def test_a_stream_that_is_not_kept() -> None:
    class Once(Response):
        implicit_sequence_conversion = False

    response = Once(agenerate())
    assert await response.get_data(as_text=True) == "abé"
    assert response.is_streamed and await response.get_data() == b""


async def test_plain_iterables_are_iterated_in_one_context_off_the_loop() -> None:
    import contextvars

    var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)
    threads = set()

    def generate() -> t.Iterator[str]:
        for number in range(3):
            threads.add(threading.current_thread())
            assert var.get() == number
            var.set(number + 1)
            yield str(number)

    assert await Response(generate()).get_data() == b"012"
    assert MAIN not in threads and var.get() == 0


async def test_an_error_of_a_generator_comes_through() -> None:
    def generate() -> t.Iterator[str]:
        yield "a"
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        await Response(generate()).get_data()


@pytest.mark.parametrize("begun", [True, False])
async def test_streams_are_closed(begun: bool) -> None:
    closed = []

    class Items:
        def __iter__(self) -> t.Any:
            return self

        def __next__(self) -> str:
            return "x"

        def close(self) -> None:
            closed.append(threading.current_thread())

    async def endless() -> t.AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closed.append(None)  # type: ignore[arg-type]

    for response in (Response(Items()), Response(endless())):
        if begun:
            async with response.response as body:
                async for _ in body:
                    break
        await response.close()
    assert closed[0] is not MAIN and len(closed) == (2 if begun else 1)


# --- files ------------------------------------------------------------------------------------


async def test_files_are_read_off_the_loop(path: pathlib.Path, monkeypatch: t.Any) -> None:
    opened: list[t.Any] = []
    real = pathlib.Path.open

    class Watched:
        def __init__(self, file: t.Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> t.Any:
            opened.append(threading.current_thread())
            return getattr(self.file, name)

    def open_watched(self: t.Any, mode: str) -> t.Any:
        opened.append(threading.current_thread())
        return Watched(real(self, mode))

    monkeypatch.setattr(pathlib.Path, "open", open_watched)
    response = Response(FileBody(path, buffer_size=1000))
    chunks = [chunk async for chunk in response.iter_encode()]
    assert b"".join(chunks) == DATA and len(chunks) == 256
    # `file.read` itself is looked up on the loop, called elsewhere.
    assert opened[0] is not MAIN
    assert response.response.file is None  # type: ignore[attr-defined]


async def test_an_open_file(path: pathlib.Path) -> None:
    file = path.open("rb")
    response = Response(file)
    assert isinstance(response.response, IOBody)
    assert await response.get_data() == DATA
    assert file.closed


async def test_an_open_file_that_is_never_read_is_closed(path: pathlib.Path) -> None:
    file = path.open("rb")
    response = Response(file)
    await response.close()
    assert file.closed


async def test_a_buffer_stays_open() -> None:
    buffer = io.BytesIO(b"abc")
    for _ in range(2):
        response = Response(buffer)
        assert await response.get_data() == b"abc"
        await response.close()


async def test_a_pipe() -> None:
    class Pipe(io.RawIOBase):
        rest = [b"b", b"a"]

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: t.Any) -> int:
            data = self.rest.pop() if self.rest else b""
            buffer[: len(data)] = data
            return len(data)

    assert await Response(Pipe()).get_data() == b"ab"


async def test_a_file_that_shrank_ends_early(path: pathlib.Path) -> None:
    body = FileBody(path)
    path.write_bytes(b"short")
    assert await Response(body).get_data() == b"short"


# --- ranges and conditions --------------------------------------------------------------------

KINDS: dict[str, t.Callable[[pathlib.Path], t.Any]] = {
    "data": lambda path: DATA,
    "file": FileBody,
    "buffer": lambda path: io.BytesIO(DATA),
    "io": lambda path: path.open("rb"),
    "stream": lambda path: iter([DATA[:1000], DATA[1000:]]),
}
SIZE = len(DATA)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [
        ("0-0", 0, 1),
        ("1-2", 1, 3),
        ("300-", 300, SIZE),
        ("-500", SIZE - 500, SIZE),
        (f"-{SIZE + 5}", 0, SIZE),
        (f"10-{SIZE + 5}", 10, SIZE),
    ],
)
async def test_ranges(kind: str, wanted: str, begin: int, end: int, path: pathlib.Path) -> None:
    response = Response(KINDS[kind](path))
    result = await response.make_conditional(
        asked(Range=f"bytes={wanted}"), accept_ranges=True, complete_length=SIZE
    )
    assert result is response and response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{SIZE}"
    assert response.content_length == end - begin
    assert response.headers["Accept-Ranges"] == "bytes"
    assert await response.get_data() == DATA[begin:end]
    await response.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", "bytes=1-2,4-5", "lines=1-2", "nonsense"])
async def test_ranges_that_cannot_be(kind: str, wanted: str, path: pathlib.Path) -> None:
    response = Response(KINDS[kind](path))
    with pytest.raises(RequestedRangeNotSatisfiable) as caught:
        await response.make_conditional(asked(Range=wanted), True, SIZE)
    assert caught.value.length == SIZE
    await response.close()


@pytest.mark.parametrize(
    ("request_", "arguments"),
    [
        (asked("POST", Range="bytes=0-1"), {"accept_ranges": True, "complete_length": 6}),
        (asked(), {"accept_ranges": True, "complete_length": 6}),
        (asked(Range="bytes=0-1"), {"accept_ranges": True}),
        (asked(Range="bytes=0-1"), {"accept_ranges": True, "complete_length": 0}),
        (
            asked(Range="bytes=0-1", If_Range='"other"'),
            {"accept_ranges": True, "complete_length": 6},
        ),
    ],
)
async def test_where_no_range_is_taken(request_: Request, arguments: dict[str, t.Any]) -> None:
    response = Response(b"abcdef")
    response.set_etag("tag")
    await response.make_conditional(request_, **arguments)
    assert response.status_code == 200 and await response.get_data() == b"abcdef"


async def test_a_range_if_unchanged() -> None:
    response = Response(b"abcdef")
    response.set_etag("tag")
    await response.make_conditional(asked(Range="bytes=0-1", If_Range='"tag"'), True, 6)
    assert response.status_code == 206 and response.in_memory() == b"ab"
    response = Response(b"abcdef")
    await response.make_conditional(asked(Range="bytes=0-1"), complete_length=6)
    assert response.status_code == 206 and response.in_memory() == b"ab"


async def test_not_modified_drops_the_body_and_closes_it(path: pathlib.Path) -> None:
    file = path.open("rb")
    response = Response(file)
    response.set_etag("tag")
    await response.make_conditional(asked(If_None_Match='"tag"'))
    assert response.status_code == 304 and response.in_memory() == b""
    assert "Content-Length" not in response.headers
    await response.close()
    assert file.closed


async def test_a_precondition_that_failed() -> None:
    response = Response(b"abc")
    response.set_etag("tag")
    await response.make_conditional(asked(If_Match='"other"'))
    assert response.status_code == 412


async def test_etags() -> None:
    response = Response(agenerate())
    await response.add_etag()
    tag = response.get_etag()
    assert tag[0] and tag[1] is False
    await response.add_etag(weak=True)
    assert response.get_etag() == tag
    await response.add_etag(overwrite=True, weak=True)
    assert response.get_etag() == (tag[0], True)


async def test_freeze() -> None:
    import pickle

    response = Response(agenerate())
    await response.freeze()
    assert response.content_length == 4
    assert await pickle.loads(pickle.dumps(response)).get_data(as_text=True) == "abé"


# --- JSON, headers, cookies -------------------------------------------------------------------


async def test_json() -> None:
    response = Response('{"a": 1}', mimetype="application/json")
    assert await response.json == {"a": 1} and await response.get_json() == {"a": 1}
    assert await Response('{"a": 1}').json is None
    assert await Response('{"a": 1}').get_json(force=True) == {"a": 1}
    assert await Response("{").get_json(force=True, silent=True) is None
    with pytest.raises(ValueError):
        await Response("{").get_json(force=True)


async def test_a_forgotten_await() -> None:
    with pytest.raises(TypeError, match=r"write `\(await response.json\)\['a'\]`"):
        Response("{}").json["a"]  # type: ignore[index]
    with pytest.raises(TypeError, match=r"write `\(await response.get_data\(\)\).decode`"):
        Response("").get_data().decode()  # type: ignore[attr-defined]


@pytest.mark.parametrize("headers", [None, {}, [("X-A", "1")], Headers({"X-A": "1"})])
def test_statuses_and_headers(headers: t.Any) -> None:
    response = Response("é", 201, headers, mimetype="text/plain")
    assert response.status == WerkzeugResponse("", 201).status
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content_length == 2
    assert bool(headers) is ("X-A" in response.headers)
    assert Response("", "299 ODD").status_code == 299
    assert Response("", content_type="a/b").headers["Content-Type"] == "a/b"


def test_the_constructor_agrees_with_werkzeugs() -> None:
    for args in ({}, {"status": 404}, {"mimetype": "text/css"}, {"content_type": "x/y"}):
        ours, theirs = Response("x", **args), WerkzeugResponse("x", **args)
        ours.default_mimetype = None
        assert ours.status == theirs.status
        if args.keys() & {"mimetype", "content_type"}:
            assert ours.headers == theirs.headers


async def test_the_cookie_limit_is_the_apps() -> None:
    assert Response().max_cookie_size == 4093
    app = quartish.Quart(__name__)
    app.config["MAX_COOKIE_SIZE"] = 5
    async with app.app_context():
        assert Response().max_cookie_size == 5


# --- other responses --------------------------------------------------------------------------


async def test_to_await_it_gives_itself() -> None:
    response = Response("a")
    assert await response is response


async def test_make_response_with_and_without_await() -> None:
    app = quartish.Quart(__name__)
    async with app.test_request_context("/"):
        made = make_response("a", 201)
        assert (await made).status_code == 201


async def test_force_type_takes_werkzeugs_responses() -> None:
    class Own(Response):
        pass

    plain = WerkzeugResponse(["a", "b"], 404, {"X-A": "1"}, mimetype="text/css")
    response = Own.force_type(plain)
    assert type(response) is Own and response.status == plain.status
    assert response.headers["X-A"] == "1" and response.mimetype == "text/css"
    assert response.in_memory() == b"ab"
    assert Own.force_type(response) is response
    other = Response("x")
    assert Own.force_type(other) is other and type(other) is Own
    assert (await Response.force_type(NotFound().get_response()).data).startswith(b"<!doctype")


async def test_force_type_streams_and_closes() -> None:
    closed = []
    plain = WerkzeugResponse(iter(["a", "b"]))
    plain.call_on_close(lambda: closed.append(True))
    response = Response.force_type(plain)
    assert response.is_streamed and await response.get_data() == b"ab"
    await response.close()
    assert closed == [True]


async def test_force_type_takes_the_plain_colours_async_stream() -> None:
    response = Response.force_type(quartish.wrappers.Response(agenerate()))  # type: ignore[arg-type]
    assert await response.get_data(as_text=True) == "abé"


def wsgi_app(environ: t.Any, start_response: t.Any) -> t.Any:
    start_response("201 CREATED", [("X-Thread", threading.current_thread().name)])
    return [b"wsgi"]


async def test_wsgi_apps() -> None:
    environ = EnvironBuilder().get_environ()
    response = await Response.from_app(wsgi_app, environ)
    assert response.status_code == 201 and await response.data == b"wsgi"
    assert response.headers["X-Thread"] != MAIN.name
    assert Response.force_type(wsgi_app, environ).headers["X-Thread"] == MAIN.name
    with pytest.raises(TypeError, match="from_app"):
        Response.force_type(wsgi_app)


async def test_call_on_close() -> None:
    called = []
    response = Response("a")

    @response.call_on_close
    def plain() -> None:
        called.append("plain")

    @response.call_on_close
    async def later() -> None:
        await asyncio.sleep(0)
        called.append("async")

    await response.close()
    assert called == ["plain", "async"] and plain() is None


# --- served -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_served(kind: str, path: pathlib.Path) -> None:
    app = quartish.Quart(__name__)
    app.testing = True
    closed = []

    @app.get("/")
    async def view() -> Response:
        response = Response(KINDS[kind](path))
        response.call_on_close(lambda: closed.append(True))
        return await response.make_conditional(quartish.request, True, SIZE)

    client = app.test_client()
    response = await client.get("/")
    assert response.status_code == 200 and await response.get_data() == DATA
    response = await client.get("/", headers={"Range": "bytes=-3"})
    assert response.status_code == 206 and await response.get_data() == DATA[-3:]
    assert response.headers["Content-Length"] == "3"
    assert closed == [True, True]


def test_a_length_that_is_set_by_hand_stays() -> None:
    response = Response("abc")
    response.set_data("longer")
    assert response.headers["Content-Length"] == "6"
    response.automatically_set_content_length = False
    response.set_data("longer still")
    assert response.headers["Content-Length"] == "6"
