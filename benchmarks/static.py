"""What a static file costs before and after `quartish digest`: `python -m benchmarks static`.

    python -m benchmarks.static "quartish.Flask, digested" FOLDER br 0.3

prints, as JSON, the bytes that are sent of a file, and the seconds of a request for it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import re
import statistics
import sys
import tempfile
import typing as t
from contextlib import AsyncExitStack
from pathlib import Path

from .ask import asgi_ask
from .ask import wsgi_ask
from .driver import Lifespan
from .driver import seconds_per_unit
from .driver import stay_on_one_core
from .environment import child
from .environment import Unable
from .report import Table
from .rounds import in_turn

LINE = 10_000_000 / 8
"""Bytes a second of the line that the last column is about."""
FILE = "style.css"
SEED = """.{a}-{b} {{ display: flex; margin: {n}px {m}px; padding: 0 {m}rem; border-radius: {n}%;
  color: rgba({n}, {m}, 96, .{m}); background: linear-gradient({n}deg, #{n:03}f{m:02}, #fff) }}
@media (min-width: {n}px) {{ .{b}:hover > .{a}:not(:last-child)::after {{ content: "{a}{m}" }} }}
"""


def style_sheet() -> str:
    """Return CSS of some 180 kB, the same each time, as a framework of classes is."""
    words = "nav card grid table modal badge alert input label field menu panel tabs tree".split()
    rules = (
        SEED.format(a=a, b=b, n=(7 * i + 13 * k) % 997, m=(11 * k + i) % 89)
        for i, a in enumerate(words)
        for k, b in enumerate(words * 4)
    )
    return "".join(rules)


def _quartish(cls: str, folder: str) -> t.Any:
    lib = importlib.import_module("quartish")
    return getattr(lib, cls)("static", static_folder=folder, static_url_path="/static")


def _flask(folder: str) -> t.Any:
    lib = importlib.import_module("flask")
    return lib.Flask("static", static_folder=folder, static_url_path="/static")


def _starlette(folder: str, compresses: bool) -> t.Any:
    routing = importlib.import_module("starlette.routing")
    files = importlib.import_module("starlette.staticfiles").StaticFiles(directory=folder)
    app: t.Any = importlib.import_module("starlette.applications").Starlette(
        routes=[routing.Mount("/static", files)]
    )
    if compresses:
        app.add_middleware(importlib.import_module("starlette.middleware.gzip").GZipMiddleware)
    return app


#: Row -> what builds its app of a folder, what the client accepts, whether the file is the
#: hashed one, whether it is called as WSGI.
ROWS: dict[str, tuple[t.Callable[[str], t.Any], str, bool, bool]] = {
    "quartish.Flask, as it is": (lambda f: _quartish("Flask", f), "br, gzip", False, False),
    "quartish.Flask, digested, gzip": (lambda f: _quartish("Flask", f), "gzip", True, False),
    "quartish.Flask, digested, zstd": (lambda f: _quartish("Flask", f), "zstd", True, False),
    "quartish.Flask, digested, br": (lambda f: _quartish("Flask", f), "br", True, False),
    "quartish.Quart, digested, br": (lambda f: _quartish("Quart", f), "br", True, False),
    "Flask": (_flask, "br, gzip", False, True),
    "Starlette": (lambda f: _starlette(f, False), "br, gzip", False, False),
    "Starlette, GZipMiddleware": (lambda f: _starlette(f, True), "br, gzip", False, False),
}


async def _figures(name: str, folder: str, budget: float) -> dict[str, float]:
    build, accepted, hashed, wsgi = ROWS[name]
    app = build(folder)
    path = FILE
    if hashed:
        path = json.loads((Path(folder) / "digest.json").read_text())["names"][FILE]
    async with AsyncExitStack() as stack:
        if not wsgi:
            await stack.enter_async_context(Lifespan(app))
        ask = (wsgi_ask if wsgi else asgi_ask)(app, {"accept-encoding": accepted})

        async def call() -> tuple[int, bytes]:
            return 200, (await ask(f"/static/{path}", "theme=dark"))[1]

        headers, body = await ask(f"/static/{path}", "theme=dark")
        encoding = dict(headers).get("content-encoding")
        if (encoding is not None) != (hashed or "GZip" in name):
            raise Unable(f"{name} is sent as {encoding}")
        return {"bytes": len(body), "seconds": await seconds_per_unit(call, 1, budget)}


def measure(python: Path, count: int = 5, seconds: float = 0.3) -> list[Table]:
    """Return the bytes and the time of a style sheet, as it is and digested."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_text(style_sheet(), "utf-8")
        child(python, "static", "digest", folder, timeout=120)
        found: dict[str, list[dict[str, float]]] = in_turn(
            ROWS,
            count,
            lambda name: child(python, "static", name, folder, str(seconds), timeout=60),
        )
    whole = found.get("quartish.Flask, as it is", [{"bytes": 1.0}])[0]["bytes"]
    rows: list[tuple[str, list[t.Any]]] = []
    for name, each in found.items():
        size = each[0]["bytes"]
        took = statistics.median(figures["seconds"] for figures in each)
        shown = [f"{int(size):,}", f"{size / whole:.1%}", took * 1e6, (took + size / LINE) * 1e3]
        rows.append((name, shown))
    notes = [
        f"A style sheet of {int(whole):,} bytes.",
        "ms at 10 Mbit/s: the time inside, and what its bytes take on such a line; without the"
        " line's latency.",
        "A browser that comes again asks for no digested file (`immutable`), and for each of the"
        " others.",
    ]
    columns = ["bytes", "of the file", "us inside", "ms at 10 Mbit/s"]
    return [Table("A static file", "less is better", columns, rows, notes)]


def digest(folder: str) -> dict[str, str]:
    """Do what `quartish digest` does."""
    command = importlib.import_module("quartish._cli.digest")
    command.digest_folder(command.Folder(Path(folder), "/static"), tell=str)
    names: dict[str, str] = json.loads((Path(folder) / "digest.json").read_text())["names"]
    assert re.fullmatch(r"style\.[0-9a-f]{8}\.css", names[FILE])
    return names


def main(name: str, folder: str, budget: str = "") -> None:
    logging.disable(logging.CRITICAL)
    if name == "digest":
        result: t.Any = digest(folder)
    else:
        stay_on_one_core()
        result = asyncio.run(_figures(name, folder, float(budget)))
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
