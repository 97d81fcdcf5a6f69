"""Static files as `quartish digest` makes them, by real servers, to httpx and to Chromium, which
decode Brotli and zstandard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import httpx
import pytest

from quartish._cli.digest import digest_folder
from quartish._cli.digest import Folder
from tests._processes import COMMANDS
from tests._processes import is_installed
from tests._processes import ROOT
from tests._processes import serve

SAY = (
    """// a script that is long enough to be worth compressing
document.getElementById("said").textContent = "the script ran";
"""
    + "// and more of it, again and again\n" * 50
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    shutil.copytree(ROOT / "examples" / "shop" / "static", folder)
    (folder / "say.js").write_text(SAY)
    digest_folder(Folder(folder, "/static"), tell=str)
    return folder


def linked(page: str) -> dict[str, str]:
    """Return the URLs of a page's static files by their names without the hash."""
    urls = re.findall(r'"(/static/[^"]+)"', page)
    return {re.sub(r"\.[0-9a-f]{8}\.", ".", url.rpartition("/")[2]): url for url in urls}


@pytest.mark.parametrize("colour", ["Flask", "Quart"])
@pytest.mark.parametrize("server", COMMANDS)
def test_a_client_decodes_each(server: str, colour: str, folder: Path) -> None:
    if not is_installed(server):
        pytest.skip(f"NOT TESTED with {server}: it is not installed")
    options = {"STATIC_FOLDER": str(folder), "COLOUR": colour}
    ask_of(server, "tests.servers.static_app:app", options, folder)


def ask_of(server: str, app: str, environ: dict[str, str], folder: Path) -> None:
    with (
        serve(server, app, 30, **environ) as process,
        httpx.Client(base_url=process.http) as client,
    ):
        urls = linked(client.get("/").text)
        assert urls.keys() == {"style.css", "say.js"}
        for name, url in urls.items():
            content = (folder / name).read_bytes()
            lengths = {}
            for encoding in ("br", "zstd", "gzip", "identity"):
                answer = client.get(url, headers={"Accept-Encoding": encoding})
                assert answer.content == content, (name, encoding)
                expected = None if encoding == "identity" else encoding
                assert answer.headers.get("Content-Encoding") == expected
                assert "immutable" in answer.headers["Cache-Control"]
                lengths[encoding] = int(answer.headers["Content-Length"])
                kept = {"Accept-Encoding": encoding, "If-None-Match": answer.headers["ETag"]}
                assert client.get(url, headers=kept).status_code == 304
                head = client.head(url, headers={"Accept-Encoding": encoding})
                assert int(head.headers["Content-Length"]) == lengths[encoding]
            assert lengths["br"] < lengths["gzip"] < lengths["identity"]
            part = client.get(url, headers={"Accept-Encoding": "br", "Range": "bytes=5-9"})
            assert (part.status_code, part.content) == (206, content[5:10])


@pytest.mark.browser
@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_chromium_decodes_it(encoding: str, folder: Path, browser: t.Any) -> None:
    for other in {".br", ".zst", ".gz"} - {".br" if encoding == "br" else ".zst"}:
        for path in folder.rglob(f"*{other}"):
            path.unlink()
    with serve("hypercorn", "tests.servers.static_app:app", STATIC_FOLDER=str(folder)) as process:
        browser.open(process.http)
        browser.expect("#said", "the script ran")
        told = browser.run(
            "JSON.stringify(performance.getEntriesByType('resource')"
            ".filter(e => e.name.includes('/static/'))"
            ".map(e => [e.name, e.encodedBodySize, e.decodedBodySize]))"
        )
        sizes = {name.rpartition("/")[2]: (sent, size) for name, sent, size in json.loads(told)}
        assert len(sizes) == 2
        for name, (sent, size) in sizes.items():
            suffix = ".br" if encoding == "br" else ".zst"
            assert sent == (folder / (name + suffix)).stat().st_size
            assert size == (folder / name).stat().st_size
        assert browser.run("getComputedStyle(document.body).margin") != "8px"


@pytest.mark.slow
def test_the_shop_is_digested_by_its_command(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "examples" / "shop", tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__")
    )
    environ = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "SHOP_DATA": str(tmp_path)}
    command = [sys.executable, "-m", "quartish", "--app", "shop", "digest"]
    for arguments, status in ((["--check"], 1), ([], 0), (["--check"], 0)):
        done = subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env={**environ, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
    code = (
        "import shop; app = shop.create_app()\n"
        "with app.test_request_context(): print(app.url_for('static', filename='style.css'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert re.fullmatch(r"/static/style\.[0-9a-f]{8}\.css\n", done.stdout), done.stderr
