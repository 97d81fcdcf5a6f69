"""The two doors, told apart: what comes by the wrong one is told what to write instead."""

from __future__ import annotations

import functools
import os
import re
import socket
import subprocess
import sys
import time
import types
import typing as t
from pathlib import Path

import httpx
import pytest
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.middleware.shared_data import SharedDataMiddleware

from quartish import Flask
from quartish import middleware
from quartish import Quart
from quartish import serving
from quartish.cli import NoAppException
from quartish.cli import ScriptInfo
from tests._peer import ask

ROOT = Path(__file__).parents[2]
SCOPE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
ENVIRON = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
INSIDE = "`app.wsgi_app = ProxyFix(app.wsgi_app)`"


async def receive() -> t.Any: ...


async def send(message: t.Any) -> None: ...


def start_response(status: str, headers: t.Any) -> t.Any: ...


def nothing(*args: t.Any) -> t.Any: ...


# --- calls ----------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [(SCOPE,), (SCOPE, receive), (SCOPE, receive, send)])
def test_wsgi_app_called_as_asgi(args: t.Any) -> None:
    app = Flask("hello")
    with pytest.raises(TypeError) as raised:
        app.wsgi_app(*args)
    said = str(raised.value)
    assert "<Flask 'hello'> was called as a WSGI app, but with an ASGI scope ('http')" in said
    assert "`app.wsgi_app = Middleware(app.wsgi_app)`" in said
    assert ("--interface" in said) == (len(args) == 1)


def test_the_awaitable_app_has_no_place_for_wsgi_middleware() -> None:
    with pytest.raises(TypeError, match="<Quart 'hello'> was called as a WSGI app") as raised:
        Quart("hello").wsgi_app(SCOPE, receive, send)  # type: ignore[call-arg]
    assert "Middleware" not in str(raised.value)


def test_an_asgi_2_call(colour: type[t.Any]) -> None:
    with pytest.raises(TypeError, match="one argument in all.*ASGI 2"):
        colour("hello")(SCOPE)


def test_a_wsgi_call_without_start_response() -> None:
    app = Flask("hello")
    for call in (app, app.wsgi_app):
        with pytest.raises(TypeError, match=r"environ, one argument.*app\(environ, start_resp"):
            call(ENVIRON)  # type: ignore[call-arg, operator]
    with pytest.raises(TypeError, match="called with 0 arguments: ASGI calls"):
        app.wsgi_app()  # type: ignore[call-arg]


@pytest.mark.parametrize("first", [ENVIRON, None, 3])
async def test_three_arguments_without_a_scope(first: t.Any, colour: type[t.Any]) -> None:
    with pytest.raises(TypeError, match=r"WSGI (calls )?`app\(environ, start_response\)`"):
        await colour("hello")(first, receive, send)


def test_wsgi_app_takes_its_arguments_by_name() -> None:
    app = Flask("hello")
    app.add_url_rule("/", "index", lambda: "found")
    environ = {"wsgi.url_scheme": "http", "HTTP_HOST": "localhost", **ENVIRON}
    body = app.wsgi_app(start_response=nothing, environ=environ)
    assert b"".join(body) == b"found"


# --- patches of __call__ --------------------------------------------------------------------


class Wrapped:
    """What wrapping libraries make: it looks like what it wraps, and passes on what comes."""

    def __init__(self, wrapped: t.Any, wrapper: t.Any) -> None:
        functools.update_wrapper(self, wrapped)
        self.wrapper = wrapper

    def __get__(self, obj: t.Any, owner: t.Any = None) -> t.Any:
        return functools.partial(self, obj)

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        return self.wrapper(self.__wrapped__, args[0], args[1:], kwargs)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["named", "whatever comes", "an object"])
async def test_a_tools_wrapper_of_call_sees_wsgi(kind: str) -> None:
    seen: list[str] = []

    class Sub(Flask):
        pass

    call = Sub.__call__

    @functools.wraps(call)
    def named(self: t.Any, environ: t.Any, start_response: t.Any) -> t.Any:
        seen.append(environ["PATH_INFO"])
        return call(self, environ, start_response)

    @functools.wraps(call)
    def whatever(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        environ, start_response = args
        return named(self, environ, start_response)

    def with_args(wrapped: t.Any, instance: t.Any, args: t.Any, kwargs: t.Any) -> t.Any:
        environ, start_response = args
        return named(instance, environ, start_response)

    app = Sub("hello")
    app.add_url_rule("/ada", "ada", lambda: "ada")
    wrappers = {"named": named, "whatever comes": whatever, "an object": Wrapped(call, with_args)}
    Sub.__call__ = wrappers[kind]  # type: ignore[assignment, method-assign]
    assert (await ask(app, "/ada")).text == "ada"
    assert app.test_client().get("/ada").text == "ada"
    assert seen == ["/ada", "/ada"]
    async with app.test_app():  # lifespan does not pass through it
        pass
    with pytest.raises(TypeError, match="one argument in all"):
        app(SCOPE)


async def test_an_async_wrapper_of_call_sees_asgi() -> None:
    seen: list[str] = []

    class Sub(Flask):
        pass

    call = Sub.__call__

    @functools.wraps(call)
    async def patched(self: t.Any, *args: t.Any) -> None:
        seen.append(args[0]["path"])
        await call(self, *args)

    Sub.__call__ = patched  # type: ignore[assignment, method-assign]
    app = Sub("hello")
    app.add_url_rule("/ada", "ada", lambda: "ada")
    assert (await ask(app, "/ada")).text == "ada"
    assert seen == ["/ada"]


# --- middleware -------------------------------------------------------------------------------


def test_wsgi_middleware_at_the_asgi_door(colour: type[t.Any]) -> None:
    app = colour("hello")
    with pytest.raises(TypeError, match=re.escape(INSIDE)) as raised:
        app.asgi_app = ProxyFix(app.asgi_app)
    assert f"`asgi_app` of {app!r} was set to werkzeug.middleware" in str(raised.value)
    assert "asgi_app" not in vars(app)


def test_asgi_middleware_at_the_wsgi_door() -> None:
    app = Flask("hello")
    cure = re.escape("`app.asgi_app = ProxyFix(app.asgi_app)`")
    with pytest.raises(TypeError, match=cure):
        app.wsgi_app = middleware.ProxyFix(t.cast(t.Any, app))  # type: ignore

    async def around(scope: t.Any, receive: t.Any, send: t.Any) -> None: ...

    with pytest.raises(TypeError, match=r"`app.asgi_app = Middleware\(app.asgi_app\)`"):
        app.wsgi_app = around  # type: ignore


async def test_what_may_be_meant_either_way_is_let_through() -> None:
    app = Flask("hello")
    app.add_url_rule("/", "index", lambda: "found")
    wsgi_app, asgi_app = app.wsgi_app, app.asgi_app

    @functools.wraps(wsgi_app)
    def whatever(*args: t.Any) -> t.Any:
        return wsgi_app(*args)

    @functools.wraps(wsgi_app)  # of the wrong one
    async def around(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await asgi_app(scope, receive, send)

    app.wsgi_app = whatever  # type: ignore
    app.asgi_app = around  # type: ignore
    assert (await ask(app)).text == "found"
    app.asgi_app = middleware.FromWSGI(wsgi_app)  # type: ignore
    assert (await ask(app)).text == "found"
    app.wsgi_app = dict  # type: ignore  # built in: it does not say what it takes


# --- serving ----------------------------------------------------------------------------------


async def test_serving_a_middleware_around_the_app() -> None:
    app = ProxyFix(Flask("hello"))
    for serve in (serving.run, lambda app: next(serving.serve(app, None).__await__())):  # type: ignore
        with pytest.raises(TypeError, match=re.escape(INSIDE)) as raised:
            serve(app)  # type: ignore[arg-type]
        assert "werkzeug.middleware.proxy_fix.ProxyFix cannot be served" in str(raised.value)


def module(**names: t.Any) -> str:
    """Put a module in place and return its name."""
    name = "quartish_test_doors"
    sys.modules[name] = made = types.ModuleType(name)
    vars(made).update(names)
    return name


@pytest.fixture(autouse=True)
def remove_module() -> t.Iterator[None]:
    yield
    sys.modules.pop("quartish_test_doors", None)


@pytest.mark.parametrize("path", ["", ":app"])
@pytest.mark.parametrize("how", ["app", "app.wsgi_app", "nested", "asgi"])
def test_the_command_line_names_a_middleware(how: str, path: str) -> None:
    app = Flask("hello")
    around: t.Any = {
        "app": lambda: ProxyFix(app),
        "app.wsgi_app": lambda: ProxyFix(app.wsgi_app),
        "nested": lambda: ProxyFix(SharedDataMiddleware(app, {})),
        "asgi": lambda: middleware.ProxyFix(app),
    }[how]()
    door = "asgi_app" if how == "asgi" else "wsgi_app"
    with pytest.raises(NoAppException) as raised:
        ScriptInfo(module(app=around) + path).load_app()
    said = str(raised.value)
    assert f"Write 'app.{door} = ProxyFix(app.{door})' instead, and keep 'app'." in said
    assert f":app' is {type(around).__module__}.ProxyFix around <Flask 'hello'>" in said


def test_other_things_that_are_no_app_are_no_middleware() -> None:
    for thing in (object(), nothing, type, ProxyFix(start_response)):  # type: ignore[arg-type]
        with pytest.raises(NoAppException, match="is no application"):
            ScriptInfo(f"{module(app=thing)}:app").load_app()


HELLO = """\
import functools

from quartish import Flask

app = Flask("hello")


@functools.wraps(app)
def traced(*args):
    return app.wsgi_app(*args)
"""


@pytest.mark.parametrize("name", ["app.wsgi_app", "traced"])
def test_uvicorn_takes_it_for_asgi_2(name: str, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--port", str(port), f"hello:{name}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert status_of(f"http://127.0.0.1:{port}/", server) == 500
        finally:
            server.terminate()
            _, said = server.communicate(timeout=20)
    assert "<Flask 'hello'> was called as a WSGI app, but with an ASGI scope ('http')" in said
    assert "give the server the app itself" in said


def status_of(url: str, server: subprocess.Popen[str]) -> int:
    for _ in range(200):
        assert server.poll() is None, server.communicate()
        try:
            return httpx.get(url).status_code
        except httpx.ConnectError:
            time.sleep(0.05)
    raise TimeoutError(url)
