"""The awaitable Request: bodies, forms, JSON, limits, and an `await` that was forgotten."""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import typing as t
import warnings

import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import ClientDisconnected
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.exceptions import RequestTimeout

import quartish
from quartish._http.body import Body as IncomingBody
from quartish._http.forms import FormDataParser
from quartish._http.inbox import Inbox
from quartish.datastructures import FileStorage
from quartish.quart import request
from quartish.testing.utils import make_test_body_with_headers
from quartish.wrappers.awaitable_request import Body
from quartish.wrappers.awaitable_request import Request
from tests._scopes import http_scope


class Peer:
    """A scripted client: sends these chunks, then hangs, or leaves."""

    def __init__(self, *chunks: bytes, leaves: bool = False, ends: bool = True) -> None:
        last = len(chunks) - 1
        self.messages: list[dict[str, t.Any]] = [
            {"type": "http.request", "body": chunk, "more_body": n < last or not ends}
            for n, chunk in enumerate(chunks)
        ]
        if leaves:
            self.messages.append({"type": "http.disconnect"})
        self.received = 0

    async def receive(self) -> dict[str, t.Any]:
        if self.received == len(self.messages):
            await asyncio.Event().wait()
        self.received += 1
        return self.messages[self.received - 1]


def scope_of(**changes: t.Any) -> dict[str, t.Any]:
    headers = changes.pop("headers", {})
    lines = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
    given = {
        "http_version": "2",
        "method": "POST",
        "scheme": "https",
        "query_string": b"q=1&q=2&f=arg",
        "client": ("10.0.0.1", 1),
        "server": ("host", 443),
    }
    return http_scope(**{"path": "/a b", "headers": lines, **given, **changes})


def make(peer: Peer | None, cls: t.Any = Request, **headers: str) -> t.Any:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return of_scope(scope_of(headers=headers), peer, cls)


def of_scope(scope: t.Any, peer: Peer | None = None, cls: t.Any = Request) -> t.Any:
    request = cls.quartish_from_scope(scope)
    if peer is not None:
        request.quartish_receive_body(IncomingBody(Inbox(peer.receive)))
    return request


class Slow(Peer):
    """A client that sends what the test tells it to."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[t.Any] = asyncio.Queue()
        self.receive = self.queue.get

    def send(self, body: bytes, more: bool = True) -> None:
        self.queue.put_nowait({"type": "http.request", "body": body, "more_body": more})


URLENCODED = "application/x-www-form-urlencoded"


# --- bodies -----------------------------------------------------------------------------------


async def test_the_body_awaited_more_than_once() -> None:
    request = make(Peer(b"a", b"", b"b"))
    assert await request.get_data() == b"ab"
    assert await request.get_data(as_text=True) == "ab"
    assert await request.data == b"ab"
    assert await request.body == b"ab"
    assert [chunk async for chunk in request.body] == [b"ab"]


async def test_the_body_in_chunks() -> None:
    request = make(Peer(b"a", b"", b"b"))
    assert [chunk async for chunk in request.body] == [b"a", b"b"]
    assert await request.get_data() == b""


async def test_the_rest_of_a_body_that_was_begun() -> None:
    request = make(Peer(b"a", b"b", b"c"))
    async for chunk in request.body:
        assert chunk == b"a"
        break
    assert await request.get_data() == b"bc"


async def test_a_body_that_is_not_kept() -> None:
    request = make(Peer(b"a"))
    assert await request.get_data(cache=False) == b"a"
    assert await request.get_data() == b""


async def test_no_body() -> None:
    request = make(None, Content_Type=URLENCODED)
    assert await request.get_data() == b""
    assert not await request.form and not await request.files
    assert [chunk async for chunk in request.body] == []


async def test_two_tasks_want_the_body() -> None:
    request = make(Peer(b"a=1&", b"b=2"), Content_Type=URLENCODED)
    form, data, again = await asyncio.gather(request.form, request.get_data(), request.form)
    assert form["a"] == "1" and data == b"a=1&b=2" and again is form


async def test_a_read_that_was_cancelled_loses_nothing() -> None:
    request = make(peer := Slow())
    peer.send(b"a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(request.get_data(), 0.01)
    peer.send(b"b", more=False)
    assert await request.get_data() == b"ab"


@pytest.mark.parametrize("content_type", [URLENCODED, "multipart/form-data; boundary=b"])
async def test_many_tasks_want_the_form_and_some_give_up(content_type: str) -> None:
    request = make(peer := Slow(), Content_Type=content_type)

    async def read() -> t.Any:
        return await request.form

    tasks = [asyncio.create_task(read()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks[:2]:  # the one that reads, and the next
        task.cancel()
        await asyncio.sleep(0)
    if content_type is URLENCODED:
        peer.send(b"a=1", more=False)
    else:
        peer.send(b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n', more=True)
        await asyncio.sleep(0.01)
        peer.send(b"1\r\n--b--\r\n", more=False)
    first, *others = await asyncio.gather(*tasks[2:])
    assert first["a"] == "1" and all(form is first for form in others)
    assert all(task.cancelled() for task in tasks[:2])


async def test_a_form_that_is_too_large_is_so_for_each_task() -> None:
    request = make(peer := Slow(), Content_Type=URLENCODED)
    request.max_form_memory_size = 2

    async def read() -> t.Any:
        return await request.form

    tasks = [asyncio.create_task(read()) for _ in range(3)]
    await asyncio.sleep(0)
    peer.send(b"a=1", more=False)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in found] == [RequestEntityTooLarge] * 3


async def test_a_parser_of_ones_own_is_used() -> None:
    class Parser(FormDataParser):
        async def parse(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            await super().parse(*args, **kwargs)
            return self.cls([("a", "own")]), self.cls()

    class ByClass(Request):
        form_data_parser_class = Parser

    class ByMethod(Request):
        def make_form_data_parser(self) -> FormDataParser:
            return Parser(cls=self.parameter_storage_class)

    class ByGetData(Request):
        async def get_data(self, *args: t.Any, **kwargs: t.Any) -> t.Any:  # type: ignore[override]
            return b"[2]"

    for kind in (ByClass, ByMethod):
        assert (await make(Peer(b"a=1"), kind, Content_Type=URLENCODED).form)["a"] == "own"
    assert await make(Peer(b"[1]"), ByGetData).get_json(force=True) == [2]


async def test_text_that_is_no_utf_8_is_no_error() -> None:
    assert await make(Peer(b"\xff")).get_data(as_text=True) == "\ufffd"


async def test_stream_says_what_to_use() -> None:
    with pytest.raises(NotImplementedError, match="request.body"):
        make(None).stream  # noqa: B018


# --- forms ------------------------------------------------------------------------------------


async def test_form_values_and_raw_data() -> None:
    request = make(Peer(b"f=1&f=", b"2&g=%C3%A9"), Content_Type=URLENCODED)
    form = await request.form
    assert form.getlist("f") == ["1", "2"] and form["g"] == "é"
    assert await request.form is form
    assert (await request.values).getlist("f") == ["arg", "1", "2"]
    assert await request.get_data() == b"f=1&f=2&g=%C3%A9"


async def test_values_of_a_get_request_leave_the_body_alone() -> None:
    peer = Peer(b"f=1")
    request = of_scope(scope_of(method="GET", headers={"content-type": URLENCODED}), peer)
    assert (await request.values).getlist("f") == ["arg"]
    assert peer.received == 0


async def test_files() -> None:
    body, headers = make_test_body_with_headers(
        form={"a": "1"},
        files={"f": FileStorage(io.BytesIO(b"text"), "f.txt", content_type="text/plain")},
    )
    request = make(Peer(body[:30], body[30:]), **headers)
    files = await request.files
    assert (await request.form)["a"] == "1"
    assert files["f"].filename == "f.txt" and files["f"].read() == b"text"
    assert await request.get_data() == b""  # a multipart body is not kept
    await request.close()
    assert files["f"].closed


async def test_a_form_after_its_data_was_awaited() -> None:
    body, headers = make_test_body_with_headers(form={"a": "1"}, files={})
    request = make(Peer(body), **headers)
    assert await request.get_data() == body
    assert (await request.form)["a"] == "1"
    assert await request.get_data() == body


async def test_a_damaged_form_is_damaged_each_time() -> None:
    request = make(Peer(b"--x\r\nnonsense"), Content_Type="multipart/form-data; boundary=x")
    for attribute in ("form", "files", "form"):
        with pytest.raises(BadRequest):
            await getattr(request, attribute)


async def test_a_parser_of_ones_own() -> None:
    class Parser(Request.form_data_parser_class):  # type: ignore[misc, name-defined, valid-type]
        async def parse(self, body: t.Any, *args: t.Any) -> t.Any:
            return self.cls([("own", await body)]), self.cls()

    class Own(Request):
        form_data_parser_class = Parser

    assert (await make(Peer(b"x"), Own).form)["own"] == b"x"


# --- JSON -------------------------------------------------------------------------------------


async def test_json_awaited_more_than_once() -> None:
    request = make(Peer(b'{"a"', b": 1}"), Content_Type="application/json")
    value = await request.get_json()
    assert value == {"a": 1} and await request.json is value


async def test_json_of_another_mimetype() -> None:
    request = make(Peer(b"[1]"), Content_Type="text/plain")
    assert await request.json is None
    assert await request.get_json(force=True) == [1]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a": "\xff"}', b"[" * 100_000, b"9" * 5000, b"\xef\xbb\xbf[1", b"nul"],
)
async def test_json_that_is_none(body: bytes) -> None:
    request = make(Peer(body), Content_Type="application/json")
    assert await request.get_json(silent=True) is None
    for _ in range(2):
        with pytest.raises(BadRequest):
            await request.json


async def test_on_json_loading_failed_may_answer() -> None:
    class Lenient(Request):
        def on_json_loading_failed(self, error: Exception | None) -> t.Any:
            return {"error": type(error).__name__}

    request = make(Peer(b"{"), Lenient, Content_Type="application/json")
    assert await request.json == {"error": "JSONDecodeError"}


async def test_why_json_failed_is_told_in_debug_mode_only() -> None:
    app = quartish.Quart(__name__)
    for debug, told in ((True, True), (False, False)):
        app.debug = debug
        async with app.test_request_context(
            "/", method="POST", data="{", headers={"content-type": "application/json"}
        ):
            with pytest.raises(BadRequest) as caught:
                await request.json
            assert ("Failed to decode" in str(caught.value)) is told


# --- limits -----------------------------------------------------------------------------------


async def test_the_limit_counts_what_came_in() -> None:
    request = make(peer := Peer(*[b"x" * 10] * 10))
    request.max_content_length = 35
    with pytest.raises(RequestEntityTooLarge):
        await request.get_data()
    assert peer.received == 4
    request.max_content_length = 100  # nothing was lost
    assert await request.get_data() == b"x" * 100


async def test_chunks_are_limited_too() -> None:
    request = make(Peer(b"x" * 10, b"x" * 10))
    request.max_content_length = 15
    got = 0
    with pytest.raises(RequestEntityTooLarge):
        async for chunk in request.body:
            got += len(chunk)
    assert got == 10


async def test_a_content_length_over_the_limit_is_refused_at_once() -> None:
    request = make(peer := Peer(b"x"), Content_Length="100")
    request.max_content_length = 99
    with pytest.raises(RequestEntityTooLarge):
        await request.get_data()
    assert peer.received == 0


@pytest.mark.parametrize("kind", [URLENCODED, "multipart/form-data; boundary=x"])
async def test_limits_of_forms_come_from_request_route_and_config(kind: str) -> None:
    app = quartish.Quart(__name__)
    app.testing = True

    @app.post("/")
    async def view() -> t.Any:
        if limit := request.args.get("own", type=int):
            request.max_form_memory_size = limit
        return str(len((await request.form)["a"]))

    body = b"a=" + b"x" * 1000
    if kind != URLENCODED:
        head = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
        body = head + b"x" * 1000 + b"\r\n--x--\r\n"
    client = app.test_client()

    async def status(path: str = "/") -> int:
        response = await client.post(path, data=body, headers={"content-type": kind})
        return response.status_code

    assert await status() == 200
    app.config["MAX_FORM_MEMORY_SIZE"] = 100
    assert await status() == 413
    assert await status("/?own=2000") == 200
    app.config["MAX_FORM_MEMORY_SIZE"] = None
    assert await status("/?own=100") == 413
    app.config["MAX_CONTENT_LENGTH"] = 500
    assert await status() == 413


async def test_a_body_that_stops_coming() -> None:
    request = make(Peer(b"a", ends=False))
    request.body_timeout = 0.01
    with pytest.raises(RequestTimeout):
        await request.get_data()


async def test_a_subclass_has_its_own_patience() -> None:
    class Hasty(Request):
        body_timeout = 0.01

    request = Hasty.quartish_from_scope(make(Peer()).scope)
    request.quartish_receive_body(IncomingBody(Inbox(Peer(b"a", ends=False).receive)))
    with pytest.raises(RequestTimeout):
        await request.get_data()


async def test_a_body_that_comes_slowly_has_time() -> None:
    request = make(peer := Slow())
    request.body_timeout = 0.2
    reading = asyncio.create_task(request.get_data())
    for more in (True, True, True, False):
        await asyncio.sleep(0.1)
        peer.send(b"x", more)
    assert await reading == b"xxxx"


async def test_a_client_that_leaves() -> None:
    request = make(Peer(b"a", leaves=True, ends=False))
    with pytest.raises(ClientDisconnected) as caught:
        await request.get_data()
    assert isinstance(caught.value, HTTPException) and caught.value.code == 400


# --- how it is made ---------------------------------------------------------------------------


async def test_made_of_a_scope() -> None:
    request = make(None, X_Test="1")
    assert request.method == "POST" and request.scheme == "https" and request.path == "/a b"
    assert request.args.getlist("q") == ["1", "2"] and request.headers["x-test"] == "1"
    assert request.remote_addr == "10.0.0.1" and request.http_version == "2"
    assert request.scope["server"] == ("host", 443)


def quarts_arguments() -> tuple[t.Any, ...]:
    return ("put", "https", "/p", b"q=1", Headers({"Host": "h"}), "", "1.0", {"type": "http"})


async def test_made_as_quart_does() -> None:
    pushed: list[str] = []

    async def push(path: str, headers: Headers) -> None:
        pushed.append(path)

    request = Request(*quarts_arguments(), max_content_length=5, send_push_promise=push)
    assert request.method == "PUT" and request.url == "https://h/p?q=1"
    assert request.http_version == "1.0" and request.scope["type"] == "http"
    request.body.append(b"ab")
    request.body.append(b"c")
    request.body.set_complete()
    assert await request.get_data() == b"abc"
    await request.send_push_promise("/style.css")
    assert pushed == ["/style.css"]


async def test_a_limit_given_as_quart_does() -> None:
    request = Request(*quarts_arguments(), max_content_length=5)
    request.body.set_result(b"123456")
    with pytest.raises(RequestEntityTooLarge):
        await request.get_data()


async def test_a_body_from_a_client_is_not_filled_by_hand() -> None:
    with pytest.raises(RuntimeError, match="by hand"):
        Body.of(None).append(b"x")


async def test_a_subclass_with_an_init_of_its_own() -> None:
    class Own(Request):
        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            super().__init__(*args, **kwargs)
            self.extra = "set"

    request = make(Peer(b"a"), Own, X_Test="1")
    assert request.extra == "set" and request.path == "/a b" and request.headers["x-test"] == "1"
    assert await request.get_data() == b"a"


async def test_push_promises_are_sent_where_the_server_can() -> None:
    sent: list[t.Any] = []

    async def send(message: t.Any) -> None:
        sent.append(message)

    for extensions in ({"http.response.push": {}}, {}, None):  # type: ignore[var-annotated]
        request = Request.quartish_from_scope(
            scope_of(extensions=extensions, headers={"accept": "text/css", "cookie": "secret=1"})
        )
        request.asgi_send = send
        await request.send_push_promise("/style.css")
    assert sent == [
        {"type": "http.response.push", "path": "/style.css", "headers": [(b"accept", b"text/css")]}
    ]


# --- a forgotten await ------------------------------------------------------------------------

USES: list[tuple[str, t.Callable[[t.Any], t.Any], str]] = [
    ("form", lambda value: value["a"], "(await request.form)['a']"),
    ("form", lambda value: value.get("a"), "(await request.form).get"),
    ("form", lambda value: "a" in value, "await request.form"),
    ("files", lambda value: list(value), "await request.files"),
    ("values", lambda value: len(value), "await request.values"),
    ("json", lambda value: value or {}, "await request.json"),
    ("json", lambda value: value["a"], "(await request.json)['a']"),
    ("json", lambda value: value(), "await request.json"),
    ("data", lambda value: value == b"", "await request.data"),
    ("data", lambda value: value.decode(), "(await request.data).decode"),
    ("get_json", lambda value: value().get("a"), "(await request.get_json()).get"),
    ("get_data", lambda value: value().split(), "(await request.get_data()).split"),
]


@pytest.mark.parametrize(("attribute", "use", "cure"), USES)
async def test_each_use_without_await_names_attribute_place_and_cure(
    attribute: str, use: t.Callable[[t.Any], t.Any], cure: str
) -> None:
    with pytest.raises(TypeError) as caught:
        use(getattr(make(Peer(b"{}")), attribute))
    name = ("get" in attribute and f"{attribute}()") or attribute
    line = inspect.getsourcelines(use)[1]
    assert str(caught.value) == (
        f"`request.{name}` is awaitable in a Quart app: write `{cure}`;"
        f" function `<lambda>`, test_awaitable_request.py:{line}"
    )


async def test_in_a_view_it_names_the_view_and_the_line() -> None:
    app = quartish.Quart(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.post("/")
    async def login() -> t.Any:
        return request.form["a"]  # type: ignore[index]

    with pytest.raises(TypeError) as caught:
        await app.test_client().post("/", form={"a": "1"})
    line = inspect.getsourcelines(login)[1] + 2
    assert str(caught.value) == (
        "`request.form` is awaitable in a Quart app: write `(await request.form)['a']`;"
        f" view `login`, test_awaitable_request.py:{line}"
    )


@pytest.mark.parametrize("attribute", ["form", "json", "data"])
async def test_one_that_a_view_returns_names_the_view(attribute: str) -> None:
    app = quartish.Quart(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.post("/")
    async def login() -> t.Any:
        return getattr(request, attribute)

    with pytest.raises(TypeError) as caught:
        await app.test_client().post("/", form={"a": "1"})
    line = inspect.getsourcelines(login)[1]
    assert str(caught.value).startswith(
        f"`request.{attribute}` is awaitable in a Quart app: write `await request.{attribute}`;"
        f" view `login`, test_awaitable_request.py:{line}"
    )


def forgotten(warned: list[warnings.WarningMessage]) -> str:
    gc.collect()
    (warning,) = warned
    assert warning.category is RuntimeWarning
    return str(warning.message)


async def test_one_that_is_dropped_warns_with_its_line() -> None:
    request = make(None)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        request.form  # noqa: B018
    assert forgotten(warned).startswith(
        "`request.form` was never awaited; function"
        " `test_one_that_is_dropped_warns_with_its_line`, test_awaitable_request.py:"
    )


async def test_one_that_a_view_forgot_warns_with_the_view() -> None:
    app = quartish.Quart(__name__)

    @app.get("/")
    async def view() -> str:
        data = request.get_data()  # noqa: F841
        return ""

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        await app.test_client().get("/")
    assert forgotten(warned).startswith(
        "`request.get_data()` was never awaited; view `view`, test_awaitable_request.py:"
    )


async def test_one_that_failed_does_not_warn_as_well() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(TypeError):
            make(None).form["a"]
        gc.collect()
    assert not warned


async def test_refuse_is_for_who_was_handed_one() -> None:
    with pytest.raises(TypeError, match="write `await request.json`; function"):
        make(None).json.refuse()


async def test_what_tools_ask_is_answered() -> None:
    pending = make(Peer(b"a")).get_data()
    assert repr(pending) == "<request.get_data(), not awaited>"
    assert inspect.isawaitable(pending) and asyncio.iscoroutine(pending)
    assert not hasattr(pending, "__wrapped__") and not hasattr(pending, "cr_code")
    assert {pending: 1}[pending] == 1
    assert await pending == b"a" and await pending == b"a"


async def test_it_can_be_a_task() -> None:
    request = make(Peer(b'{"a":', b"1}"), Content_Type="application/json")
    assert await asyncio.create_task(request.get_json()) == {"a": 1}
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(request.get_data())
    assert task.result() == b'{"a":1}'
    stuck = asyncio.create_task(make(Peer(b"a", ends=False)).get_data())
    await asyncio.sleep(0)
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck


# --- files --------------------------------------------------------------------------------------


async def test_files_are_saved_and_loaded(tmp_path: t.Any) -> None:
    file = FileStorage(io.BytesIO(b"x" * 40_000), "a.bin")
    await file.save(tmp_path / "copy.bin", 1000)
    assert (tmp_path / "copy.bin").read_bytes() == b"x" * 40_000
    file.stream.seek(0)
    await file.save(target := io.BytesIO())
    assert target.getvalue() == b"x" * 40_000
    loaded = FileStorage()
    await loaded.load(tmp_path / "copy.bin")
    assert loaded.filename == "copy.bin" and loaded.stream.tell() == 40_000


# --- a client that leaves -----------------------------------------------------------------------


async def test_a_view_that_goes_on_may_ask_whether_its_client_is_there() -> None:
    app = quartish.Quart(__name__)
    app.testing = True
    seen: list[bool] = []
    there = asyncio.Event()

    @app.post("/")
    async def view() -> str:
        await request.get_data()
        seen.append(await request.is_disconnected())
        there.set()
        for _ in range(100):
            await asyncio.sleep(0.001)
            if await request.is_disconnected():
                seen.append(True)
                break
        return ""

    view.survives_disconnect = True  # type: ignore[attr-defined]
    async with app.test_client().request("/", method="POST") as connection:
        await connection.send_complete()
        await there.wait()
        await connection.disconnect()
    assert seen == [False, True]


# --- bodies filled by hand ----------------------------------------------------------------------


async def test_a_body_announced_too_large_is_refused_at_once() -> None:
    body = Body(11, 10)
    with pytest.raises(RequestEntityTooLarge):
        await body
    body.append(b"x" * 11)
    body.append(b"is not kept")
    body.set_complete()
    with pytest.raises(RequestEntityTooLarge):
        await body


async def test_a_body_that_was_cleared_is_empty() -> None:
    body = Body(None, None)
    body.append(b"a")
    body.clear()
    body.set_result(b"b")
    assert await body == b"ab"  # nothing was read yet, that could be dropped
    body.clear()
    assert await body == b""
    with pytest.raises(RuntimeError, match="comes from a client"):
        Body.of(IncomingBody(Inbox(Peer(b"a").receive))).append(b"b")


async def test_a_body_piece_by_piece_by_hand() -> None:
    body = Body(None, None)
    body.append(b"a")
    body.append(b"b")
    body.set_complete()
    assert [await anext(body), await anext(body)] == [b"a", b"b"]
    with pytest.raises(StopAsyncIteration):
        await anext(body)


async def test_steps_of_an_attribute_taken_by_hand() -> None:
    """As a coroutine's are: `send`, `throw`, `close`."""
    request = Request.quartish_from_scope(scope_of(headers={"transfer-encoding": "chunked"}))
    request.quartish_receive_body(IncomingBody(Inbox(Peer(b"a", ends=False).receive)))
    pending = request.get_data()
    pending.send(None)
    with pytest.raises(LookupError):
        pending.throw(LookupError)
    pending = request.get_data()
    pending.send(None)
    pending.close()
    with pytest.raises(RuntimeError):
        pending.send(None)
    request.data.close()  # and nobody is warned that it was forgotten
