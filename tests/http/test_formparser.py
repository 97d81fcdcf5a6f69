"""Forms parsed as their body comes in: whole, cut anywhere, damaged anyhow, too large."""

from __future__ import annotations

import asyncio
import io
import random
import typing as t

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge

import quartish
from quartish import request
from quartish._http.body import SPOOL_SIZE
from quartish._http.forms import FormDataParser
from quartish._http.forms import SLICE
from quartish._http.multipart import MAX_HEADERS

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
BOUNDARY = {"boundary": "xyz"}


class Chunks:
    """A body of these chunks; counts those that were read."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.taken = 0

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk

    async def read(self, limit: int | None = None) -> bytes:
        data = b""
        async for chunk in self:
            data += chunk
            if limit is not None and len(data) > limit:
                raise RequestEntityTooLarge()
        return data


def part(name: str, data: bytes, *headers: str, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    head = "\r\n".join([f'Content-Disposition: form-data; name="{name}"{file}', *headers])
    return b"--xyz\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n"


END = b"--xyz--\r\n"
FORM = (
    part("a", b"1")
    + part("a", "zwei é".encode())
    + part("f", b"\r\n--xy\r\n" * 5, "Content-Type: text/plain; charset=utf-8", filename="f.txt")
    + part("b", b"")
    + END
)


async def parse(
    *chunks: bytes,
    mimetype: str = MULTIPART,
    options: dict[str, str] | None = None,
    **limits: t.Any,
) -> tuple[MultiDict[str, str], MultiDict[str, t.Any]]:
    parser = FormDataParser(**limits)
    return await parser.parse(
        Chunks(*chunks), mimetype, None, BOUNDARY if options is None else options
    )


def check(form: MultiDict[str, str], files: MultiDict[str, t.Any]) -> None:
    assert list(form.items(multi=True)) == [("a", "1"), ("a", "zwei é"), ("b", "")]
    (file,) = files.values()
    assert file.filename == "f.txt" and file.name == "f" and file.mimetype == "text/plain"
    assert file.read() == b"\r\n--xy\r\n" * 5
    file.close()


async def test_multipart_however_it_is_cut() -> None:
    check(*await parse(FORM))
    check(*await parse(*[FORM[i : i + 1] for i in range(len(FORM))]))
    for cut in range(len(FORM)):
        check(*await parse(FORM[:cut], FORM[cut:]))


CONTENT = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"--", b"--xy", b"\r\n--xy", b"xyz", b"-", b"a" * 90]),
    max_size=12,
).map(b"".join)


@given(content=CONTENT, cuts=st.lists(st.integers(0, 700), max_size=8))
@settings(deadline=None)
def test_a_file_however_it_is_cut(content: bytes, cuts: list[int]) -> None:
    if b"--xyz" in content:  # a boundary, where a line begins
        content = content.replace(b"xyz", b"xyx")
    body = part("f", content, filename="f") + part("a", b"1") + END
    ends = sorted({*cuts, len(body)})
    pieces = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    form, files = asyncio.run(parse(*filter(None, pieces)))
    assert files["f"].read() == content and form.to_dict() == {"a": "1"}
    files["f"].close()


async def test_a_chunk_larger_than_the_memory_of_fields_is_no_error() -> None:
    file = b"x" * (3 * SLICE)
    form, files = await parse(
        part("a", b"1") + part("f", file, filename="f") + END, max_form_memory_size=10
    )
    assert form["a"] == "1" and files["f"].read() == file
    files["f"].close()


async def test_an_empty_field_cut_in_its_closing_boundary() -> None:
    # Werkzeug's own decoder gives "\r" here.
    whole = part("a", b"") + b"--xyz--\r\n"
    cut = whole.index(b"-\r\n", len(whole) - 5)
    form, _ = await parse(whole[:cut], whole[cut:])
    assert form["a"] == ""


async def test_bytes_before_and_after_the_parts_mean_nothing() -> None:
    check(*await parse(b"preamble\r\n" + FORM + b"epilogue" * 100_000, b"more" * 100_000))


async def test_an_empty_body_is_an_empty_form() -> None:
    for options in (BOUNDARY, {}):
        assert await parse(options=options) == (MultiDict(), MultiDict())


async def test_another_mimetype_is_no_form_and_is_not_read() -> None:
    body = Chunks(b"{}")
    assert await FormDataParser().parse(body, "application/json", 2) == (MultiDict(), MultiDict())
    assert body.taken == 0


@pytest.mark.parametrize("charset", ["utf-16", "no-such", "idna", "rot13", ""])
async def test_a_charset_that_is_not_allowed_is_taken_for_utf_8(charset: str) -> None:
    header = f"Content-Type: text/plain; charset={charset}"
    form, _ = await parse(part("a", "é".encode() + b"\xff", header) + END)
    assert form["a"] == "é\ufffd"


async def test_latin_1_is_allowed() -> None:
    form, _ = await parse(part("a", b"\xe9", "Content-Type: text/plain; charset=ISO-8859-1") + END)
    assert form["a"] == "é"


# --- damage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"boundary": ""}, {"boundary": "é"}])
async def test_a_missing_boundary(options: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="damaged"):
        await parse(FORM, options=options)


@pytest.mark.parametrize("number", ["0.5", "0.0012345678901234567", "1.2345678901234567e-05"])
def test_boundaries_as_werkzeugs_client_makes_them(
    monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    """One of 400 has more than the 70 characters that RFC 2046 allows."""
    monkeypatch.setattr("werkzeug.test.random", lambda: float(number))
    monkeypatch.setattr("werkzeug.test.time", lambda: 1764489853.1234567)
    app = quartish.Flask("app")
    app.add_url_rule("/", "view", lambda: request.files["file"].read(), methods=["POST"])
    response = app.test_client().post("/", data={"file": (io.BytesIO(b"\r\n-\r" * 9), "name")})
    assert (response.status_code, response.data) == (200, b"\r\n-\r" * 9)


async def test_a_boundary_that_is_too_long() -> None:
    body = part("a", b"1").replace(b"xyz", b"x" * 100) + b"--" + b"x" * 100 + b"--\r\n"
    fields, _ = await parse(body, options={"boundary": "x" * 100})
    assert fields["a"] == "1"
    with pytest.raises(BadRequest, match="too long"):
        await parse(body, options={"boundary": "x" * 101})


async def test_a_wrong_boundary() -> None:
    with pytest.raises(BadRequest):
        await parse(FORM, options={"boundary": "other"})


async def test_a_wrong_boundary_is_noticed_before_the_end() -> None:
    body = Chunks(*[b"x" * SLICE] * 100)
    with pytest.raises(BadRequest, match="boundary"):
        await FormDataParser().parse(body, MULTIPART, None, BOUNDARY)
    assert body.taken == 1


async def test_a_body_cut_off_anywhere_is_refused() -> None:
    end = FORM.rindex(b"--xyz--") + len(b"--xyz--")
    for length in range(1, end):
        with pytest.raises(BadRequest):
            await parse(FORM[:length])


@pytest.mark.parametrize(
    "bad",
    [
        b"--xyz\r\n\r\n1\r\n" + END,  # no headers
        b"--xyz\r\nContent-Type: text/plain\r\n\r\n1\r\n" + END,  # no disposition
        b"--xyz\r\nContent-Disposition: form-data\r\n\r\n1\r\n" + END,  # no name
        b'--xyz\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n1\r\n' + END,
        b"--xyz\r\nContent-Disposition\r\n\r\n1\r\n" + END,
        b"\xff\xfe\x00" * 10,
    ],
)
async def test_damaged_parts(bad: bytes) -> None:
    with pytest.raises(BadRequest):
        await parse(bad)


async def test_headers_of_a_part_that_are_too_long() -> None:
    long = b"--xyz\r\nX-Long: " + b"x" * (2 * SLICE + MAX_HEADERS)
    with pytest.raises(RequestEntityTooLarge, match="headers"):
        await parse(long + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' + END)
    body = Chunks(long, b"never", b"read")
    with pytest.raises(RequestEntityTooLarge):
        await FormDataParser().parse(body, MULTIPART, None, BOUNDARY)
    assert body.taken == 1


async def test_any_damage_is_an_http_exception() -> None:
    random.seed(7)
    for _ in range(3000):
        body = bytearray(FORM)
        for _ in range(random.randint(1, 8)):
            at = random.randrange(len(body))
            action = random.randrange(3)
            if action == 0:
                body[at] = random.randrange(256)
            elif action == 1:
                del body[at : at + random.randint(1, 20)]
            else:
                body[at:at] = random.choice([b"\r\n", b"--xyz", b'"', b"\xff", b";", b"\r", b"\0"])
        cut = random.randrange(len(body) + 1)
        try:
            _, files = await parse(bytes(body[:cut]), bytes(body[cut:]))
            for _, file in files.items(multi=True):
                file.close()
        except HTTPException as error:
            assert error.code in (400, 413)


@pytest.mark.parametrize("body", [b"a=\xff", b"\xfe\xff\x00a", "a=é".encode("latin-1")])
async def test_urlencoded_text_that_is_no_utf_8(body: bytes) -> None:
    with pytest.raises(BadRequest):
        await parse(body, mimetype=URLENCODED)


async def test_urlencoded() -> None:
    form, files = await parse(b"a=1&a=%C3%A9&b", b"=&c=+x&bad=%FF&d", mimetype=URLENCODED)
    assert list(form.items(multi=True)) == [
        ("a", "1"),
        ("a", "é"),
        ("b", ""),
        ("c", " x"),
        ("bad", "%FF"),
        ("d", ""),
    ]
    assert not files


# --- limits, the same for both kinds ---------------------------------------------------------


def fields(kind: str, count: int, size: int) -> bytes:
    if kind == URLENCODED:
        return b"&".join(b"a=" + b"x" * (size - 3) for _ in range(count))
    return b"".join(part("a", b"x" * size) for _ in range(count)) + END


@pytest.mark.parametrize("kind", [MULTIPART, URLENCODED])
async def test_memory_is_counted_over_all_fields(kind: str) -> None:
    form, _ = await parse(fields(kind, 10, 100), mimetype=kind, max_form_memory_size=1000)
    assert len(form.getlist("a")) == 10
    with pytest.raises(RequestEntityTooLarge):
        await parse(fields(kind, 11, 100), mimetype=kind, max_form_memory_size=1000)


@pytest.mark.parametrize("kind", [MULTIPART, URLENCODED])
async def test_parts_are_counted(kind: str) -> None:
    form, _ = await parse(fields(kind, 10, 5), mimetype=kind, max_form_parts=10)
    assert len(form.getlist("a")) == 10
    with pytest.raises(RequestEntityTooLarge):
        await parse(fields(kind, 11, 5), mimetype=kind, max_form_parts=10)


@pytest.mark.parametrize("kind", [MULTIPART, URLENCODED])
async def test_a_form_too_large_is_refused_while_it_comes_in(kind: str) -> None:
    data = fields(kind, 1, 100_000)
    body = Chunks(*[data[i : i + 1000] for i in range(0, len(data), 1000)])
    with pytest.raises(RequestEntityTooLarge):
        await FormDataParser(max_form_memory_size=5000).parse(body, kind, None, BOUNDARY)
    assert body.taken <= 7


# --- files ------------------------------------------------------------------------------------


async def test_large_files_go_to_disk_off_the_loop() -> None:
    offloaded: list[int] = []

    async def offload(func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        offloaded.append(len(args[0]))
        return await asyncio.to_thread(func, *args)

    size = SPOOL_SIZE + 3 * SLICE
    body = part("small", b"s" * 1000, filename="s") + part("f", b"x" * size, filename="f") + END
    _, files = await parse(body, offload=offload)
    assert files["small"].stream._rolled is False
    assert files["f"].stream._rolled is True
    assert files["f"].read() == b"x" * size
    assert sum(offloaded) >= 2 * SLICE and max(offloaded) <= SLICE + 200
    for file in files.values():
        file.close()


async def test_what_the_client_says_about_lengths_is_not_believed() -> None:
    _, files = await parse(
        part("f", b"x" * (SPOOL_SIZE + SLICE), "Content-Length: 3", filename="f") + END
    )
    assert files["f"].stream._rolled is True
    files["f"].close()


async def test_files_of_a_form_that_fails_are_closed() -> None:
    made: list[t.IO[bytes]] = []

    def factory(*args: t.Any) -> t.IO[bytes]:
        import io

        made.append(io.BytesIO())
        return made[-1]

    body = part("f", b"1", filename="f") + part("g", b"2" * 100, filename="g")
    with pytest.raises(BadRequest):
        await parse(body, stream_factory=factory)
    assert len(made) == 2 and all(file.closed for file in made)


# --- bodies of others ---------------------------------------------------------------------------


class Awaited:
    """A body that can only be awaited, as one by Quart's interface may be."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __await__(self) -> t.Generator[t.Any, t.Any, bytes]:
        yield from asyncio.sleep(0).__await__()
        return self.data


@pytest.mark.parametrize("count", [1, 20_000])
async def test_a_body_that_can_only_be_awaited(count: int) -> None:
    """A long one is parsed off the loop."""
    data, offloaded = b"&".join(b"a=%d" % n for n in range(count)), list[t.Any]()

    async def offload(func: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
        offloaded.append(func)
        return await asyncio.to_thread(func, *args)

    parser = FormDataParser(max_form_memory_size=len(data), offload=offload)
    form, files = await parser.parse(t.cast(t.Any, Awaited(data)), URLENCODED, None)
    assert form.getlist("a") == [str(n) for n in range(count)] and not files
    assert len(offloaded) == (count > 1)
    parser.max_form_memory_size = len(data) - 1
    with pytest.raises(RequestEntityTooLarge):
        await parser.parse(t.cast(t.Any, Awaited(data)), URLENCODED, None)
