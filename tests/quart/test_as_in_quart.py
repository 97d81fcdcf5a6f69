"""The awaitable colour does what Quart does: the same code, played on both."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import pkgutil
import threading
import typing as t
from pathlib import Path

import click
import click.testing
import jinja2
import pytest
import quart
import quart.ctx
import quart.sessions
import quart.views
import werkzeug.exceptions

import quartish.quart
import quartish.sessions
from tests._peer import ask
from tests._scripted import HttpPeer

HERE = __file__.rpartition("/")[0]
OWN = {
    *("DISCONNECT_GRACE", "FILE_THREADS", "MAX_HEADER_SIZE", "MAX_URL_SIZE", "READ_AHEAD_SIZE"),
    *("MAX_JSON_PARTS", "VIEW_THREADS", "BACKGROUND_TASK_HISTORY", "BACKGROUND_TASK_LOCK_URL"),
    *("SYNC_HOOKS_IN_THREAD", "WEBSOCKET_ALLOWED_ORIGINS", "WEBSOCKET_ORIGINS"),
    *("DEBUGGER", "DEBUGGER_TRUSTED_HOSTS", "TRACEBACKS"),
    *("DECODE_BODY", "MAX_DECODED_CONTENT_LENGTH", "PATH_SEND", "STATIC_PRECOMPRESSED"),
}


def app_of(module: t.Any, **options: t.Any) -> t.Any:
    app = module.Quart("app", root_path=HERE, static_folder=HERE, static_url_path="/s", **options)
    app.secret_key = "key"
    return app


async def on_both(play: t.Callable[[t.Any], t.Awaitable[t.Any]]) -> None:
    """Play the same code with Quart and with quartish, and compare what it returns."""
    assert await play(quartish.quart) == await play(quart)


async def test_the_config_has_the_same_defaults() -> None:
    config = {**quart.Quart("app").config}
    own = {**quartish.quart.Quart("app").config}
    assert {name: value for name, value in own.items() if name not in OWN} == config


async def test_the_environment_is_read_by_the_same_prefix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUART_A", "1")
    monkeypatch.setenv("FLASK_B", "2")

    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        app.config.from_prefixed_env()
        return app.config.get("A"), app.config.get("B")

    await on_both(play)


class OutOfStock(werkzeug.exceptions.BadRequest):
    description = "none left"


@pytest.mark.parametrize("where", ["view", "before", "after", "sync view"])
@pytest.mark.parametrize("handled", [False, True])
async def test_http_exceptions_of_any_class(where: str, handled: bool) -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)

        async def fail(*args: t.Any) -> t.Any:
            raise OutOfStock()

        def fail_in_sync() -> t.Any:
            raise OutOfStock()

        async def view() -> str:
            return "ok"

        if where in ("before", "after"):
            getattr(app, f"{where}_request")(fail)
        views = {"view": fail, "sync view": fail_in_sync}
        app.add_url_rule("/", "view", views.get(where, view))
        if handled:
            app.register_error_handler(OutOfStock, lambda error: ("handled", 418))
        answer = await ask(app)
        return answer.status, answer.body

    await on_both(play)


async def test_a_session_interface_of_coroutines() -> None:
    async def play(module: t.Any) -> t.Any:
        sessions = quart.sessions if module is quart else quartish.sessions

        class Interface(sessions.SecureCookieSessionInterface):  # type: ignore[misc,name-defined]
            async def open_session(self, app: t.Any, request: t.Any) -> t.Any:
                session = await super().open_session(app, request)
                if session is None:
                    session = await super().make_null_session(app)
                return session

            async def save_session(self, app: t.Any, session: t.Any, response: t.Any) -> None:
                await super().save_session(app, session, response)

        app = app_of(module)
        app.session_interface = Interface()

        @app.route("/")
        async def view() -> str:
            module.session["n"] = module.session.get("n", 0) + 1
            return str(module.session["n"])

        client = app.test_client()
        return [await (await client.get("/")).get_data() for _ in range(3)]

    await on_both(play)


async def test_a_body_that_is_too_large() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)

        @app.post("/")
        async def view() -> str:
            return str(len(await module.request.get_data()))

        return (await app.test_client().post("/", data=b"x" * 20_000_000)).status_code

    await on_both(play)


async def test_what_is_set_up_after_the_first_request() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        client = app.test_client()
        first = (await client.get("/")).status_code
        app.add_url_rule("/", "view", lambda: "late")
        return first, await (await client.get("/")).get_data()

    await on_both(play)


async def test_a_file_without_a_request() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        async with app.app_context():
            response = await module.send_file(f"{HERE}/test_quart_app.py")
        return response.status_code, await response.get_data()

    await on_both(play)


async def test_the_cache_time_of_files() -> None:
    async def play(module: t.Any) -> t.Any:
        answer = await ask(app_of(module), "/s/test_quart_app.py")
        return answer.status, answer.headers["cache-control"]

    await on_both(play)


async def test_cookies_that_tests_set() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)

        @app.route("/")
        async def view() -> t.Any:
            return dict(module.request.cookies)

        client, seen = app.test_client(), []
        client.set_cookie("localhost", "a", "1")
        client.set_cookie("example.org", "b", "2")
        client.set_cookie(None, "c", "3")
        seen.append(await (await client.get("/")).get_json())
        client.delete_cookie("localhost", "a")
        client.delete_cookie(None, "c", path="/", domain=None)
        seen.append(await (await client.get("/")).get_json())
        return seen

    await on_both(play)


async def test_a_background_task_that_fails() -> None:
    async def play(module: t.Any) -> t.Any:
        errors = []

        class App(module.Quart):  # type: ignore[misc]
            async def handle_background_exception(self, error: Exception) -> None:
                errors.append(repr(error))

        app = App("app")

        @app.route("/")
        async def view() -> str:
            async def fail() -> None:
                raise LookupError("work")

            app.add_background_task(fail)
            return ""

        await app.test_client().get("/")
        await asyncio.sleep(0.01)
        return errors

    await on_both(play)


async def test_a_range_of_a_response() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)

        @app.route("/")
        async def view() -> t.Any:
            response = await module.make_response(b"abcdef")
            return await response.make_conditional(module.request, complete_length=6)

        response = await app.test_client().get("/", headers={"Range": "bytes=0-1"})
        return response.status_code, await response.get_data()

    await on_both(play)


async def test_contexts_are_pushed_and_popped() -> None:
    async def play(module: t.Any) -> t.Any:
        app, seen = app_of(module), []

        @app.teardown_appcontext
        async def teardown(exc: t.Any) -> None:
            seen.append((module.has_request_context(), module.g.get("mark")))

        @app.teardown_request
        async def teardown_request(exc: t.Any) -> None:
            seen.append((module.has_request_context(), module.g.get("mark")))

        for make in (app.app_context, lambda: app.test_request_context("/x")):
            ctx = make()
            await ctx.push()
            module.g.mark = len(seen)
            seen.append(module.has_request_context())
            await ctx.pop(None)
            seen.append(module.has_app_context())
        async with app.test_request_context("/y"):
            module.g.mark = "outer"
            async with app.app_context():
                seen.append((module.g.get("mark"), module.request.path))
            seen.append(module.g.get("mark"))
        return seen

    await on_both(play)


async def test_a_task_sees_the_request_that_it_was_started_from() -> None:
    async def play(module: t.Any) -> t.Any:
        app, seen = app_of(module), []

        @app.route("/path")
        async def view() -> str:
            async def work() -> None:
                seen.append((module.request.path, module.g.get("mark")))

            module.g.mark = 1
            app.add_background_task(work)
            return ""

        await app.test_client().get("/path")
        await asyncio.sleep(0.02)
        return seen

    await on_both(play)


async def test_a_copied_app_context_shares_g() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        async with app.app_context():
            module.g.mark = 1

            @module.copy_current_app_context
            async def work() -> t.Any:
                return module.g.get("mark")

            return await work()

    await on_both(play)


async def test_a_function_that_carries_a_context_is_awaited() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        async with app.test_request_context("/path"):
            in_app = module.copy_current_app_context(lambda: module.current_app.name)
            in_request = module.copy_current_request_context(lambda: module.request.path)
            return [await in_app(), await in_request()]

    await on_both(play)


@pytest.mark.parametrize("name", ["pushed", "popped", "tearing_down"])
async def test_async_receivers_of_signals_about_contexts(name: str) -> None:
    async def play(module: t.Any) -> t.Any:
        app, seen = app_of(module), []

        @app.route("/")
        async def view() -> str:
            return "ok"

        async def receive(sender: t.Any, **extra: t.Any) -> None:
            await asyncio.sleep(0)
            seen.append(name)

        signal = getattr(module, f"appcontext_{name}")
        with signal.connected_to(receive, app):
            seen.append((await app.test_client().get("/")).status_code)
        return sorted(map(str, seen))

    await on_both(play)


async def test_resources_are_opened_as_coroutines(tmp_path: t.Any) -> None:
    (tmp_path / "file").write_text("one\ntwo\n")

    async def play(module: t.Any) -> t.Any:
        app = module.Quart("app", root_path=str(tmp_path), instance_path=str(tmp_path))
        blueprint = module.Blueprint("blueprint", "app", root_path=str(tmp_path))
        seen: list[t.Any] = []
        for open_file in (app.open_resource, blueprint.open_resource, app.open_instance_resource):
            async with await open_file("file") as file:
                seen.append(await file.read())
            async with await open_file("file", "r") as file:
                seen.append([line async for line in file])
            file = await (await open_file(path="file", mode="rt"))
            seen.append((await file.readline(), await file.tell(), file.closed))
            await file.close()
            seen.append(file.closed)
            with pytest.raises(FileNotFoundError):
                async with await open_file("missing"):
                    pass
        for open_file in (app.open_resource, blueprint.open_resource):
            with pytest.raises(ValueError):
                await open_file("file", "w")
        async with await app.open_instance_resource("written", "w") as file:
            seen.append(await file.write("abc"))
        return seen

    await on_both(play)


async def test_a_copied_app_context_keeps_g_when_it_is_pushed() -> None:
    async def play(module: t.Any) -> t.Any:
        context = app_of(module).app_context()
        await context.push()
        module.g.mark = 1
        copied = context.copy()
        await context.pop()
        await copied.push()
        mark = module.g.get("mark")
        await copied.pop()
        return mark, module.has_app_context()

    await on_both(play)


async def test_kinds_of_contexts() -> None:
    async def play(module: t.Any) -> t.Any:
        ctx = quart.ctx if module is quart else importlib.import_module("quartish.quart.ctx")
        kinds = (ctx.AppContext, ctx.RequestContext, ctx.WebsocketContext)
        app, seen = app_of(module), []

        @app.websocket("/")
        async def view() -> None:
            websocket = module.websocket._get_current_object()
            context = ctx.WebsocketContext(app, websocket)
            seen.append([isinstance(context, kind) for kind in kinds[1:]])
            async with context:
                seen.append(module.websocket.path)
            await module.websocket.send("")

        async with app.test_client().websocket("/") as websocket:
            await websocket.receive()
        async with app.test_request_context("/x") as context:
            seen.append([isinstance(context, kind) for kind in kinds[1:]])
            request = module.request._get_current_object()
        seen.append([isinstance(app.app_context(), kind) for kind in kinds])
        context = ctx.RequestContext(app, request, None)
        await context.push()
        seen.append((module.request.path, module.g.get("mark")))  # type: ignore[arg-type]
        async with context.copy():
            seen.append(module.request.path)
        await context.auto_pop(None)
        seen.append(module.has_request_context())
        await context.push()
        app.config["PRESERVE_CONTEXT_ON_EXCEPTION"] = True
        await context.auto_pop(ValueError())
        seen.append((module.has_request_context(), context.preserved))  # type: ignore[arg-type]
        await context.pop(None)
        return seen

    await on_both(play)


async def test_class_based_views() -> None:
    async def play(module: t.Any) -> t.Any:
        views = quart.views if module is quart else importlib.import_module("quartish.quart.views")

        class Plain(views.View):  # type: ignore[misc,name-defined]
            def dispatch_request(self, **kwargs: t.Any) -> str:
                assert threading.current_thread() is not threading.main_thread()
                return "plain"

        class Methods(views.MethodView):  # type: ignore[misc,name-defined]
            async def get(self) -> str:
                return "get"

            def post(self) -> str:
                assert threading.current_thread() is not threading.main_thread()
                return "post"

        class Override(Methods):
            async def dispatch_request(self, **kwargs: t.Any) -> t.Any:
                return "over " + await super().dispatch_request(**kwargs)

        def decorate(view: t.Any) -> t.Any:
            async def decorated(*args: t.Any, **kwargs: t.Any) -> str:
                return "decorated " + await view(*args, **kwargs)

            return decorated

        class Decorated(Methods):
            decorators = [decorate]

        app, seen = app_of(module), []
        for cls in (Plain, Methods, Override, Decorated):
            view = cls.as_view(cls.__name__)
            app.add_url_rule(f"/{cls.__name__}", view_func=view)
            seen.append(inspect.iscoroutinefunction(view))
            for method in ("GET", "POST", "HEAD", "PUT"):
                response = await app.test_client().open(f"/{cls.__name__}", method=method)
                seen.append((response.status_code, await response.get_data()))  # type: ignore[arg-type]
        return seen

    await on_both(play)


async def test_the_session_of_a_test_request() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        seen = []
        for body in ({"form": {"a": "b"}}, {"json": [1]}, {"data": b"x"}, {}):
            client = app.test_client()
            async with client.session_transaction("/x", method="POST", **body) as session:
                session["key"] = 1
            async with client.session_transaction() as session:
                seen.append(dict(session))
        with pytest.raises(RuntimeError):
            async with app.test_client(use_cookies=False).session_transaction():
                pass
        return seen

    await on_both(play)


@pytest.mark.parametrize(
    "options",
    [(), ("/",), ("/", None), ("/other",), ("/", "example.org")],
)
async def test_cookies_by_position(options: t.Any) -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)

        @app.route("/")
        async def view() -> t.Any:
            return dict(module.request.cookies)

        client = app.test_client()
        client.set_cookie("localhost", "a", "1", None, None, "/", None, False, True, "Lax")
        client.set_cookie("localhost", "b", "2", domain="example.org")
        seen = [await (await client.get("/")).get_json()]
        client.delete_cookie("localhost", "a", *options)
        return *seen, await (await client.get("/")).get_json()

    await on_both(play)


async def test_functions_of_the_end_in_order() -> None:
    async def play(module: t.Any) -> t.Any:
        app, seen = app_of(module), []

        def note(mark: str) -> t.Any:
            async def teardown(exc: t.Any) -> None:
                seen.append(mark)

            return teardown

        for mark in "ab":
            app.teardown_appcontext(note("app " + mark))
            app.teardown_request(note("request " + mark))
            app.teardown_websocket(note("websocket " + mark))

        @app.websocket("/ws")
        async def view() -> None:
            await module.websocket.send("")

        await app.test_client().get("/")
        async with app.test_client().websocket("/ws") as websocket:
            await websocket.receive()
        await asyncio.sleep(0)
        return seen

    await on_both(play)


async def test_what_is_made_for_one_request_is_not_cached() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)

        @app.route("/")
        async def view() -> t.Any:
            return await module.send_file(io.BytesIO(b"x"), attachment_filename="a.png")

        @app.route("/file")
        async def file() -> t.Any:
            return await module.send_file(__file__)

        made = (await app.test_client().get("/")).headers
        sent = (await app.test_client().get("/file")).headers
        return "max-age" in made["Cache-Control"], *(
            name in headers
            for headers in (made, sent)
            for name in ("ETag", "Expires", "Content-Disposition")
        )

    await on_both(play)


async def test_a_streamed_response_in_a_test() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)

        @app.route("/")
        async def view() -> t.Any:
            return (piece async for piece in pieces())

        async def pieces() -> t.AsyncIterator[str]:
            yield "a"
            yield "b"

        response = await app.test_client().get("/")
        return response.content_length, await response.get_data()

    await on_both(play)


async def test_the_static_view() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        view = app.view_functions["static"]
        return view.__name__, inspect.iscoroutinefunction(view), app.get_send_file_max_age("x")

    await on_both(play)


async def test_the_static_view_is_the_method(tmp_path: Path) -> None:
    """Quart-Schema marks the method, and finds the mark on the view."""

    async def play(module: t.Any) -> t.Any:
        class Marked(module.Quart):  # type: ignore[misc]
            async def send_static_file(self, filename: str) -> t.Any:
                return await super().send_static_file(filename)

        app = Marked("p", static_folder=str(tmp_path), static_url_path="/static")
        app.send_static_file.__func__.hidden = True  # type: ignore[attr-defined]
        view = app.view_functions["static"]
        answer = await ask(app, path="/static/a.txt")
        return view == app.send_static_file, view.hidden, answer.status, answer.body

    (tmp_path / "a.txt").write_text("text")
    await on_both(play)


@pytest.mark.parametrize("own_connection", [False, True])
@pytest.mark.parametrize("kind", ["async def", "def", "after an await"])
async def test_a_view_that_raises_a_cancellation_of_its_own(
    kind: str, own_connection: bool
) -> None:
    """Teardown functions run, nothing is sent, and the app call returns."""

    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        seen: list[t.Any] = []
        app.teardown_request(lambda error: seen.append(type(error)))
        if own_connection:
            app.asgi_http_class = type("Own", (app.asgi_http_class,), {})

        async def view() -> str:
            raise asyncio.CancelledError

        async def waiting() -> str:
            await asyncio.sleep(0)
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            return t.cast(str, await future)

        def in_thread() -> str:
            raise asyncio.CancelledError

        views = {"async def": view, "def": in_thread, "after an await": waiting}
        app.add_url_rule("/", "view", views[kind])
        response = await app.test_client().get("/")
        return seen, await response.get_data(), asyncio.current_task().cancelling()  # type: ignore[union-attr]

    await on_both(play)


async def test_the_test_client_answers_as_a_server_where_the_app_sends_nothing() -> None:
    app = app_of(quartish.quart)

    @app.get("/")
    async def view() -> str:
        raise asyncio.CancelledError

    response = await app.test_client().get("/")
    assert response.status_code == 500  # *Quart:* 200


# --- bodies of the app's own class, and parsers of forms --------------------------------------


class OwnBody:
    """A body by Quart's interface, which is nobody's subclass."""

    def __init__(self, expected: int | None, limit: int | None) -> None:
        self.data, self.expected, self.complete = bytearray(), expected, asyncio.Event()
        self.refused = limit is not None and expected is not None and expected > limit

    def append(self, data: bytes) -> None:
        self.data += data.upper()

    def set_complete(self) -> None:
        self.complete.set()

    def clear(self) -> None:
        self.data.clear()

    def __await__(self) -> t.Generator[t.Any, t.Any, bytes]:
        if self.refused:
            raise werkzeug.exceptions.RequestEntityTooLarge
        yield from self.complete.wait().__await__()
        return bytes(self.data)


@pytest.mark.parametrize("body", [[], [b"a=1"], [b'{"a":', b' "b"}'], [b"x" * 100]])
@pytest.mark.parametrize("what", ["data", "form", "json", "uncached", "text"])
async def test_a_body_of_the_apps_own_class(what: str, body: list[bytes]) -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        app.config["MAX_CONTENT_LENGTH"] = 50
        app.request_class = type("R", (app.request_class,), {"body_class": OwnBody})

        @app.post("/")
        async def view() -> t.Any:
            request = module.request
            assert type(request.body) is OwnBody and request.body.expected == sum(map(len, body))
            if what == "form":
                return dict(await request.form)
            if what == "json":
                return {"json": await request.get_json()}
            if what == "text":
                return {"text": await request.get_data(as_text=True)}
            data = await request.get_data(cache=what != "uncached")
            return {"data": data.decode(), "left": bytes(request.body.data).decode()}

        kinds = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
        answer = await ask(
            *(app, "/", "POST"),
            body=body,
            content_type=kinds.get(what, "text/plain"),
            content_length=str(sum(map(len, body))),
        )
        return answer.status, answer.text

    ours, theirs = await play(quartish.quart), await play(quart)
    # Quart 0.22 parses no forms with Werkzeug 3.2.
    assert ours == theirs or (what, theirs[0]) == ("form", 500)
    bad_json = what == "json" and not (body and body[0][:1] == b"{")
    assert ours[0] == (413 if body == [b"x" * 100] else 400 if bad_json else 200)


async def test_a_body_of_the_apps_own_class_that_does_not_come() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        app.config["BODY_TIMEOUT"] = 0.05
        app.request_class = type("R", (app.request_class,), {"body_class": OwnBody})

        @app.post("/")
        async def view() -> t.Any:
            return await module.request.get_data()

        sent: list[t.Any] = []

        async def receive() -> t.Any:
            return await asyncio.Event().wait()

        async def send(message: t.Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "query_string": b""}
        scope |= {"headers": [(b"content-length", b"5")]}
        scope |= {"scheme": "http", "http_version": "1.1", "asgi": {}}  # type: ignore[dict-item]
        await app(scope, receive, send)
        return sent[0]["status"]

    await on_both(play)
    assert await play(quartish.quart) == 408


@pytest.mark.parametrize("part", ["small", "x" * 100])
async def test_the_parser_of_multipart_bodies_alone(part: str) -> None:
    async def play(module: t.Any) -> t.Any:
        parsers = importlib.import_module(f"{module.__name__}.formparser")
        make_body = importlib.import_module(f"{module.__name__}.wrappers.request").Body
        parser = parsers.MultiPartParser(buffer_size=20, max_form_memory_size=50)
        head = '--b\r\nContent-Disposition: form-data; name="'
        text = f'{head}a"\r\n\r\n{part}\r\n{head}f"; filename="f"\r\n\r\nfile\r\n--b--\r\n'
        body = make_body(None, None)
        body.append(text.encode())
        body.set_complete()
        try:
            form, files = await parser.parse(body, b"b", len(text))
        except Exception as error:
            return type(error)
        with files["f"].stream as stream:
            return dict(form), files["f"].filename, stream.read()

    ours = await play(quartish.quart)
    assert ours == await play(quart)
    assert (ours == ({"a": "small"}, "f", b"file")) == (part == "small")


# --- functions that extensions import ---------------------------------------------------------


async def test_tasks_are_cancelled_and_their_errors_raised() -> None:
    async def play(module: t.Any) -> t.Any:
        utils = importlib.import_module(f"{module.__name__}.utils")
        seen: list[t.Any] = []

        async def wait(error: type[BaseException] | None) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append(error)
                if error is not None:
                    raise error("on the way out") from None
                raise

        for error in (None, ValueError):
            tasks = {asyncio.ensure_future(wait(each)) for each in {None, error}}
            await asyncio.sleep(0)
            try:
                await utils.cancel_tasks(tasks)
                seen.append("quiet")
            except ValueError as raised:
                seen.append(str(raised))
            seen.append(all(task.done() for task in tasks))
        done = asyncio.ensure_future(asyncio.sleep(0))
        await done
        utils.raise_task_exceptions({done})
        return sorted(map(str, seen))

    await on_both(play)


async def test_paths_are_joined() -> None:
    async def play(module: t.Any) -> t.Any:
        utils = importlib.import_module(f"{module.__name__}.utils")
        join = utils.file_path_to_path
        return join("a"), join(Path("a"), "b", b"c"), join("/a", "/b")

    await on_both(play)
    assert quartish.quart.utils.file_path_to_path("a", b"b") == Path("a/b")


async def test_functions_of_files_templates_and_json() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module, template_folder="examples")
        seen: list[t.Any] = []
        async with app.test_request_context("/"):
            name = Path(__file__).name
            sent = await module.send_from_directory(HERE, name, as_attachment=True)
            seen.append(sent.headers["Content-Disposition"])
            with pytest.raises(werkzeug.exceptions.NotFound):
                await module.send_from_directory(HERE, "../pyproject.toml")
            page = "{% for n in ns %}<{{ n }}>{% endfor %}"
            app.jinja_env.loader = jinja2.DictLoader({"page": page})
            stream = await module.stream_template("page", ns=["a", "&"])
            seen.append("".join([piece async for piece in stream]))
            stream = await module.stream_template_string("{{ n }}", n="<")
            seen.append("".join([piece async for piece in stream]))
            file = io.StringIO()
            module.json.dump({"a": [1, "ä"]}, file)
            seen += [file.getvalue(), module.json.loads(b'{"a": 1.5}')]
            with pytest.raises(ValueError):
                module.json.loads("{")
        if hasattr(pkgutil, "get_loader"):  # Quart 0.22 needs it, which Python 3.14 has no more
            helpers = importlib.import_module(f"{module.__name__}.helpers")
            seen += [helpers.find_package("jinja2"), helpers.find_package("json")]
        return seen

    await on_both(play)


async def test_an_own_body_whose_client_leaves() -> None:
    async def play(module: t.Any) -> t.Any:
        app, seen = app_of(module), list[t.Any]()
        app.request_class = type("R", (app.request_class,), {"body_class": OwnBody})

        @app.post("/")
        async def view() -> str:
            try:
                await module.request.get_data()
            except asyncio.CancelledError:
                seen.append(bytes(module.request.body.data))
                raise
            return ""

        async with HttpPeer(app, "/", "POST", body=None) as peer:
            peer.put({"type": "http.request", "body": b"part", "more_body": True})
            await asyncio.sleep(0.02)
            peer.leave()
            await peer.ended()
        return seen, peer.sent

    await on_both(play)
    assert await play(quartish.quart) == ([b"PART"], [])


async def test_a_push_that_the_server_refuses() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)

        @app.get("/")
        async def view() -> str:
            try:
                await module.request.send_push_promise("/style.css")
            except OSError as error:
                return str(error)
            return "pushed"

        sent: list[t.Any] = []

        async def receive() -> t.Any:
            return await asyncio.Event().wait()

        async def send(message: t.Any) -> None:
            if message["type"] == "http.response.push":
                raise OSError("no pushes here")
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        scope |= {"scheme": "http", "http_version": "2", "asgi": {}}  # type: ignore[dict-item]
        await app({**scope, "extensions": {"http.response.push": {}}}, receive, send)
        return b"".join(message.get("body", b"") for message in sent)

    await on_both(play)
    assert await play(quartish.quart) == b"no pushes here"


async def test_files_are_closed_by_their_blocks() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        async with await app.open_resource(Path(__file__).name) as file:
            first = await file.readline()
        return first, file.closed

    await on_both(play)


def test_a_group_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUART_DEBUG", "FLASK_DEBUG", "QUARTISH_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def play(module: t.Any) -> t.Any:
        cli = importlib.import_module(f"{module.__name__}.cli")
        app, served = app_of(module), list[t.Any]()
        app.run = lambda **options: served.append(options)
        group = cli.QuartGroup(create_app=lambda: app)
        for args in (["run"], ["run", "-h", "192.0.2.1", "-p", "99", "--reload"]):
            result = click.testing.CliRunner().invoke(group, args)
            assert result.exit_code == 0, result.output
        bare = cli.QuartGroup(create_app=lambda: app, add_default_commands=False)
        return served, "run" in group.commands, "run" in bare.commands

    ours = play(quartish.quart)
    assert ours == play(quart)
    assert [options["port"] for options in ours[0]] == [5000, 99] and ours[1:] == (True, False)


def test_the_command_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["quart", "--help"])
    for module in (quartish.quart, quart):
        with pytest.raises(SystemExit) as caught:
            importlib.import_module(f"{module.__name__}.cli").main()
        assert caught.value.code == 0
        assert "A general utility script for Quart applications" in capsys.readouterr().out


async def test_an_open_file_closes_with_a_block_of_its_own() -> None:
    """*Quart:* its open files have no block, only what opens them has."""
    file = await (await app_of(quartish.quart).open_resource(Path(__file__).name)).__aenter__()
    async with file as same:
        assert same is file and not file.closed
        lines = [line async for line in file]
    assert lines[0].startswith(b'"""The awaitable colour') and file.closed


def test_with_appcontext_as_a_decorator_and_as_its_factory() -> None:
    async def see() -> None:
        click.echo(quartish.quart.current_app.name)

    cli = importlib.import_module("quartish.quart.cli")
    for decorate in (cli.with_appcontext, cli.with_appcontext()):
        app = app_of(quartish.quart)
        group = cli.QuartGroup(create_app=lambda app=app: app)
        group.add_command(click.Command("see", callback=decorate(see)))
        result = click.testing.CliRunner().invoke(group, ["see"])
        assert (result.exit_code, result.output) == (0, "app\n")


async def test_an_own_body_too_long_for_a_form() -> None:
    async def play(module: t.Any) -> t.Any:
        app = app_of(module)
        app.config["MAX_FORM_MEMORY_SIZE"] = 5
        app.request_class = type("R", (app.request_class,), {"body_class": OwnBody})

        @app.post("/")
        async def view() -> t.Any:
            return dict(await module.request.form)

        answers = []
        for body in (b"a=1", b"a=12345678"):
            kind = "application/x-www-form-urlencoded"
            length = str(len(body))
            answer = await ask(
                app, "/", "POST", body=[body], content_type=kind, content_length=length
            )
            answers.append(answer.status)
        return answers

    assert await play(quartish.quart) == [200, 413]
