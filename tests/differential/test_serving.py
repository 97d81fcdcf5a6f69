"""The life of an app and what tests do with Quart's client: functions of the start and the end,
background tasks, connections in pieces, arguments of every kind, as in Quart."""

from __future__ import annotations

import asyncio
import io
import random
import time
import typing as t

import pytest
from werkzeug.datastructures import Authorization
from werkzeug.datastructures import Headers

from tests.differential._awaiting import assert_same
from tests.differential._beside import Side


def live(side: Side, r: random.Random) -> None:
    """Start, ask, stop: in which order functions run, in which contexts, and what errors do."""
    module, app = side.module, side.app()
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.02
    bp = module.Blueprint("bp", "bp")
    fails = r.choice([*"abcdefghCFH", *[None] * 9])
    later: list[t.Any] = []  # of background tasks: sorted, as they run beside all else

    def seen() -> list[t.Any]:
        return [module.has_app_context(), module.has_request_context(), sorted(module.g)]

    def named(name: str) -> t.Any:
        def func() -> None:
            side.tell(name, seen())
            module.g.a = 1
            if name == fails:
                side.tell("fails")
                raise LookupError(name)

        async def coroutine() -> None:
            await asyncio.sleep(0)
            func()

        return func if r.random() < 0.4 else coroutine

    def serving(name: str) -> t.Any:
        many = r.random() < 0.15

        async def generator() -> t.Any:
            side.tell(name, "begins", seen())
            if name == fails:
                side.tell("fails")
                raise LookupError(name)
            yield
            side.tell(name, "ends", seen())
            if name.upper() == fails:
                side.tell("fails")
                raise LookupError(name)
            if many:
                side.tell("fails")
                yield

        return generator

    def background(kind: str, n: int) -> t.Any:
        def func(*args: t.Any, **kwargs: t.Any) -> None:
            later.append([kind, n, seen(), args, kwargs])
            if kind == "failing":
                raise LookupError(f"task {n}")

        async def coroutine(*args: t.Any, **kwargs: t.Any) -> None:
            func(*args, **kwargs)
            if kind == "long":
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    later.append([kind, n, "cancelled"])
                    raise

        return coroutine if kind == "long" or r.random() < 0.6 else func

    steps = [
        (app.before_serving, "a", named), (app.after_serving, "b", named),
        (app.while_serving, "c", serving), (bp.before_app_serving, "d", named),
        (bp.after_app_serving, "e", named), (bp.while_app_serving, "f", serving),
        (app.before_serving, "g", named), (app.while_serving, "h", serving),
    ]  # fmt: skip
    for register, name, make in r.sample(steps, k=r.randrange(2, 9)):
        side.tried(register, make(name))
    kinds = r.choices(["good", "failing", "long"], weights=[4, 2, 1], k=r.randrange(4))
    tasks = [
        (background(kind, n), r.choice([(), (1,)]), r.choice([{}, {"b": 2}]))
        for n, kind in enumerate(kinds)
    ]
    at = r.choice(["start", "view"])

    def begin() -> None:
        for task, args, kwargs in tasks:
            module.current_app.add_background_task(task, *args, **kwargs)

    if at == "start" and tasks:

        @app.before_serving
        async def start() -> None:
            begin()

    async def view() -> str:
        if at == "view":
            begin()
        return f"{seen()}"

    app.add_url_rule("/", "view", view)
    app.register_blueprint(bp)

    async def in_lifespan() -> None:
        messages = iter(["startup", "shutdown"])

        async def receive() -> t.Any:
            kind = next(messages)
            if kind == "shutdown" and ["fails"] not in side.told:
                response = await app.test_client().get("/")
                side.tell(response.status, await response.get_data())
                await settle()
            return {"type": f"lifespan.{kind}"}

        async def send(message: t.Any) -> None:
            side.tell(message)

        try:
            await app({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)
        except (Exception, StopIteration) as error:
            side.tell("lifespan", type(error).__name__)

    async def settle() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        if any(kind != "long" for kind in kinds):
            await asyncio.sleep(0.002)

    async def by_client() -> None:
        try:
            async with app.test_app() as running:
                client = running.test_client()
                response = await client.get("/")
                side.tell(response.status, await response.get_data())
                await settle()
        except Exception as error:
            side.tell("raised", type(error).__name__)

    async def run() -> None:
        async def background_error(sender: t.Any, exception: t.Any) -> None:
            later.append(["signal", str(exception)])

        async def serving_error(sender: t.Any, exception: t.Any) -> None:
            side.tell("signal", str(exception))

        signals = side.sub("signals")
        with (
            signals.got_background_exception.connected_to(background_error),
            signals.got_serving_exception.connected_to(serving_error),
        ):
            await (in_lifespan() if r.random() < 0.3 else by_client())

    asyncio.run(run())
    side.tell(sorted(map(repr, later)))


def without_departures(told: list[t.Any]) -> list[t.Any]:
    """Leave out what is logged of background tasks, the contexts' signals, which come as they end,
    and what follows a function that failed: of those of the end the others run here."""
    contexts = ("appcontext_pushed", "appcontext_popped", "appcontext_tearing_down")
    left = [x for x in told if x[0] != "logged" and not (x[0] == "signal" and x[1] in contexts)]
    return left[: left.index(["fails"])] if ["fails"] in left else left


def test_apps_live_as_in_quart() -> None:
    assert_same(live, 40, without_departures)


HEADERS = [None, {}, {"X-A": "b"}, Headers([("X-A", "1"), ("X-A", "2")]), {"X-N": "5"}]
PATHS = [
    *("/", "/?a=1&a=2", "/é", "/%C3%A9?b=%20", "/item/a b", "item", "/nowhere", "/item/x%2Fy"),
    "/?",
]
QUERIES = [None, None, None, {"a": "1"}, {"a": [1, 2], "b": "é"}, {}]
AUTHS = [None, None, ("a", "b"), Authorization("bearer", token="x")]
SCOPES = [None, None, {"client": ("1.2.3.4", 5)}, {"server": ("h", 1)}, {"path": "/other"}]


def given(side: Side, r: random.Random) -> dict[str, t.Any]:
    """Return arguments for the client."""
    file = side.sub("datastructures").FileStorage
    chosen: dict[str, t.Any] = {
        "headers": r.choice(HEADERS),
        "query_string": r.choice(QUERIES),
        "auth": r.choice(AUTHS),
        "scope_base": r.choice(SCOPES),
        "scheme": r.choice(["http", "https"]),
        "http_version": r.choice(["1.0", "1.1", "2", "3"]),
        "root_path": r.choice(["", "", "", "/r"]),
        "subdomain": r.choice([None, None, "sub"]),
        "follow_redirects": r.random() < 0.3,
        "data": r.choice(["é", b"\xff", "", "a=1"]),
        "form": r.choice([{"a": "1"}, {"é": "ü&"}, {}]),
        "files": {"f": file(io.BytesIO(b"of it"), filename=r.choice(["f.txt", "é.png"]))},
        "json": r.choice([None, {"a": [1]}, "x", 1.5]),
        "method": r.choice(["GET", "POST", "PUT", "HEAD", "get", "TRACE"]),
    }
    kept = r.sample([*chosen], k=r.randrange(5))
    body = [name for name in ("data", "json", "form", "files") if name in kept]
    if r.random() < 0.8:  # mostly no more than one
        kept = [name for name in kept if name not in body[1:]]
    return {name: value for name, value in chosen.items() if name in kept}


def use_client(side: Side, r: random.Random) -> None:
    module, app = side.module, side.app()
    app.secret_key = "key"
    app.config.update(r.choice([{}, {}, {"SERVER_NAME": "example.com"}]))

    async def view(**values: t.Any) -> t.Any:
        request = module.request
        module.session["n"] = module.session.get("n", 0) + 1
        lines = sorted((k.lower(), v) for k, v in request.headers)
        lines = [x for x in lines if x[0] not in ("content-length", "cookie", "remote-addr")]
        form, files = await request.form, await request.files
        said = [
            request.method, request.url, request.path, request.root_path, request.host,
            request.query_string, request.scheme, request.http_version, lines, values,
            sorted(request.args.items(multi=True)), sorted(form.items(multi=True)),
            [(k, f.filename, f.content_type, f.read()) for k, f in files.items()],
            await request.get_data(), await request.get_json(silent=True), request.is_secure,
            request.authorization, request.mimetype,
        ]  # fmt: skip
        return repr(said).replace("quartish", "quart")

    methods = ["GET", "POST", "PUT", "TRACE"]
    for rule in ("/", "/é", "/item/<name>", "/other"):
        app.add_url_rule(rule, rule.strip("/") or "root", view, methods=methods)
    app.add_url_rule("/to", "to", lambda: module.redirect("/?a=1", r.choice([301, 302, 307])))

    async def push() -> str:
        await module.make_push_promise("/pushed")
        return "x"

    app.add_url_rule("/push", "push", push)

    async def run() -> None:
        client = side.tried(app.test_client, use_cookies=r.random() < 0.8)
        for _ in range(3):
            path, options = r.choice([*PATHS, "/to", "/push"]), given(side, r)
            side.told.append((path, repr(sorted(options)), options.get("method")))
            try:
                response = await client.open(path, **options)
            except Exception as error:
                side.tell(type(error).__name__, str(error))
            else:
                side.tell(response.status, response.mimetype, await response.get_data())
            side.tell([(path, sorted(lines)) for path, lines in client.push_promises])

    asyncio.run(run())


def test_clients_ask_as_in_quart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.7e9)
    assert_same(use_client, 60)


def in_pieces(side: Side, r: random.Random) -> None:
    """A connection that sends and receives pieces, leaves, or fails."""
    module, app = side.module, side.app()
    app.config.update(r.choice([{}, {"MAX_CONTENT_LENGTH": 4}]))
    app.config["PROPAGATE_EXCEPTIONS"] = r.choice([None, False, True])
    how = r.choice(["data", "body", "form", "nothing", "late"])
    answers = r.choice(["text", "stream", "raises", "fails later", "pushes", "none"])

    async def pieces() -> t.Any:
        yield b"one"
        await asyncio.sleep(0)
        yield b""
        if answers == "fails later":
            raise LookupError("later")
        yield "two"

    async def view() -> t.Any:
        request = module.request
        try:
            match how:
                case "data":
                    side.tell("read", await request.get_data())
                case "body":
                    got = [piece async for piece in request.body]
                    side.tell("read", b"".join(got))
                case "form":
                    side.tell("read", sorted((await request.form).items()))
                case "late":
                    await asyncio.sleep(0)
        except Exception as error:
            side.tell("read", error)
            raise
        match answers:
            case "raises":
                raise LookupError("here")
            case "text":
                return "text", 201, {"X-A": "b"}
            case "none":
                return ""
            case "pushes":
                await module.make_push_promise("/p")
                await request.send_push_promise("/q")
        return pieces()

    app.add_url_rule("/", "view", view, methods=["GET", "POST"])

    async def run() -> None:
        options = {
            "headers": r.choice([None, {"Content-Type": "application/x-www-form-urlencoded"}])
        }
        version = r.choice(["1.1", "2"])
        client = app.test_client()
        steps = r.choices([b"a=1", b"", b"&b=2", b"x" * 5], k=r.randrange(4))
        try:
            async with client.request("/", method="POST", http_version=version, **options) as c:
                for data in steps:
                    await c.send(data)
                await c.send_complete()
                if r.random() < 0.4:
                    side.tell("first", await asyncio.wait_for(c.receive(), 2))
                    side.tell(
                        c.status_code, sorted({k.lower() for k, _ in c.headers} - {"connection"})
                    )
            response = await c.as_response()
            side.tell(response.status, await response.get_data())
            side.tell([(path, sorted(lines)) for path, lines in c.push_promises])
        except Exception as error:
            side.tell("connection", error)

    asyncio.run(run())


def test_connections_in_pieces_are_as_in_quart() -> None:
    assert_same(in_pieces, 40)
