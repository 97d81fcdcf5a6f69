"""Static files that stand compressed beside themselves, in both colours and by both doors: which is
sent, and what its headers say."""

from __future__ import annotations

import gzip
import importlib
import os
import typing as t
from pathlib import Path

import brotli
import flask
import pytest
import zstandard

import quartish
import quartish.quart
from quartish._precompressed import choose
from tests._doors import Ask
from tests._doors import Reply
from tests._doors import through_asgi
from tests._doors import through_wsgi

TEXT = b"/* a style sheet */ p { color: black }\n" * 40
DECODE: dict[str | None, t.Callable[[bytes], bytes]] = {
    "br": brotli.decompress,
    "zstd": zstandard.decompress,
    "gzip": gzip.decompress,
    None: bytes,
}
BROWSER = "gzip, deflate, br, zstd"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.css", "sub/b.css", "only.css", "ü.css"):
        (folder / name).write_bytes(TEXT)
    for name in ("a.css", "sub/b.css", "ü.css"):
        (folder / f"{name}.br").write_bytes(brotli.compress(TEXT))
        (folder / f"{name}.zst").write_bytes(zstandard.compress(TEXT))
        (folder / f"{name}.gz").write_bytes(gzip.compress(TEXT))
    (folder / "page.svgz").write_bytes(gzip.compress(b"<svg/>"))
    (folder / "page.svgz.br").write_bytes(b"?")
    (folder / "gone.css.br").write_bytes(brotli.compress(TEXT))
    (folder / "dir.css").write_bytes(TEXT)
    (folder / "dir.css.gz").mkdir()
    (tmp_path / "secret.css").write_bytes(b"unspeakable")
    (tmp_path / "secret.css.br").write_bytes(brotli.compress(b"unspeakable"))
    os.symlink(folder, tmp_path / "link")
    return folder


class Site:
    """An app of one colour, asked by one door."""

    def __init__(self, colour: t.Any, door: str, folder: Path, **config: t.Any) -> None:
        self.app = colour(__name__, root_path=str(folder.parent), static_folder="static")
        self.app.config.update({"STATIC_PRECOMPRESSED": True, **config})
        self.door = door
        blueprint = (quartish.Blueprint if self.app.plain else quartish.quart.Blueprint)(
            "bp", __name__, root_path=str(folder.parent), static_folder="static", url_prefix="/bp"
        )
        self.app.register_blueprint(blueprint)
        self.app.add_url_rule("/page", "page", TEXT.decode)

        @self.app.get("/sent/<path:name>")
        async def sent(name: str) -> t.Any:
            options: dict[str, t.Any] = {"precompressed": True, "conditional": True}
            if "etag" in quartish.request.args:
                options["etag"] = "mine"
            if "attachment" in quartish.request.args:
                options["as_attachment"] = True
            rv: t.Any = quartish.send_from_directory(str(folder), name, **options)
            return rv if self.app.plain else await rv

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        named = [(k.replace("_", "-").lower().encode(), v.encode()) for k, v in headers.items()]
        path, _, query = path.partition("?")
        ask = Ask(path, method, query.encode(), named)
        return await through_asgi(self.app, ask) if self.door == "asgi" else self._by_wsgi(ask)

    def _by_wsgi(self, ask: Ask) -> Reply:
        return through_wsgi(self.app, ask)


@pytest.fixture(params=["plain asgi", "plain wsgi", "awaitable asgi"])
def way(request: pytest.FixtureRequest) -> tuple[t.Any, str]:
    colour, door = request.param.split()
    return (quartish.Flask if colour == "plain" else quartish.Quart), door


@pytest.fixture
def site(way: tuple[t.Any, str], folder: Path) -> Site:
    return Site(*way, folder)


PATHS = ["/static/a.css", "/static/sub/b.css", "/bp/static/a.css", "/sent/a.css", "/static/ü.css"]


@pytest.mark.parametrize("path", PATHS)
async def test_the_one_that_is_liked_best(site: Site, path: str) -> None:
    smallest = min((len(encode(TEXT)), name) for encode, name in ENCODERS)[1]
    for accepted, encoding in {
        BROWSER: smallest,
        "gzip": "gzip",
        "GZIP;Q=1.0": "gzip",
        "x-gzip": "gzip",
        "br;q=0.5, gzip;q=0.9": "gzip",
        "br;q=0.9, gzip;q=0.5": "br",  # evansd/whitenoise#138: "br", and not "brotli"
        "brotli": None,
        "zstd, br;q=0": "zstd",
        "*": smallest,
        "*;q=0.1, gzip": "gzip",
        "gzip;q=0": None,
        "identity": None,
        "": None,
        "gzip;q=0.5, identity;q=0.8": None,
        "gzip;q=0.8, identity;q=0.5": "gzip",
        "identity;q=0, gzip": "gzip",
        "identity;q=0": None,  # nothing is left: what there is
        "*;q=0": None,
        "gzip;q=no, br;q=2, zstd;q=-1, ;, =;=": None,
    }.items():
        reply = await site.ask(path, Accept_Encoding=accepted)
        assert reply.headers.get("Content-Encoding") == encoding, accepted
        assert DECODE[encoding](reply.body) == TEXT
        assert reply.headers["Content-Type"] == "text/css; charset=utf-8"
        assert reply.headers["Content-Length"] == str(len(reply.body))
        assert reply.headers["Vary"] == "Accept-Encoding", "lukeed/sirv#94"
    assert "Content-Encoding" not in (await site.ask(path)).headers


ENCODERS: list[tuple[t.Callable[[bytes], bytes], str]] = [
    (brotli.compress, "br"),
    (zstandard.compress, "zstd"),
    (gzip.compress, "gzip"),
]


async def test_each_has_an_etag_of_its_own(site: Site) -> None:
    for query in ("", "?etag"):
        replies = [
            await site.ask(f"/sent/a.css{query}", Accept_Encoding=accepted)
            for accepted in ("br", "zstd", "gzip", "identity")
        ]
        etags = [reply.headers["ETag"] for reply in replies]
        assert len(set(etags)) == 4
        assert len({reply.headers["Last-Modified"] for reply in replies}) == 1
        for accepted, etag in zip(("br", "zstd", "gzip", "identity"), etags, strict=True):
            same = await site.ask(
                f"/sent/a.css{query}", Accept_Encoding=accepted, If_None_Match=etag
            )
            assert (same.status, same.body) == (304, b"")
            assert same.headers["ETag"] == etag and same.headers["Vary"] == "Accept-Encoding"
            assert "Content-Encoding" not in same.headers
            other = await site.ask(
                f"/sent/a.css{query}", Accept_Encoding="br, gzip;q=0.1", If_None_Match=etag
            )
            assert (other.status == 304) == (accepted == "br")
        since = replies[0].headers["Last-Modified"]
        reply = await site.ask("/sent/a.css", Accept_Encoding="br", If_Modified_Since=since)
        assert reply.status == 304


async def test_head_says_the_same(site: Site) -> None:
    for accepted in ("br", "identity"):
        got = await site.ask("/static/a.css", Accept_Encoding=accepted)
        head = await site.ask("/static/a.css", "HEAD", Accept_Encoding=accepted)
        got.headers.pop("Date", None), head.headers.pop("Date", None)
        assert head.headers == got.headers and head.body == b""


async def test_a_range_is_of_the_file_itself(site: Site) -> None:
    reply = await site.ask("/static/a.css", Accept_Encoding=BROWSER, Range="bytes=0-9")
    assert (reply.status, reply.body) == (206, TEXT[:10])
    assert "Content-Encoding" not in reply.headers and reply.headers["Vary"] == "Accept-Encoding"
    whole = await site.ask("/static/a.css", Accept_Encoding="br")
    assert "Accept-Ranges" not in whole.headers
    again = await site.ask(  # of what it has, which was another encoding
        "/static/a.css", Accept_Encoding="br", Range="bytes=10-", If_Range=whole.headers["ETag"]
    )
    assert (again.status, again.body) == (200, TEXT)
    assert (await site.ask("/static/a.css", Range=f"bytes={10**6}-")).status == 416


@pytest.mark.parametrize("asked", ["bytes=0-0", "bytes=5-5", "bytes=-1"])
@pytest.mark.parametrize("accepted", [BROWSER, "identity"])
async def test_a_range_of_one_byte(site: Site, asked: str, accepted: str) -> None:
    """evansd/whitenoise#711: it was a 416."""
    reply = await site.ask("/static/a.css", Range=asked, Accept_Encoding=accepted)
    assert (reply.status, len(reply.body)) == (206, 1)
    assert "Content-Encoding" not in reply.headers


async def test_it_varies_whatever_the_answer(site: Site) -> None:
    """caddyserver/caddy#5849, goauthentik/authentik#25855: not on 206 and 304."""
    for accepted in ("br", "identity"):
        etag = (await site.ask("/static/a.css", Accept_Encoding=accepted)).headers["ETag"]
        for status, more in (
            (304, {"If_None_Match": etag}),
            (206, {"Range": "bytes=0-9"}),
            (200, {"If_None_Match": '"other"'}),
        ):
            reply = await site.ask("/static/a.css", Accept_Encoding=accepted, **more)
            assert reply.status == status
            assert reply.headers["Vary"] == "Accept-Encoding"


async def test_an_etag_of_one_is_none_of_another(site: Site) -> None:
    """A client that resumes by what it has of the compressed one gets all of the plain one."""
    etags = {
        accepted: (await site.ask("/static/a.css", Accept_Encoding=accepted)).headers["ETag"]
        for accepted in ("br", "gzip", "identity")
    }
    for accepted, etag in etags.items():
        for other in etags:
            reply = await site.ask("/static/a.css", Accept_Encoding=other, If_None_Match=etag)
            assert (reply.status == 304) is (accepted == other)
        reply = await site.ask(
            "/static/a.css", Accept_Encoding="br", If_Range=etag, Range="bytes=0-9"
        )
        assert reply.status == (206 if accepted == "identity" else 200)
        assert reply.body == (TEXT[:10] if accepted == "identity" else TEXT)


async def test_a_range_where_nothing_plain_is_taken(site: Site) -> None:
    reply = await site.ask("/static/a.css", Accept_Encoding="gzip, identity;q=0", Range="bytes=0-9")
    assert reply.headers["Content-Encoding"] == "gzip"
    size = len(gzip.compress(TEXT))
    assert (reply.status, reply.headers["Content-Range"]) == (206, f"bytes 0-9/{size}")
    assert reply.body == gzip.compress(TEXT)[:10] or len(reply.body) == 10


async def test_a_folder_whose_name_begins_like_it(site: Site, folder: Path) -> None:
    """CVE-2023-29159 of Starlette: it was taken for the folder itself."""
    beside = folder.parent / "static_not_for_all"
    beside.mkdir()
    (beside / "a.css").write_bytes(TEXT)
    (beside / "a.css.br").write_bytes(brotli.compress(TEXT))
    for path in ("/static/../static_not_for_all/a.css", "/static_not_for_all/a.css"):
        reply = await site.ask(path, Accept_Encoding=BROWSER)
        assert reply.status == 404, path


async def test_links_are_followed(site: Site, folder: Path) -> None:
    """Kludex/starlette#1083: as Flask does. Who may write into the folder may lead out of it."""
    (folder / "linked.css").symlink_to(folder.parent / "secret.css")
    (folder / "linked.css.br").symlink_to(folder.parent / "secret.css.br")
    reply = await site.ask("/static/linked.css", Accept_Encoding="br")
    assert brotli.decompress(reply.body) == b"unspeakable"


async def test_thousands_of_ranges(site: Site) -> None:
    """CVE-2025-62727 of Starlette: merging them took quadratic time."""
    many = "bytes=" + ",".join(f"{number}-{number}" for number in range(0, 2000, 2))
    reply = await site.ask("/static/a.css", Accept_Encoding="br", Range=many)
    assert reply.status in (200, 416)


async def test_what_has_nothing_beside_it_is_as_before(site: Site) -> None:
    """google/ngx_brotli#97: it said `Vary` of files that are there in one way alone."""
    for path in ("/static/only.css", "/static/dir.css", "/sent/only.css"):
        reply = await site.ask(path, Accept_Encoding=BROWSER)
        assert reply.body == TEXT
        assert "Vary" not in reply.headers and "Content-Encoding" not in reply.headers
    reply = await site.ask("/static/page.svgz", Accept_Encoding="br, gzip")
    assert reply.headers["Content-Encoding"] == "gzip", "pallets/flask#3755"


async def test_attachments_are_sent_as_they_are(site: Site) -> None:
    """johnsensible/django-sendfile#23: browsers save what they have decoded."""
    reply = await site.ask("/sent/a.css?attachment", Accept_Encoding=BROWSER)
    assert reply.body == TEXT and "Content-Encoding" not in reply.headers


async def test_nothing_outside_of_the_folder(site: Site) -> None:
    for path in (
        *("../secret.css", "../secret.css.br", "sub/../../secret.css", "/secret.css"),
        *("gone.css", "..", "", "sub", "%00", "a.css\0", "\udce9.css", "../link/../secret.css"),
    ):
        for at in ("/static/", "/bp/static/", "/sent/"):
            ask = Ask(at + path, headers=[(b"accept-encoding", BROWSER.encode())])
            if "\udce9" in path and site.door == "asgi":
                continue
            reply = await through_asgi(site.app, ask) if site.door == "asgi" else site._by_wsgi(ask)
            assert reply.status in (404, 308, 400), path
            assert b"unspeakable" not in reply.body


@pytest.mark.parametrize("setting", [True, False, None])
async def test_one_that_is_asked_for_itself_is_as_in_flask(
    setting: t.Any, way: tuple[t.Any, str], folder: Path
) -> None:
    """evansd/whitenoise#211, bottlepy/bottle#1350."""
    app = flask.Flask(__name__, root_path=str(folder.parent), static_folder="static")
    site = Site(*way, folder, STATIC_PRECOMPRESSED=setting, SEND_FILE_MAX_AGE_DEFAULT=None)
    for name in ("a.css.br", "a.css.gz", "a.css.zst"):
        theirs = through_wsgi(app, Ask(f"/static/{name}", headers=[(b"accept-encoding", b"br")]))
        ours = await site.ask(f"/static/{name}", Accept_Encoding="br")
        for header in ("Content-Type", "Content-Encoding", "Content-Length", "ETag", "Vary"):
            assert ours.headers.get(header) == theirs.headers.get(header), (name, header)
        assert ours.body == theirs.body == (folder / name).read_bytes()


async def test_without_a_setting_nothing_changes(way: tuple[t.Any, str], folder: Path) -> None:
    for setting in (None, False):
        site = Site(*way, folder, STATIC_PRECOMPRESSED=setting)
        reply = await site.ask("/static/a.css", Accept_Encoding=BROWSER)
        assert reply.body == TEXT
        assert "Content-Encoding" not in reply.headers and "Vary" not in reply.headers


async def test_a_server_in_front_is_told_the_file(way: tuple[t.Any, str], folder: Path) -> None:
    site = Site(*way, folder, USE_X_SENDFILE=True)
    reply = await site.ask("/static/a.css", Accept_Encoding="br")
    assert reply.headers["X-Sendfile"] == str(folder / "a.css.br")
    assert reply.headers["Content-Encoding"] == "br" and reply.body == b""


async def test_the_maximal_age_is_asked_for_the_file_itself(
    way: tuple[t.Any, str], folder: Path
) -> None:
    site = Site(*way, folder)
    asked: list[t.Any] = []

    def max_age(filename: str | None) -> int:
        asked.append(os.path.basename(filename or ""))
        return 60

    site.app.get_send_file_max_age = max_age
    for path in ("/static/a.css", "/sent/a.css"):
        reply = await site.ask(path, Accept_Encoding="br")
        assert "max-age=60" in reply.headers["Cache-Control"]
    assert set(asked) == {"a.css"}


def test_equal_sizes_are_taken_in_order() -> None:
    found = {"br": ("x.br", 5), "zstd": ("x.zst", 5), "gzip": ("x.gz", 5)}
    assert choose(found, {"Accept-Encoding": "gzip, zstd, br"}) == "br"
    assert choose(found, {"Accept-Encoding": "gzip, zstd"}) == "zstd"
    assert choose({**found, "gzip": ("x.gz", 4)}, {"Accept-Encoding": "gzip, br"}) == "gzip"


# --- compressed by a middleware -----------------------------------------------------------------


MIDDLEWARE = {
    "starlette": ("starlette.middleware.gzip", "GZipMiddleware"),
    "brotli-asgi": ("brotli_asgi", "BrotliMiddleware"),
    "starlette-compress": ("starlette_compress", "CompressMiddleware"),
}


@pytest.mark.parametrize("name", MIDDLEWARE)
async def test_a_middleware_compresses_the_rest(name: str, colour: t.Any, folder: Path) -> None:
    site = Site(colour, "asgi", folder)

    module, cls = MIDDLEWARE[name]
    Middleware = getattr(importlib.import_module(module), cls)
    site.app.add_middleware(Middleware, minimum_size=100)
    accepted = "gzip" if name == "starlette" else "br"
    reply = await site.ask("/page", Accept_Encoding=accepted)
    assert reply.headers["Content-Encoding"] == accepted
    assert DECODE[accepted](reply.body) == TEXT
    for path in ("/static/a.css", "/static/only.css"):
        reply = await site.ask(path, Accept_Encoding=accepted)
        encoding = reply.headers.get("Content-Encoding")
        assert DECODE[encoding](reply.body) == TEXT, "once, and not twice"
    reply = await site.ask("/static/a.css", Accept_Encoding=accepted)
    assert reply.body == (folder / f"a.css.{'gz' if accepted == 'gzip' else 'br'}").read_bytes()
