"""Click's runner, with standard output and errors apart in every release of it."""

from __future__ import annotations

import inspect
import typing as t

from click.testing import CliRunner


def runner() -> CliRunner:
    apart = "mix_stderr" in inspect.signature(CliRunner).parameters  # before click 8.2
    options: dict[str, t.Any] = {"mix_stderr": False} if apart else {}
    return CliRunner(**options)
