"""What is set late on an app's class, or deleted there, is heeded by its apps."""

from __future__ import annotations

import gc
import typing as t
import weakref
from abc import ABC
from abc import abstractmethod
from unittest import mock

import pytest

from quartish._observed import watch
from quartish._observed import Watched

from ._peer import ask


@pytest.fixture
def app(colour: type[t.Any]) -> t.Any:
    class App(colour):  # type: ignore[misc]
        pass

    app = App(__name__)

    @app.get("/")
    async def view() -> str:
        return "view"

    return app


def patched(app: t.Any) -> t.Any:
    """Return a `process_response` that puts a word in."""

    def process_response(self: t.Any, response: t.Any) -> t.Any:
        return self.response_class("patched")

    async def process_response_async(self: t.Any, response: t.Any, ctx: t.Any = None) -> t.Any:
        return self.response_class("patched")

    return process_response if app.plain else process_response_async


async def test_a_method_that_is_mocked_for_a_while(app: t.Any) -> None:
    assert (await ask(app)).text == "view"
    with mock.patch.object(type(app), "process_response", patched(app)):
        assert (await ask(app)).text == "patched"
    assert (await ask(app)).text == "view"
    with mock.patch.object(app, "process_response", patched(app).__get__(app)):
        assert (await ask(app)).text == "patched"
    assert (await ask(app)).text == "view"


async def test_a_class_of_which_there_are_no_apps_tells_nobody(app: t.Any) -> None:
    class Other(type(app)):  # type: ignore[misc]
        pass

    Other.process_response = patched(app)
    assert (await ask(app)).text == "view"
    flow = app.quartish_http_flow
    Other.process_response = patched(app)
    assert app.quartish_http_flow is flow


async def test_an_app_class_may_be_abstract(colour: type[t.Any]) -> None:
    class Named(ABC):
        @abstractmethod
        def named(self) -> str: ...

    class Abstract(colour, Named):  # type: ignore[misc]
        pass

    class App(Abstract):
        def named(self) -> str:
            return "named"

    with pytest.raises(TypeError, match="abstract"):
        Abstract(__name__)
    app = App(__name__)
    app.add_url_rule("/", "view", app.named)
    assert (await ask(app)).text == "named"
    assert isinstance(app, Named)


def test_what_is_gone_is_not_told() -> None:
    told: list[str] = []

    class Thing(Watched):
        __hash__ = None  # type: ignore[assignment]

        def _quartish_changed(self, name: str) -> None:
            told.append(name)

    thing = Thing()
    Thing.a = 1  # type: ignore[attr-defined]
    assert told == []
    watch(thing)
    Thing.b = 1  # type: ignore[attr-defined]
    del Thing.a  # type: ignore[attr-defined]
    thing.c = 1  # type: ignore[attr-defined]
    del thing.c  # type: ignore[attr-defined]
    assert told == ["b", "a", "c", "c"]
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    assert gone() is None
    Thing.d = 1  # type: ignore[attr-defined]
    assert told == ["b", "a", "c", "c"]
