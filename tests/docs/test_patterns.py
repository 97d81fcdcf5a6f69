"""Each pattern of Flask's, and each guide of Quart's, has its page, or a reason why not."""

from __future__ import annotations

import collections
import os
import subprocess
import sys
import tarfile
import tomllib
import typing as t
from pathlib import Path

import pytest

from tests.docs._snippets import blocks_of
from tests.docs._snippets import DOCS

HOWTO = DOCS / "howto"
PATTERNS: dict[str, dict[str, t.Any]] = tomllib.loads((HOWTO / "patterns.toml").read_text())
#: The files of Flask's docs/patterns, and of Quart's docs/how_to_guides.
UPSTREAM = {
    "flask": (
        "appdispatch appfactories caching celery deferredcallbacks favicon fileuploads flashing"
        " index javascript jquery lazyloading methodoverrides mongoengine packages"
        " requestchecksum singlepageapplications sqlalchemy sqlite3 streaming subclassing"
        " templateinheritance urlprocessors viewdecorators wtforms"
    ),
    "quart": (
        "background_tasks blueprints command_line configuration developing disconnections"
        " event_loop flask_extensions flask_migration index json_encoding logging middleware"
        " quart_extensions request_body routing server_sent_events session_storage"
        " startup_shutdown streaming_response sync_code templating testing using_http2 websockets"
    ),
}
FLASK, QUART = "3.1.3", "0.22.0"
REPOSITORY = "https://github.com/pallets/quart"
#: Where tests/conformance keeps what it has fetched.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "quartish-conformance"


@pytest.mark.parametrize("framework", UPSTREAM)
def test_none_is_missing(framework: str) -> None:
    assert sorted(PATTERNS[framework]) == UPSTREAM[framework].split()


@pytest.mark.slow
def test_the_list_is_flasks(tmp_path: Path) -> None:
    """Against its source distribution: the one that conformance has fetched, or a new one."""
    sdist = CACHE / f"flask-{FLASK}.tar.gz"
    if not sdist.exists():
        sdist = tmp_path / sdist.name
        options = ["--quiet", "--no-deps", "--no-binary", "flask", "--dest", str(tmp_path)]
        fetch(sys.executable, "-m", "pip", "download", *options, f"flask=={FLASK}")
    with tarfile.open(sdist) as archive:
        paths = [Path(name) for name in archive.getnames()]
    inside = [p for p in paths if str(p.parent).endswith("docs/patterns")]
    assert sorted(p.stem for p in inside if p.suffix == ".rst") == UPSTREAM["flask"].split()


@pytest.mark.slow
def test_the_list_is_quarts(tmp_path: Path) -> None:
    """Against its repository, as no distribution of Quart's has its documentation.

    QUART_CHECKOUT=PATH says where one is, of that release or near it.
    """
    checkout = os.environ.get("QUART_CHECKOUT")
    if checkout is None:
        checkout = str(tmp_path)
        options = ["--quiet", "--depth", "1", "--no-checkout", "--filter", "blob:none"]
        fetch("git", "clone", *options, "--branch", QUART, REPOSITORY, checkout)
    tree = ["git", "-C", checkout, "ls-tree", "--name-only", "HEAD", "docs/how_to_guides/"]
    paths = [Path(name) for name in subprocess.check_output(tree, text=True).split()]
    assert sorted(p.stem for p in paths if p.suffix == ".rst") == UPSTREAM["quart"].split()


def fetch(*command: str | Path) -> None:
    """Run a command, and skip the test where it reaches nobody."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NOT COMPARED: {done.stderr.strip().splitlines()[-1]}")


@pytest.mark.parametrize("framework", PATTERNS)
def test_each_has_a_page_of_its_own(framework: str) -> None:
    pages = [page for page in PATTERNS[framework].values() if isinstance(page, str)]
    reasons = [each["reason"] for each in PATTERNS[framework].values() if isinstance(each, dict)]
    assert all(reasons)
    assert [page for page, count in collections.Counter(pages).items() if count > 1] == []
    for page in pages:
        path = (HOWTO / f"{page}.md").resolve()
        assert path.is_file(), page
        shown = [block for block in blocks_of(path) if not block.skipped]
        assert shown or "extensions" in page, f"{page} has no snippet"


def test_each_page_is_of_some_pattern_or_leads_to_them() -> None:
    told = {page for table in PATTERNS.values() for page in table.values() if isinstance(page, str)}
    pages = {path.stem for path in HOWTO.glob("*.md")}
    assert pages - told == {"index", "databases"}
