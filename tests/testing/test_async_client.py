"""The asynchronous test client, against real apps of both colours and against plain ASGI."""

from __future__ import annotations

import asyncio
import io
import typing as t

import pytest
from werkzeug.datastructures import Authorization
from werkzeug.datastructures import Headers
from werkzeug.datastructures import MultiDict
from werkzeug.test import ClientRedirectError
from werkzeug.test import TestResponse

import quartish
from quartish import redirect
from quartish import request
from quartish import session
from quartish import websocket
from quartish.datastructures import FileStorage
from quartish.helpers import make_push_promise
from quartish.sessions import SessionInterface
from quartish.testing.app import LifespanError
from quartish.testing.app import TestApp
from quartish.testing.client import QuartClient
from quartish.testing.connections import HTTPDisconnectError
from quartish.testing.connections import WebsocketDisconnectError
from quartish.testing.connections import WebsocketResponseError
from quartish.testing.utils import make_test_body_with_headers
from quartish.testing.utils import make_test_headers_path_and_query_string
from quartish.testing.utils import make_test_scope
from quartish.testing.utils import no_op_push
from quartish.wrappers.awaitable_response import Response
from tests._peer import settled


@pytest.fixture
def app(colour: t.Any) -> t.Any:
    app = colour(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.secret_key = "secret"

    @app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
    async def echo() -> t.Any:
        return {
            "method": request.method,
            "url": request.url,
            "args": request.args.to_dict(flat=False),
            "form": (await settled(request.form)).to_dict(flat=False),
            "files": {
                name: [file.filename, file.read().decode()]
                for name, file in (await settled(request.files)).items()
            },
            "json": await settled(request.get_json(silent=True)),
            "headers": dict(request.headers),
            "remote_addr": request.remote_addr,
        }

    return app


@pytest.fixture
def client(app: t.Any) -> QuartClient:
    return t.cast(QuartClient, app.async_test_client())


# --- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "trace"])
async def test_methods(app: t.Any, client: QuartClient, method: str) -> None:
    response = await getattr(client, method)("/echo")
    assert isinstance(response, TestResponse if app.plain else Response)
    assert (await settled(response.json))["method"] == method.upper()


async def test_options_and_head(app: t.Any, client: QuartClient) -> None:
    assert (await settled((await client.options("/echo")).json))["method"] == "OPTIONS"
    response = await client.head("/echo")
    assert response.status_code == 200 and response.content_length
    # In Quart it is the server that leaves the body out, and its client is none.
    assert bool(await settled(response.data)) is not app.plain


async def test_arguments_of_the_url(client: QuartClient) -> None:
    for path, kwargs in [
        ("/echo?a=1&a=2&b=%C3%A9", {}),
        ("/echo?a=1&a=2&b=é", {}),
        ("/echo", {"query_string": {"a": [1, 2], "b": "é", "c": None}}),
        ("/echo", {"query_string": MultiDict([("a", "1"), ("a", "2"), ("b", "é")])}),
        ("/echo", {"query_string": "a=1&a=2&b=%C3%A9"}),
        ("echo", {"query_string": "a=1&a=2&b=%C3%A9"}),
    ]:
        seen = await settled((await client.get(path, **kwargs)).json)  # type: ignore[arg-type]
        assert seen["args"] == {"a": ["1", "2"], "b": ["é"]}
    with pytest.raises(ValueError, match="twice"):
        await client.get("/echo?a=1", query_string={"a": 1})


async def test_bodies(client: QuartClient) -> None:
    seen = await settled((await client.post("/echo", form={"a": ["1", "2"], "b": "é"})).json)
    assert seen["form"] == {"a": ["1", "2"], "b": ["é"]}
    assert int(seen["headers"]["Content-Length"]) == len("a=1&a=2&b=%C3%A9")

    file = FileStorage(io.BytesIO(b"text"), "f.txt")
    seen = await settled((await client.post("/echo", form={"a": 1}, files={"f": file})).json)
    assert seen["form"] == {"a": ["1"]} and seen["files"] == {"f": ["f.txt", "text"]}

    for value in ({"a": [1]}, None, "é"):
        assert (await settled((await client.post("/echo", json=value)).json))["json"] == value

    kind = {"Content-Type": "application/json"}
    for data in ("[1]", b"[1]"):
        seen = await settled((await client.post("/echo", data=data, headers=kind)).json)
        assert seen["json"] == [1]
    other = {"Content-Type": "application/vnd.api+json"}
    seen = await settled((await client.post("/echo", json=[1], headers=other)).json)
    assert seen["headers"]["Content-Type"] == "application/vnd.api+json" and seen["json"] == [1]


async def test_bodies_that_cannot_be(client: QuartClient) -> None:
    with pytest.raises(ValueError, match="made of"):
        await client.post("/echo", data="a", json=1)
    with pytest.raises(ValueError, match="made of"):
        await client.post("/echo", form={}, json=1)
    told: t.Any = pytest.raises(TypeError, match="fields are given as 'form'")
    if not client.app.plain:  # Quart sends nothing, and says nothing
        told = pytest.warns(UserWarning, match="Nothing is sent: .* fields are given as 'form'")
    with told:
        response = await client.post("/echo", data={"a": 1})  # type: ignore[arg-type]
    if not client.app.plain:
        assert (await settled(response.json))["form"] == {}


async def test_headers_and_where_the_request_goes(app: t.Any, client: QuartClient) -> None:
    given = Headers({"X-A": "1"})
    seen = await settled((await client.get("/echo", headers=given, auth=("me", "pass"))).json)
    assert seen["headers"]["X-A"] == "1" and seen["headers"]["User-Agent"] == "Quart"
    assert Authorization.from_header(seen["headers"]["Authorization"]).password == "pass"  # type: ignore[union-attr]
    assert len(given) == 1  # ours to read only
    assert seen["url"] == "http://localhost/echo"
    assert seen["remote_addr"] == ("127.0.0.1" if app.plain else "<local>")
    assert seen["headers"].get("Remote-Addr") == (None if app.plain else "<local>")

    app.config["SERVER_NAME"] = "example.org"
    api = {"subdomain": "api"} if app.plain else {"headers": {"Host": "example.org"}}
    seen = await settled((await client.get("/echo", **api, scheme="https")).json)
    assert seen["url"] == f"https://{'api.' if app.plain else ''}example.org/echo"

    seen = await settled((await client.get("/root/echo", root_path="/root")).json)
    assert seen["url"] == "http://example.org/root/echo"
    seen = await settled((await client.get("/echo", scope_base={"client": ("1.2.3.4", 5)})).json)
    assert seen["remote_addr"] == "1.2.3.4"


async def test_what_the_app_raises_is_raised_here(app: t.Any, client: QuartClient) -> None:
    @app.get("/fail")
    async def fail() -> str:
        raise LookupError("the view's own")

    with pytest.raises(LookupError, match="the view's own"):
        await client.get("/fail")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert (await client.get("/fail")).status_code == 500


async def test_the_response_class_is_the_apps(app: t.Any) -> None:
    class Own(app.response_class):  # type: ignore[misc, name-defined]
        pass

    app.response_class = Own
    response = await app.async_test_client().get("/echo")
    assert isinstance(response, Own)
    assert response.json_module is app.json


async def test_push_promises(app: t.Any) -> None:
    if app.plain:
        pytest.skip("push promises are Quart's")

    @app.get("/push")
    async def push() -> str:
        await make_push_promise("/style.css")
        return ""

    client = app.test_client()
    await client.get("/push", http_version="2", headers={"Accept": "text/html"})
    ((path, headers),) = client.push_promises
    assert path == "/style.css" and headers["accept"] == "text/html"
    await client.get("/push")
    assert client.push_promises == []


# --- redirects ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "method", "followed", "form"),
    [
        (301, "POST", "GET", {}),
        (302, "PUT", "GET", {}),
        (303, "DELETE", "GET", {}),
        (302, "GET", "GET", {}),
        (307, "POST", "POST", {"a": ["1"]}),
        (308, "PUT", "PUT", {"a": ["1"]}),
    ],
)
async def test_redirects_are_followed_as_browsers_do(
    app: t.Any, client: QuartClient, code: int, method: str, followed: str, form: t.Any
) -> None:
    @app.route("/go", methods=[method])
    async def go() -> t.Any:
        return redirect("/echo?x=é", code)

    response = await client.open("/go", method=method, form={"a": "1"})
    assert response.status_code == code and response.location == "/echo?x=%C3%A9"
    response = await client.open("/go", method=method, form={"a": "1"}, follow_redirects=True)
    seen = await settled(response.json)
    assert seen["method"] == followed and seen["form"] == form and seen["args"] == {"x": ["é"]}
    assert ("Content-Length" in seen["headers"]) is bool(form)


@pytest.mark.parametrize("target", ["echo", "//localhost/echo", "http://localhost/echo"])
async def test_redirects_of_every_form(app: t.Any, client: QuartClient, target: str) -> None:
    @app.get("/go")
    async def go() -> t.Any:
        return "", 302, {"Location": target}

    seen = await settled((await client.get("/go", follow_redirects=True)).json)
    assert seen["url"] == "http://localhost/echo"


async def test_redirects_that_cannot_be_followed(app: t.Any, client: QuartClient) -> None:
    @app.get("/circle")
    async def circle() -> t.Any:
        return redirect("/circle")

    @app.get("/out")
    async def out() -> t.Any:
        return redirect("https://elsewhere.example/")

    with pytest.raises(ClientRedirectError, match="/circle"):
        await client.get("/circle", follow_redirects=True)
    with pytest.raises(RuntimeError, match="elsewhere.example"):
        await client.get("/out", follow_redirects=True)


# --- cookies and sessions -----------------------------------------------------------------------


async def test_cookies_are_kept_and_sent_where_they_belong(app: t.Any, client: QuartClient) -> None:
    @app.get("/set/<value>")
    async def set_(value: str) -> t.Any:
        response = await settled(quartish.make_response(""))
        response.set_cookie("a", value, secure=True)
        response.set_cookie("deep", "1", path="/deep")
        return response

    @app.get("/cookies")
    @app.get("/deep/cookies")
    async def cookies() -> t.Any:
        return dict(request.cookies)

    @app.get("/unset")
    async def unset() -> t.Any:
        response = await settled(quartish.make_response(""))
        response.delete_cookie("a")
        return response

    value = 'ü "quoted"; x=1'
    await client.get(f"/set/{value}")
    everywhere = {} if app.plain else {"deep": "1"}  # Quart's client sends all of them
    assert await settled((await client.get("/cookies")).json) == {"a": value, **everywhere}
    assert await settled((await client.get("/deep/cookies")).json) == {"a": value, "deep": "1"}
    cookie = client.get_cookie("a")
    assert cookie is not None and cookie.decoded_value == value and cookie.secure
    assert client.get_cookie("deep", path="/deep") is not None
    assert [cookie.name for cookie in client.cookie_jar or ()] == ["a", "deep"]
    await client.get("/unset")
    assert await settled((await client.get("/cookies")).json) == everywhere
    assert await settled((await app.async_test_client().get("/deep/cookies")).json) == {}


async def test_cookies_set_by_hand(app: t.Any, client: QuartClient) -> None:
    @app.get("/cookies")
    async def cookies() -> t.Any:
        return dict(request.cookies)

    async def seen(**kwargs: t.Any) -> t.Any:
        return await settled((await client.get("/cookies", **kwargs)).json)

    client.set_cookie("localhost", "quart", "1")
    client.set_cookie("werkzeug", "2")
    client.set_cookie(server_name="localhost", key="named", value="3")
    client.set_cookie("other.org", "far", "4")
    client.set_cookie("wide", "5", domain="example.org", origin_only=False)
    here = {"quart": "1", "werkzeug": "2", "named": "3", "far": "4"}
    wide = {"wide": "5"}
    everywhere = {} if app.plain else wide  # Quart's client sends all of them
    assert await seen() == {**here, **everywhere}
    there = await seen(headers={"Host": "a.example.org"})
    assert there == (wide if app.plain else {**here, **wide})
    client.delete_cookie("wide", domain="example.org")
    client.delete_cookie("localhost", "quart")
    client.delete_cookie("werkzeug")
    assert await seen() == {"named": "3", "far": "4"}
    client.set_cookie(None, "A", "v")  # type: ignore[call-overload]
    assert (await seen())["A"] == "v"
    client.delete_cookie(None, "A", path="/", domain=None)
    client.delete_cookie("other.org", "far")
    assert await seen() == {"named": "3"}


async def test_without_cookies(app: t.Any) -> None:
    client = app.async_test_client(use_cookies=False)
    for use in (
        lambda: client.get_cookie("a"),
        lambda: client.set_cookie("a", "1"),
        lambda: client.delete_cookie("a"),
    ):
        with pytest.raises(TypeError, match="use_cookies=True"):
            use()
    error = TypeError if app.plain else RuntimeError  # as in Flask and Quart
    with pytest.raises(error, match="use_cookies=True"):
        async with client.session_transaction():
            pass


async def test_sessions(app: t.Any, client: QuartClient) -> None:
    @app.get("/count")
    async def count() -> t.Any:
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    assert await settled((await client.get("/count")).data) == b"1"
    async with client.session_transaction() as stored:
        assert stored["n"] == 1
        stored["n"] = 41
    assert await settled((await client.get("/count")).data) == b"42"


async def test_a_session_without_a_key(app: t.Any, client: QuartClient) -> None:
    app.secret_key = None
    with pytest.raises(RuntimeError, match="secret_key"):
        async with client.session_transaction():
            pass


async def test_a_session_interface_that_has_to_wait(app: t.Any) -> None:
    if app.plain:
        pytest.skip("awaited sessions are Quart's")
    store: dict[str, t.Any] = {}

    class Interface(SessionInterface):
        async def open_session(self, app: t.Any, request: t.Any) -> t.Any:
            await asyncio.sleep(0)
            return quartish.sessions.SecureCookieSession(store)

        async def save_session(self, app: t.Any, session: t.Any, response: t.Any) -> None:
            await asyncio.sleep(0)
            store.update(session)

    app.session_interface = Interface()
    client = app.test_client()
    async with client.session_transaction() as stored:
        stored["a"] = 1
    assert store == {"a": 1}


async def test_the_context_of_the_last_request_stays(app: t.Any, client: QuartClient) -> None:
    @app.get("/set/<value>")
    async def set_(value: str) -> str:
        session["value"] = value
        return value

    async with client:
        for value in ("a", "b"):
            await client.get(f"/set/{value}")
            assert request.path == f"/set/{value}" and session["value"] == value
        with pytest.raises(RuntimeError, match="nest"):
            async with client:
                pass
    assert not quartish.has_request_context()


# --- piece by piece -----------------------------------------------------------------------------


async def test_a_request_sent_and_received_in_pieces() -> None:
    app = quartish.Quart(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.post("/")
    async def upper() -> t.Any:
        async def generate() -> t.AsyncIterator[bytes]:
            async for chunk in request.body:  # type: ignore[attr-defined]
                yield chunk.upper()

        return generate(), 201, {"X-A": "1"}

    async with app.test_client().request("/", method="POST") as connection:
        await connection.send(b"a")
        assert await connection.receive() == b"A"
        assert connection.status_code == 201
        await connection.send(b"b")
        assert await connection.receive() == b"B"
        await connection.send_complete()
        assert await connection.receive() == b""
        with pytest.raises(HTTPDisconnectError):
            await connection.receive()
    response = await connection.as_response()
    assert response.status_code == 201 and response.headers["x-a"] == "1"


async def test_what_was_not_received_is_in_the_response(client: QuartClient) -> None:
    async with client.request("/echo", method="POST", headers={"X-A": "1"}) as connection:
        await connection.send(b"{}")
    response = await connection.as_response()
    assert (await settled(response.json))["headers"]["X-A"] == "1"


async def test_a_client_that_leaves(app: t.Any) -> None:
    ended = asyncio.Event()

    @app.get("/wait")
    async def wait() -> str:
        try:
            await asyncio.sleep(5)
        finally:
            ended.set()
        return ""

    async with app.async_test_client().request("/wait") as connection:
        await connection.send_complete()
        await asyncio.sleep(0.01)
        await connection.disconnect()
    assert ended.is_set()
    with pytest.raises(RuntimeError, match="no response"):
        await connection.as_response()


async def test_an_error_is_raised_where_it_is_waited_for(app: t.Any) -> None:
    @app.get("/fail")
    async def fail() -> str:
        raise LookupError

    client = app.async_test_client()
    async with client.request("/fail") as connection:
        with pytest.raises(LookupError):
            await connection.receive()
    with pytest.raises(LookupError):
        async with client.request("/fail"):
            pass


# --- websockets ---------------------------------------------------------------------------------


async def test_websockets(app: t.Any, client: QuartClient) -> None:
    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.accept(subprotocol=websocket.requested_subprotocols[1])
        await websocket.send_json(
            {"a": websocket.args["a"], "x": websocket.headers["X-A"], "url": websocket.url}
        )
        async for message in websocket:
            await websocket.send(message)

    async with client.websocket(
        "/ws?a=1", headers={"X-A": "2"}, subprotocols=["one", "two"]
    ) as connection:
        seen = await connection.receive_json()
        assert seen == {"a": "1", "x": "2", "url": "ws://localhost/ws?a=1"}
        assert connection.accepted and connection.subprotocol == "two"
        for message in ("text", b"bytes", b"", ""):
            await connection.send(message)
            assert await connection.receive() == message
        await connection.send_json({"b": 1})
        assert await connection.receive_json() == {"b": 1}


async def test_who_closes_a_websocket(app: t.Any, client: QuartClient) -> None:
    codes: list[t.Any] = []

    @app.websocket("/app")
    async def by_app() -> None:
        await websocket.accept()
        await websocket.close(4000, "enough")

    @app.websocket("/client")
    async def by_client() -> None:
        try:
            await websocket.receive()
        except asyncio.CancelledError as error:
            codes.append((type(error).__name__, *error.args))
            raise

    async with client.websocket("/app") as connection:
        with pytest.raises(WebsocketDisconnectError) as caught:
            await connection.receive()
        assert caught.value.code == 4000 and caught.value.reason == "enough"
    async with client.websocket("/client") as connection:
        await connection.close(4001, "bye")
    async with client.websocket("/client"):
        pass
    assert codes == [
        ("WebSocketDisconnect", 4001, "bye"),
        ("WebSocketDisconnect", 1005, ""),
    ]


async def test_a_websocket_that_is_rejected(app: t.Any, client: QuartClient) -> None:
    @app.websocket("/no")
    async def no() -> t.Any:
        return {"error": "no"}, 403

    for path, status in (("/no", 403), ("/nowhere", 404)):
        async with client.websocket(path) as connection:
            with pytest.raises(WebsocketResponseError) as caught:
                await connection.receive()
            assert caught.value.response.status_code == status and not connection.accepted
    assert connection.status_code == 404
    with pytest.raises(WebsocketResponseError):  # whoever does not look is told
        async with client.websocket("/no") as connection:
            await asyncio.sleep(0.01)


async def test_an_error_in_a_websocket(app: t.Any, client: QuartClient) -> None:
    @app.websocket("/fail")
    async def fail() -> None:
        await websocket.accept()
        raise LookupError

    with pytest.raises(LookupError):
        async with client.websocket("/fail") as connection:
            with pytest.raises(WebsocketDisconnectError) as caught:
                await connection.receive()
            assert caught.value.code == 1011


async def test_the_session_of_a_websocket(app: t.Any, client: QuartClient) -> None:
    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(session["name"])

    async with client.session_transaction() as stored:
        stored["name"] = "me"
    async with client.websocket("/ws") as connection:
        assert await connection.receive() == "me"


# --- the lifespan -------------------------------------------------------------------------------


async def test_the_lifespan_of_an_app(app: t.Any) -> None:
    order: list[str] = []

    @app.before_serving
    async def before() -> None:
        order.append("before")

    @app.after_serving
    async def after() -> None:
        order.append("after")

    async with app.test_app() as running:
        assert order == ["before"]
        assert (await running.test_client().get("/echo")).status_code == 200
    assert order == ["before", "after"]


async def test_a_startup_that_fails(app: t.Any) -> None:
    @app.before_serving
    async def before() -> None:
        raise LookupError("no database")

    with pytest.raises((LookupError, LifespanError), match="no database"):
        async with app.test_app():
            raise AssertionError("never here")


Lifespan = t.Callable[[t.Any, t.Any, t.Any], t.Awaitable[None]]


async def test_apps_that_do_not_answer() -> None:
    async def hangs(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await asyncio.sleep(60)

    async def ends(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        pass

    async def raises(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        raise LookupError

    async def fails_late(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "stuck"})

    with pytest.raises(TimeoutError, match="startup"):
        await TestApp(hangs, startup_timeout=0.01).startup()  # type: ignore[arg-type]
    with pytest.raises(LifespanError, match="without a reply to startup"):
        await TestApp(ends).startup()  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        await TestApp(raises).startup()  # type: ignore[arg-type]
    with pytest.raises(LifespanError, match="stuck"):
        async with TestApp(fails_late):  # type: ignore[arg-type]
            pass


# --- helpers ------------------------------------------------------------------------------------


def test_scopes() -> None:
    scope = make_test_scope(
        "http", "/é", "GET", Headers({"Host": "h:81"}), b"a=1", "http", "", "2", {"x": 1}
    )
    assert scope["raw_path"] == b"/%C3%A9" and "server" not in scope
    assert scope["headers"] == [(b"host", b"h:81")] and scope["x"] == 1
    assert scope["extensions"] == {"http.response.push": {}}
    scope = make_test_scope(
        "websocket", "/", "GET", Headers(), b"", "wss", "", "1.1", None, subprotocols=["a"]
    )
    assert scope["subprotocols"] == ["a"] and "websocket.http.response" in scope["extensions"]


async def test_what_else_quart_has() -> None:
    app = quartish.Quart(__name__)
    headers, path, query = make_test_headers_path_and_query_string(app, "/a%20b?c=d")
    assert path == "/a b" and query == b"c=d" and headers["host"] == "localhost"
    body, headers = make_test_body_with_headers(json={"a": 1})
    assert body == b'{"a": 1}' and headers["content-type"] == "application/json"
    await no_op_push("/", Headers())


async def test_a_request_context_made_for_a_test() -> None:
    app = quartish.Quart(__name__)
    async with app.test_request_context("/p?q=1", method="POST", form={"a": "1"}, scheme="https"):
        assert request.url == "https://localhost/p?q=1"
        assert (await request.form)["a"] == "1"  # type: ignore[misc]
    async with app.test_request_context("/", json=[1]):
        assert await request.get_json() == [1]


async def test_requests_without_cookies(app: t.Any) -> None:
    app.add_url_rule("/bake", "bake", lambda: ("", {"Set-Cookie": "a=1; Path=/"}))
    app.add_url_rule("/see", "see", lambda: request.cookies.get("a", "none"))
    for use, expected in ((True, b"1"), (False, b"none")):
        client = app.async_test_client(use_cookies=use)
        assert len((await client.get("/bake")).headers.getlist("Set-Cookie")) == 1
        assert await settled((await client.get("/see")).data) == expected
        if use:
            jar = client.cookie_jar
            assert len(jar) == 1 and jar
            jar.clear()
            assert len(jar) == 0 and jar and not [*jar]
            assert await settled((await client.get("/see")).data) == b"none"


async def test_a_null_session_is_not_saved(app: t.Any) -> None:
    app.session_interface = type(app.session_interface)()  # others share the one of the class
    app.session_interface.is_null_session = lambda session: True
    app.session_interface.save_session = lambda *args: pytest.fail("it was saved")
    client = app.async_test_client()
    async with client.session_transaction() as stored:
        stored["a"] = 1
    assert not [*client.cookie_jar]


async def test_an_error_stays_raised(app: t.Any) -> None:
    @app.get("/fail")
    async def fail() -> str:
        raise LookupError("once and again")

    async with app.async_test_client().request("/fail") as connection:
        for _ in range(3):
            with pytest.raises(LookupError, match="once and again"):
                await connection.receive()


async def test_an_error_of_the_callers_is_a_client_that_leaves(app: t.Any) -> None:
    left = asyncio.Event()

    @app.get("/wait")
    async def wait() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            left.set()
        return ""

    with pytest.raises(LookupError, match="the caller's"):
        async with app.async_test_client().request("/wait") as connection:
            await connection.send_complete()
            await asyncio.sleep(0.01)
            raise LookupError("the caller's")
    assert left.is_set()


async def test_authorization_as_an_object(app: t.Any) -> None:
    app.add_url_rule("/who", "who", lambda: str(request.authorization))
    client = app.async_test_client()
    token = Authorization("bearer", token="abc")
    assert await settled((await client.get("/who", auth=token)).data) == b"Bearer abc"
    basic = await client.get("/who", auth=("ada", "secret"))
    assert (await settled(basic.data)).startswith(b"Basic ")
