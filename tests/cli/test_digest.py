"""`quartish digest`: hashed names, what is compressed, and what an app does with both."""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
import tracemalloc
import typing as t
from pathlib import Path

import brotli
import pytest
import zstandard
from click import ClickException
from click.testing import Result

import quartish
import quartish.quart
from quartish._cli.digest import _through
from quartish._cli.digest import coders
from quartish._cli.digest import digest_command
from quartish._cli.digest import digest_folder
from quartish._cli.digest import Folder
from quartish._digests import manifest_of
from quartish._digests import NAME
from tests._peer import ask

CSS = """@import "more.css";
@import url("sub/deep.css?v=1");
@charset "utf-8";
body { background: url(img/a.png) }
p { background: url( 'img/a b.png#x' ) }
i { background: URL("/static/img/a.png") }
a { background: url(data:image/png;base64,AAAA), url(https://example.org/a.png), url(//cdn/x.png) }
b { background: url(#local), url(missing.png), url(/elsewhere/a.png), url(../outside.png) }
@font-face { src: url("img/font.eot?#iefix") }
/*# sourceMappingURL=site.css.map */
"""
FILES: dict[str, str | bytes] = {
    "site.css": CSS,
    "site.css.map": "{}" + " " * 400,
    "more.css": "q { background: url('./img/../img/a.png') }",
    "sub/deep.css": "@import '../site.css'; /* a circle */ u { background: url(../img/a%20b.png) }",
    "app.js": "let a = 1;\n" * 50 + "//# sourceMappingURL=app.js.map",
    "app.js.map": "{}",
    "img/a.png": b"\x89PNG" + b"\0" * 600,
    "img/a b.png": b"\x89PNG other",
    "img/font.eot": b"font",
    "noext": "x",
    ".hidden": "secret",
    ".git/config": "secret",
    "old.css": "p {}",
    "old.css.gz": "not ours",
    "archive.tar.gz": b"zip",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    (folder / "broken").symlink_to("nowhere")
    return folder


def digest(folder: Path, *excluded: str, **options: t.Any) -> tuple[int, list[str]]:
    told: list[str] = []
    count = digest_folder(Folder(folder, "/static", excluded), tell=told.append, **options)
    return count, told


def names(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / NAME).read_text())["names"]
    return found


def all_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_names_have_a_hash(folder: Path) -> None:
    before = all_of(folder)
    digest(folder)
    made = names(folder)
    left_alone = {".hidden", ".git/config", "old.css.gz"}
    assert made.keys() == FILES.keys() - left_alone
    for name, hashed in made.items():
        stem, dot, suffix = Path(name).name.rpartition(".")
        pattern = rf"{re.escape(stem)}\.[0-9a-f]{{8}}\.{suffix}" if dot else r"noext\.[0-9a-f]{8}"
        assert re.fullmatch(pattern, Path(hashed).name), hashed
        assert (folder / hashed).is_file()
    after = all_of(folder)
    assert {name: after[name] for name in before} == before, "what was there is as it was"


def test_references_have_them_too(folder: Path) -> None:
    digest(folder)
    made = names(folder)

    def last(name: str) -> str:
        return made[name].rpartition("/")[2].replace(" ", "%20")

    css = (folder / made["site.css"]).read_text()
    assert css == (
        CSS.replace("more.css", last("more.css"))
        .replace("sub/deep.css?v=1", f"sub/{last('sub/deep.css')}?v=1")
        .replace("url(img/a.png)", f"url(img/{last('img/a.png')})")
        .replace("img/a b.png#x", f"img/{last('img/a b.png')}#x")
        .replace("/static/img/a.png", f"/static/img/{last('img/a.png')}")
        .replace("font.eot?#iefix", f"{last('img/font.eot')}?#iefix")
        .replace("=site.css.map", f"={last('site.css.map')}")  # evansd/whitenoise#230
    )
    deep = (folder / made["sub/deep.css"]).read_text()
    assert f"'../{last('site.css')}'" in deep and f"url(../img/{last('img/a b.png')})" in deep
    assert f"./img/../img/{last('img/a.png')}" in (folder / made["more.css"]).read_text()
    assert (folder / made["app.js"]).read_text().endswith(f"={last('app.js.map')}")


def test_what_is_not_there_is_told_and_no_error(folder: Path) -> None:
    """Django's ticket 33353; wemake-services/django-modern-rest#927: a missing source map."""
    (folder / "app.js.map").unlink()
    found = Folder(folder, "/static")
    digest_folder(found, tell=str)
    assert set(found.missing) == {"site.css: missing.png", "app.js: app.js.map"}
    assert (folder / names(folder)["app.js"]).read_text().endswith("=app.js.map")


def test_a_name_changes_with_what_it_refers_to(folder: Path) -> None:
    digest(folder)
    before = names(folder)
    (folder / "img/a b.png").write_bytes(b"\x89PNG changed")
    digest(folder)
    after = names(folder)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"img/a b.png", "sub/deep.css", "site.css"}  # site and deep are a circle


def test_they_are_compressed(folder: Path) -> None:
    digest(folder)
    decode = {".gz": gzip.decompress, ".br": brotli.decompress, ".zst": zstandard.decompress}
    for name in ("site.css", "app.js", "site.css.map"):
        hashed = names(folder)[name]
        for suffix, decompress in decode.items():
            compressed = (folder / (hashed + suffix)).read_bytes()
            assert decompress(compressed) == (folder / hashed).read_bytes()
            assert len(compressed) < 0.95 * (folder / hashed).stat().st_size
    for name in ("img/a.png", "noext", "app.js.map", "archive.tar.gz", "old.css"):  # no use
        for suffix in decode:
            assert not (folder / (names(folder)[name] + suffix)).exists()


def test_without_the_packages_there_is_gzip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("brotli", "brotlicffi", "zstandard", "compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert list(coders()) == ["gzip"]
    digest(folder)
    assert (folder / (names(folder)["site.css"] + ".gz")).exists()
    assert not list(folder.rglob("*.br")) and not list(folder.rglob("*.zst"))


def test_large_files_are_not_held_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where they are hashed and copied, nor compressed, nor looked at again."""
    found = {"gzip": coders()["gzip"]}  # the others take long
    monkeypatch.setattr("quartish._cli.digest.coders", lambda: found)
    text = random.Random(1).randbytes(2_500_000).hex().encode()
    for name in ("film.mp4", "film.data", "other.mp4"):
        (folder / name).write_bytes(text)
    for _ in range(2):
        tracemalloc.start()
        try:
            digest(folder)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < len(text) / 2
    assert (folder / names(folder)["film.data"]).stat().st_size == len(text)
    assert (folder / (names(folder)["film.data"] + ".gz")).stat().st_size < 0.6 * len(text)


@pytest.mark.parametrize("library", ["brotli", "backports.zstd", "zstandard"])
@pytest.mark.parametrize("size", [0, 1, 300_000, 600_000])
def test_each_library_reads_what_it_has_written(
    monkeypatch: pytest.MonkeyPatch, library: str, size: int
) -> None:
    for name in {"brotli", "backports.zstd", "zstandard", "compression.zstd"} - {library}:
        monkeypatch.setitem(sys.modules, name, None)
    _, coder = found = [*coders().values()]
    assert len(found) == 2
    data = random.Random(size).randbytes(size)
    pieces = [data[at : at + 262_144] for at in range(0, size, 262_144)]
    made = list(_through(coder.compress(size), pieces))
    assert b"".join(_through(coder.decompress(), made)) == data


def test_once_more_does_nothing(folder: Path) -> None:
    count, told = digest(folder)
    assert count == len(told) > 20
    before = {name: (folder / name).stat().st_mtime_ns for name in all_of(folder)}
    assert digest(folder) == digest(folder, check=True) == digest(folder, clean=True) == (0, [])
    assert {name: (folder / name).stat().st_mtime_ns for name in all_of(folder)} == before


def test_check_writes_nothing(folder: Path) -> None:
    before = all_of(folder)
    count, told = digest(folder, check=True)
    assert count and all(line.startswith("  missing ") for line in told)
    assert all_of(folder) == before
    digest(folder)
    hashed = names(folder)["app.js"]
    (folder / (hashed + ".br")).write_bytes(b"damaged")
    assert digest(folder, check=True) == (1, [f"  missing {hashed}.br"])
    digest(folder)
    (folder / "app.js").unlink()
    assert digest(folder, check=True) == (1, [f"  differs {NAME}"])
    assert digest(folder, check=True, clean=True)[0] == 3 + 1


def test_earlier_versions_stay_until_they_are_removed(folder: Path) -> None:
    digest(folder)
    old = names(folder)["app.js"]
    olds = [old, *(old + suffix for suffix in (".br", ".gz", ".zst"))]
    (folder / "app.js").write_text("let b = 2;\n" * 50)
    digest(folder)
    assert names(folder)["app.js"] != old
    for _ in range(2):
        assert all((folder / name).exists() for name in olds)
        assert digest(folder)[0] == 0
        manifest = manifest_of(str(folder))
        assert manifest is not None and old in manifest.made, "it is served as before"
    count, told = digest(folder, clean=True)
    assert sorted(told) == [f"  removed {name}" for name in sorted(olds)] and count == 4
    assert not any((folder / name).exists() for name in olds)
    (folder / "app.js").unlink()
    digest(folder, clean=True)
    assert "app.js" not in names(folder)


def test_what_is_excluded_is_left_alone(folder: Path) -> None:
    digest(folder, "img/*", "*.map")
    assert not {name for name in names(folder) if name.startswith("img/") or ".map" in name}
    assert "url(img/a.png)" in (folder / names(folder)["site.css"]).read_text()


# --- an app -------------------------------------------------------------------------------------


def make_app(colour: t.Any, folder: Path, **config: t.Any) -> t.Any:
    app = colour("shop", root_path=str(folder.parent), static_folder="static")
    app.config.update(config)
    blueprint = (quartish.Blueprint if app.plain else quartish.quart.Blueprint)(
        "bp", "shop", root_path=str(folder.parent), static_folder="more", url_prefix="/bp"
    )
    app.register_blueprint(blueprint)

    @app.get("/")
    async def index() -> t.Any:
        files = ("app.js", "missing.js")
        urls = [quartish.url_for("static", filename=file) for file in files]
        urls.append(quartish.url_for("bp.static", filename="b.css", v=1))
        rendered = quartish.render_template_string("{{ url_for('static', filename='site.css') }}")
        urls.append(rendered if app.plain else await t.cast(t.Any, rendered))
        return urls

    return app


@pytest.fixture
def digested(folder: Path) -> Path:
    more = folder.parent / "more"
    more.mkdir()
    (more / "b.css").write_text("b { color: red }\n" * 30 + "i { background: url(/bp/more/b.png) }")
    (more / "b.png").write_bytes(b"png")
    app = make_app(quartish.Flask, folder)
    result: Result = app.test_cli_runner().invoke(digest_command, [])
    assert result.exit_code == 0, result.output
    return folder


async def test_urls_have_the_hashed_names(colour: t.Any, digested: Path) -> None:
    made, more = names(digested), names(digested.parent / "more")
    answer = await ask(make_app(colour, digested), "/")
    assert json.loads(answer.body) == [
        f"/static/{made['app.js']}",
        "/static/missing.js",
        f"/bp/more/{more['b.css']}?v=1",
        f"/static/{made['site.css']}",
    ]
    assert more["b.png"] in (digested.parent / "more" / more["b.css"]).read_text()
    answer = await ask(make_app(colour, digested, DEBUG=True), "/")
    assert json.loads(answer.body)[0] == "/static/app.js", "in debug mode files change"


async def test_hashed_names_are_kept_for_ever(colour: t.Any, digested: Path) -> None:
    """And are sent compressed, without a setting."""
    app = make_app(colour, digested)
    for url in json.loads((await ask(app, "/")).body)[::2]:
        url = url.partition("?")[0]
        answer = await ask(app, url, accept_encoding="br")
        cache = answer.headers["Cache-Control"]
        assert sorted(cache.split(", ")) == ["immutable", "max-age=31536000", "public"]
        assert answer.headers["Content-Encoding"] == "br"
        assert answer.headers["Vary"] == "Accept-Encoding"
        same = await ask(app, url, accept_encoding="br", if_none_match=answer.headers["ETag"])
        assert same.status == 304 and "immutable" in same.headers["Cache-Control"]
    for url in ("/static/app.js", "/static/old.css", "/static/" + NAME):
        answer = await ask(app, url, accept_encoding="br, gzip")
        assert answer.status == 200
        assert "immutable" not in answer.headers["Cache-Control"]
        assert "Content-Encoding" not in answer.headers and "Vary" not in answer.headers
    image = await ask(app, f"/static/{names(digested)['img/a.png']}", accept_encoding="br")
    assert "immutable" in image.headers["Cache-Control"] and "Vary" not in image.headers


async def test_a_setting_turns_it_off(colour: t.Any, digested: Path) -> None:
    app = make_app(colour, digested, STATIC_PRECOMPRESSED=False)
    answer = await ask(app, f"/static/{names(digested)['app.js']}", accept_encoding="br")
    assert "Content-Encoding" not in answer.headers
    assert "immutable" in answer.headers["Cache-Control"]
    app = make_app(colour, digested, STATIC_PRECOMPRESSED=True, DEBUG=True)
    answer = await ask(app, f"/static/{names(digested)['app.js']}", accept_encoding="br")
    assert answer.headers["Content-Encoding"] == "br"
    assert "immutable" not in answer.headers["Cache-Control"]


async def test_a_new_manifest_is_read(colour: t.Any, digested: Path) -> None:
    app = make_app(colour, digested)
    before = json.loads((await ask(app, "/")).body)[0]
    (digested / "app.js").write_text("let c;")
    digest(digested)
    after = json.loads((await ask(app, "/")).body)[0]
    assert before != after == f"/static/{names(digested)['app.js']}"
    (digested / NAME).unlink()
    assert json.loads((await ask(app, "/")).body)[0] == "/static/app.js"


@pytest.mark.parametrize("text", ["{", "[]", '{"names": 1, "made": {}}', "\udcff"])
async def test_a_manifest_that_is_none(
    text: str, colour: t.Any, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / NAME).write_text(text, errors="surrogateescape")
    app = make_app(colour, folder)
    assert json.loads((await ask(app, "/")).body)[0] == "/static/app.js"
    assert (await ask(app, "/static/app.js")).status == 200
    assert "is not what `quartish digest` writes" in caplog.text
    result = make_app(quartish.Flask, folder).test_cli_runner().invoke(digest_command, [])
    assert result.exit_code == 1 and "it is left alone" in result.output
    assert (folder / NAME).read_text(errors="surrogateescape") == text


OUTSIDE = ["../victim.txt", "sub/../../victim.txt", "/victim.txt", "..", "", ".", "a\0b", 5, None]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("where", ["names", "made", "encodings"])
def test_a_manifest_that_leads_out(folder: Path, name: t.Any, where: str) -> None:
    """`--clean` removed whatever it named, wherever that was."""
    victim = folder.parent / "victim.txt"
    victim.write_text("precious")
    if name == "/victim.txt":
        name = str(victim)
    key = "null" if name is None else str(name)
    if where == "made" and not isinstance(name, str):
        pytest.skip("keys of JSON are text")
    manifest: dict[str, t.Any] = {
        "names": {"app.js": name if where == "names" else "app.1.js"},
        "made": {key if where == "made" else "app.1.js": [name] if where == "encodings" else []},
    }
    (folder / NAME).write_text(json.dumps(manifest))
    runner = make_app(quartish.Flask, folder).test_cli_runner()
    result = runner.invoke(digest_command, ["--clean"])
    assert result.exit_code == 1 and "is no file of this folder" in result.output
    assert victim.read_text() == "precious"
    assert manifest_of(str(folder)) is None


def test_a_manifest_with_other_things(folder: Path) -> None:
    (folder / NAME).write_text(json.dumps({"names": {}, "made": {"app.1.js": "abc"}}))
    with pytest.raises(ClickException, match="what was made is no list"):
        Folder(folder)


def test_the_command(folder: Path) -> None:
    runner = make_app(quartish.Flask, folder).test_cli_runner()
    result = runner.invoke(digest_command, ["--check"])
    assert result.exit_code == 1 and "run `quartish digest`" in result.output
    assert not (folder / NAME).exists()
    result = runner.invoke(digest_command, ["--exclude", "*.png"])
    assert result.exit_code == 0
    assert "  wrote app." in result.output and "not there: site.css: missing.png" in result.output
    assert "img/a.png" not in names(folder)
    result = runner.invoke(digest_command, ["--exclude", "*.png", "--check"])
    assert result.exit_code == 0 and "Nothing is to be done." in result.output
    (folder / "app.js").write_text("new")
    result = runner.invoke(digest_command, ["--exclude", "*.png", "--clean"])
    assert "  removed app." in result.output
    app = quartish.Flask("none", static_folder=None, root_path=str(folder))
    result = app.test_cli_runner().invoke(digest_command, [])
    assert result.exit_code == 1 and "'none' has no folder of static files" in result.output


def test_a_prefix_with_a_variable(folder: Path) -> None:
    app = quartish.Flask("shop", static_folder=None)
    blueprint = quartish.Blueprint("bp", "shop", static_folder=folder, url_prefix="/<lang>")
    app.register_blueprint(blueprint)
    assert app.test_cli_runner().invoke(digest_command).exit_code == 0
    assert 'URL("/static/img/a.png")' in (folder / names(folder)["site.css"]).read_text()


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: t.Any) -> None:
        raise PermissionError("Read-only file system")

    monkeypatch.setattr("os.replace", refuse)
    result = make_app(quartish.Flask, folder).test_cli_runner().invoke(digest_command, [])
    assert result.exit_code == 1 and "Error: Read-only file system" in result.output
