"""Print what quartish depends on: with the lowest release that each bound allows, or as it is.

python scripts/bounds.py          # werkzeug==3.1
python scripts/bounds.py names    # werkzeug>=3.1,!=3.1.7,<3.2
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"

for requirement in tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["dependencies"]:
    if sys.argv[1:] == ["names"]:
        print(requirement)
    else:
        name, lowest = re.fullmatch(r"([\w-]+)>=([\w.]+).*", requirement).groups()
        print(f"{name}=={lowest}")
