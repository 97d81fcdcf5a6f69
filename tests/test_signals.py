"""The signals by name, and that each is an object of its own."""

from __future__ import annotations

import typing as t
from contextlib import ExitStack

import pytest
from blinker import NamedSignal

from quartish import signals

FLASK = {
    "template_rendered",
    "before_render_template",
    "request_started",
    "request_finished",
    "request_tearing_down",
    "got_request_exception",
    "appcontext_tearing_down",
    "appcontext_pushed",
    "appcontext_popped",
    "message_flashed",
}
QUART = {
    "got_background_exception",
    "got_serving_exception",
    "got_websocket_exception",
    "websocket_finished",
    "websocket_received",
    "websocket_sent",
    "websocket_started",
    "websocket_tearing_down",
}


def test_the_module_holds_these_signals_and_no_other() -> None:
    held = {name for name, value in vars(signals).items() if isinstance(value, NamedSignal)}
    assert held == FLASK | QUART
    assert signals.signals_available is True


@pytest.mark.parametrize("name", sorted(FLASK | QUART))
def test_a_signal_is_named_like_its_variable(name: str) -> None:
    assert getattr(signals, name).name == name.replace("_", "-")


def test_only_the_sender_that_was_connected_to_is_heard() -> None:
    class App:
        pass

    heard = []

    def receive(sender: App, **extra: object) -> None:
        heard.append((sender, extra))

    app, other = App(), App()
    with signals.message_flashed.connected_to(receive, app):
        signals.message_flashed.send(app, message="hi", category="info")
        signals.message_flashed.send(other, message="no", category="info")
    signals.message_flashed.send(app, message="late", category="info")
    assert heard == [(app, {"message": "hi", "category": "info"})]


async def test_an_app_sends_them_around_a_request(colour: type[t.Any]) -> None:
    app = colour(__name__)
    heard = []

    @app.get("/")
    async def view() -> str:
        heard.append("view")
        return "ok"

    @app.get("/fail")
    async def fail() -> str:
        raise LookupError

    def hear(name: str) -> t.Callable[..., None]:
        def receive(sender: t.Any, **extra: t.Any) -> None:
            assert sender is app
            heard.append((name, sorted(extra)))  # type: ignore[arg-type]

        return receive

    names = ("appcontext_pushed", "request_started", "request_finished", "got_request_exception")
    ends = ("request_tearing_down", "appcontext_tearing_down", "appcontext_popped")
    with ExitStack() as stack:
        for name in (*names, *ends):
            stack.enter_context(getattr(signals, name).connected_to(hear(name), app))
        client = app.async_test_client() if app.plain else app.test_client()
        await client.get("/")
        begun: list[t.Any] = [("appcontext_pushed", []), ("request_started", [])]
        ended: list[t.Any] = [("request_finished", ["response"])]
        torn: list[t.Any] = [
            ("request_tearing_down", ["exc"]),
            ("appcontext_tearing_down", ["exc"]),
            ("appcontext_popped", []),
        ]
        assert heard == [*begun, "view", *ended, *torn]
        heard.clear()
        await client.get("/fail")
        assert heard == [*begun, ("got_request_exception", ["exception"]), *ended, *torn]
