"""What type checkers know of the public names: all of it, whichever checker reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_every_public_name_has_a_known_type(tmp_path: Path) -> None:
    # Pyright looks for the package as a user's environment has it, never beside itself.
    binaries = Path(sys.executable).parent
    done = subprocess.run(
        [binaries / "pyright", "--verifytypes", "quartish", "--ignoreexternal", "--outputjson"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    found = json.loads(done.stdout)["typeCompleteness"]
    unknown = [
        f"{symbol['name']}: {told['message']}"
        for symbol in found["symbols"]
        if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]
        for told in symbol["diagnostics"]
    ]
    assert unknown == []
    assert found["completenessScore"] == 1
    assert found["exportedSymbolCounts"]["withKnownType"] > 1500
