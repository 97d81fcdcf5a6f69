"""The module that a server is pointed at: the app of the framework `BENCHMARK` names."""

from __future__ import annotations

import os

from .apps import FRAMEWORKS
from .apps.content import prepare

prepare()
app = FRAMEWORKS[os.environ["BENCHMARK"]].build()
if os.environ["BENCHMARK"].startswith("quartish"):
    app.config["VIEW_THREADS"] = int(os.environ.get("BENCHMARK_THREADS", "40"))
