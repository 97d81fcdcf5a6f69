"""What agents call before the program begins, by entry points that `pyproject.toml` names."""

from __future__ import annotations

import importlib
import os
from importlib.util import find_spec

VARIABLE = "QUARTISH_AS_FLASK"


def pre_instrument() -> None:
    """Let `flask` mean quartish before OpenTelemetry imports it to instrument it: where
    `QUARTISH_AS_FLASK` is 1, and where Flask is not installed unless it is 0."""
    wanted = os.environ.get(VARIABLE) or ("1" if find_spec("flask") is None else "0")
    if wanted != "0":
        importlib.import_module("quartish.as_flask")
