"""Websockets step by step, over a server's scopes: what each step of a handler or hook gives or
raises, what is sent, signals, logs, and what the app's call raises, as in Quart."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import decimal
import random
import time
import typing as t
import uuid

import pytest
from markupsafe import Markup
from werkzeug.datastructures import Headers

from tests._scopes import websocket_scope
from tests.differential._awaiting import assert_same
from tests.differential._beside import Side

DATA = ["", "x", "é\0", b"x", b"\xff", "x" * 500]
JSON = [
    *(None, "", 0, 1.5, [], {}, {"b": [1, {"a": None}]}, "é", float("nan"), (1, 2), {2: 3}),
    *(uuid.UUID(int=5), datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1), Markup("<b>")),
    *(decimal.Decimal("1.50"), {1}, object(), b"x", {None: 1, "a": 2}, range(3)),
]
TEXTS = ['{"a": 1}', "[1, 2]", "nope", "", "null", '"é"', b"[1]", b"\xff", "NaN", "1 2"]
HEADERS = [
    *(None, {}, {"X-A": "b"}, [("X-A", "1"), ("x-a", "2")], Headers({"Set-Cookie": "a=b"})),
    *({"X-L": ["1", "2"]}, {"X-N": 5}),
]
SUBPROTOCOLS = [None, None, "chat", "other"]
CODES = [(1000,), (1001, "bye"), (3000, "é"), (4999,), (1008, ""), (1011, "x" * 123)]
RETURNS = [None, None, None, "text", b"bytes", {"a": 1}, ("denied", 403), ("x", {"X-A": "b"}), ""]
ATTRIBUTES = """
    accept_charsets accept_encodings accept_languages accept_mimetypes access_route args
    authorization base_url blueprint blueprints cookies endpoint full_path host host_url
    http_version is_secure method path query_string referrer remote_addr requested_subprotocols
    root_path root_url routing_exception script_root server url url_root url_rule user_agent
    view_args scheme headers origin pragma range cache_control content_type mimetype date
    if_match if_none_match if_range if_modified_since is_json max_forwards trusted_hosts
    content_length content_md5 content_encoding mimetype_params access_control_request_method
    nope form data json stream environ files values
""".split()
STEPS = [
    *("accept", "receive", "receive", "send", "send", "receive json", "send json", "close"),
    *("see", "attributes", "session", "url", "copied", "copied context", "raise", "abort", "late"),
    *("template", "json parts", "g", "task", "catch"),
]
#: Steps that neither raise nor wait.
QUIET = ["see", "attributes", "copied", "g", "task"]
#: What real servers refuse after a close, and ours does already.
AFTER_CLOSE = {"accept", "send", "send json", "json parts", "receive", "receive json", "close"}


def of_contexts(module: t.Any) -> t.Any:
    seen = [module.has_websocket_context(), module.has_request_context(), module.has_app_context()]
    for ask in (
        lambda: module.websocket.path,
        lambda: module.request.path,
        lambda: module.current_app.name,
        lambda: sorted(module.g),
        lambda: sorted(module.session.items()),
        lambda: module.url_for("ws", n=2),
        lambda: module.url_for(".ws", n=2, _external=True),
        lambda: bool(module.websocket),
    ):
        try:
            seen.append(ask())
        except Exception as error:
            seen.append(type(error).__name__)
    return seen


class Play:
    """One websocket of a client that leaves when the handler waits for more than it has said."""

    def __init__(self, side: Side, r: random.Random, said: list[t.Any]) -> None:
        self.side, self.r, self.said = side, r, [*said]
        self.seed = r.random()
        self.module = side.module
        self.wants = asyncio.Event()
        self.left = len(said)
        self.closed = False

    async def step(self, what: str) -> t.Any:
        module, r, websocket = self.module, self.r, self.module.websocket
        match what:
            case "accept":
                await websocket.accept(r.choice(HEADERS), r.choice(SUBPROTOCOLS))
            case "receive" | "receive json":
                if not self.left:
                    self.wants.set()
                self.left -= 1
                return await (
                    websocket.receive() if what == "receive" else websocket.receive_json()
                )
            case "send":
                await websocket.send(r.choice(DATA))
            case "send json":
                await websocket.send_json(r.choice(JSON))
            case "json parts":
                given = r.choice([((), {}), ((1, 2), {}), ((), {"a": 1}), ((1,), {"a": 1})])
                await websocket.send_json(*given[0], **given[1])
            case "close":
                self.closed = True
                await websocket.close(*r.choice(CODES))
            case "see":
                return of_contexts(module)
            case "attributes":
                return {name: self.attribute(name) for name in r.sample(ATTRIBUTES, 12)}
            case "session":
                module.session["a"] = 1
                return [module.session.new, module.session.modified, sorted(module.session)]
            case "template":
                source = "{{ websocket }}{{ request }}{{ g }}{{ session }}"
                return await module.render_template_string(source)
            case "url":
                return [
                    module.url_for(r.choice(["ws", ".ws", "bp.ws", "static", "nope"]), n=1),
                    module.url_for("ws", n=3, _external=True),
                ]
            case "copied":

                async def see() -> t.Any:
                    return of_contexts(module)

                return await asyncio.create_task(module.copy_current_websocket_context(see)())
            case "copied context":
                async with module.globals.websocket_ctx.copy():
                    return of_contexts(module)
            case "task":

                async def within() -> t.Any:
                    module.g.of_task = 1
                    return of_contexts(module)

                return await asyncio.create_task(within())
            case "g":
                module.g.a = module.g.get("a", 0) + 1
            case "late":

                @self.side.sub("ctx").after_this_websocket
                async def late(response: t.Any) -> t.Any:
                    self.side.tell("late", getattr(response, "status", response))
                    return response

            case "raise":
                raise LookupError("here")
            case "abort":
                module.abort(r.choice([401, 403, 404, 418, 500, 503]))
            case "catch":
                try:
                    await websocket.send_json(object())
                except Exception as error:
                    return error
        return None

    def attribute(self, name: str) -> t.Any:
        try:
            value = getattr(self.module.websocket, name)
        except Exception as error:
            return type(error).__name__
        if name == "headers":
            return sorted((k.lower(), v) for k, v in value if k.lower() != "remote-addr")
        return str(value) if name == "url_rule" else value  # *Quart:* with OPTIONS

    async def steps(self, where: str, steps: list[str], value: t.Any = None) -> t.Any:
        for n, what in enumerate(steps):
            self.r = random.Random(f"{self.seed} {where} {n}")  # what is left out changes nothing
            if self.closed and what in AFTER_CLOSE:
                continue
            self.side.tell(where, what)
            try:
                self.side.tell(await self.step(what))
            except BaseException as error:
                self.side.tell(self.as_told(error))
                raise
        return value

    @staticmethod
    def as_told(error: BaseException) -> t.Any:
        return "cancelled" if isinstance(error, asyncio.CancelledError) else error

    async def run(self, app: t.Any, scope: dict[str, t.Any]) -> None:
        said = iter([{"type": "websocket.connect"}, *map(message, self.said)])

        async def receive() -> t.Any:
            for event in said:
                return event
            await self.wants.wait()
            return {"type": "websocket.disconnect", "code": 1001, "reason": ""}

        sent: list[t.Any] = []

        async def send(event: t.Any) -> None:
            sent.append(event)
            self.side.tell(*as_sent(event))

        try:
            async with asyncio.timeout(5):
                await app(scope, receive, send)
        except BaseException as error:
            self.side.tell("ended", self.as_told(error))
        else:
            self.side.tell("ended")


def message(data: str | bytes) -> dict[str, t.Any]:
    texts = isinstance(data, str)
    return {"type": "websocket.receive", "text" if texts else "bytes": data}


def as_sent(event: dict[str, t.Any]) -> list[t.Any]:
    kind = event["type"].removeprefix("websocket.")
    lines = sorted((k.lower(), v) for k, v in event.get("headers", ()))
    if kind == "send":
        return [kind, event["text"] if event.get("text") is not None else event["bytes"]]
    if kind == "close":
        return [kind, event["code"], event.get("reason") or ""]
    if kind == "accept":
        return [kind, event["subprotocol"], lines]
    return [kind, event.get("status"), lines, event.get("body")]


SCOPES: list[dict[str, t.Any]] = [
    *({}, {}, {}, {"extensions": {"websocket.http.response": {}}}, {"subprotocols": ["chat", "b"]}),
    {"extensions": {"websocket.http.response": {}}, "subprotocols": ["chat"]},
    {"query_string": b"a=1&a=2&b=%C3%A9"},
    {"scheme": "wss", "http_version": "2"},
    {"root_path": "/mounted"},
    {"client": None, "server": None},
]
MORE_HEADERS = [
    *([], [], [(b"cookie", b"a=1; session=bad")], [(b"origin", b"http://evil"), (b"x-l", b"1")]),
    [(b"authorization", b"Basic YTpi"), (b"accept-language", b"de, en;q=0.5")],
    [(b"user-agent", b"x/1"), (b"sec-websocket-protocol", b"chat, b")],
    [(b"x-forwarded-for", b"1.2.3.4"), (b"if-none-match", b'"x"'), (b"content-type", b"a/b")],
]
PATHS = ["/ws/1", "/ws/1", "/ws/1", "/bp/ws/2", "/bp/ws/2", "/nowhere", "/http", "/ws", "/ws/1/"]
WHERE = ["app", "bp"]


CONFIGS: list[dict[str, t.Any]] = [
    *(
        {},
        {},
        {},
        {"TESTING": True},
        {"PROPAGATE_EXCEPTIONS": True},
        {"TRAP_HTTP_EXCEPTIONS": True},
    ),
    {"TRAP_BAD_REQUEST_ERRORS": True},
    {"SERVER_NAME": "example.com"},
    {"SERVER_NAME": "localhost"},
    {"PROPAGATE_EXCEPTIONS": None},
]


def converse(side: Side, r: random.Random) -> None:
    module, app = side.module, side.app()
    app.secret_key = r.choice(["key", "key", None])
    app.config.update(r.choice(CONFIGS))
    bp = module.Blueprint("bp", "bp")
    plays: list[Play] = []
    few = r.random() < 0.5  # most scripts have hooks that do nothing
    steps: dict[str, list[str]] = {}
    for where in ("before", "bp before", "after", "bp after", "teardown", "handled"):
        may = {"teardown": QUIET, "handled": [*QUIET, "accept", "send", "close"]}.get(where, STEPS)
        chosen = r.choices(may, k=r.choice([0, 0, 0, 1, 2]))
        steps[where] = [] if few and where != "handled" else chosen
    steps["view"] = r.choices(STEPS, k=r.randrange(1, 6))
    returns = {where: r.choice(RETURNS) for where in ("view", "handled")}
    returns["before"] = r.choice([None] * 6 + RETURNS)
    plain = r.random() < 0.3

    for kind, owner in (("", app), ("bp ", bp)):

        async def before(kind: str = kind) -> t.Any:
            value = returns["before"] if not kind else None
            return await plays[-1].steps(f"{kind}before", steps[f"{kind}before"], value)

        async def after(response: t.Any, kind: str = kind) -> t.Any:
            side.tell(f"{kind}after", getattr(response, "status", response))
            return await plays[-1].steps(f"{kind}after", steps[f"{kind}after"], response)

        owner.before_websocket(before)
        owner.after_websocket(after)

    if plain:
        app.before_websocket(lambda: side.tell("plain", of_contexts(module)))
        app.after_websocket(lambda response: response)

    @app.teardown_websocket
    async def teardown(error: t.Any) -> None:
        side.tell("torn down")
        await plays[-1].steps("torn down", steps.pop("teardown", []))  # copies are torn down, too

    @app.teardown_appcontext
    async def teardown_of_app(error: t.Any) -> None:
        side.tell("torn down in app")

    for handled in r.sample([LookupError, Exception, 404, 403, 500, TypeError, ValueError], k=2):
        owner = r.choice([app, app, bp])
        if r.random() < 0.5:

            async def handle(error: t.Any, handled: t.Any = handled) -> t.Any:
                side.tell("handler of", str(handled), error)
                return await plays[-1].steps("handled", steps["handled"], returns["handled"])

            owner.register_error_handler(handled, handle)

    async def view(n: int) -> t.Any:
        return await plays[-1].steps("view", steps["view"], returns["view"])

    app.add_websocket("/ws/<int:n>", "ws", view)
    bp.add_websocket("/ws/<int:n>", "ws", view)
    app.add_url_rule("/http", "http", side.view(lambda: "x"))
    app.register_blueprint(bp, url_prefix="/bp")
    path, said = r.choice(PATHS), r.choices([*DATA[:5], *TEXTS], k=r.randrange(4))
    options = dict(r.choice(SCOPES))
    path = options.get("root_path", "") + path
    lines = [(b"host", b"localhost"), *r.choice(MORE_HEADERS)]
    scope = websocket_scope(path, lines, **options)

    async def run() -> None:
        plays.append(Play(side, r, said))
        async with contextlib.AsyncExitStack() as stack:
            for name in SIGNALS:
                stack.enter_context(listening(side, name))
            await plays[-1].run(app, scope)

    asyncio.run(run())


SIGNALS = [
    *("websocket_started", "websocket_finished", "websocket_tearing_down", "websocket_received"),
    *("websocket_sent", "got_websocket_exception"),
]


def listening(side: Side, name: str) -> t.Any:
    async def receive(sender: t.Any, **values: t.Any) -> None:
        shown = {k: getattr(v, "status", v) for k, v in values.items() if k != "exc"}
        side.tell("signal", name, shown)

    return getattr(side.sub("signals"), name).connected_to(receive)


def without_departures(told: list[t.Any]) -> list[t.Any]:
    """Leave out when messages are told of that nobody received, the after functions of a handler
    that was cancelled, into how many pieces a body is cut, that a failed handler's code is 1011,
    even if the app's call raises, and that what was never accepted is closed."""
    left: list[t.Any] = []
    cancelled = accepted = False
    for line in told:
        kind = line[0]
        cancelled = (cancelled or line == ["cancelled"]) and kind != "torn down"
        accepted = accepted or kind == "accept"
        line = ["close", 1000, ""] if line == ["close", 1011, ""] else line
        if kind == "http.response.body":
            if left and left[-1][0] == kind:
                left[-1] = [kind, left[-1][1] + line[3]]
            else:
                left.append([kind, line[3]])
        elif not (
            line[:2] == ["signal", "websocket_received"]
            or (cancelled and ["cancelled"] in left)
            or (line == ["close", 1000, ""] and not accepted)
        ):
            left.append(
                [kind, line[1], *without_vary(line[2])] if kind == "http.response.start" else line
            )
    if ["cancelled"] in left:
        left[-1] = ["ended"]
    if left[-1] != ["ended"] and ["close", 1000, ""] in left:
        left.remove(["close", 1000, ""])
    return left


def without_vary(lines: list[t.Any]) -> list[t.Any]:
    """What depends on the session says so here: `Vary: Cookie`."""
    return [line for line in lines if line != [b"vary", b"Cookie"]]


def test_websockets_are_as_in_quart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.7e9)  # sessions are signed with it
    assert_same(converse, 120, without_departures)
