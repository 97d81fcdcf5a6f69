"""The blog on both frameworks: quartish as it stands, and Flask by its imports alone."""

from __future__ import annotations

import asyncio
import functools
import importlib
import re
import shutil
import socket
import sys
import threading
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import pytest
import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config
from werkzeug.security import generate_password_hash
from werkzeug.serving import make_server
from werkzeug.serving import WSGIRequestHandler

from ._browser import Browser
from ._browser import open_browser

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAMEWORKS = ["quartish", "flask"]
LIMIT = 300_000


@dataclass
class Blog:
    """One framework's blog: its module of names and a maker of applications."""

    framework: t.Any
    package: t.Any

    def create(self, data: Path, **config: t.Any) -> t.Any:
        """Return the app over an empty database in `data`."""
        # Flask runs an async view in another thread than the hook that opened the
        # database, so there sqlite must not check. Under quartish its check stays on.
        if self.framework.__name__ == "flask":
            config["SQLITE"] = {"check_same_thread": False, **config.get("SQLITE", {})}
        app = self.package.create_app({"DATA": str(data), "MAX_CONTENT_LENGTH": LIMIT, **config})
        made = app.test_cli_runner().invoke(args=["init-db"])
        assert made.exit_code == 0, made.output
        return app


@pytest.fixture(scope="session")
def flask_source(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A copy of the blog that imports flask wherever the original imports quartish."""
    folder = tmp_path_factory.mktemp("flask")
    shutil.copytree(EXAMPLES / "blog", folder / "blog_on_flask")
    for module in folder.rglob("*.py"):
        source = module.read_text()
        module.write_text(
            re.sub(r"^(from|import) quartish\b", r"\1 flask", source, flags=re.MULTILINE)
        )
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="session", params=FRAMEWORKS)
def blog(request: pytest.FixtureRequest, flask_source: Path) -> t.Iterator[Blog]:
    """Passwords are hashed in no time: each test takes several, which are slow by design."""
    name = "examples.blog" if request.param == "quartish" else "blog_on_flask"
    found = Blog(importlib.import_module(request.param), importlib.import_module(name))
    quickly = functools.partial(generate_password_hash, method="pbkdf2:sha256:1")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("auth", "db"):
            patch.setattr(f"{name}.{module}.generate_password_hash", quickly)
        yield found


@dataclass
class Server:
    """Where the blog listens on loopback; only Hypercorn has TLS and keep-alive."""

    http: str
    https: str | None = None
    authority: trustme.CA = field(default_factory=trustme.CA)


@pytest.fixture(scope="session")
def served(blog: Blog, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Server]:
    """The blog behind Hypercorn, and for Flask behind Werkzeug's server."""
    folder = tmp_path_factory.mktemp("served")
    app = blog.create(folder)
    app.add_url_rule("/broken", view_func=broken)
    serve_it = hypercorn if blog.framework.__name__ == "quartish" else werkzeug
    with serve_it(app, folder) as server:
        yield server


async def broken() -> t.NoReturn:
    raise LookupError("the shelf is empty")


@contextmanager
def hypercorn(app: t.Any, folder: Path) -> t.Iterator[Server]:
    secure, plain = listener(), listener()
    server = Server(address("http", plain), address("https", secure))
    certificate = server.authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    config = Config()
    config.certfile, config.keyfile = str(folder / "cert.pem"), str(folder / "key.pem")
    config.graceful_timeout = 1
    config.bind, config.insecure_bind = [f"fd://{secure.detach()}"], [f"fd://{plain.detach()}"]

    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(app, config, shutdown_trigger=stop.wait, mode="asgi"))  # type: ignore[arg-type]

    with in_thread(run):
        try:
            yield server
        finally:
            loop.call_soon_threadsafe(stop.set)


@contextmanager
def werkzeug(app: t.Any, folder: Path) -> t.Iterator[Server]:
    class Quiet(WSGIRequestHandler):
        def log_request(self, *args: t.Any) -> None: ...

    sock = listener()
    server = make_server(
        "127.0.0.1", 0, app, threaded=True, request_handler=Quiet, fd=sock.fileno()
    )
    with in_thread(server.serve_forever):
        try:
            yield Server(address("http", sock))
        finally:
            server.shutdown()
    server.server_close()
    sock.close()


@contextmanager
def in_thread(run: t.Callable[[], None]) -> t.Iterator[None]:
    thread = threading.Thread(target=run, name="server")
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
    assert not thread.is_alive(), "the server did not stop"


@pytest.fixture
def browser(tmp_path: Path) -> t.Iterator[Browser]:
    """A browser that is closed after the test."""
    with open_browser(tmp_path) as session:
        yield session


def listener() -> socket.socket:
    """Return a socket that already listens, so that no client comes too early."""
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def address(scheme: str, sock: socket.socket) -> str:
    return f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"
