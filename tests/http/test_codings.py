"""Bodies that come compressed, by all ways to an app: decoded where it says so, there alone."""

from __future__ import annotations

import asyncio
import functools
import gzip
import io
import json
import typing as t
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

import quartish
from quartish._concurrency.coroutines import drive
from quartish._http import codings
from quartish._http.body import Body
from quartish._http.codings import CODINGS
from quartish._http.codings import DecodedBody
from quartish._http.codings import Decoder
from quartish._http.codings import PIECE
from quartish._http.inbox import HttpInbox
from tests._doors import Ask
from tests._doors import Reply
from tests._doors import through_asgi
from tests._doors import through_wsgi

zstd: t.Any = pytest.importorskip("backports.zstd")

ENCODERS: dict[str, t.Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
MULTIPART = (b"content-type", b"multipart/form-data; boundary=x")
SENT = (
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x\r\nContent-Disposition:'
    b' form-data; name="f"; filename="g"\r\n\r\n' + b"c" * 1000 + b"\r\n--x--\r\n"
)


def make_app(cls: type[t.Any], lane: str) -> t.Any:
    app = cls("codings")
    app.config.update(DECODE_BODY=True, MAX_DECODED_CONTENT_LENGTH=100_000)
    app.config["MAX_CONTENT_LENGTH"] = 50_000

    async def value(of: t.Any) -> t.Any:
        return of if app.plain else await of

    async def data() -> t.Any:
        return await value(quartish.request.get_data()) or b""

    async def as_json() -> t.Any:
        return {"got": await value(quartish.request.get_json())}

    async def form() -> t.Any:
        request = quartish.request
        fields, files = await value(request.form), await value(request.files)
        return {"fields": dict(fields), "files": {n: len(f.read()) for n, f in files.items()}}

    async def parts() -> t.Any:
        sizes = {}
        if lane == "thread" and app.plain:
            for part in quartish.request.parts:
                sizes[part.name] = len(part.read())
        else:
            async for each in quartish.request.parts:
                sizes[each.name] = len(await each.read())
        return sizes

    async def stream() -> t.Any:
        if lane == "thread" and app.plain:
            return t.cast(bytes, quartish.request.stream.read())
        body: t.Any = quartish.request.stream if app.plain else quartish.request.body  # type: ignore[attr-defined]
        return b"".join([chunk async for chunk in body])

    def add(view: t.Any, **options: t.Any) -> None:
        def in_thread() -> t.Any:
            return drive(view()) if app.plain else app.ensure_sync(view)()

        func = in_thread if lane == "thread" else view
        for rule, more in (("", {}), ("/raw", {"decode_body": False})):
            name = f"{view.__name__}{rule}"
            app.add_url_rule(f"/{name}", name, func, methods=["POST"], **options, **more)

    for view in (data, as_json, form, parts):
        add(view)
    add(stream, **({"stream_body": True} if app.plain else {}))
    return app


WAYS = [
    f"{cls} {lane} {door}"
    for cls in ("Flask", "Quart")
    for lane in ("loop", "thread")
    for door in ("asgi", "wsgi", "replaced")
    if cls == "Flask" or door == "asgi"
]


@pytest.fixture(params=WAYS)
def ask(request: pytest.FixtureRequest) -> t.Callable[..., t.Awaitable[Reply]]:
    """Return what asks an app, its body in pieces of so many bytes."""
    cls, lane, door = request.param.split()
    app = make_app(getattr(quartish, cls), lane)
    if door == "replaced":
        inner = app.wsgi_app
        app.wsgi_app = lambda environ, start: inner(environ, start)

    async def ask(path: str, body: bytes, *headers: tuple[bytes, bytes], step: int = 700) -> Reply:
        if door != "asgi" and "stream" in path and lane == "loop":
            pytest.skip("a def view reads it there")
        pieces = [body[at : at + step] for at in range(0, len(body), step)]
        asked = Ask(path, "POST", headers=list(headers), body=pieces)
        if door == "wsgi":
            return await asyncio.to_thread(through_wsgi, app, asked)
        return await through_asgi(app, asked)

    return ask


@functools.cache
def bomb(coding: str) -> bytes:
    return ENCODERS[coding](b"\r\n" * 1_000_000)


def coded(coding: str) -> tuple[bytes, bytes]:
    return (b"content-encoding", coding.encode())


@pytest.mark.parametrize("coding", ENCODERS)
async def test_it_is_read_decoded(ask: t.Any, coding: str) -> None:
    encode, said = ENCODERS[coding], coded(coding)
    text = bytes(range(256)) * 300
    assert (await ask("/data", encode(text), said)).body == text
    assert (await ask("/data", encode(text[:600]), said, step=1)).body == text[:600]
    reply = await ask("/as_json", encode(json.dumps(["é" * 15_000]).encode()), said, JSON)
    assert json.loads(reply.body) == {"got": ["é" * 15_000]}
    reply = await ask("/form", encode(b"a=b&c=" + b"d" * 20_000), said, FORM)
    assert json.loads(reply.body) == {"fields": {"a": "b", "c": "d" * 20_000}, "files": {}}
    reply = await ask("/form", encode(SENT), said, MULTIPART)
    assert json.loads(reply.body) == {"fields": {"a": "b"}, "files": {"f": 1000}}
    reply = await ask("/parts", encode(SENT), said, MULTIPART)
    assert json.loads(reply.body) == {"a": 1, "f": 1000}
    assert (await ask("/stream", encode(text), said)).body == text


@pytest.mark.parametrize("coding", ["gzip", "br", "unheard-of"])
async def test_what_nobody_asked_to_be_decoded_is_read_as_it_came(ask: t.Any, coding: str) -> None:
    body = gzip.compress(b"text")
    assert (await ask("/data/raw", body, coded(coding))).body == body
    assert (await ask("/stream/raw", body, coded(coding))).body == body


@pytest.mark.parametrize("coding", ENCODERS)
@pytest.mark.parametrize("path", ["/data", "/stream"])
async def test_a_damaged_one_is_a_400(ask: t.Any, coding: str, path: str) -> None:
    whole = ENCODERS[coding](bytes(range(256)) * 30)
    for body in (whole[:-5], b"no such thing", whole[:2] + b"\xff" * 20):
        assert (await ask(path, body, coded(coding))).status == 400
    assert (await ask(path, b"", coded(coding))).status == 200


@pytest.mark.parametrize("coding", ENCODERS)
@pytest.mark.parametrize("path", ["/data", "/stream", "/parts", "/form", "/as_json"])
async def test_a_bomb_is_a_413(ask: t.Any, coding: str, path: str) -> None:
    kind = {"/parts": MULTIPART, "/form": MULTIPART, "/as_json": JSON}.get(path, FORM)
    reply = await ask(path, bomb(coding), coded(coding), kind)
    assert reply.status in ((413, 400) if kind is MULTIPART else (413,))  # no boundary in 8 kB


async def test_both_limits_count(ask: t.Any) -> None:
    said = coded("gzip")
    assert (await ask("/data", gzip.compress(bytes(100_000)), said)).status == 200
    assert (await ask("/data", gzip.compress(bytes(100_001)), said)).status == 413
    long = gzip.compress(bytes(range(256)) * 240, 0)  # 61 kB, as it comes
    assert (await ask("/data", long, said)).status == 413
    assert (await ask("/data/raw", long, said)).status == 413


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip", "gzip, br", "aws-chunked"])
@pytest.mark.parametrize("path", ["/data", "/stream"])
async def test_others_are_a_415(ask: t.Any, coding: str, path: str) -> None:
    reply = await ask(path, b"x" * 100, coded(coding))
    assert reply.status == 415
    assert reply.headers["Accept-Encoding"] == "gzip, deflate, br, zstd"


@pytest.mark.parametrize("coding", ["identity", "", "Identity"])
async def test_identity_is_none(ask: t.Any, coding: str) -> None:
    assert (await ask("/data", b"text", coded(coding))).body == b"text"


async def test_streams_in_a_row_are_one(ask: t.Any) -> None:
    """As gzip and zstd have it: pigz, and log shippers that append, send such."""
    two = gzip.compress(b"one") + gzip.compress(b"two")
    assert (await ask("/data", two, coded("gzip"), step=5)).body == b"onetwo"
    assert (await ask("/data", two + b"\0" * 9, coded("gzip"))).body == b"onetwo"
    assert (await ask("/data", two + b"junk", coded("gzip"))).status == 400
    two = zstd.compress(b"one") + zstd.compress(b"two")
    assert (await ask("/data", two, coded("zstd"), step=5)).body == b"onetwo"


async def test_padding_may_come_by_itself(ask: t.Any) -> None:
    padded = gzip.compress(b"one") + b"\0" * 2000
    for step in (1, 700, 5000):
        assert (await ask("/data", padded, coded("gzip"), step=step)).body == b"one"
    assert (await ask("/data", b"\0" * 30 + gzip.compress(b"one"), coded("gzip"))).status == 400


SKIPPED = b"\x50\x2a\x4d\x18\0\0\0\0"  # a skippable frame of zstd's


@pytest.mark.parametrize("says", ["", "x", "skipped"])
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_streams_that_say_next_to_nothing(ask: t.Any, coding: str, says: str) -> None:
    """A megabyte of them had the loop begin a hundred thousand decoders, for seconds."""
    one = SKIPPED if says == "skipped" else ENCODERS[coding](says.encode())
    if says == "skipped" and coding == "gzip":
        pytest.skip("gzip has none")
    said = "" if says == "skipped" else says
    many = await ask("/data", one * 100, coded(coding))
    assert (many.status, many.body) == (200, said.encode() * 100)
    assert (await ask("/data", one * 102, coded(coding))).status == 400
    # Nor behind a long one.
    if not said:
        long = ENCODERS[coding](bytes(90_000))
        assert (await ask("/stream", long + one * 102, coded(coding))).status == 400


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_many_long_streams_are_one(coding: str) -> None:
    """As bgzip and log shippers have it."""
    decoder = Decoder(coding, lambda: None)
    decoder.feed(ENCODERS[coding](b"line\n" * 300) * 1000)
    size = 0
    while piece := decoder.take():
        size += len(piece)
    decoder.feed(b"")
    assert size == 1500 * 1000


async def test_a_wide_window_is_refused(ask: t.Any) -> None:
    """Which a decoder would have to have in memory (RFC 9659: 8 MB at most)."""
    options = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    body = compressor.compress(b"x" * 100) + compressor.flush()
    assert (await ask("/data", body, coded("zstd"))).status == 400


@pytest.mark.parametrize("colour", ["Flask", "Quart"])
async def test_limits_of_the_route_and_the_request(colour: str) -> None:
    app: t.Any = getattr(quartish, colour)("routes")

    async def view() -> str:
        quartish.request.max_decoded_content_length = int(quartish.request.args["most"])
        data: t.Any = quartish.request.get_data()
        return str(len(data if app.plain else await data))

    app.post("/", decode_body=True, max_decoded_content_length=20_000)(view)
    body = [gzip.compress(bytes(20_000))]
    for most, status in ((19_999, 413), (20_000, 200)):
        query = b"most=%d" % most
        if app.plain:  # its body is read before
            query = b"most=%d" % 10**6
            app.url_map._rules_by_endpoint["view"][0].max_decoded_content_length = most
        asked = Ask("/", "POST", query, [coded("gzip")], body)
        assert (await through_asgi(app, asked)).status == status


@pytest.mark.parametrize("coding", CODINGS)
def test_a_piece_is_never_large(coding: str) -> None:
    """However much a few bytes say: 20 MB, of which no more is in memory than a piece."""
    size = 20_000_000
    body = ENCODERS[coding](bytes(size))
    decoder = Decoder(coding, lambda: None)
    decoder.feed(body)
    seen = 0
    while piece := decoder.take():
        assert len(piece) <= 4 * PIECE
        seen += len(piece)
    decoder.feed(b"")
    assert seen == decoder.decoded == size


@settings(deadline=None, max_examples=100)
@given(
    coding=st.sampled_from(sorted(ENCODERS)),
    data=st.binary(max_size=3000) | st.binary(min_size=1, max_size=3).map(lambda b: b * 60_000),
    places=st.lists(st.integers(0, 3000), max_size=6),
)
def test_however_it_is_cut(coding: str, data: bytes, places: list[int]) -> None:
    body = ENCODERS[coding](data)
    ends = sorted({place % (len(body) + 1) for place in places} | {len(body)})
    decoder, found, file = Decoder(coding, lambda: None), b"", io.BytesIO(body)
    for start, end in zip([0, *ends], ends, strict=False):
        piece = file.read(end - start)
        if piece:
            decoder.feed(piece)
        while took := decoder.take():
            found += took
    decoder.feed(b"")
    assert found == data


def test_those_whose_library_is_not_there_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert codings.first_importable("no_such_library") is None
    assert codings.first_importable("no_such_library", "zlib") is zlib
    monkeypatch.setattr(codings, "_zstd", None)
    for old in (None, object()):  # object(): a Brotli whose pieces have no bound
        monkeypatch.setattr(codings, "_brotli", old)
        assert [*codings._makers()] == ["gzip", "deflate"]


async def test_limits_may_be_read_and_set_while_it_is_read() -> None:
    raw = Body(HttpInbox(asyncio.Queue[t.Any]().get), limit=10, timeout=None)
    body = DecodedBody(raw, Decoder("gzip", lambda: None))
    assert (body.limit, body.timeout) == (10, None)
    body.limit, body.timeout = 20, 1.5
    assert (raw.limit, raw.timeout) == (body.limit, body.timeout) == (20, 1.5)
    assert not body.is_here()
