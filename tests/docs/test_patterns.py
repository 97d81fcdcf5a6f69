"""Each pattern of Flask's, and each guide of Quart's, has its page, or a reason why not."""

from __future__ import annotations

import collections
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
FOLDERS = {"flask": "docs/patterns", "quart": "docs/how_to_guides"}
RELEASES = {"flask": "3.1.3", "quart": "0.22.0"}


@pytest.mark.parametrize("framework", UPSTREAM)
def test_none_is_missing(framework: str) -> None:
    assert sorted(PATTERNS[framework]) == UPSTREAM[framework].split()


@pytest.mark.slow
@pytest.mark.parametrize("framework", UPSTREAM)
def test_the_lists_are_theirs(framework: str, tmp_path: Path) -> None:
    release = f"{framework}=={RELEASES[framework]}"
    options = ["--quiet", "--no-deps", "--no-binary", framework]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "--dest", tmp_path, release],
        capture_output=True,
        text=True,
    )
    found = [*tmp_path.glob("*.tar.gz")]
    if not found:
        pytest.skip(f"NOT COMPARED with {release}: {done.stderr.strip().splitlines()[-1]}")
    with tarfile.open(found[0]) as archive:
        paths = [Path(name) for name in archive.getnames()]
    inside = [p for p in paths if str(p.parent).endswith(FOLDERS[framework])]
    assert sorted(p.stem for p in inside if p.suffix == ".rst") == UPSTREAM[framework].split()


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
