"""Forms that are read part by part, while they come. That they say the same as a form that is
parsed, however they are cut, tests/fuzz/test_splits.py shows."""

from __future__ import annotations

import asyncio
import io
import os
import resource
import signal
import typing as t
from pathlib import Path

import pytest
from werkzeug.exceptions import BadRequest

import quartish
from quartish._concurrency.loops import Turns
from quartish._http.spool import SPOOL_SIZE
from tests._doors import Ask
from tests._doors import through_asgi
from tests._doors import through_wsgi
from tests._scopes import http_scope
from tests._scripted import Peer

KIND = (b"content-type", b"multipart/form-data; boundary=x")
CHUNKED = (b"transfer-encoding", b"chunked")


def field(name: str, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (
        name.encode(),
        value,
    )


def file(name: str, data: bytes, filename: str = "f.bin") -> bytes:
    return (
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
        b"Content-Type: Application/X-Thing; a=b\r\nX-More: yes\r\n\r\n%s\r\n"
    ) % (name.encode(), filename.encode(), data)


END = b"--x--\r\n"


def make(colour: str, view: t.Any, **options: t.Any) -> t.Any:
    app = getattr(quartish, colour)("parts")
    if app.plain:
        options.setdefault("stream_body", True)
    else:
        options.pop("stream_body", None)
    app.post("/", **options)(view)
    return app


async def post(app: t.Any, *pieces: bytes, kind: tuple[bytes, bytes] = KIND) -> t.Any:
    return await through_asgi(app, Ask("/", "POST", b"", [kind, CHUNKED], list(pieces)))


@pytest.fixture(params=["Flask", "Quart"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_what_a_part_says_of_itself(colour: str) -> None:
    async def view() -> t.Any:
        found = []
        async for part in quartish.request.parts:
            found.append(
                [part.name, part.filename, part.content_type, part.mimetype, repr(part)]
                + [part.headers.get("x-more"), (await part.read()).decode()]
            )
        return found

    reply = await post(make(colour, view), field("a", b"1"), file("b", b"2" * 9), END)
    thing = "Application/X-Thing; a=b"
    assert quartish.json.loads(reply.body) == [
        ["a", None, None, "", "<Part 'a'>", None, "1"],
        ["b", "f.bin", thing, thing.partition(";")[0].lower(), "<Part 'b' 'f.bin'>"]
        + ["yes", "2" * 9],
    ]


def test_in_a_def_view_of_the_plain_colour(tmp_path: Path) -> None:
    """By both doors, with or without `stream_body`, whose body is read in its thread anyway."""
    kept = io.BytesIO()

    def view() -> t.Any:
        found: list[t.Any] = []
        for part in quartish.request.parts:
            if part.name == "path":
                part.save(tmp_path / "kept")
            elif part.name == "file":
                part.save(kept)
            elif part.name == "pieces":
                found.append([part.name, len(b"".join(part)), repr(part)])
            else:
                found.append([part.name, part.read().decode()])
        return found

    body = field("a", b"1") + file("path", b"p" * 200_000) + file("file", b"q") + field("b", b"2")
    body += file("pieces", b"r" * 100_000) + END
    pieces = [body[at : at + 30_000] for at in range(0, len(body), 30_000)]
    ask = Ask("/", "POST", headers=[KIND], body=pieces)
    told = [["a", "1"], ["b", "2"], ["pieces", 100_000, "<BlockingPart 'pieces' 'f.bin'>"]]
    for streamed in (True, False):
        app = make("Flask", view, stream_body=streamed)
        for door in (lambda: asyncio.run(through_asgi(app, ask)), lambda: through_wsgi(app, ask)):  # noqa: B023
            kept.seek(0)
            kept.truncate()
            reply = door()
            assert quartish.json.loads(reply.body) == told
            assert (tmp_path / "kept").read_bytes() == b"p" * 200_000
            assert kept.getvalue() == b"q"


@pytest.mark.parametrize("size", [3, 100_000, SPOOL_SIZE + 100_000])
async def test_of_a_body_that_was_read_before_the_view(size: int) -> None:
    """Without `stream_body`; also of a long one, whose form was parsed ahead."""

    async def view() -> t.Any:
        return [[part.name, len(await part.read(None))] async for part in quartish.request.parts]

    app = make("Flask", view, stream_body=False)
    body = [file("a", b"1" * size), field("b", b"2"), END]
    assert quartish.json.loads((await post(app, *body)).body) == [["a", size], ["b", 1]]
    reply = await asyncio.to_thread(through_wsgi, app, Ask("/", "POST", b"", [KIND], body))
    assert quartish.json.loads(reply.body) == [["a", size], ["b", 1]]


async def test_what_is_not_read_is_skipped(colour: str) -> None:
    async def view() -> t.Any:
        found = []
        async for part in quartish.request.parts:
            found.append(part.name)
            if part.name == "half":
                async for _ in part:
                    break
        return found

    body = [
        file("all", b"1" * 5000),
        file("half", b"2" * 9000),
        file("half", b"3"),
        field("z", b""),
    ]
    cut = b"".join(body) + END
    for step in (len(cut), 1000, 7):
        pieces = [cut[at : at + step] for at in range(0, len(cut), step)]
        reply = await post(make(colour, view), *pieces)
        assert quartish.json.loads(reply.body) == ["all", "half", "half", "z"]


async def test_a_part_that_is_over_says_so(colour: str) -> None:
    async def view() -> t.Any:
        parts = [part async for part in quartish.request.parts]
        with pytest.raises(RuntimeError, match="'a' is over: it has to be read before"):
            await parts[0].read()
        return "told"

    assert (await post(make(colour, view), field("a", b"1"), field("b", b"2"), END)).body == b"told"


async def test_parts_and_form_exclude_each_other(colour: str) -> None:
    async def first_parts() -> t.Any:
        request: t.Any = quartish.request
        fields = [part.name async for part in request.parts]
        with pytest.raises(RuntimeError, match="take the fields of the form from there"):
            await request.form if colour == "Quart" else request.form
        return fields

    async def first_form() -> t.Any:
        request: t.Any = quartish.request
        fields = await request.form if colour == "Quart" else request.form
        with pytest.raises(RuntimeError, match="parsed already"):
            request.parts  # noqa: B018
        return dict(fields)

    body = field("a", b"1") + END
    assert (await post(make(colour, first_parts), body)).body.strip() == b'["a"]'
    app = make(colour, first_form, stream_body=False)
    assert quartish.json.loads((await post(app, body)).body) == {"a": "1"}


async def test_for_without_async_says_what_to_write(colour: str) -> None:
    async def view() -> str:
        with pytest.raises(RuntimeError, match="write `async for part in request.parts`"):
            list(quartish.request.parts)
        return "told"

    assert (await post(make(colour, view), field("a", b"1") + END)).body == b"told"


BAD = {
    "no end": (field("a", b"1"), 400),
    "cut in a part": (file("a", b"1" * 90_000)[:50_000], 400),
    "cut in headers": (b"--x\r\nContent-Dispo", 400),
    "no boundary in it": (b"what is this", 400),
    "no name": (b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n" + END, 400),
    "no disposition": (b"--x\r\nContent-Type: text/plain\r\n\r\n1\r\n" + END, 400),
    "long headers": (b"--x\r\nX: " + b"y" * 9000 + b"\r\n\r\n1\r\n" + END, 413),
    "endless headers": (b"--x\r\nX: " + b"y" * 90_000, 413),
    "endless preamble": (b"\r\n" * 90_000 + field("a", b"1") + END, 400),
    "long preamble": (b"\r\n" * 4_200 + field("a", b"1") + END, 400),
    "many parts": (field("a", b"1") * 1001 + END, 413),
    "a long field": (field("a", b"1" * 500_001) + END, 413),
    "a long file": (file("a", b"1" * 2_000_001) + END, 413),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("lane", ["loop", "thread", "wsgi"])
async def test_what_is_wrong_is_the_clients(colour: str, lane: str, bad: str) -> None:
    async def on_loop() -> str:
        async for part in quartish.request.parts:
            if part.filename is None:
                await part.read()
        return "fine"

    def in_thread() -> str:
        for part in quartish.request.parts:
            if part.filename is None:
                part.read()
        return "fine"

    if colour == "Quart" and lane != "loop":
        return
    app = make(colour, on_loop if lane == "loop" else in_thread)
    app.config["MAX_CONTENT_LENGTH"] = 2_000_000
    body, status = BAD[bad]
    pieces = [body[at : at + 10_000] for at in range(0, len(body), 10_000)]
    ask = Ask("/", "POST", headers=[KIND, CHUNKED], body=pieces)
    door = asyncio.to_thread(through_wsgi, app, ask) if lane == "wsgi" else through_asgi(app, ask)
    assert (await door).status == status


@pytest.mark.parametrize(("length", "status"), [(100, 200), (101, 400), (1_000_000, 400)])
async def test_a_boundary_of_a_megabyte_is_none(colour: str, length: int, status: int) -> None:
    """To look for it would take seconds."""

    async def view() -> str:
        return str([part.name async for part in quartish.request.parts])

    boundary = b"x" * length
    kind = (b"content-type", b"multipart/form-data; boundary=" + boundary)
    app = make(colour, view)
    app.config["MAX_HEADER_SIZE"] = None
    body = (field("a", b"1") + END).replace(b"--x", b"--" + boundary)
    assert (await post(app, body, kind=kind)).status == status


async def test_many_parts_give_others_their_turn(
    colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turns, "LENGTH", 0.0)
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def view() -> str:
        taking, before = asyncio.create_task(take_turns()), turns
        found = [part.name async for part in quartish.request.parts]
        taking.cancel()
        assert turns - before >= len(found) == 900
        return "fine"

    assert (await post(make(colour, view), field("a", b"1") * 900 + END)).body == b"fine"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (b"multipart/form-data", 400),
        (b"multipart/form-data; boundary=" + b"y" * 200, 400),
        (b"application/json", 415),
        (b"multipart/mixed; boundary=x", 415),
        (b"", 415),
    ],
)
async def test_what_is_no_form(colour: str, kind: bytes, status: int) -> None:
    async def view() -> t.Any:
        return [part.name async for part in quartish.request.parts]

    sent = (b"content-type", kind)
    assert (await post(make(colour, view), field("a", b"1") + END, kind=sent)).status == status


async def test_an_empty_body_has_no_parts(colour: str) -> None:
    async def view() -> t.Any:
        return [part.name async for part in quartish.request.parts]

    assert (await post(make(colour, view), b"")).body.strip() == b"[]"
    ask = Ask("/", "POST", headers=[KIND])
    assert (await through_asgi(make(colour, view), ask)).body.strip() == b"[]"


async def test_a_view_that_catches_errors_does_not_spin(colour: str) -> None:
    """What is damaged stays so, and the loop gets its turn."""
    turns = []

    async def view() -> str:
        for _ in range(5):
            try:
                async for part in quartish.request.parts:
                    await part.read()
            except BadRequest as error:
                turns.append(str(error))
        return "done"

    assert (await post(make(colour, view), field("a", b"1"))).body == b"done"
    assert len(turns) == 5 and len(set(turns)) == 1


async def test_a_slow_reader_keeps_the_client_waiting(colour: str) -> None:
    """Nothing goes to disk, and no more than the read-ahead is in memory."""
    goes_on = asyncio.Event()
    files = []

    async def view() -> str:
        inbox: t.Any = t.cast(t.Any, quartish.request).inbox
        size = 0
        async for part in quartish.request.parts:
            async for chunk in part:
                size += len(chunk)
                if size < 100_000:
                    await goes_on.wait()
                files.append(inbox.spool.file)
        return str(size)

    scope = http_scope("/", "POST", [KIND, CHUNKED])
    app = make(colour, view)
    app.config["MAX_CONTENT_LENGTH"] = None
    async with Peer(app, scope) as peer:
        piece = bytes(50_000)
        peer.put({"type": "http.request", "body": file("a", b"")[:-2], "more_body": True})
        for _ in range(60):
            peer.put({"type": "http.request", "body": piece, "more_body": True})
        await asyncio.sleep(0.5)  # longer than a read is waited for
        assert peer.received <= SPOOL_SIZE // len(piece) + 4
        goes_on.set()
        peer.put({"type": "http.request", "body": b"\r\n" + END, "more_body": False})
        await peer.ended()
    assert peer.sent[-1]["body"] == b"3000000" and set(files) == {None}


async def test_the_client_leaves_in_a_part(colour: str) -> None:
    ended = []

    async def view() -> str:
        try:
            async for part in quartish.request.parts:
                async for _ in part:
                    pass
        finally:
            ended.append("ended")
        return "never"

    async with Peer(make(colour, view), http_scope("/", "POST", [KIND, CHUNKED])) as peer:
        peer.put({"type": "http.request", "body": file("a", b"1" * 999)[:500], "more_body": True})
        await asyncio.sleep(0.05)
        peer.put({"type": "http.disconnect"})
        await peer.ended()
    assert ended == ["ended"] and not peer.sent


@pytest.mark.parametrize("way", ["async", "def", "async, read before", "def, read before"])
@pytest.mark.parametrize("before", ["nothing", "file", "link"])
async def test_a_file_is_saved_whole_or_not_at_all(way: str, before: str, tmp_path: Path) -> None:
    """What was there stays if not, and nothing else is left."""
    target = kept = tmp_path / "kept"
    if before == "link":
        kept = tmp_path / "elsewhere"
        target.symlink_to(kept)
    if before != "nothing":
        kept.write_bytes(b"before")
        kept.chmod(0o640)
    names = set(tmp_path.iterdir())

    async def of_async() -> str:
        async for part in quartish.request.parts:
            await part.save(target)
        return "saved"

    def of_def() -> str:
        for part in quartish.request.parts:
            part.save(target)
        return "saved"

    streams = "before" not in way
    app = make("Flask", of_async if "async" in way else of_def, stream_body=streams)
    whole = file("f", b"x" * 700_000)
    for body in (whole[:300_000], whole + b"--x--damaged", whole.replace(b"--x\r\n", b"", 1)):
        pieces = [body[at : at + 60_000] for at in range(0, len(body), 60_000)]
        reply = await post(app, *pieces)
        if reply.status == 400:
            assert set(tmp_path.iterdir()) == names
            assert before == "nothing" or kept.read_bytes() == b"before"
        else:
            assert kept.read_bytes() == b"x" * 700_000
            kept.write_bytes(b"before")
            if before == "nothing":
                kept.unlink()
    assert (await post(app, whole, END)).status == 200
    assert set(tmp_path.iterdir()) == names | {target}
    assert kept.read_bytes() == b"x" * 700_000 and target.is_symlink() is (before == "link")
    assert before == "nothing" or kept.stat().st_mode & 0o777 == 0o640


async def test_a_client_that_leaves_leaves_no_file(colour: str, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def view() -> str:
        async for part in quartish.request.parts:
            begun.set()
            await part.save(tmp_path / "kept")
        return "saved"

    scope = http_scope("/", method="POST", headers=[KIND, CHUNKED])
    async with Peer(make(colour, view), scope) as peer:
        body = file("f", b"x" * 300_000)[:200_000]
        peer.put({"type": "http.request", "body": body, "more_body": True})
        await begun.wait()
        while not list(tmp_path.iterdir()):
            await asyncio.sleep(0.001)
        peer.put({"type": "http.disconnect"})
    assert not list(tmp_path.iterdir())


async def test_a_disk_that_is_full_leaves_no_file(colour: str, tmp_path: Path) -> None:
    """Also where that is seen by the last bytes, when the file is closed."""
    target = tmp_path / "kept"
    target.write_bytes(b"before")

    async def view() -> str:
        async for part in quartish.request.parts:
            with pytest.raises(OSError, match="File too large"):
                await part.save(target)
        return "full"

    app = make(colour, view)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        for size in (2000, 200_000):
            assert (await post(app, file("f", b"x" * size), END)).body == b"full"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert [*tmp_path.iterdir()] == [target] and target.read_bytes() == b"before"


async def test_where_no_file_can_be_is_said(colour: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    errors = []

    async def view() -> str:
        async for part in quartish.request.parts:
            for target in ("missing/kept", "folder", "x" * 300):
                with pytest.raises(OSError) as info:
                    await part.save(tmp_path / target)
                errors.append(info.value)
            await part.save(os.devnull)
        return "none"

    assert (await post(make(colour, view), file("f", b"x"), END)).body == b"none"
    kinds = [FileNotFoundError, IsADirectoryError, OSError]
    assert [type(error) for error in errors] == kinds
    assert [Path(error.filename).name for error in errors] == ["kept", "folder", "x" * 300]
    assert [*tmp_path.iterdir()] == [tmp_path / "folder"]
    assert Path(os.devnull).is_char_device()
