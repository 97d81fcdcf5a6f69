"""Published weaknesses of what reads bodies, each test named by the advisory."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import tempfile
import threading
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

import quartish
from quartish._http.inbox import QUEUED
from tests._doors import Ask
from tests._doors import LIMIT
from tests._doors import make_app
from tests.security._ways import at_once
from tests.security._ways import posted
from tests.security._ways import Way

URLENCODED = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=x"
JSON = b"application/json"
MB = 1_000_000
NAME = b"Content-Disposition: form-data; name=a"
END = b"--x--\r\n"


def part(headers: bytes = NAME, data: bytes = b"") -> bytes:
    return b"--x\r\n" + headers + b"\r\n\r\n" + data + b"\r\n"


FILE = NAME + b"; filename=f"
CUT = [b"\r\n"] * 20_000


@dataclass
class Case:
    advisory: str
    status: int
    ask: Ask


def cases(advisory: str, status: int, *asks: Ask) -> list[Case]:
    return [Case(advisory, status, ask) for ask in asks]


def form(*body: bytes, kind: bytes = MULTIPART, **headers: str) -> Ask:
    return posted(kind, *body, **headers)


CASES = [
    # How many parts
    *cases("CVE-2023-25577 Werkzeug", 413, form(part(FILE) * 1001 + END)),
    *cases("CVE-2023-30798 Starlette", 413, form(part() * 1001 + END)),
    *cases("CVE-2023-25578 Starlite", 413, form((part() + part(FILE)) * 501 + END)),
    *cases("CVE-2023-24580 Django", 413, form(part(FILE, b"x") * 3000 + END)),
    *cases(
        "CVE-2026-54283 Starlette",
        413,
        form(b"a=b&" * 1001 + b"a=b", kind=URLENCODED),
        form(b"a=" + b"b" * 600_000, kind=URLENCODED),
        form(*[b"a" * 6000] * 100, kind=URLENCODED),
    ),
    # How much memory they take
    *cases(
        "CVE-2024-49767 Werkzeug and Quart",
        413,
        form(part(data=b"x" * 600_000) + END),
        form(part(data=b"x" * 400_000) * 2 + END),
        form(b"--x\r\n" + NAME + b"\r\n\r\n", *[b"x" * 60_000] * 10),
    ),
    *cases("CVE-2024-47874 Starlette", 413, form(part(data=b"\n" * 600_000) + END)),
    *cases("CVE-2025-69228 aiohttp", 413, form(part(FILE, b"x" * 3 * MB) + END)),
    # How long they take
    *cases(
        "CVE-2023-46136 Werkzeug",
        200,
        form(part(FILE, b"\r" + b"x" * MB) + END),
        form(*[b"--x\r\n" + FILE + b"\r\n\r\n\r", *[b"x" * 1000] * 1000, b"\r\n" + END]),
        form(part(FILE, b"\n" + b"x" * MB) + END),
    ),
    *cases(
        "CVE-2024-53981 python-multipart",
        400,  # as much as that is no preamble
        form(b"\r\n" * 500_000 + part() + END),
        form(b"\n" * MB + part() + END),
    ),
    *cases(
        "CVE-2024-53981 python-multipart, after",
        200,
        form(part() + END + b"x" * MB),
        form(part() + END, *[b"x"] * 20_000),
        form(part() + END + b"--x" * 300_000),
    ),
    *cases(
        "CVE-2026-40347 python-multipart",
        400,
        form(*CUT, part() + END),
        form(b"\r" * MB + part() + END),
        form(b"-" * MB + part() + END),
    ),
    *cases(
        "CVE-2026-40347 python-multipart, in pieces",
        200,
        form(*CUT[:4000], part() + END),
        form(part() + END, *CUT),
    ),
    *cases(
        "CVE-2026-42561 python-multipart",
        413,
        form(part(NAME + b"\r\nx: y" * 100_000) + END),
        form(part(NAME + b"\r\n" + b"x" * MB) + END),
        form(part(NAME + b"\r\nx:" + b" " * MB) + END),
    ),
    *cases("CVE-2026-34516 aiohttp", 413, form(part(b"x:y\r\n" * 200_000 + NAME) + END)),
    *cases(
        "CVE-2026-53539 python-multipart",
        200,
        form(b"a;" * 200_000, kind=URLENCODED),
        form(*[b"a;"] * 20_000, kind=URLENCODED),
    ),
    *cases(
        "CVE-2024-24762 FastAPI and python-multipart",
        200,
        form(b"a=b", kind=URLENCODED + b'; !="' + b"\\" * 20_000),
        form(b"a=b", kind=URLENCODED + b"; !=" + b'\\"' * 10_000),
    ),
    *cases(
        "CVE-2024-24762 FastAPI and python-multipart, multipart",
        400,
        form(END, kind=b'multipart/form-data; !="' + b"\\" * 9999),
    ),
    *cases(
        "CVE-2026-28356 multipart",
        400,
        form(part(b'Content-Disposition: form-data; name="' + b"\\\\" * 3000) + END),
    ),
    *cases(
        "CVE-2026-28356 multipart, file names",
        200,
        form(part(NAME + b'; filename="' + b'\\"' * 3000 + b"\r\nx: y") + END),
        form(part(NAME + b"; a=" * 1500) + END),
    ),
    *cases(
        "CVE-2025-69229 aiohttp",
        200,
        form(part(FILE, b"\r\n"), *[b"y"] * 20_000, b"\r\n" + END),
    ),
    *cases(
        "CVE-2026-33033 Django",
        200,
        form(part(FILE + b"\r\nContent-Transfer-Encoding: base64", b"QQ==" + b" " * MB) + END),
    ),
    *cases("CVE-2021-28658 Django", 200, form(part(NAME + b"; filename=../../../tmp/evil") + END)),
    # What never ends
    *cases(
        "CVE-2024-30251 aiohttp",
        400,
        form(b"--x\r\nContent-Disposition: form-data; name=a"),
        form(b"--x\r\n" + NAME + b"\r\n\r\nno end"),
        form(b"--x\r\n" + NAME + b"\r\n\r\n", b"\r", b"\n", b"--x"),
        form(b"--", b"x"),
    ),
    # What its length says
    *cases(
        "CVE-2026-33034 Django",
        413,
        Ask("/data", "POST", headers=[(b"transfer-encoding", b"chunked")], body=[b"x" * MB] * 3),
        Ask("/data", "POST", headers=[(b"content-length", b"3000000")], body=[b"x" * MB] * 3),
    ),
    *cases(
        "CVE-2026-5766 Django",
        413,
        posted(
            MULTIPART,
            part(FILE, b"x" * MB),
            part(FILE, b"x" * 2 * MB) + END,
            transfer_encoding="chunked",
        ),
    ),
    *cases(
        "CVE-2023-47627 aiohttp",
        400,
        *(
            Ask("/data", "POST", headers=[(b"content-length", length)], body=[b"x"])
            for length in (b"+1", b"-1", b"1_0", b"0x1", b"1,1", b"\xb2", b"1 1", b"1.0", b"one")
        ),
    ),
    *cases(
        "CVE-2020-10108 Twisted",
        400,
        Ask(
            "/data",
            "POST",
            headers=[(b"content-length", b"1"), (b"content-length", b"0")],
            body=[b"x"],
        ),
        Ask(
            "/data",
            "POST",
            headers=[(b"content-length", b"0"), (b"content-length", b"1")],
            body=[b"x"],
        ),
    ),
    # What it says it is
    # What it is written in: UTF-8, 16 and 32 are told by the first bytes, and nothing else is.
    *cases(
        "CVE-2018-1000656 Flask",
        400,
        posted(JSON + b"; charset=cp037", '["a"]'.encode("cp037"), path="/json"),
        posted(JSON + b"; charset=unicode_escape", b'["\\x22"]', path="/json"),
        posted(JSON + b"; charset=rot13", b"ahyy", path="/json"),
    ),
    *cases(
        "CVE-2019-1010083 Flask",
        400,
        posted(JSON + b"; charset=idna", b'["' + b"\xff" * 100_000, path="/json"),
        posted(JSON, ("[" * 100_000).encode("utf-32"), path="/json"),
        posted(JSON, b"[" * 100_000, path="/json"),
    ),
]


@pytest.fixture(scope="module")
def apps() -> dict[str, t.Any]:
    """The apps that were made, by colour and lane."""
    return {}


def app_of(way: Way, apps: dict[str, t.Any]) -> t.Any:
    name = f"{way.cls.__name__} {way.lane}"
    if name not in apps:
        apps[name] = make_app(way.cls, way.lane)
    return apps[name]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.advisory)
def test_of(way: Way, apps: dict[str, t.Any], case: Case) -> None:
    """Each is answered soon, by the app's error handlers where it is wrong."""
    app = app_of(way, apps)
    if way.door == "wsgi" and case.advisory.startswith(("CVE-2020-10108", "CVE-2023-47627")):
        pytest.skip("by WSGI the server frames the body, and joins headers")
    with at_once():
        reply = way.send(app, case.ask)
    assert reply.status == case.status, reply


@pytest.mark.parametrize(
    "advisory",
    ["CVE-2026-53538 python-multipart", "CVE-2021-23336 Python", "CVE-2020-28473 Bottle"],
)
def test_a_semicolon_separates_nothing(way: Way, advisory: str) -> None:
    """Fields were found that a proxy had not seen."""
    app = way.app()

    async def view() -> t.Any:
        request = quartish.request
        return [list((await way.take(request.form)).items()), list(request.args.items())]

    way.route(app, "/form", view)
    ask = posted(URLENCODED, b"a=1;admin=1")
    ask.query = b"b=2;admin=1"
    assert way.send(app, ask).body.split() == b'[[["a","1;admin=1"]],[["b","2;admin=1"]]]'.split()


@pytest.mark.parametrize("advisory", ["CVE-2021-32677 FastAPI", "CVE-2014-3137 Bottle"])
@pytest.mark.parametrize(
    "kind",
    [
        *(b"text/plain", URLENCODED, MULTIPART, b"", b"text/plain;application/json"),
        *(b"text/plain; x=application/json", b"text/plain, application/json", b"application/json2"),
    ],
)
def test_what_a_form_of_any_site_can_send_is_no_json(
    way: Way, apps: dict[str, t.Any], advisory: str, kind: bytes
) -> None:
    app = app_of(way, apps)
    reply = way.send(app, posted(kind, b'{"a": 1}', path="/json"))
    # As in *Quart*: None, where Flask answers 415.
    assert reply.status == 415 if app.plain else reply.body.strip() == b"null"


@pytest.mark.parametrize("advisory", ["CVE-2025-69223 aiohttp", "CVE-2026-54278 aiohttp"])
def test_a_compressed_body_is_not_unpacked(way: Way, advisory: str) -> None:
    """A bomb of zeros filled the memory."""
    app = way.app()

    async def view() -> str:
        return str(len(await way.take(quartish.request.get_data())))

    way.route(app, "/form", view)
    bomb = gzip.compress(bytes(50 * MB), 9)
    reply = way.send(app, posted(b"text/plain", bomb, content_encoding="gzip"))
    assert int(reply.body) == len(bomb)


@pytest.mark.parametrize("advisory", ["CVE-2026-34517 aiohttp", "CVE-2025-69228 aiohttp"])
@pytest.mark.parametrize("cls", [quartish.Flask, quartish.Quart])
async def test_a_limit_holds_while_the_body_comes_in(advisory: str, cls: type[t.Any]) -> None:
    """Fields were read whole before anybody looked how large they were."""
    app = make_app(cls, "loop")
    taken = 0
    sent: list[t.Any] = []

    async def receive() -> dict[str, t.Any]:
        nonlocal taken
        taken += 1
        await asyncio.sleep(0)
        data = b"x" * 60_000 if taken > 1 else b"--x\r\n" + NAME + b"\r\n\r\n"
        return {"type": "http.request", "body": data, "more_body": True}

    async def send(message: t.Any) -> None:
        sent.append(message)

    scope = {
        **dict(type="http", http_version="1.1", method="POST", scheme="http", path="/form"),
        **dict(query_string=b"", root_path="", client=None, server=None),
        "headers": [(b"content-type", MULTIPART), (b"transfer-encoding", b"chunked")],
    }
    async with asyncio.timeout(5):
        await app(scope, receive, send)
    # The awaitable colour: 500 kB of a field, and what is read ahead while the loop has its turn.
    # The plain one reads a body under its own limit, to disk, and then parses it.
    # After the answer comes what may be in a server's queue, which would wait for us.
    most = (LIMIT // 60_000 + 3 if app.plain else 30) + 2 * QUEUED
    assert sent[0]["status"] == 413 and taken <= most, taken


def test_cve_2025_54121_files_are_written_off_the_loop(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starlette: a file that grew too large for memory was written to disk by the loop's thread."""
    if way.door == "wsgi":
        pytest.skip("there is no loop to be kept free")
    wrote: list[int] = []
    real = tempfile.SpooledTemporaryFile.rollover

    def rollover(self: t.Any) -> None:
        wrote.append(threading.get_ident())
        real(self)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rollover)
    app = make_app(way.cls, way.lane)
    body = part(FILE, b"x" * 1_500_000) + END
    chunks = [body[at : at + 60_000] for at in range(0, len(body), 60_000)]
    assert way.send(app, posted(MULTIPART, *chunks)).status == 200
    assert wrote and threading.get_ident() not in wrote


NAMES = [
    "../../../../evil",
    "/evil",
    "..\\..\\evil",
    "C:\\evil",
    "C:evil",
    "a/../../evil",
    "\x00evil",
    "....//evil",
    "evil\r\n",
    "~/evil",
    "NUL",
    "CON.txt",
    ".",
    "..",
    "",
]


@pytest.mark.parametrize("advisory", ["CVE-2021-31542 Django", "CVE-2026-24486 python-multipart"])
def test_a_file_is_never_kept_under_the_clients_name(
    way: Way, advisory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    app = way.app()

    async def view() -> t.Any:
        files = await way.take(quartish.request.files)
        return [[file.filename, len(file.read())] for file in files.values()]

    way.route(app, "/form", view)
    for name in NAMES:
        disposition = NAME + b'; filename="' + name.encode().replace(b"\\", b"\\\\") + b'"'
        reply = way.send(app, posted(MULTIPART, part(disposition, b"x" * 510_000) + END))
        # A line break ends the header: what is left of it has no file name, and is a long field.
        assert reply.status == (413 if "\n" in name else 200), (name, reply)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("colour", ["Flask", "Quart"])
def test_cve_2025_69227_asserts_guard_nothing(colour: str) -> None:
    """aiohttp: with `python -O` a malformed body was read for ever."""
    code = f"""
import asyncio, quartish, sys
from tests._doors import Ask, make_app, through_asgi
app = make_app(quartish.{colour}, "loop")
for body in (b"", b"--x", b"--x\\r\\n", b"--x\\r\\nx",
             b"--x\\r\\n\\r\\n", b"\\r\\n--x--", b"--x--x"):
    for cut in range(len(body) + 1):
        ask = Ask("/form", "POST", headers=[(b"content-type", b"multipart/form-data; boundary=x")],
                  body=[body[:cut], body[cut:]])
        status = asyncio.run(through_asgi(app, ask)).status
        if status not in (200, 400):
            sys.exit(f"{{status}} for {{ask}}")
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-O", "-c", code], cwd=root, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_cve_2022_31799_errors_early_in_a_request_are_answered(way: Way) -> None:
    """Bottle: what failed before the view had its request was answered wrongly."""
    app = make_app(way.cls, way.lane)
    reply = way.send(
        app,
        Ask(
            "/form", "POST", headers=[(b"content-type", b"\xff\x00")], body=[b"\xff"], query=b"\xff"
        ),
    )
    assert 400 <= reply.status < 500 or reply.status == 200
