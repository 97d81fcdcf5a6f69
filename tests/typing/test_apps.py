"""The apps whose types are checked by `test_strict` are run: what is typed is what happens."""

from __future__ import annotations

import importlib.util
import sys
import typing as t
from pathlib import Path
from types import ModuleType


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where annotations are evaluated
    spec.loader.exec_module(module)
    return module


plain: t.Any = load("plain_app")
awaitable: t.Any = load("awaitable_app")
typed: t.Any = load("typed_app")

test_plain_views = plain.test_views
test_plain_websocket = plain.test_websocket
test_awaitable_views = awaitable.test_views
test_typed_views = typed.test_views
