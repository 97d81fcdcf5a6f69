"""`ported`: a small project, ported."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.port._ported import Ported
from tests.port._ported import Porting


@pytest.fixture
def ported(tmp_path: Path) -> Porting:
    """Write files down, port them, and return what became of them."""
    number = iter(range(100))

    def make(files: str | dict[str, str], **options: t.Any) -> Ported:
        return Ported(tmp_path / str(next(number)), files, **options)

    return make
