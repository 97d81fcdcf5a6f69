"""The server: real sockets, real signals, real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import socketserver
import ssl
import textwrap
import threading
import time
import typing as t
from pathlib import Path

import httpx
import pytest
from hypercorn.config import Config
from hypercorn.logging import Logger
from werkzeug.serving import make_ssl_devcert

from quartish import _servers
from quartish import serving
from quartish._serving.listen import addresses
from quartish._serving.listen import listen
from quartish._serving.listen import urls
from quartish.logging import create_serving_logger
from quartish.serving import AccessLog
from quartish.serving import resolve_address
from quartish.serving import serve
from quartish.serving import ServerConfig
from quartish.serving import show_server_banner
from tests.cli._program import get
from tests.cli._program import PATIENCE
from tests.cli._program import Program

# What the tests serve. "lifespan" is told in `events`, as are ends of requests.
SCRIPT = """
import asyncio, os, sys, time
from quartish.serving import run

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            print(event, os.getpid(), flush=True)
            await send({"type": f"lifespan.{event}.complete"})
        return
    if scope["path"] == "/slow":
        print("slow", flush=True)
        await asyncio.sleep(0.5)
    body = b"%d" % os.getpid()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

"""


Start = t.Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> t.Iterator[Start]:
    """Start `run(app, ...)` with these arguments, or another script, in a process."""
    programs: list[Program] = []

    def start(call: str = "run(app, port=0)", script: str = SCRIPT) -> Program:
        path = tmp_path / "program.py"
        path.write_text(script + textwrap.dedent(call))
        programs.append(Program(path, cwd=tmp_path))
        return programs[-1]

    yield start
    for program in programs:
        program.end()
        t.cast(t.Any, program.process.stdout).close()


# --- Where, and what is said ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port", "server_name", "expected"),
    [
        (None, None, None, ("127.0.0.1", 5000)),
        (None, None, "example.org:8000", ("example.org", 8000)),
        (None, None, "example.org", ("example.org", 5000)),
        (None, None, "[::1]:8000", ("::1", 8000)),
        ("0.0.0.0", None, "example.org:8000", ("0.0.0.0", 8000)),
        (None, 0, "example.org:8000", ("example.org", 0)),
        ("", "80", None, ("127.0.0.1", 80)),
    ],
)
def test_resolve_address(host: t.Any, port: t.Any, server_name: t.Any, expected: t.Any) -> None:
    assert resolve_address(host, port, server_name) == expected


def test_banner_is_shown_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    show_server_banner(True, "hello:app")
    assert capsys.readouterr().out == " * Serving quartish app 'hello:app'\n * Debug mode: on\n"
    show_server_banner(False, None)
    assert capsys.readouterr().out == " * Debug mode: off\n"
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    show_server_banner(True, "hello:app")
    assert capsys.readouterr().out == ""


def test_urls_name_every_address_from_inside_and_outside() -> None:
    with socket.create_server(("0.0.0.0", 0)) as sock:
        port = sock.getsockname()[1]
        inside, outside = urls(sock, "http")
    assert inside == f"http://127.0.0.1:{port}"
    assert outside.startswith("http://") and "0.0.0.0" not in outside


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_the_port_is_seen_where_werkzeugs_server_binds(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """As Flask-Testing's LiveServerTestCase looks for it."""
    seen: list[int] = []
    bind = socketserver.TCPServer.server_bind

    def watched(self: socketserver.TCPServer) -> None:
        bind(self)
        seen.append(self.socket.getsockname()[1])

    monkeypatch.setattr(socketserver.TCPServer, "server_bind", watched)
    try:
        [listener] = listen(addresses(host, 0), 10)
    except SystemExit:
        if ":" in host and not socket.has_ipv6:
            pytest.skip("no IPv6")
        raise
    with listener:
        assert seen == [listener.getsockname()[1]]
        assert not listener.getblocking()
        with socket.create_connection((host.strip("[]"), seen[0]), timeout=5):
            pass


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="'static_files'"):
        serving.run(t.cast(t.Any, None), threaded=True, static_files={})


# --- Requests ---------------------------------------------------------------------------------


class App:
    """An ASGI app that notes what happens to it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                self.events.append(event)
                await send({"type": f"lifespan.{event}.complete"})
            return
        if scope["path"] == "/boom":
            raise ValueError("oh no")
        if scope["path"] == "/wait":
            self.entered.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.events.append("cancelled")
                raise
            self.events.append("went on")
        body = scope["http_version"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Running(t.NamedTuple):
    app: App
    url: str
    port: int
    stop: asyncio.Event
    task: asyncio.Task[None]


@contextlib.asynccontextmanager
async def running(
    certificate: t.Any = (None, None), grace: float = 5.0, most: int | None = None
) -> t.AsyncIterator[Running]:
    app, stop, config = App(), asyncio.Event(), ServerConfig()
    config.logger_class = AccessLog
    config.accesslog = config.errorlog = create_serving_logger()
    config.graceful_timeout = grace
    config.max_connections = most
    config.set_certificate(certificate)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config.listeners, port = [sock], sock.getsockname()[1]
        task = asyncio.create_task(serve(app, config, stop.wait))
        scheme = "https" if config.ssl_enabled else "http"
        try:
            yield Running(app, f"{scheme}://127.0.0.1:{port}", port, stop, task)
        finally:
            stop.set()
            await asyncio.wait_for(task, PATIENCE)


async def test_connections_are_kept_alive() -> None:
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(3) == b"1.1"
        writer.close()
        await writer.wait_closed()


async def test_http2_without_tls() -> None:
    async with running() as server, httpx.AsyncClient(http1=False, http2=True) as client:
        response = await client.get(server.url)
    assert (response.http_version, response.text) == ("HTTP/2", "2")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate file and its key file."""
    pytest.importorskip("cryptography")
    folder = tmp_path_factory.mktemp("certificate")
    return make_ssl_devcert(str(folder / "dev"), host="localhost")


@pytest.mark.parametrize("http2", [True, False])
async def test_alpn_chooses_http2(files: tuple[str, str], http2: bool) -> None:
    async with (
        running(certificate=files) as server,
        httpx.AsyncClient(http2=http2, verify=False) as client,
    ):
        response = await client.get(server.url)
    assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")


async def test_context_of_ones_own(files: tuple[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    async with running(certificate=context) as server:
        async with httpx.AsyncClient(verify=False) as client:
            assert (await client.get(server.url)).text == "1.1"


def test_certificate_and_key_in_one_file() -> None:
    config = ServerConfig()
    config.set_certificate(("both.pem", None))
    assert (config.certfile, config.keyfile, config.ssl_enabled) == ("both.pem", "both.pem", True)


async def test_errors_of_the_app_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server, httpx.AsyncClient() as client:
        assert (await client.get(f"{server.url}/boom")).status_code == 500
    assert "ValueError: oh no" in caplog.text


async def test_access_log_escapes_what_clients_send(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /a%0Ab?c=%1b[2J HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
    [line] = [r.getMessage() for r in caplog.records if "HTTP/1.1" in r.getMessage()]
    assert line.startswith('127.0.0.1 "GET /a%0Ab?c=%1b[2J HTTP/1.1" 200 ')

    caplog.clear()
    config = ServerConfig()
    config.accesslog = create_serving_logger()
    scope = {"client": None, "query_string": b"", "raw_path": b"/\n\x1b\xff", "http_version": "2"}
    await AccessLog(config).access(t.cast(t.Any, scope), None, 0.0015)
    assert caplog.messages == [r'- "WEBSOCKET /\n\x1b\xff HTTP/2" - 1.5ms']


# --- Bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, True])
async def test_what_is_one_too_many_is_refused(http2: bool) -> None:
    async with running(most=1) as server:
        async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
            first = asyncio.create_task(client.get(f"{server.url}/wait"))
            await asyncio.wait_for(server.app.entered.wait(), PATIENCE)
            refused = await client.get(server.url)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            server.app.go_on.set()
            assert (await first).status_code == 200
            assert (await client.get(server.url)).status_code == 200


async def test_a_websocket_too_many_is_closed() -> None:
    answered = {"websocket.http.response": {}}  # type: ignore[var-annotated]
    for extensions, types in (({}, ["close"]), (answered, ["start", "body"])):
        sent: list[t.Any] = []

        async def receive() -> t.Any:
            return {"type": "websocket.connect"}

        async def send(message: t.Any, sent: list[t.Any] = sent) -> None:
            sent.append(message)

        await _servers._refuse({"type": "websocket", "extensions": extensions}, receive, send)
        assert [message["type"].rpartition(".")[2] for message in sent] == types


LIMITED = """
from quartish import Flask, request

app = Flask("app")

@app.post("/")
def size():
    return str(len(request.get_data()))

app.config["BODY_TIMEOUT"] = 1
app.run(port=0)
"""


def drip(port: int, head: bytes, drop: bytes, seconds: float) -> tuple[bytes, float]:
    """Send a head, and then a drop each 0.2 seconds; return what came, and when it was over."""
    began = time.monotonic()
    data = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.2) as sock:
        sock.sendall(head)
        while time.monotonic() - began < seconds:
            try:
                chunk = sock.recv(65536)
            except TimeoutError:
                if drop:
                    with contextlib.suppress(OSError):
                        sock.sendall(drop)
            except OSError:
                break
            else:
                if not chunk:
                    break
                data += chunk
    return data, time.monotonic() - began


def test_slow_clients_are_cut_off(start: Start) -> None:
    """Heads that come byte by byte, and bodies that do not come."""
    program = start("", LIMITED)
    port = int(program.url().rpartition(":")[2])
    data, seconds = drip(port, b"POST / HTTP/1.1\r\nHost: x\r\nX: ", b"a", 15)
    assert (data, seconds) == (b"", pytest.approx(serving.LIMITS["keep_alive_timeout"], abs=4))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"
    data, seconds = drip(port, head, b"", 15)
    assert data.startswith(b"HTTP/1.1 408") and seconds < 12
    for path, line, status in ((b"/", b"a" * 40_000, b"431"), (b"/" + b"a" * 20_000, b"", b"414")):
        head = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: %b\r\n\r\n" % (path, line)
        data, _ = drip(port, head, b"", 10)
        assert data.startswith(b"HTTP/1.1 " + status), data[:100]
    data, _ = drip(port, b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000, b"", 10)
    assert not data.startswith(b"HTTP/1.1 2") and not data.startswith(b"HTTP/1.1 5")


# --- The end ----------------------------------------------------------------------------------


async def test_requests_may_end_before_the_lifespan_does() -> None:
    async with running() as server, httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"{server.url}/wait"))
        await asyncio.wait_for(server.app.entered.wait(), PATIENCE)
        server.stop.set()
        await asyncio.sleep(0.1)
        assert not server.task.done()
        server.app.go_on.set()
        assert (await request).status_code == 200
        await asyncio.wait_for(server.task, PATIENCE)
    assert server.app.events == ["startup", "went on", "shutdown"]


@pytest.mark.parametrize("http2", [False, True])
async def test_requests_that_do_not_end_are_cancelled(http2: bool) -> None:
    async with running(grace=0.2) as server:
        async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
            request = asyncio.create_task(client.get(f"{server.url}/wait"))
            await asyncio.wait_for(server.app.entered.wait(), PATIENCE)
            server.stop.set()
            await asyncio.wait_for(server.task, PATIENCE)
            with contextlib.suppress(httpx.HTTPError):
                assert (await request).status_code == 500
    assert server.app.events == ["startup", "cancelled", "shutdown"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_gracefully(start: Start, signum: int) -> None:
    program = start("run(app, port=0); print('returned')")
    url = program.url()
    answers: list[httpx.Response] = []
    request = threading.Thread(target=lambda: answers.append(get(f"{url}/slow")))
    request.start()
    program.wait_for("slow\n")
    assert program.end(signum) == 0, program.output
    request.join()
    assert answers[0].text == str(program.process.pid)
    assert "Traceback" not in program.output
    assert program.output.index("/slow HTTP") < program.output.index("shutdown ")
    assert "returned\n" in program.output


def test_sigint_that_comes_twice_at_once(start: Start) -> None:
    """The second finds the server on its way down: the program sends it, as nobody else can tell
    when that is."""
    shuts_down = "            print(event, os.getpid(), flush=True)\n"
    assert SCRIPT.count(shuts_down) == 1
    twice = """\
            if event == "shutdown":
                os.kill(os.getpid(), 2)
                await asyncio.sleep(0.05)
"""
    program = start(script=SCRIPT.replace(shuts_down, twice + shuts_down))
    program.wait_for("startup ")
    assert program.end(signal.SIGINT) == 0, program.output
    assert "shutdown " in program.output


# --- What can go wrong ------------------------------------------------------------------------


def test_address_that_is_taken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = start(f"run(app, port={port})")
        assert program.wait() == 1
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use." in program.output
    assert "Traceback" not in program.output


REFUSES = """
from quartish.serving import run

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})

"""


def test_app_that_refuses_to_start(start: Start) -> None:
    program = start(script=REFUSES)
    assert program.wait() == 1
    assert "Error: Lifespan failure in startup. 'no database'" in program.output
    assert "Traceback" not in program.output


# --- Other ways of running --------------------------------------------------------------------


def test_adhoc_certificate(start: Start) -> None:
    pytest.importorskip("cryptography")
    program = start("run(app, port=0, ssl_context='adhoc')")
    url = program.url()
    assert url.startswith("https://")
    program.wait_for("startup ")
    assert get(url, verify=False).text == str(program.process.pid)
    assert program.end() == 0


def test_unix_socket(start: Start, tmp_path: Path) -> None:
    program = start("run(app, 'unix:app.sock')")
    assert program.url() == "unix:app.sock"
    transport = httpx.HTTPTransport(uds=str(tmp_path / "app.sock"))
    with httpx.Client(transport=transport) as client:
        assert client.get("http://x/").text == str(program.process.pid)


def test_outside_the_main_thread(start: Start) -> None:
    program = start(
        """
        import threading
        threading.Thread(target=run, args=(app,), kwargs={"port": 0}, daemon=True).start()
        time.sleep(60)
        """
    )
    assert get(program.url()).text == str(program.process.pid)


# --- Reloading --------------------------------------------------------------------------------

RELOADING = "run(app, port=0, debug=True, use_reloader=True, reloader_interval=0.1)\n"


def test_reloader_restarts_for_a_changed_file(start: Start, tmp_path: Path) -> None:
    program = start(RELOADING)
    url, first = program.url(), program.wait_for("startup ")
    assert first != str(program.process.pid)
    assert get(url).text == first

    later = time.time() + 10
    os.utime(tmp_path / "program.py", (later, later))
    program.wait_for("Restarting\n")
    # The address was never given up: the request waits for the new process.
    second = get(url).text
    assert second not in (first, str(program.process.pid))
    assert program.output.index(f"shutdown {first}") < program.output.index(f"startup {second}")
    assert program.output.count("Running on") == 1

    assert program.end() == 0, program.output
    assert f"shutdown {second}" in program.output
    assert "Traceback" not in program.output


@pytest.mark.slow
def test_reloader_watches_extra_files(start: Start, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("")
    (tmp_path / "ignored.py").write_text("")
    watching = "extra_files=['settings.toml'], exclude_patterns=['*/ignored.py']"
    program = start(RELOADING.replace(")", f", {watching})"))
    program.wait_for("startup ")
    later = time.time() + 10
    os.utime(tmp_path / "ignored.py", (later, later))
    time.sleep(0.5)
    assert "Detected change" not in program.output
    os.utime(tmp_path / "settings.toml", (later, later))
    assert program.wait_for("Detected change in ").strip("',") == str(tmp_path / "settings.toml")
    program.wait_for("startup ", times=2)


def test_reloader_waits_when_the_app_refuses_to_start(start: Start, tmp_path: Path) -> None:
    program = start(RELOADING, script=REFUSES)
    program.wait_for("Waiting for a file to change.")
    (tmp_path / "program.py").write_text(SCRIPT + RELOADING)
    later = time.time() + 10
    os.utime(tmp_path / "program.py", (later, later))
    program.wait_for("startup ")


@pytest.mark.slow
def test_reload_does_not_wait_for_blocked_threads(start: Start, tmp_path: Path) -> None:
    script = f"""
import quartish._serving.parent
quartish._serving.parent.RELOAD_PATIENCE = 0.2
{SCRIPT}
import threading
if os.environ.get("WERKZEUG_RUN_MAIN") and not os.path.exists("blocked"):
    open("blocked", "w").close()
    threading.Thread(target=time.sleep, args=(60,)).start()
"""
    program = start(RELOADING, script)
    program.wait_for("startup ")
    later = time.time() + 10
    os.utime(tmp_path / "program.py", (later, later))
    program.wait_for("startup ", times=2)
    assert program.end() == 0


# --- What is taken from inside Hypercorn --------------------------------------------------------


def test_hypercorn_calls_nothing_that_its_logger_has_and_ours_lacks() -> None:
    known = {name for name in vars(Logger) if not name.startswith("_")} - {"atoms"}
    assert not known - set(dir(AccessLog))


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical", "exception"])
async def test_errors_go_to_the_error_log(level: str, caplog: pytest.LogCaptureFixture) -> None:
    config = ServerConfig()
    await getattr(AccessLog(config), level)("into the void")
    config.errorlog = create_serving_logger()
    caplog.set_level("DEBUG", config.errorlog.name)
    try:
        raise ValueError("ill")
    except ValueError:
        await getattr(AccessLog(config), level)("this %s", "one")
    [record] = caplog.records
    assert record.getMessage() == "this one"
    assert record.levelname == ("ERROR" if level == "exception" else level.upper())
    assert bool(record.exc_info) == (level == "exception")


def test_settings_are_hypercorns_by_name() -> None:
    names = set(t.get_type_hints(ServerConfig)) - {
        "listeners",
        "ssl_context",
        "max_connections",
        "server",
    }
    names -= {"websockets_wait", "is_followed"}
    names |= set(serving.LIMITS)
    assert not {name for name in names if not hasattr(Config, name)}
    config = ServerConfig()
    config.bind, config.ca_certs, config.graceful_timeout = ["localhost:1"], "ca.pem", 7.0
    config.keep_alive_timeout = 9  # type: ignore[attr-defined]  # one that we do not name
    theirs = config.to_hypercorn()
    assert (theirs.bind, theirs.ca_certs) == (["localhost:1"], "ca.pem")
    assert (theirs.graceful_timeout, theirs.keep_alive_timeout) == (7.0, 9)
    # What is not set is as Hypercorn has it.
    assert theirs.errorlog == Config.errorlog and theirs.logger_class is Config.logger_class
    assert ServerConfig.graceful_timeout == Config.graceful_timeout
