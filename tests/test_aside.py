"""Files that are written beside their place."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from quartish._aside import Aside


@pytest.mark.parametrize("keeps", [True, False])
def test_a_file_system_without_modes(
    keeps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some that are mounted from elsewhere take no `chmod`: there it is written where it is."""

    def refused(*args: t.Any) -> None:
        raise PermissionError("Operation not permitted")

    path = tmp_path / "kept"
    path.write_bytes(b"before")
    monkeypatch.setattr("os.chmod", refused)
    aside = Aside(path)
    aside.open()
    aside.file.write(b"after")
    (aside.keep if keeps else aside.drop)()
    assert path.read_bytes() == b"after" and [*tmp_path.iterdir()] == [path]
