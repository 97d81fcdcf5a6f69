"""However a body comes in, whole, byte by byte or cut anywhere, it says the same: to apps of both
colours and lanes, through both doors. Long ones come in pieces of 97 bytes."""

from __future__ import annotations

import asyncio
import io
import typing as t

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header

import quartish
from quartish._concurrency.coroutines import drive
from tests._doors import Ask
from tests._doors import through_asgi
from tests._doors import through_wsgi
from tests.fuzz.test_fuzz import EXAMPLES
from tests.fuzz.test_fuzz import fuzz
from tests.fuzz.test_fuzz import JSONS
from tests.fuzz.test_fuzz import MULTIPARTS
from tests.fuzz.test_fuzz import QUERIES

MULTIPART = b"multipart/form-data; boundary=x"
URLENCODED = b"application/x-www-form-urlencoded"
JSON = b"application/json"
RAW = b"application/octet-stream"

few = settings(fuzz, max_examples=max(EXAMPLES // 4, 1))  # each is some fifteen requests
Told = tuple[int, bytes]
Tell = t.Callable[[str, bytes, list[bytes]], dict[str, Told]]


class Trickle(io.RawIOBase):
    """A body by WSGI, of which each read returns no more than came at once."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        if not self.pieces:
            return 0
        piece = self.pieces.pop(0)
        if len(piece) > len(buffer):
            self.pieces.insert(0, piece[len(buffer) :])
            piece = piece[: len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)


def make_app(cls: type[t.Any], lane: str) -> t.Any:
    app = cls("splits")
    app.config.update(MAX_CONTENT_LENGTH=50_000, MAX_FORM_MEMORY_SIZE=20_000, MAX_FORM_PARTS=20)

    async def value(of: t.Any) -> t.Any:
        return of if app.plain else await of

    async def form() -> t.Any:
        request = quartish.request
        fields, files = await value(request.form), await value(request.files)
        return repr(
            [
                list(fields.items(multi=True)),
                [
                    (name, file.filename, file.mimetype, sorted(file.headers), file.read())
                    for name, file in files.items(multi=True)
                ],
            ]
        )

    async def parts() -> t.Any:
        """Tell of a form by its parts what `form` tells of it."""
        fields, files, memory = MultiDict[str, t.Any](), MultiDict[str, t.Any](), 20_000
        by_one = quartish.request.parts

        def add(part: t.Any, data: bytes) -> None:
            if part.filename is None:
                content_type = parse_options_header(part.content_type)[1]
                charset = content_type.get("charset", "").lower()
                known = charset in ("ascii", "us-ascii", "utf-8", "iso-8859-1")
                fields.add(part.name, data.decode(charset if known else "utf-8", "replace"))
            else:
                headers = sorted(part.headers)
                files.add(part.name, (part.name, part.filename, part.mimetype, headers, data))

        if lane == "thread" and app.plain:
            for part in by_one:
                limit = None if part.filename is not None else memory
                data = part.read(limit)
                memory -= len(data) if part.filename is None else 0
                add(part, data)
        else:
            async for each in by_one:
                data = b""
                async for chunk in each:
                    data += chunk
                if each.filename is None:
                    memory -= len(data)
                    if memory < 0:
                        raise RequestEntityTooLarge
                add(each, data)
        return repr(
            [list(fields.items(multi=True)), [found for _, found in files.items(multi=True)]]
        )

    async def json() -> t.Any:
        return repr(await value(quartish.request.get_json()))

    async def raw() -> t.Any:
        return await value(quartish.request.get_data()) or b""

    async def stream() -> t.Any:
        body = quartish.request.body if not app.plain else quartish.request.stream  # type: ignore[attr-defined]
        if lane == "thread" and app.plain:
            return body.read()  # type: ignore[union-attr]
        return b"".join([piece async for piece in body])  # type: ignore[union-attr]

    def add(view: t.Any, name: str = "", /, **options: t.Any) -> None:
        name = name or view.__name__

        def in_thread() -> t.Any:
            return drive(view()) if app.plain else app.ensure_sync(view)()

        func = in_thread if lane == "thread" else view
        app.add_url_rule(f"/{name}", name, func, methods=["POST"], **options)

    for view in (form, json, raw, parts):
        add(view)
    add(parts, "unread", **({"stream_body": True} if app.plain else {}))
    add(stream, **({"stream_body": True} if app.plain else {}))
    app.register_error_handler(400, lambda error: ("400", 400))
    app.register_error_handler(413, lambda error: ("413", 413))
    return app


@pytest.fixture(scope="module")
def tell() -> t.Iterator[Tell]:
    """Return what each way to an app tells of a body that comes in so many pieces."""
    with asyncio.Runner() as runner:
        apps = {
            f"{cls.__name__} {lane}": make_app(cls, lane)
            for cls in (quartish.Flask, quartish.Quart)
            for lane in ("loop", "thread")
        }

        def tell_all(path: str, kind: bytes, pieces: list[bytes]) -> dict[str, Told]:
            found: dict[str, Told] = {}
            framed = (b"transfer-encoding", b"chunked")
            ask = Ask(path, "POST", headers=[(b"content-type", kind), framed], body=pieces)
            for name, app in apps.items():
                reply = runner.run(through_asgi(app, ask))
                found[f"{name} asgi"] = (reply.status, reply.body)
                if app.plain and path != "/stream":
                    file = t.cast(io.BytesIO, io.BufferedReader(Trickle(pieces), 1))
                    reply = through_wsgi(app, ask, file)
                    found[f"{name} wsgi"] = (reply.status, reply.body)
            return found

        yield tell_all


def cut_at(body: bytes, places: t.Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in places} | {len(body)})
    return [body[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] or [b""]


def check(tell: Tell, path: str, kind: bytes, body: bytes, places: t.Iterable[int]) -> None:
    whole = tell(path, kind, [body])
    expected = next(iter(whole.values()))
    step = 1 if len(body) < 2000 else 97
    small = [body[at : at + step] for at in range(0, len(body), step)] or [b""]
    for pieces in ([body], small, cut_at(body, places)):
        told = tell(path, kind, pieces)
        assert told == dict.fromkeys(told, expected), (body, pieces)


PLACES = st.lists(st.integers(0, 400), max_size=6)
HEAD = b"Content-Disposition: form-data; name=a"
FILE = HEAD + b"; filename=f"


def parted(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + each + b"\r\n" for each in parts) + end


@few
@given(body=MULTIPARTS, places=PLACES)
# Line breaks of one character, which are the first half of one of two
@example(parted(b"\nContent-Disposition: form-data; name=a\r\n\r\nv"), [4, 5, 6])
@example(b"--x\r" + HEAD + b"\r\rv\r--x--\r", [4])
@example(b"--x\n" + HEAD + b"\n\nv\n--x--\n", [4])
@example(parted(HEAD + b"\r\n\r\n\r"), [50])
@example(parted(HEAD + b"\r\n\r\n\n\r\n\r"), [50])
# What may be padded
@example(b"--x" + b" " * 20 + b"\r\n" + HEAD + b"\r\n\r\nv\r\n--x--", [])
@example(b"--x" + b" " * 200 + b"\r\n" + HEAD + b"\r\n\r\nv\r\n--x--", [])
@example(parted(HEAD + b"\r\n\r\nv", end=b"--x--" + b" " * 200 + b"\r\n"), [])
@example(parted(HEAD + b"\r\n\r\nv").replace(b"v\r\n--x", b"v\r\n--x" + b"\t" * 100), [])
# What looks like a boundary, and is none
@example(parted(FILE + b"\r\n\r\n" + b"--x--x\r\n--xx\r\n--x"), [])
@example(parted(FILE + b"\r\n\r\nv\r\n--x" + b" " * 80 + b"y"), [])
@example(parted(FILE + b"\r\n\r\nv\r\n--x" + b" " * 80 + b"y\r\n--x--"), [])
# Limits
@example(b"\r\n" * 4090 + parted(HEAD + b"\r\n\r\nv"), [])
@example(b"\r\n" * 4200 + parted(HEAD + b"\r\n\r\nv"), [])
@example(parted(HEAD + b"\r\nx: " + b"y" * (8192 - len(HEAD) - 5) + b"\r\n\r\nv"), [])
@example(parted(HEAD + b"\r\nx: " + b"y" * (8193 - len(HEAD) - 5) + b"\r\n\r\nv"), [])
@example(parted(HEAD + b"\r\n\r\n" + b"v" * 20_000), [])
@example(parted(HEAD + b"\r\n\r\n" + b"v" * 20_001), [])
@example(parted(*[HEAD + b"\r\n\r\nv"] * 20), [])
@example(parted(*[HEAD + b"\r\n\r\nv"] * 21), [])
@example(parted(HEAD + b"\r\n\r\nv") + b"after" * 5000, [])
def test_multipart(tell: Tell, body: bytes, places: list[int]) -> None:
    check(tell, "/form", MULTIPART, body, places)
    form = tell("/form", MULTIPART, [body])
    for path in ("/parts", "/unread"):  # however it is read, it says the same
        check(tell, path, MULTIPART, body, places)
        assert tell(path, MULTIPART, [body]).items() <= form.items(), (path, body)


@few
@given(body=QUERIES, places=PLACES)
@example(b"a=%C3%A9&b=%c3", [3, 4, 5])
@example(b"&".join([b"a=b"] * 20), [])
@example(b"&".join([b"a=b"] * 21), [])
@example(b"a=" + b"b" * 19_998, [])
@example(b"a=" + b"b" * 19_999, [])
def test_urlencoded(tell: Tell, body: bytes, places: list[int]) -> None:
    check(tell, "/form", URLENCODED, body, places)


@few
@given(body=JSONS, places=PLACES)
@example('{"é": "\U0001f600"}'.encode("utf-16"), [1, 3])
def test_json(tell: Tell, body: bytes, places: list[int]) -> None:
    check(tell, "/json", JSON, body, places)


@few
@given(path=st.sampled_from(["/raw", "/stream"]), body=st.binary(max_size=60), places=PLACES)
@example("/raw", b"x" * 50_000, [1000])
@example("/raw", b"x" * 50_001, [1000])
@example("/stream", b"x" * 50_001, [1000])
def test_raw(tell: Tell, path: str, body: bytes, places: list[int]) -> None:
    check(tell, path, RAW, body, places)
