"""A plain answer goes out without a Response: the very messages that a Response would give,
and only where nobody wants to see it."""

from __future__ import annotations

import asyncio
import typing as t
import weakref
from datetime import datetime

import flask
import pytest
from werkzeug.exceptions import Forbidden
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound
from werkzeug.routing.exceptions import RoutingException
from werkzeug.utils import redirect

import quartish
from quartish import after_this_request
from quartish import has_request_context
from quartish import request
from quartish import request_finished
from quartish import session
from quartish.json.provider import DefaultJSONProvider
from quartish.json.tag import TaggedJSONSerializer
from tests._scopes import http_scope
from tests._waiting import are_collected
from tests._waiting import until

Messages = list[dict[str, t.Any]]


async def ask(
    app: t.Any, method: str = "GET", path: str = "/", send: t.Any = None, **headers: str
) -> Messages:
    """Send a request as a server does; return what came back."""
    sent: Messages = []

    async def receive() -> dict[str, t.Any]:
        return await asyncio.Future()

    async def keep(message: dict[str, t.Any]) -> None:
        sent.append(message)

    lines = [(b"host", b"localhost")]
    lines += [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = http_scope(path, method, lines)
    await app(scope, receive, send or keep)
    return sent


@pytest.fixture
def app(colour: type[t.Any]) -> t.Iterator[t.Any]:
    app = colour(__name__)
    app.secret_key = "k"
    app.responses = []  # what was made, for those who look at it

    cls = app.response_class
    make = cls.__init__

    def init(self: t.Any, *args: t.Any, **kwargs: t.Any) -> None:
        app.responses.append(self)
        make(self, *args, **kwargs)

    # Not as others patch a class, which is noticed: then responses are made to be seen.
    type.__setattr__(cls, "__init__", init)
    yield app
    type.__setattr__(cls, "__init__", make)
    cls.look()


def answer_with(app: t.Any, rv: t.Any, lane: str = "loop") -> None:
    def in_thread() -> t.Any:
        if isinstance(rv, Exception):
            raise rv
        return rv

    async def on_loop() -> t.Any:
        return in_thread()

    app.get("/")(on_loop if lane == "loop" else in_thread)


AT_HAND: list[t.Any] = [
    "text",
    "tëxt",
    b"bytes",
    "",
    {"b": 1, "a": [1, "ä"]},
    [1, 2],
    ("text", 201),
    ("text", {"X-One": "1"}),
    ("text", 404, {"X-One": "1", "x-two": "2"}),
    ("text", 200, {"content-type": "text/plain; charset=utf-8"}),
    ("text", {"Content-Type": "text/css"}),
    ("text", 200, None),
    ({"a": 1}, 422),
    ([1], 201),
    Forbidden("no"),
    NotFound(),
]

LOOKED_AT: list[t.Any] = [
    ("text", {"Location": "/ä"}),
    ("text", {"Content-Length": "4"}),
    ("text", {"X-Text": "ä"}),
    ("text", {"X-Number": 1}),
    ("text", [("A", "1"), ("A", "2")]),
    ("text", "299 Odd"),
    ("text", 299),
    ("text", 204),
    ("text", 304),
    ({"a": 1}, {"X-One": "1"}),
    (NotFound(), 200),
    (Forbidden("no"), {"X-One": "1"}),
]


@pytest.mark.parametrize("lane", ["loop", "thread"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("rv", [*AT_HAND, *LOOKED_AT], ids=repr)
async def test_as_a_response_is_sent(app: t.Any, method: str, rv: t.Any, lane: str) -> None:
    answer_with(app, rv, lane)
    answered = await ask(app, method)
    made = len(app.responses)

    app.after_request_funcs.setdefault(None, []).append(lambda response: response)
    responded = await ask(app, method)
    assert answered == responded
    assert len(app.responses) > made
    assert (made == 0) == (rv in AT_HAND)


def changes_inside() -> None:
    session["nested"].append(1)
    session.modified = True


#: What a view does with its session, and whether the lines that save it are told at once.
SESSIONS: dict[str, tuple[t.Callable[[], t.Any], bool]] = {
    "leaves it": (lambda: None, True),
    "reads": (lambda: session.get("n"), True),
    "asks for it": (lambda: session.modified, True),
    "writes": (lambda: session.update(n="ü", m=[1, (2,)]), True),
    "makes it permanent": (lambda: setattr(session, "permanent", True), True),
    "makes it pass": (lambda: setattr(session, "permanent", False), True),
    "changes inside": (changes_inside, True),
    "clears": (lambda: session.clear(), False),
    "writes much": (lambda: session.update(n=[*map(str, range(5000))]), False),
    "writes what is none": (lambda: session.update(n=object()), False),
}


@pytest.mark.filterwarnings("ignore:The 'session' cookie is too large")
@pytest.mark.parametrize("rv", ["text", ("text", {"vARY": "Accept"}), ("t", {"Set-Cookie": "a=b"})])
@pytest.mark.parametrize("came", [None, {"nested": []}, {"nested": [], "_permanent": True}, "bad"])
@pytest.mark.parametrize("does", SESSIONS)
async def test_a_session_is_saved_as_with_a_response(
    app: t.Any, does: str, came: t.Any, rv: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.5)
    app.logger.disabled = True
    app.config.update(SESSION_COOKIE_SAMESITE="Lax", PERMANENT_SESSION_LIFETIME=10**9)
    headers = {}
    if came is not None:
        serializer = app.session_interface.get_signing_serializer(app)
        signed = came if came == "bad" else serializer.dumps(came)
        headers["cookie"] = f"a=b; session={signed}"
    what, at_once = SESSIONS[does]

    @app.get("/")
    async def view() -> t.Any:
        what()
        return rv

    monkeypatch.setattr("quartish.sessions.interface.datetime", Clock)
    answered = await ask(app, **headers)
    made = len(app.responses)
    app.after_request_funcs.setdefault(None, []).append(lambda response: response)
    assert answered == await ask(app, **headers)
    if answered[0]["status"] == 200 and "vARY" not in str(rv):
        assert (made == 0) is at_once
    assert (answered[0]["status"] == 500) is (
        does == "writes what is none" or (does == "changes inside" and came in (None, "bad"))
    )


class Clock(datetime):
    """Stands still."""

    @classmethod
    def now(cls, tz: t.Any = None) -> t.Self:
        return cls.fromtimestamp(1_700_000_000, tz)


async def test_a_session_is_saved_once(app: t.Any) -> None:
    """Also where the request has an end of its own, which is not the short way's."""
    written: list[t.Any] = []

    class Provider(DefaultJSONProvider):
        def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
            written.append(obj)
            return super().dumps(obj, **kwargs)

    app.json = Provider(app)
    app.session_interface = type(app.session_interface)()
    app.session_interface.serializer = Tagged()

    @app.get("/")
    async def view() -> str:
        session["n"] = 1
        return "text"

    await ask(app)  # a serializer writes a trial value when it is made
    for ends in (False, True):
        written.clear()
        if ends:
            app.teardown_request_funcs[None] = [lambda error: None]
        start, _ = await ask(app)
        assert b"set-cookie" in dict(start["headers"])
        assert written == [{"n": 1}] and not app.responses


class Tagged(TaggedJSONSerializer):
    """Asks the provider of the app in both colours."""

    def dumps(self, value: t.Any) -> str:
        return str(quartish.json.dumps(value))


@pytest.mark.parametrize("value", ["a\nb", "a\rb"])
async def test_no_line_break_gets_into_a_header(app: t.Any, value: str) -> None:
    app.logger.disabled = True
    answer_with(app, ("text", {"X-Bad": value}))
    start, _ = await ask(app)
    assert start["status"] == 500


async def test_a_body_past_what_a_server_takes_at_once_is_timed(app: t.Any) -> None:
    answer_with(app, "x" * 100_000)
    start, body = await ask(app)
    assert dict(start["headers"])[b"content-length"] == b"100000"
    assert len(body["body"]) == 100_000 and not app.responses


# --- who looks ------------------------------------------------------------------------------


async def test_after_this_request(app: t.Any) -> None:
    @app.get("/")
    async def view() -> str:
        @after_this_request
        def add(response: t.Any) -> t.Any:
            response.headers["X-Late"] = "1"
            return response

        return "text"

    start, _ = await ask(app)
    assert (b"x-late", b"1") in start["headers"]


async def test_request_finished(app: t.Any) -> None:
    answer_with(app, "text")
    seen: list[t.Any] = []

    def receiver(sender: t.Any, response: t.Any, **extra: t.Any) -> None:
        response.status_code = 202
        seen.append(response)

    with request_finished.connected_to(receiver, app):
        start, _ = await ask(app)
    assert start["status"] == 202 and isinstance(seen[0], app.response_class)


async def test_the_session(app: t.Any) -> None:
    @app.get("/")
    async def view() -> str:
        session["n"] = 1
        return "text"

    start, _ = await ask(app)
    assert b"set-cookie" in dict(start["headers"])


async def test_a_permanent_session_is_renewed_untouched(app: t.Any) -> None:
    @app.get("/log-in")
    async def log_in() -> str:
        session.permanent = True
        return "text"

    answer_with(app, "text")
    start, _ = await ask(app, path="/log-in")
    cookie = dict(start["headers"])[b"set-cookie"].decode().partition(";")[0]
    start, _ = await ask(app, cookie=cookie)
    assert b"set-cookie" in dict(start["headers"])
    start, _ = await ask(app, cookie="other=1")
    assert b"set-cookie" not in dict(start["headers"])


@pytest.mark.parametrize("on_class", [False, True])
async def test_a_response_class_that_is_set_late(app: t.Any, on_class: bool) -> None:
    class App(type(app)):  # type: ignore[misc]
        pass

    app.__class__ = App
    answer_with(app, "text")
    assert (await ask(app))[0]["status"] == 200

    class Teapot(app.response_class):  # type: ignore[misc, name-defined]
        default_status = 418

    if on_class:
        App.response_class = Teapot
    else:
        app.response_class = Teapot
    assert (await ask(app))[0]["status"] == 418


async def test_defaults_that_are_changed_on_the_response_class(
    app: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(app, "text")
    monkeypatch.setattr(app.response_class, "default_mimetype", "text/plain")
    monkeypatch.setattr(app.response_class, "default_status", 203)
    start, _ = await ask(app)
    assert start["status"] == 203
    assert (b"content-type", b"text/plain; charset=utf-8") in start["headers"]


async def test_json_providers(app: t.Any) -> None:
    class Dumps(DefaultJSONProvider):
        mimetype = "application/vnd.x+json"

        def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
            return "dumped"

    class Responds(Dumps):
        def response(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            return self._app.response_class("responded", 418)

    answer_with(app, {"a": 1})
    app.json = Dumps(app)
    start, body = await ask(app)
    assert body["body"] == b"dumped\n" and not app.responses
    assert (b"content-type", b"application/vnd.x+json") in start["headers"]
    app.json = Responds(app)
    start, body = await ask(app)
    assert (start["status"], body["body"]) == (418, b"responded")


async def written(app: t.Any) -> bytes:
    """Return the body that is sent; see that a Response has the same."""
    _, answered = await ask(app)
    made = len(app.responses)

    def receiver(sender: t.Any, **extra: t.Any) -> None:
        pass

    with request_finished.connected_to(receiver, app):
        _, message = await ask(app)
    assert len(app.responses) > made
    assert answered["body"] == message["body"]
    return t.cast(bytes, message["body"])


@pytest.mark.parametrize("on_class", [False, True])
async def test_json_settings_may_change_at_any_time(
    app: t.Any, monkeypatch: pytest.MonkeyPatch, on_class: bool
) -> None:
    answer_with(app, {"b": "ü", "a": 1j})
    app.json.default = repr  # as an instance has it, it is no method
    where = DefaultJSONProvider if on_class else app.json
    first = await written(app)
    assert first == b'{"a":"1j","b":"\\u00fc"}\n'
    with monkeypatch.context() as patches:
        for name, value, expected in [
            ("ensure_ascii", False, '{"a":"1j","b":"ü"}\n'),
            ("sort_keys", False, '{"b":"ü","a":"1j"}\n'),
            ("compact", False, '{\n  "b": "ü",\n  "a": "1j"\n}\n'),
            ("compact", True, '{"b":"ü","a":"1j"}\n'),
        ]:
            patches.setattr(where, name, value)
            assert (await written(app)).decode() == expected
        patches.setattr(where, "mimetype", "application/x+json")
        start, _ = await ask(app)
        assert (b"content-type", b"application/x+json") in start["headers"]
    assert await written(app) == first
    app.logger.disabled = True
    del app.json.default  # nothing takes a complex number then
    assert (await ask(app))[0]["status"] == 500


@pytest.mark.parametrize("on_class", [False, True])
@pytest.mark.parametrize("name", ["dumps", "response"])
async def test_json_methods_that_are_patched_late(
    app: t.Any, monkeypatch: pytest.MonkeyPatch, name: str, on_class: bool
) -> None:
    answer_with(app, {"a": 1})
    assert await written(app) == b'{"a":1}\n'

    def patched(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return "patched" if name == "dumps" else app.response_class("patched\n")

    with monkeypatch.context() as patches:
        patches.setattr(DefaultJSONProvider if on_class else app.json, name, patched)
        assert await written(app) == b"patched\n"
    assert await written(app) == b'{"a":1}\n'


async def test_json_settings_that_are_worked_out_when_read(app: t.Any) -> None:
    class Reads(DefaultJSONProvider):
        @property
        def sort_keys(self) -> bool:  # type: ignore[override]
            return bool(app.config.get("SORT"))

    app.json = Reads(app)
    answer_with(app, {"b": 1, "a": 2})
    assert await written(app) == b'{"b":1,"a":2}\n'
    app.config["SORT"] = True
    assert await written(app) == b'{"a":2,"b":1}\n'


async def test_json_in_debug_mode_is_indented(app: t.Any) -> None:
    answer_with(app, {"a": 1})
    assert await written(app) == b'{"a":1}\n'
    app.debug = True
    assert await written(app) == b'{\n  "a": 1\n}\n'
    for compact in (True, 0):  # Flask asks whether it is False
        app.json.compact = compact
        assert await written(app) == b'{"a":1}\n'


async def test_json_that_cannot_be_made_is_an_error_of_the_view(app: t.Any) -> None:
    app.logger.disabled = True
    answer_with(app, {"a": object()})
    assert (await ask(app))[0]["status"] == 500


@pytest.mark.parametrize("name", ["make_response", "process_response", "finalize_request"])
async def test_an_override_gets_a_response(app: t.Any, name: str) -> None:
    answer_with(app, "text")
    assert (await ask(app))[0]["status"] == 200 and not app.responses
    own = getattr(app, name)
    called: list[str] = []

    def override(*args: t.Any, **kwargs: t.Any) -> t.Any:
        called.append(name)
        return own(*args, **kwargs)

    setattr(app, name, override)
    assert (await ask(app))[0]["status"] == 200
    assert called == [name] and len(app.responses) == 1
    delattr(app, name)
    assert (await ask(app))[0]["status"] == 200 and len(app.responses) == 1


async def test_a_view_that_dispatches_anew_gets_a_response(app: t.Any) -> None:
    seen: list[t.Any] = []

    @app.get("/")
    async def view() -> str:
        if not seen:
            seen.append(None)
            rv = app.full_dispatch_request()
            seen.append(rv if app.plain else await rv)
        return "text"

    if app.plain:  # synchronous, and so out of reach of an async view on the loop
        app.logger.disabled = True
        assert (await ask(app))[0]["status"] == 200
    else:
        assert (await ask(app))[0]["status"] == 200
        assert isinstance(seen[1], app.response_class)


@pytest.mark.parametrize("kind", ["async", "waits", "def"])
@pytest.mark.parametrize("looked_at", [False, True])
async def test_what_a_server_begins_while_it_sends_keeps_no_request(
    app: t.Any, looked_at: bool, kind: str
) -> None:
    # As Hypercorn, which begins the timer of an idle connection with the last message.
    contexts: list[bool] = []
    requests: list[weakref.ref[t.Any]] = []

    def in_thread() -> str:
        requests.append(weakref.ref(request._get_current_object()))  # type: ignore[attr-defined]
        return "text"

    async def on_loop() -> str:
        if kind == "waits":
            await asyncio.sleep(0)
        return in_thread()

    app.get("/")(in_thread if kind == "def" else on_loop)
    if looked_at:
        app.after_request(lambda response: response)

    tasks: list[asyncio.Task[None]] = []
    forever = asyncio.Event()

    async def idle() -> None:
        contexts.append(has_request_context())
        await forever.wait()

    async def send(message: dict[str, t.Any]) -> None:
        tasks.append(asyncio.create_task(idle()))
        await asyncio.sleep(0)

    assert await ask(app, send=send) == []
    assert contexts == [False, False]
    await until(lambda: are_collected(requests))
    forever.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("looked_at", [False, True])
@pytest.mark.parametrize("colour_of_view", ["def", "async"])
async def test_head(app: t.Any, colour_of_view: str, looked_at: bool) -> None:
    def in_thread() -> str:
        return "text"

    async def on_loop() -> str:
        return "text"

    app.get("/")(in_thread if colour_of_view == "def" else on_loop)
    if looked_at:
        app.after_request(lambda response: response)
    start, body = await ask(app, "HEAD")
    assert dict(start["headers"])[b"content-length"] == b"4"
    assert body == {"type": "http.response.body", "body": b""}


@pytest.mark.parametrize("where", ["raised", "returned", "aborted", "before", "sync"])
@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("initialised", [False, True])
def test_an_error_that_makes_its_own_response(where: str, routing: bool, initialised: bool) -> None:
    """As a redirect that derives from HTTPException and never calls its `__init__`."""
    bases = (HTTPException, RoutingException) if routing else (HTTPException,)

    class Redirect(*bases):  # type: ignore[misc]
        code = 303

        def __init__(self, url: str) -> None:
            if initialised:
                HTTPException.__init__(self)
            self.url = url

        def get_response(self, environ: t.Any) -> t.Any:
            return redirect(self.url, 303)

    def play(module: t.Any) -> t.Any:
        app = module.Flask("p")

        def fail(*args: t.Any) -> t.Any:
            error = Redirect("/there")
            if where == "returned":
                return error
            if where == "aborted":
                module.abort(redirect("/there", 303))
            raise error

        async def view() -> t.Any:
            return fail()

        if where == "before":
            app.before_request(fail)
        app.add_url_rule("/", "view", fail if where == "sync" else view)
        response = app.test_client().get("/")
        return response.status_code, response.headers.get("Location"), response.text

    assert play(quartish) == play(flask)
