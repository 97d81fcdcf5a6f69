"""Published weaknesses of static files and ranges, each test named by the advisory."""

from __future__ import annotations

import gzip
import ntpath
import os
import typing as t
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version
from werkzeug import security

import quartish
from tests._doors import Ask
from tests._doors import Reply
from tests.security._ways import at_once
from tests.security._ways import Way

SECRET = "unspeakable"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of static files, with secrets around it."""
    folder = tmp_path / "static"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("public")
    (folder / "sub" / "b.txt").write_text("public")
    for secret in ("secret.txt", "static_secret.txt", "static.txt"):
        (tmp_path / secret).write_text(SECRET)
    (tmp_path / "static_secret").mkdir()
    (tmp_path / "static_secret" / "a.txt").write_text(SECRET)
    return folder


def serve(way: Way, folder: Path) -> t.Any:
    app = way.app(folder)

    async def view(name: str) -> t.Any:
        return await way.take(quartish.send_from_directory(folder, name))

    way.route(app, "/file/<path:name>", view)
    return app


def get(way: Way, app: t.Any, name: str, *headers: tuple[bytes, bytes]) -> list[Reply]:
    asks = [Ask(f"{at}/{name}", headers=list(headers)) for at in ("/static", "/file")]
    return [way.send(app, ask) for ask in asks]


# As the server hands them over: decoded once.
PATHS = {
    "CVE-2017-16762 Sanic": ["../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt"],
    "CVE-2022-35920 Sanic": ["%2Fsecret.txt", "sub%2F..%2F..%2Fsecret.txt", "/../secret.txt"],
    "CVE-2023-29159 Starlette": ["../static_secret/a.txt", "../static_secret.txt", "../static.txt"],
    "CVE-2024-23334 aiohttp": ["sub/../../secret.txt", "link/../secret.txt", "./../secret.txt"],
    "CVE-2024-32982 Litestar": ["//{}", "/{}", "sub//{}", "../{}"],
    "CVE-2006-7243 PHP": ["\x00../secret.txt", "a.txt\x00/../../secret.txt", "..\x00/secret.txt"],
    "CVE-2019-14322 Werkzeug": ["..\\secret.txt", "c:/secret.txt", "sub\\..\\..\\secret.txt"],
}


@pytest.mark.parametrize("advisory", PATHS)
def test_a_path_that_leads_out(way: Way, folder: Path, advisory: str) -> None:
    app = serve(way, folder)
    (folder / "link").symlink_to(folder / "sub")
    for name in PATHS[advisory]:
        for reply in get(way, app, name.format(folder.parent / "secret.txt")):
            assert reply.status in (404, 308) and SECRET.encode() not in reply.body, (name, reply)


def test_cve_2024_42367_no_other_file_is_served_for_it(way: Way, folder: Path) -> None:
    """aiohttp: for who takes gzip, `a.txt.gz` was sent, wherever it led."""
    app = serve(way, folder)
    (folder / "a.txt.gz").symlink_to(folder.parent / "secret.txt")
    (folder / "a.txt.br").write_bytes(gzip.compress(SECRET.encode()))
    for reply in get(way, app, "a.txt", (b"accept-encoding", b"gzip, br")):
        assert (reply.status, reply.body) == (200, b"public")


@pytest.mark.parametrize("advisory", ["CVE-2025-69226 aiohttp"])
def test_nothing_tells_what_is_there(way: Way, folder: Path, advisory: str) -> None:
    app = serve(way, folder)
    for there, not_there in (
        ("../secret.txt", "../nothing.txt"),
        ("/etc/passwd", "/etc/nothing"),
        ("sub", "nothing"),
        ("a.txt/x", "nothing/x"),
    ):
        for one, other in zip(get(way, app, there), get(way, app, not_there), strict=True):
            if one.status != 308:  # to the path without its second slash
                assert (one.status, one.body) == (other.status, other.body) == (404, one.body)
            assert one.status == other.status


def test_cve_2024_27306_no_folder_is_listed(way: Way, folder: Path) -> None:
    """aiohttp: the list of a folder showed names unescaped."""
    app = serve(way, folder)
    (folder / "<img src=x onerror=alert(1)>").write_text("x")
    for name in ("", "sub", "sub/", ".", "<img src=x onerror=alert(1)>/x"):
        for reply in get(way, app, name):
            assert reply.status in (404, 308) and b"<img" not in reply.body


WINDOWS = {
    "CVE-2019-14322 Werkzeug": ["c:/x", "c:\\x", "\\\\?\\c:\\x"],
    "CVE-2024-49766 Werkzeug": ["//server/share/x", "\\\\server\\share\\x", "/x"],
    "CVE-2025-66221 Werkzeug": ["CON", "nul", "AUX", "COM1", "LPT9", "PRN"],
    "CVE-2026-21860 Werkzeug": ["CON.txt", "nul.tar.gz", "AUX ", "COM1 .txt", "CONIN$", "com¹"],
    "CVE-2026-27199 Werkzeug": ["sub/CON", "sub/nul.txt", "CON/x", "a/b/AUX"],
    "Werkzeug 3.1.9": ["CON:", "nul:x"],
}


@pytest.mark.parametrize("advisory", WINDOWS)
def test_a_path_that_windows_reads_otherwise(
    way: Way, folder: Path, advisory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: nothing is looked for on the disk, all is refused by its name."""
    if Version(version("werkzeug")) < Version("3.1.9"):
        pytest.skip("names that a later release of Werkzeug refuses")
    if advisory == "Werkzeug 3.1.9" and Version(version("werkzeug")).is_devrelease:
        pytest.skip("names that Werkzeug's main branch does not refuse yet")
    app = serve(way, folder)

    class Windows:
        name, path = "nt", ntpath
        fspath = staticmethod(os.fspath)

    asked: list[str] = []
    monkeypatch.setattr(security, "os", Windows)
    monkeypatch.setattr(security, "_os_alt_seps", ["\\"])
    real = os.path.isfile
    monkeypatch.setattr(os.path, "isfile", lambda path: asked.append(str(path)) or real(path))
    for name in WINDOWS[advisory]:
        for reply in get(way, app, name):
            assert reply.status in (404, 308), (name, reply)
    assert [path for path in asked if path.startswith(str(folder))] == []


RANGES = {
    "CVE-2025-62727 Starlette": [
        b"bytes=" + b"0-0," * 7_000 + b"0-0",
        b"bytes=" + b",".join(b"%d-%d" % (at, at) for at in range(2_500)),
        b"bytes=0-" + b"9" * 30_000,
        b"bytes=" + b"0" * 30_000 + b"-",
    ],
    "CVE-2011-3192 Apache": [b"bytes=0-,5-0,5-1,5-2" + b",5-" * 9_000],
    "CVE-2025-69225 aiohttp": [
        *("bytes=٠-٣".encode(), b"bytes=\xb2-3", b"bytes=0x0-1", b"bytes=1_0-"),
    ],
    "CVE-2024-26141 Rack": [b"bytes=-" + b"9" * 4_299, b"bytes=0-5,-9", b"bytes=5-1", b"bytes=--1"],
    "CVE-2022-44570 Rack": [b"bytes=" + b" " * 30_000 + b"-", b"bytes=-" + b" " * 30_000 + b"1"],
}


@pytest.mark.parametrize("advisory", RANGES)
def test_a_range(way: Way, folder: Path, advisory: str) -> None:
    """Many ranges, long numbers and digits of other scripts took long, or too much was sent."""
    app = serve(way, folder)
    (folder / "a.txt").write_bytes(b"x" * 5_000)
    for value in RANGES[advisory]:
        with at_once():
            for reply in get(way, app, "a.txt", (b"range", value)):
                assert reply.status in (200, 206, 416, 431), (value[:40], reply.status)
                assert len(reply.body) <= 5_000
                if reply.status == 206:
                    first, last = reply.headers["Content-Range"][6:].split("/")[0].split("-")
                    assert len(reply.body) == int(last) - int(first) + 1


def test_cve_2022_36359_a_name_stays_within_its_quotes(way: Way) -> None:
    """Django: a name with a quote ended the file's name in `Content-Disposition`."""
    import io

    app = way.app()

    async def view() -> t.Any:
        return await way.take(
            quartish.send_file(
                io.BytesIO(b"x"),
                "text/plain",
                as_attachment=True,
                download_name=quartish.request.args["name"],
            )
        )

    way.route(app, "/", view)
    for name in (b'a"; filename="evil.bat', b'a.txt";evil=1', b"a\\%22.bat", b"a.txt; x=evil"):
        reply = way.send(app, Ask("/", query=b"name=" + name.replace(b";", b"%3B")))
        line = reply.headers["Content-Disposition"]
        from werkzeug.http import parse_options_header

        value, options = parse_options_header(line)
        assert value == "attachment" and options.keys() <= {"filename", "filename*"}, line
    reply = way.send(app, Ask("/", query=b"name=a%0d%0aSet-Cookie:%20evil"))
    assert "Set-Cookie" not in reply.headers
