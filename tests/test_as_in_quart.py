"""The awaitable colour does what Quart does: the same code, played on both."""

from __future__ import annotations

import asyncio
import typing as t

import pytest
import quart
import quart.sessions
import werkzeug.exceptions

import quartish.quart
import quartish.sessions

from ._peer import ask

HERE = __file__.rpartition("/")[0]
OWN = {"DISCONNECT_GRACE", "FILE_THREADS", "VIEW_THREADS", "WEBSOCKET_ORIGINS"}


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
            response = await module.send_file(f"{HERE}/conftest.py")
        return response.status_code, await response.get_data()

    await on_both(play)


async def test_the_cache_time_of_files() -> None:
    async def play(module: t.Any) -> t.Any:
        answer = await ask(app_of(module), "/s/conftest.py")
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
