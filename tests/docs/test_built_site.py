"""The site that is built: its Markdown, its inventory, the server that shows it."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import pytest

from tests._processes import free_port
from tests.docs._snippets import blocks_of
from tests.docs._snippets import DOCS
from tests.docs._snippets import ROOT

pytestmark = pytest.mark.slow

FENCE = re.compile(r"(?ms)^ *(?P<fence>```+)(?P<language>[^\n`]*)\n.*?^ *(?P=fence) *$")
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, str]:
    return {str(p.relative_to(site)): p.read_text() for p in sorted(site.rglob("*.md"))}


# --- Markdown -------------------------------------------------------------------------------


def test_each_page_has_its_markdown(site: Path, pages: dict[str, str]) -> None:
    sources = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert pages.keys() == sources
    for name, text in pages.items():
        assert re.match(r"# \S", text), name
        assert "\n+--" not in text and "{eval-rst}" not in text, name
        assert str(ROOT) not in text, name


def test_links_of_the_markdown_lead_to_markdown(site: Path, pages: dict[str, str]) -> None:
    count = 0
    for name, text in pages.items():
        for target in LINK.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))):
            if re.match(r"\w+:", target) or target.startswith("#"):
                continue
            place = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
            path = place.partition("#")[0]
            assert (site / path).exists(), (name, target)
            assert not path.endswith(".html"), (name, target)
            count += 1
    assert count > 250


def test_no_code_is_lost(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        written = [m["language"].strip() for m in FENCE.finditer(text)]
        for block in blocks_of(DOCS / name):
            language = block.language.replace("text", "")
            assert language in [each.replace("text", "") for each in written], block.place
            lines = [line for line in block.source.splitlines() if line.strip()]
            assert all(line in text for line in lines), block.place


def test_what_is_made_is_told(pages: dict[str, str]) -> None:
    assert "| `MAX_CONTENT_LENGTH` |" in pages["reference/config.md"]
    assert re.search(r"(?m)^#+ `quartish\.url_for\(endpoint: str", pages["reference/functions.md"])
    assert "class quartish.Flask" in pages["reference/app.md"]
    assert "| quartish.Flask |" in pages["benchmarks.md"]
    assert "(Drawing: " in pages["architecture.md"]
    assert "| `appfactories` | [Make apps by a factory](factories.md) |" in pages["howto/index.md"]


def test_signatures_are_python(pages: dict[str, str]) -> None:
    """Sphinx leaves a signature that it cannot read as it wrote it: `~typing.~P`."""
    for name, text in pages.items():
        signatures = re.findall(r"(?m)^#+ `(\w+\(.*)`$", text)
        assert [each for each in signatures if "~" in each] == [], name


def test_llms_txt_lists_each_page(site: Path, pages: dict[str, str]) -> None:
    listed = LINK.findall((site / "llms.txt").read_text())
    assert sorted(listed) == sorted(pages.keys() - {"index.md"})


# --- the inventory --------------------------------------------------------------------------


def sphinx(*words: str | Path, **environ: str) -> str:
    """Call Python with what the site is built with."""
    done = subprocess.run(
        [ROOT / ".venv-docs" / "bin" / "python", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_sphinx_reads_the_inventory(site: Path) -> None:
    code = (
        "import posixpath, sys\n"
        "from sphinx.util.inventory import InventoryFile\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    found = InventoryFile.load(file, 'https://example.org', posixpath.join)\n"
        "item = found['py:class']['quartish.Flask']\n"
        "print(item.uri if hasattr(item, 'uri') else item[2])\n"
    )
    said = sphinx("-c", code, site / "objects.inv").strip()
    page = said.removeprefix("https://example.org/").partition("#")[0]
    assert page and (site / page).exists()


def test_others_link_here(site: Path, tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(
        "extensions = ['sphinx.ext.intersphinx']\n"
        f"intersphinx_mapping = {{'q': ('https://example.org/', {str(site / 'objects.inv')!r})}}\n"
    )
    (tmp_path / "index.rst").write_text("Title\n=====\n\n:py:func:`quartish.url_for`\n")
    sphinx("-m", "sphinx", "-q", "-W", "-n", tmp_path, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert re.search(r'href="https://example\.org/[\w/]+\.html#quartish\.\w*\.?url_for"', page)


def test_we_link_to_others_by_inventories_that_are_there(site: Path, tmp_path: Path) -> None:
    line = b"flask.redirect py:function 1 api/#$ -\n"
    head = "# Sphinx inventory version 2\n# Project: Flask\n# Version: 3.1\n"
    head += "# The remainder of this file is compressed using zlib.\n"
    (tmp_path / "flask.inv").write_bytes(head.encode() + zlib.compress(line))
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text("# Title\n\n{py:func}`flask.redirect`\n")
    words = ("-q", "-W", "-c", DOCS, source, tmp_path / "out")
    sphinx("-m", "sphinx", *words, INTERSPHINX=str(tmp_path))
    page = (tmp_path / "out" / "index.html").read_text()
    assert 'href="https://flask.palletsprojects.com/en/stable/api/#flask.redirect"' in page


# --- the server -----------------------------------------------------------------------------


def test_it_is_served(site: Path) -> None:
    port = free_port()
    command: list[t.Any] = [ROOT / "scripts" / "docs", "--serve"]
    quiet: t.Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env={**os.environ, "PORT": str(port)}, **quiet) as server:
        try:
            deadline = time.monotonic() + 900
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html") as answer:
                        assert b"quartish" in answer.read()
                    break
                except (urllib.error.URLError, ConnectionError):
                    assert server.poll() is None and time.monotonic() < deadline
                    time.sleep(0.2)
        finally:
            server.terminate()
    assert server.returncode == -15
