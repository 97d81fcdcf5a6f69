"""Play one of `apps/` through both doors and print what it answered, as JSON.

    python play.py (flask | quartish) (def | async) APP

Runs in the environment that holds the extensions. An app's module says `create_app()`
and `visit(visitor)`: what a visitor does, in an empty folder of the app's own. Twenty
visitors come at once, first to the test client, then to a server; each has a number and
keeps to data of its own, so that the answers do not depend on who was first.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import re
import socket
import sys
import tempfile
import threading
import types
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
VISITORS = 20
#: What the server adds, and what differs with each second.
IGNORED = {"date", "server", "connection", "transfer-encoding", "alt-svc"}


class Answer:
    """What a visitor sees of a response."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        body = self.body
        if self.header("Content-Encoding") == "gzip":  # its head holds the time
            body = gzip.decompress(body)
        return body.decode("utf-8", "replace")

    @property
    def json(self) -> t.Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    def find(self, pattern: str) -> str:
        """Return the first group of `pattern` in the body."""
        found = re.search(pattern, self.text)
        assert found, f"no {pattern!r} in {self.text}"
        return found[1]


class Visitor:
    """One visitor with cookies; what it is answered is kept, without what has to differ."""

    def __init__(self, number: int, call: t.Callable[..., Answer], scrub: str) -> None:
        self.number = number
        self.call = call
        self.scrub = re.compile(scrub) if scrub else None
        self.seen: list[t.Any] = []

    def get(self, path: str, **headers: str) -> Answer:
        return self.open("GET", path, **headers)

    def post(self, path: str, data: t.Any = None, json: t.Any = None, **headers: str) -> Answer:
        return self.open("POST", path, data=data, json=json, **headers)

    def open(
        self, method: str, path: str, data: t.Any = None, json: t.Any = None, **headers: str
    ) -> Answer:
        """Send a request and note the answer. Names of headers are in snake case."""
        answer = self.peek(method, path, data=data, json=json, **headers)
        kept = sorted(
            f"{name.lower()}: {self._steady(name, value)}"
            for name, value in answer.headers
            if name.lower() not in IGNORED
        )
        target = self._steady("", f"{method} {path}")
        self.seen.append([target, answer.status, kept, self._steady("", answer.text)])
        return answer

    def peek(
        self, method: str, path: str, data: t.Any = None, json: t.Any = None, **headers: str
    ) -> Answer:
        """Send a request and return the answer without a note of it."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call(method, path, data=data, json=json, headers=names)

    def note(self, **facts: t.Any) -> None:
        """Keep what the visitor found out otherwise."""
        self.seen.append(facts)

    def _steady(self, name: str, value: str) -> str:
        if name.lower() == "set-cookie":  # signed with the time, or random
            value = re.sub(r"(?<==)[^;]+", "...", value, count=1)
            value = re.sub(r"(?<=Expires=)[^;]+", "...", value)
        if name.lower() == "allow":  # a set
            value = ", ".join(sorted(value.split(", ")))
        return self.scrub.sub("...", value) if self.scrub else value


def load(name: str, colour: str) -> types.ModuleType:
    """Import an app's module, with its views as they are written or made `async def`."""
    path = HERE / "apps" / f"{name}.py"
    source = path.read_text("utf-8")
    if colour == "async":
        sys.path.insert(0, str(HERE.parent / "conformance"))
        from async_views import make_views_async

        source, views = make_views_async(source)
        assert views, f"{path} has no view that could be made async"
    module = types.ModuleType(f"app_{name}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def through_client(app: t.Any) -> t.Callable[[], t.Callable[..., Answer]]:
    """Return what gives each visitor a test client."""

    def enter() -> t.Callable[..., Answer]:
        client = app.test_client()

        def call(method: str, path: str, **kwargs: t.Any) -> Answer:
            response = client.open(path, method=method, **kwargs)
            answer = Answer(response.status_code, list(response.headers), response.data)
            response.close()
            return answer

        return call

    return enter


@contextlib.contextmanager
def by_hypercorn(app: t.Any) -> t.Iterator[int]:
    """Serve quartish as ASGI, on a loop in another thread; yield the port."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()
    serving = serve(app, config, shutdown_trigger=stop.wait, mode="asgi")  # type: ignore[arg-type]
    thread = threading.Thread(target=loop.run_until_complete, args=[serving])
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)


@contextlib.contextmanager
def by_werkzeug(app: t.Any) -> t.Iterator[int]:
    """Serve Flask; Hypercorn fails on the empty bodies that Flask gives it as WSGI."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.socket.listen(100)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


def through_server(port: int) -> t.Callable[[], t.Callable[..., Answer]]:
    """Return what gives each visitor a real client."""
    import httpx

    def enter() -> t.Callable[..., Answer]:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

        def call(method: str, path: str, **kwargs: t.Any) -> Answer:
            kwargs["headers"] = {"host": "localhost", **kwargs["headers"]}
            data = kwargs.pop("data")
            kwargs["content" if isinstance(data, (str, bytes)) else "data"] = data
            with client.stream(method, path, **kwargs) as response:
                body = b"".join(response.iter_raw())
            return Answer(response.status_code, response.headers.multi_items(), body)

        return call

    return enter


def play(module: types.ModuleType, enter: t.Callable[[], t.Callable[..., Answer]]) -> t.Any:
    """Let the visitors come all at once; return what each of them saw."""
    together = threading.Barrier(getattr(module, "VISITORS", VISITORS))

    def come(number: int) -> t.Any:
        visitor = Visitor(number, enter(), getattr(module, "SCRUB", ""))
        together.wait(20)
        module.visit(visitor)
        return visitor.seen

    with ThreadPoolExecutor(together.parties) as pool:
        return list(pool.map(come, range(together.parties)))


def main(framework: str, colour: str, name: str) -> None:
    output, sys.stdout = sys.stdout, sys.stderr  # apps and servers print what they like
    sys.path[:] = [str(HERE.parent.parent), *(place for place in sys.path if place != str(HERE))]
    if framework == "quartish":
        import quartish.as_flask  # noqa: F401
    module = load(name, colour)
    answers = {}
    for door in getattr(module, "DOORS", ("client", "served")):
        with tempfile.TemporaryDirectory(prefix="quartish-") as folder, contextlib.chdir(folder):
            app = module.create_app()
            finish = getattr(module, "finish", lambda app: None)
            if door == "client":
                answers[door] = play(module, through_client(app)), finish(app)
            else:
                with by_hypercorn(app) if framework == "quartish" else by_werkzeug(app) as port:
                    answers[door] = play(module, through_server(port)), finish(app)
    print(json.dumps(answers), file=output, flush=True)
    os._exit(0)  # an extension's own threads keep nobody waiting


if __name__ == "__main__":
    main(*sys.argv[1:])
