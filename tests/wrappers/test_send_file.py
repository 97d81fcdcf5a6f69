"""`send_file` and `send_from_directory`, through the ASGI door in both colours."""

from __future__ import annotations

import io
import os
import re
import tracemalloc
import typing as t
from datetime import datetime
from datetime import UTC
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import flask
import pytest
from werkzeug.http import http_date
from werkzeug.http import parse_date

import quartish
from tests._peer import Answer
from tests._peer import ask

DATA = bytes(range(100))
#: Werkzeug says that ranges are taken, unless one is asked for, since 3.1.7.
RANGES_ARE_TOLD = tuple(map(int, version("werkzeug").split(".")[:3])) >= (3, 1, 7)


class Sender:
    """An app that answers `/` by `send_file`, as an async view or as a sync one."""

    def __init__(self, colour: t.Any, view_kind: str, root_path: Path) -> None:
        self.app = colour(__name__, root_path=str(root_path), static_folder=None)
        self.view_kind = view_kind
        self.send: t.Callable[[], t.Any] = lambda: None

        def sync_view() -> t.Any:
            return self.send()

        async def async_view() -> t.Any:
            rv = self.send()
            return await rv if hasattr(rv, "__await__") else rv

        self.app.add_url_rule("/", "index", sync_view if view_kind == "def" else async_view)

    async def ask(self, *args: t.Any, method: str = "GET", **options: t.Any) -> Answer:
        """Ask for what `send_file(*args, **options)` gives; `if_*` and `range` are headers."""
        asked = {key: options.pop(key) for key in list(options) if re.match("if_|range", key)}
        self.send = lambda: quartish.send_file(*args, **options)
        return await ask(self.app, "/", method, **asked)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data.bin").write_bytes(DATA)
    (tmp_path / "page.html").write_text("<h1>Hi</h1>")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a b.txt").write_text("inner")
    (tmp_path / "archive.tar.gz").write_bytes(b"zipped")
    (tmp_path / "empty.txt").touch()
    return tmp_path


@pytest.fixture(params=["def", "async def"])
def sender(request: pytest.FixtureRequest, colour: t.Any, folder: Path) -> Sender:
    return Sender(colour, request.param, folder)


# --- What is sent -----------------------------------------------------------------------


@pytest.mark.parametrize("as_path", [str, Path])
async def test_a_path(sender: Sender, folder: Path, as_path: t.Any) -> None:
    answer = await sender.ask(as_path("page.html"))  # relative to the app's root_path
    absolute = await sender.ask(as_path(folder / "page.html"))
    assert answer.status == absolute.status == 200
    assert answer.body == absolute.body == b"<h1>Hi</h1>"
    headers = answer.headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-length"] == "11"
    assert headers["content-disposition"] == "inline; filename=page.html"
    expected = "no-cache" if sender.app.plain else "public, max-age=43200"  # Quart: 12 hours
    assert headers["cache-control"] == expected
    if RANGES_ARE_TOLD or not sender.app.plain:
        assert headers["accept-ranges"] == "bytes"
    mtime = int(os.stat(folder / "page.html").st_mtime)
    assert headers["last-modified"] == http_date(mtime)
    assert re.fullmatch(r'"[\d.]+-11-\d+"', headers["etag"])
    assert ("expires" in headers) is not sender.app.plain


async def test_an_empty_file(sender: Sender) -> None:
    answer = await sender.ask("empty.txt", range="bytes=0-")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")


async def test_head_sends_no_body(sender: Sender) -> None:
    answer = await sender.ask("data.bin", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "100"


class NotAnIO:
    """A file object of a class of its own."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        return self.file.read(size)

    def close(self) -> None:
        self.closed = True


async def test_file_objects(sender: Sender, folder: Path) -> None:
    odd = NotAnIO(DATA)
    on_disk = (folder / "data.bin").open("rb")
    for file in io.BytesIO(DATA), on_disk, odd:
        answer = await sender.ask(file, "x/y")
        assert (answer.status, answer.body) == (200, DATA)
        assert answer.headers["content-type"] == "x/y"
        assert "etag" not in answer.headers
        assert "last-modified" not in answer.headers
    assert on_disk.closed
    assert odd.closed
    answer = await sender.ask(io.BytesIO(DATA), "x/y", range="bytes=10-19")
    assert (answer.status, answer.body) == (206, DATA[10:20])


async def test_file_objects_that_do_not_do(sender: Sender) -> None:
    sender.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ValueError, match="binary mode"):
        await sender.ask(io.StringIO("text"), "text/plain")
    plain = sender.app.plain  # *Quart:* a ValueError
    with pytest.raises(TypeError if plain else ValueError, match="(?i)mime ?type"):
        await sender.ask(io.BytesIO(b""))
    with pytest.raises(TypeError, match="No name provided for attachment"):
        await sender.ask(io.BytesIO(b""), "text/plain", as_attachment=True)
    with pytest.raises(FileNotFoundError):
        await sender.ask("missing.txt")


@pytest.mark.parametrize(
    ("options", "disposition"),
    [
        ({}, "inline; filename=data.bin"),
        ({"as_attachment": True}, "attachment; filename=data.bin"),
        ({"download_name": "x.csv"}, "inline; filename=x.csv"),
        (
            {"as_attachment": True, "download_name": "Vögel ☃.txt"},
            "attachment; filename=\"Vogel .txt\"; filename*=UTF-8''V%C3%B6gel%20%E2%98%83.txt",
        ),
    ],
)
async def test_names(sender: Sender, options: dict[str, t.Any], disposition: str) -> None:
    answer = await sender.ask("data.bin", **options)
    assert answer.headers["content-disposition"] == disposition


async def test_the_name_tells_the_mimetype(sender: Sender) -> None:
    answer = await sender.ask("data.bin", download_name="data.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    answer = await sender.ask("archive.tar.gz")
    assert answer.headers["content-type"] == "application/x-tar"
    assert answer.headers["content-encoding"] == "gzip"
    answer = await sender.ask("archive.tar.gz", as_attachment=True)
    assert "content-encoding" not in answer.headers  # browsers would unpack it


async def test_max_age(sender: Sender) -> None:
    asked: list[t.Any] = []

    class Aged(type(sender.app)):  # type: ignore[misc]
        def get_send_file_max_age(self, filename: str | None) -> int | None:
            asked.append(filename)
            return 10

    answer = await sender.ask("data.bin", max_age=3600)
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert parse_date(answer.headers["expires"]) is not None
    answer = await sender.ask("data.bin", max_age=0)
    assert answer.headers["cache-control"] == "no-cache, max-age=0"
    sender.app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 60
    answer = await sender.ask("data.bin")
    assert answer.headers["cache-control"] == "public, max-age=60"
    sender.app.__class__ = Aged
    answer = await sender.ask("data.bin")
    assert answer.headers["cache-control"] == "public, max-age=10"
    assert asked == [os.path.join(sender.app.root_path, "data.bin")]


async def test_etag_and_last_modified(sender: Sender) -> None:
    when = datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)
    answer = await sender.ask("data.bin", etag="mine", last_modified=when)
    assert answer.headers["etag"] == '"mine"'
    assert answer.headers["last-modified"] == "Mon, 03 Feb 2020 04:05:06 GMT"
    assert "etag" not in (await sender.ask("data.bin", etag=False)).headers


async def test_the_apps_response_class(sender: Sender) -> None:
    made: list[t.Any] = []

    class Mine(sender.app.response_class):  # type: ignore[misc,name-defined]
        pass

    @sender.app.after_request
    def look(response: t.Any) -> t.Any:
        made.append(response)
        return response

    sender.app.response_class = Mine
    assert (await sender.ask("data.bin")).body == DATA
    assert type(made[0]) is Mine


async def test_x_sendfile(sender: Sender, folder: Path) -> None:
    sender.app.config["USE_X_SENDFILE"] = True
    answer = await sender.ask("data.bin")
    assert answer.headers["x-sendfile"] == str(folder / "data.bin")
    assert (answer.body, answer.headers["content-length"]) == (b"", "0")
    ranged = await sender.ask("data.bin", range="bytes=0-9")  # for the server in front to cut
    assert (ranged.status, ranged.body) == (200, b"")
    assert ranged.headers["x-sendfile"] == answer.headers["x-sendfile"]
    assert "content-range" not in ranged.headers
    again = await sender.ask("data.bin", if_none_match=answer.headers["etag"])
    assert (again.status, again.headers.get("x-sendfile")) == (304, None)
    assert (await sender.ask(io.BytesIO(DATA), "x/y")).body == DATA  # no path to leave to it


# --- Quart's names ----------------------------------------------------------------------


async def test_quarts_names(sender: Sender) -> None:
    answer = await sender.ask(
        filename_or_io="data.bin",
        attachment_filename="x.csv",
        add_etags=False,
        cache_timeout=5,
    )
    assert answer.headers["content-disposition"] == "inline; filename=x.csv"
    assert "max-age=5" in answer.headers["cache-control"]
    assert "etag" not in answer.headers


async def test_arguments_that_do_not_exist(sender: Sender) -> None:
    sender.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(TypeError, match="unexpected keyword argument 'filename'"):
        await sender.ask("data.bin", filename="x")
    with pytest.raises(TypeError, match="path_or_file"):
        await sender.ask()
    sender.send = lambda: quartish.send_from_directory(".")
    with pytest.raises(TypeError, match="path"):
        await ask(sender.app)


# --- Conditions and ranges (RFC 9110, sections 13 and 14) -------------------------------


async def test_not_modified(sender: Sender) -> None:
    first = await sender.ask("data.bin")
    for condition in (
        {"if_none_match": first.headers["etag"]},
        {"if_modified_since": first.headers["last-modified"]},
    ):
        answer = await sender.ask("data.bin", **condition)
        assert (answer.status, answer.body) == (304, b"")
        assert "content-length" not in answer.headers
        assert answer.headers["etag"] == first.headers["etag"]
        answer = await sender.ask("data.bin", conditional=False, **condition)
        assert (answer.status, answer.body) == (200, DATA)
    answer = await sender.ask("data.bin", if_match='"another"')
    assert answer.status == 412


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, 99),
        ("bytes=0-9", 0, 9),
        ("bytes=10-19", 10, 19),
        ("bytes=90-1000", 90, 99),
        ("bytes=99-", 99, 99),
        ("bytes=-1", 99, 99),
        ("bytes=-30", 70, 99),
        ("bytes=-100", 0, 99),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_range(sender: Sender, asked: str, first: int, last: int, method: str) -> None:
    for source in (("data.bin",), (io.BytesIO(DATA), "x/y")):
        answer = await sender.ask(*source, range=asked, method=method)
        assert answer.status == 206
        assert answer.body == (DATA[first : last + 1] if method == "GET" else b"")
        assert answer.headers["content-range"] == f"bytes {first}-{last}/100"
        assert answer.headers["content-length"] == str(last + 1 - first)


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=200-300", "bytes=x-y", "bytes=0-1,3-4"])
async def test_a_range_that_cannot_be(sender: Sender, asked: str) -> None:
    for source in (("data.bin",), (io.BytesIO(DATA), "x/y")):
        answer = await sender.ask(*source, range=asked)
        assert answer.status == 416
        assert answer.headers["content-range"] == "bytes */100"


async def test_a_range_on_condition(sender: Sender) -> None:
    first = await sender.ask("data.bin")
    for validator, status in (
        (first.headers["etag"], 206),
        (first.headers["last-modified"], 206),
        ('"another"', 200),
        ("Mon, 03 Feb 2020 04:05:06 GMT", 200),
    ):
        answer = await sender.ask("data.bin", range="bytes=0-9", if_range=validator)
        assert (answer.status, len(answer.body)) == (status, 10 if status == 206 else 100)
    answer = await sender.ask("data.bin", range="bytes=0-9", conditional=False)
    assert (answer.status, answer.body) == (200, DATA)


async def test_a_large_file_is_never_in_memory(sender: Sender, folder: Path) -> None:
    size = 30_000_000
    with (folder / "large.bin").open("wb") as file:
        file.truncate(size)
    sender.send = lambda: quartish.send_file("large.bin")
    tracemalloc.start()
    try:
        answer = await ask(sender.app, keep=False)
        _, peak = tracemalloc.get_traced_memory()
        assert answer.size == size
        answer = await ask(sender.app, keep=False, range=f"bytes={size - 10}-")
        assert (answer.status, answer.size) == (206, 10)
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000


async def test_the_client_leaves(sender: Sender, folder: Path) -> None:
    with (folder / "large.bin").open("wb") as file:
        file.truncate(3_000_000)
    sender.send = lambda: quartish.send_file("large.bin")
    answer = await ask(sender.app, leave_after=1)
    assert answer.size < 3_000_000  # and a file left open would be an unraisable warning


# --- send_from_directory ----------------------------------------------------------------


async def test_from_a_directory(sender: Sender, folder: Path) -> None:
    for directory in "sub", folder / "sub":
        sender.send = lambda directory=directory: quartish.send_from_directory(  # type: ignore[misc]
            directory, "a b.txt", as_attachment=True, max_age=3
        )
        answer = await ask(sender.app)
        assert (answer.status, answer.text) == (200, "inner")
        assert answer.headers["content-disposition"] == 'attachment; filename="a b.txt"'
        assert "max-age=3" in answer.headers["cache-control"]
    sender.send = lambda: quartish.send_from_directory(folder, file_name=Path("sub/a b.txt"))
    assert (await ask(sender.app)).text == "inner"


@pytest.mark.parametrize(
    "path",
    [
        "missing.txt",
        "",
        ".",
        "..",
        "../data.bin",
        "x/../../data.bin",
        "/data.bin",
        "//data.bin",
        "a b.txt\0",
        "\0",
        "x" * 5000,
    ],
)
async def test_a_path_that_leads_nowhere(sender: Sender, path: str) -> None:
    sender.send = lambda: quartish.send_from_directory("sub", path)
    assert (await ask(sender.app)).status == 404


async def test_a_relative_root_path(
    sender: Sender, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    sender.app.root_path = folder.name
    sender.send = lambda: quartish.send_from_directory("sub", "a b.txt")
    assert (await ask(sender.app)).text == "inner"


@pytest.mark.parametrize("replaced", ["send_file", "send_from_directory"])
def test_functions_of_werkzeug_that_a_test_replaced(replaced: str, tmp_path: Path) -> None:
    """They are called where Flask calls them, with the same arguments."""

    def play(module: t.Any) -> t.Any:
        app = module.Flask("p", static_folder=str(tmp_path), static_url_path="/static")
        app.add_url_rule("/file", "file", lambda: module.send_file(tmp_path / "f.txt"))
        app.add_url_rule(
            "/from", "from", lambda: module.send_from_directory(str(tmp_path), "f.txt", max_age=3)
        )
        client = app.test_client()
        answer = app.response_class("replaced")
        with mock.patch(f"werkzeug.utils.{replaced}", return_value=answer) as function:
            paths = "/file", "/from", "/static/f.txt"
            texts = [client.get(path, buffered=True).text for path in paths]
        return texts, [(len(call.args), sorted(call.kwargs)) for call in function.call_args_list]

    (tmp_path / "f.txt").write_text("text")
    assert play(quartish) == play(flask)
