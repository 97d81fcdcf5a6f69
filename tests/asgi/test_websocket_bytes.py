"""Whatever comes over a websocket's wire, and whatever is to go out: an answer, and no more in the
log than the app's own; nothing that a server would have to refuse reaches one.

Scripted peers take what is sent for checked; `tests/servers` has the same over real servers.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import typing as t

import pytest

from quartish import request
from quartish import session
from quartish import websocket
from tests._scripted import HttpPeer
from tests._scripted import WebsocketPeer

App = type[t.Any]
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
BREAKS = re.compile(rb"[\0\r\n\v\f]")
LANES = pytest.mark.parametrize("lane", ["loop", "thread"])
REJECTS = pytest.mark.parametrize("rejects", [True, False], ids=["response", "close"])


def add(app: t.Any, lane: str, handler: t.Any, path: str = "/") -> None:
    """Add an `async def` handler, or one that a sync decorator hides."""
    view = handler if lane == "loop" else lambda: handler()
    app.add_websocket(path, "handler", view)


def sendable(peer: WebsocketPeer) -> bool:
    """Say whether a server could send all that was sent."""
    for message in peer.sent:
        for name, value in message.get("headers", ()):
            if type(name) is not bytes or type(value) is not bytes:
                return False
            if not TOKEN.fullmatch(name) or BREAKS.search(value) or value != value.strip():
                return False
        if message["type"] == "websocket.close":
            if not 1000 <= message["code"] < 5000 or len(message["reason"].encode()) > 123:
                return False
    return True


# --- what an app sends ----------------------------------------------------------------------------

BAD_ACCEPTS: dict[str, dict[str, t.Any]] = {
    **{
        f"name {name!r}": {"headers": [(name, "a")]}
        for name in ("", "a b", "a:b", "a\r\nb", "a\0b", "X-é", "X-€")
    },
    **{
        f"value {value!r}": {"headers": {"X": value}}
        for value in ("a\0b", "a\r\nb: c", "a\n", "\r", "a\vb", "\ud800")
    },
    **{
        f"subprotocol {value!r}": {"subprotocol": value}
        for value in ("", "a b", "a\r\nX: y", "a\0", "é", "a,b")
    },
}


@LANES
@REJECTS
async def test_a_handshake_that_cannot_be_sent_is_a_500(
    colour: App, lane: str, rejects: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")

    async def handler() -> None:
        await websocket.accept(**BAD_ACCEPTS[name])

    add(app, lane, handler)
    for name in BAD_ACCEPTS:
        caplog.clear()
        async with WebsocketPeer(app, rejects=rejects) as peer:
            await peer.ended()
        assert sendable(peer) and peer.error is None, name
        if rejects:
            assert peer.types == ["start", "body"] and peer.sent[0]["status"] == 500, name
        else:
            assert peer.types == ["close"], name
        [record] = caplog.records
        assert record.getMessage() == "Exception on / [GET]", name
        assert t.cast(t.Any, record).endpoint == "handler"
        assert record.exc_info is not None and isinstance(record.exc_info[1], ValueError)


@LANES
async def test_what_looks_as_bad_is_sent(colour: App, lane: str) -> None:
    app = colour("app")

    async def handler() -> None:
        await websocket.accept([("X", "é"), ("Y", "€"), ("Z", " a\t"), ("X", "b")], "v1.a")
        await websocket.close(4999, "€" * 41)

    add(app, lane, handler)
    async with WebsocketPeer(app) as peer:
        await peer.ended()
    assert sendable(peer) and peer.types == ["accept", "close"]
    lines = [(b"x", b"\xe9"), (b"y", "€".encode()), (b"z", b"a"), (b"x", b"b")]
    assert peer.sent[0]["headers"] == lines


@LANES
async def test_a_handler_may_try_again(colour: App, lane: str) -> None:
    app = colour("app")

    async def handler() -> None:
        with pytest.raises(ValueError, match="cannot be called 'a b'"):
            await websocket.accept({"a b": "c"})
        with pytest.raises(ValueError, match="line break or a NUL"):
            await websocket.accept([("a", "\0")])
        with pytest.raises(ValueError, match="no subprotocol"):
            await websocket.accept(subprotocol="a b")
        await websocket.send("here")

    add(app, lane, handler)
    async with WebsocketPeer(app) as peer:
        await peer.ended()
    assert peer.types == ["accept", "send", "close"] and peer.code == 1000


BAD_CLOSES = [(999, ""), (5000, ""), (1005, ""), (1006, ""), (1015, ""), (0, "")]
BAD_CLOSES += [(1000, "x" * 124), (1000, "€" * 42), (1000, "\ud800")]


@LANES
async def test_a_close_that_cannot_be_sent_is_an_error(
    colour: App, lane: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")

    async def handler() -> None:
        await websocket.accept()
        await websocket.close(*case)

    add(app, lane, handler)
    for case in BAD_CLOSES:
        caplog.clear()
        async with WebsocketPeer(app) as peer:
            await peer.ended()
        assert sendable(peer) and peer.code == 1011, case
        assert caplog.messages == ["Exception on / [GET]"], case


@LANES
async def test_a_server_that_refuses_the_handshake_is_answered(
    colour: App, lane: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As Hypercorn does with a subprotocol that the client did not offer."""

    class Refusing(WebsocketPeer):
        async def _send(self, message: t.Any) -> None:
            if message["type"] == "websocket.accept":
                raise RuntimeError("Invalid Subprotocol")
            await super()._send(message)

    app = colour("app")

    async def handler() -> None:
        await websocket.accept(subprotocol="v2")

    add(app, lane, handler)
    async with Refusing(app) as peer:
        await peer.ended()
    assert peer.sent[0]["status"] == 500
    assert caplog.messages == ["Exception on / [GET]"]


@REJECTS
@pytest.mark.parametrize("value", ["a\0b", "a\r\nb: c", "\ud800"])
async def test_a_rejection_that_cannot_be_sent_is_a_500(
    colour: App, rejects: bool, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")

    @app.before_websocket
    async def refuse() -> t.Any:
        response = app.response_class("no", 403)
        response.headers._list.append(("X", value))
        return response

    async def handler() -> None: ...

    add(app, "loop", handler)
    async with WebsocketPeer(app, rejects=rejects) as peer:
        await peer.ended()
    assert sendable(peer)
    assert peer.types == (["start", "body"] if rejects else ["close"])
    if rejects:
        assert peer.sent[0]["status"] == 500
    assert caplog.messages == ["Exception on / [GET]"]


# --- what a client sends: the handshake -----------------------------------------------------------

HEAD = 30_000
HEADERS: list[tuple[str, str]] = [
    (name, value)
    for name in ("cookie", "origin", "authorization", "accept-language", "sec_websocket_protocol")
    for value in (
        *("", "\xff\xfe", "=;=;=", '"', "a=" * (HEAD // 2), "a=b;" * (HEAD // 4), ";" * HEAD),
        *("session=" + "x.y.z" * 50, "session=.eJx;session=é", "Digest " + 'a="' * 900, "\\" * 99),
        *("http://[", "https://a:99999999/", "null", "a" * HEAD),
    )
]
HOSTS = ["", "[::aaaaaaa", "a:b", "é", "a" * 9000, "a/b", "x:99999999", "127.0.0.1:"]


@pytest.mark.parametrize("origins", [None, "same", ["https://here.example", None]])
async def test_handshakes_of_strange_bytes(
    colour: App, origins: t.Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")
    app.secret_key = "k"
    app.config["WEBSOCKET_ALLOWED_ORIGINS"] = origins

    async def handler() -> None:
        conn = websocket
        seen = [conn.cookies, conn.args, conn.headers, conn.authorization, conn.origin, conn.host]
        seen += [conn.accept_languages, conn.requested_subprotocols, conn.url, dict(session)]
        await websocket.send(str(len(seen)))

    add(app, "loop", handler)
    cases: list[tuple[str, dict[str, str]]] = [("/", {name: value}) for name, value in HEADERS]
    cases += [("/", {"host": host}) for host in HOSTS]
    cases += [(f"/?{query}", {}) for query in ("&" * 9000, "%", "%ff=%fe", "a=" * 900, "=;&=", "é")]
    for path, headers in cases:
        async with WebsocketPeer(app, path, **headers) as peer:  # type: ignore[arg-type]
            began = time.thread_time()
            await peer.ended()
            assert time.thread_time() - began < 0.5
        assert peer.error is None and sendable(peer), (path, headers)
        kind = peer.sent[0]
        assert kind["type"] == "websocket.accept" or kind["status"] < 500, (path, headers)
    assert not caplog.records


@pytest.mark.parametrize("protocols", [[""], ["a b", "é"], ["x" * 30_000], ["a"] * 9000, ["\r\n"]])
async def test_strange_subprotocols(colour: App, protocols: list[str]) -> None:
    app = colour("app")

    async def handler() -> None:
        found = websocket.requested_subprotocols
        await websocket.send(str(len(found)))

    add(app, "loop", handler)
    async with WebsocketPeer(app, subprotocols=protocols) as peer:
        await peer.ended()
    assert peer.said == [str(len(protocols))]


# --- what a client sends: messages ----------------------------------------------------------------

LONG = 8 << 20
MESSAGES: dict[str, str | bytes] = {
    **{repr(text): text for text in ("", "{", "nul", "\0", "\ud800", "NaN", "1e999", "\ufeff{}")},
    **{repr(data): data for data in (b"", b"\xff", b"\xfe\xff", b"{\0", b'"\\ud800"', b"[1]")},
    **{f"deep {unit}": unit * 100_000 for unit in ("[", '{"a":')},
    **{f"long {unit}": f"[{unit * (LONG // len(unit))}0]" for unit in ('{"a":1},', "[],", "1,")},
    **{f"many {unit}": f"[{unit * 199_000}{'1,' * (LONG // 8)}0]" for unit in ('{"a":1},', "[],")},
    "long text": '"' + "\\u0041" * (LONG // 6) + '"',
    "long bytes": b"[" + b"1," * (LONG // 2) + b"0]",
    "long and broken": "[" + "{}," * (LONG // 3),
}

#: What is JSON, but half of a pair, from others; or of more parts than `MAX_JSON_PARTS`.
REFUSED = {repr(b'"\\ud800"'), 'long {"a":1},', "long [],"}


@LANES
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if len(MESSAGES[name]) > 1 << 20 else [])
        for name in MESSAGES
    ],
)
async def test_messages_of_strange_json(
    colour: App, lane: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is JSON is read, what is none is a ValueError in the handler; and nobody waits."""
    app = colour("app")
    found: list[str] = []

    async def handler() -> None:
        try:
            value = await websocket.receive_json()
        except ValueError:
            found.append("none")
        else:
            found.append("read")
            del value
        await websocket.send("go on")
        await websocket.receive()

    add(app, lane, handler)
    message = MESSAGES[name]

    async def play() -> float:
        """Return the longest that another task waited for its turn, by this thread's time."""
        longest, done = 0.0, False

        async def watch() -> None:
            nonlocal longest
            while not done:
                began = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - began)

        async with WebsocketPeer(app) as peer:
            watching = asyncio.create_task(watch())
            await asyncio.sleep(0)
            peer.say(message)
            async with asyncio.timeout(60):
                while not peer.said:
                    await asyncio.sleep(0.001)
            done = True
            await watching
            peer.leave()
        return longest

    # The best of three: a collection, or a machine that does something else, is in one of them.
    held = 1.0
    for _ in range(3):
        held = min(held, await play())
        if held < 0.05:
            break
    try:
        json.loads(message)
        strict = "read"
    except (ValueError, RecursionError):
        strict = "none"
    if name in REFUSED:
        strict = "none"
    assert set(found) == {strict} and not caplog.records
    assert held < 0.1, held


async def test_who_wants_json_gets_the_error_of_a_mix(colour: App) -> None:
    app = colour("app")
    got: list[t.Any] = []

    async def handler() -> None:
        while True:
            try:
                got.append(await websocket.receive_json())
            except ValueError as error:
                got.append(type(error).__mro__[-4].__name__)

    add(app, "loop", handler)
    async with WebsocketPeer(app) as peer:
        peer.say("1", b"2", b"\xff", "{", '"a"', b'{"b": 3}')
        while len(got) < 6:
            await asyncio.sleep(0.001)
        peer.leave()
    assert got[:2] == [1, 2] and got[4:] == ["a", {"b": 3}] and len(got) == 6


async def test_an_error_of_the_handlers_is_logged_once(
    colour: App, caplog: pytest.LogCaptureFixture
) -> None:
    app = colour("app")

    async def handler() -> None:
        await websocket.receive_json()

    add(app, "loop", handler)
    async with WebsocketPeer(app) as peer:
        peer.say("{")
        await peer.ended()
    assert peer.code == 1011 and caplog.messages == ["Exception on / [GET]"]


# --- origins --------------------------------------------------------------------------------------

HERE = "https://here.example"
ORIGINS: list[tuple[t.Any, str, str | None, bool]] = [
    # what is allowed, Host, Origin, whether it may
    (None, "here.example", "https://there.example", True),
    (None, "here.example", None, True),
    ([HERE], "x", HERE, True),
    (HERE, "x", HERE, True),
    ([HERE], "x", "https://there.example", False),
    ([HERE], "x", "https://here.example.evil", False),
    ([HERE], "x", None, False),
    ([HERE, None], "x", None, True),
    ([], "x", HERE, False),
    ("same", "here.example", HERE, True),
    ("same", "HERE.example", HERE, True),
    ("same", "here.example:443", HERE, True),
    ("same", "here.example", "https://here.example:443", True),
    ("same", "here.example", "http://here.example", True),  # behind a proxy
    ("same", "here.example:8000", "http://here.example:8000", True),
    ("same", "here.example:8000", "http://here.example", False),
    ("same", "here.example", "http://here.example:8000", False),
    ("same", "here.example", "https://there.example", False),
    ("same", "here.example", "https://here.example.evil", False),
    ("same", "here.example", "https://evil/here.example", False),
    ("same", "here.example", "file://here.example", False),
    ("same", "here.example", "null", False),
    ("same", "here.example", "same", False),
    ("same", "", "https://", False),
    ("same", "here.example", None, False),
    (["same", None], "here.example", None, True),
    (["same", "https://other.example"], "here.example", "https://other.example", True),
    (["same", "https://other.example"], "here.example", "https://there.example", False),
]


@LANES
@REJECTS
@pytest.mark.parametrize("setting", ["WEBSOCKET_ALLOWED_ORIGINS", "WEBSOCKET_ORIGINS"])
async def test_origins(colour: App, lane: str, rejects: bool, setting: str) -> None:
    app = colour("app")
    called: list[int] = []

    async def handler() -> None:
        called.append(1)
        await websocket.send("in")

    add(app, lane, handler)
    for allowed, host, origin, may in ORIGINS:
        app.config[setting] = allowed
        headers = {"host": host} if origin is None else {"host": host, "origin": origin}
        called.clear()
        async with WebsocketPeer(app, rejects=rejects, **headers) as peer:
            await peer.ended()
        assert bool(called) == may, (allowed, host, origin)
        if may:
            assert peer.types[0] == "accept"
        elif rejects:
            assert peer.sent[0]["status"] == 403 and b"origin" in peer.sent[1]["body"]
        else:
            assert peer.types == ["close"]


async def test_requests_have_no_need_of_an_origin(colour: App) -> None:
    app = colour("app")
    app.config["WEBSOCKET_ALLOWED_ORIGINS"] = []
    app.add_url_rule("/", "view", lambda: request.method)
    async with HttpPeer(app, origin="https://there.example") as peer:
        await peer.ended()
    assert peer.status == 200
