"""Print what quartish and its extras need: the lowest release of each bound, or as it is.

python scripts/bounds.py          # werkzeug==3.1
python scripts/bounds.py names    # werkzeug>=3.1,!=3.1.7,<3.2
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"

project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
extras = project["optional-dependencies"]
#: What typed views take models of.
models = [one for one in extras["test"] if re.match(r"(attrs|pydantic)\b", one)]
wanted = [*extras["greenlet"], *extras["port"], *extras["redis"], *extras["typed"], *models]
for requirement in (*project["dependencies"], *wanted):
    if sys.argv[1:] == ["names"]:
        print(requirement)
    else:
        name, lowest = re.fullmatch(r"([\w-]+)>=([\w.]+).*", requirement).groups()
        print(f"{name}=={lowest}")
