"""What nobody awaited and nobody closed fails the test that left it: the settings of pytest see
to that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests._processes import run_pytest

ROOT = Path(__file__).parents[2]
LEFT = {
    "a coroutine": "async def f(): pass\n    f()",
    "a file": "open(__file__)",
    "a socket": "import socket; socket.socket()",
    "a loop": "import asyncio; asyncio.new_event_loop()",
    "a thread that raised": "import threading\n    t = threading.Thread(target=lambda: 1 / 0)"
    "\n    t.start(); t.join()",
}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_left_fails_its_test(what: str, tmp_path: Path) -> None:
    test = tmp_path / "test_left.py"
    test.write_text(f"def test_left():\n    {LEFT[what]}\n    import gc; gc.collect()\n")
    config = str(ROOT / "pyproject.toml")
    done = run_pytest("-c", config, str(test), timeout=60, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
