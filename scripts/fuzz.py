"""Fuzz what reads a client's bytes, guided by coverage (atheris): no 5xx, no hang.

Each input becomes a request to apps of both colours. What breaks is written to `var/fuzz/TARGET`
beside what was found interesting, which the next run begins with.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import os
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

TARGETS = ("form", "cookie", "range", "header", "path")
SEEDS = {
    "form": [
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nc\r\n--x--\r\n',
        b"a=b&c=%C3%A9",
    ],
    "cookie": [b'session=eyJhIjoxfQ.aBcDeF.x; a="b\\073"; =c'],
    "range": [b"bytes=0-1,2-3,-4", b'"a", W/"b"', b"Thu, 01 Jan 1970 00:00:00 GMT"],
    "header": [b"text/html;q=0.5, */*", b'Digest a="b", c=d', b"multipart/form-data; boundary=x"],
    "path": [b"/str/%2e%2e/x", b"/slash/\xc3\xa9", b"/static/../a"],
}
CONDITIONS = (b"range", b"if-range", b"if-match", b"if-none-match", b"if-modified-since")
HEADERS = (
    *(b"accept", b"accept-language", b"authorization", b"cache-control", b"content-type"),
    *(b"host", b"x-forwarded-for", b"content-length", b"if-unmodified-since"),
)


def ask_of(target: str, data: bytes, ask: t.Any) -> t.Any:
    """Return the request that `data` stands for."""
    first, rest = (data[0], data[1:]) if data else (0, b"")
    if target == "form":
        kind = (b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded")[first % 2]
        cut = first % (len(rest) + 1)
        body = [rest[:cut], rest[cut:]]
        return ask("/form", "POST", headers=[(b"content-type", kind)], body=body)
    if target == "cookie":
        return ask(headers=[(b"cookie", data)])
    if target == "range":
        line = (CONDITIONS[first % len(CONDITIONS)], rest)
        return ask("/file", headers=[line, (b"range", b"bytes=0-1")] if first > 127 else [line])
    if target == "header":
        name = HEADERS[first % len(HEADERS)]
        return ask(host=rest) if name == b"host" else ask(headers=[(name, rest)])
    path, _, query = data.partition(b"?")
    return ask("/" + path.decode("utf-8", "surrogateescape"), query=query)


def run(target: str, seconds: int) -> None:
    """Fuzz one target in this process, which ends when libFuzzer does."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["quartish", "werkzeug"]):
        import quartish
    from tests._doors import Ask
    from tests._doors import make_app
    from tests._doors import through_asgi

    runner = asyncio.Runner()
    apps = [make_app(cls, "loop") for cls in (quartish.Flask, quartish.Quart)]

    def one(data: bytes) -> None:
        ask = ask_of(target, data, Ask)
        for app in apps:
            reply = runner.run(through_asgi(app, ask))
            if reply.status >= 500:
                raise RuntimeError(f"{reply.status} for {ask}")

    folder = ROOT / "var" / "fuzz" / target
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[target]):
        for first in (b"\x00", b"\x01", b"\x81") if target not in ("cookie", "path") else (b"",):
            (folder / f"seed-{number}-{first.hex()}").write_bytes(first + seed)
    options = [f"-max_total_time={seconds}", "-timeout=5", "-max_len=4096", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(folder)], one)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("seconds", type=int, nargs="?", default=30, help="of each target (30)")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: it has no wheel for this Python or system. Skipped.")
        return 0
    if options.target != "all":
        run(options.target, options.seconds)
        return 0
    failed = []
    for target in TARGETS:
        print(f"fuzz {target} for {options.seconds} s", flush=True)
        command = [sys.executable, __file__, target, str(options.seconds)]
        if os.spawnv(os.P_WAIT, sys.executable, command):
            failed.append(target)
    print(f"failed: {', '.join(failed)}" if failed else "nothing was found")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
