"""The proxies: Werkzeug's, faster."""

from __future__ import annotations

import copy
import typing as t

import flask
import pytest
from werkzeug.local import LocalProxy

import quartish
from quartish._current import NO_APP
from quartish._current import NO_REQUEST
from quartish._current import NO_WEBSOCKET

PROXIES = {
    "current_app": NO_APP,
    "g": NO_APP,
    "request": NO_REQUEST,
    "session": NO_REQUEST,
    "websocket": NO_WEBSOCKET,
}


@pytest.fixture
def ctx() -> t.Iterator[t.Any]:
    app = quartish.Flask(__name__)
    app.secret_key = "secret"
    with app.test_request_context("/?a=1") as ctx:
        yield ctx


@pytest.mark.parametrize("name", PROXIES)
def test_outside_of_a_context(name: str) -> None:
    proxy: t.Any = getattr(quartish.globals, name)
    assert isinstance(proxy, LocalProxy)
    assert repr(proxy) == "<LocalProxy unbound>" and not proxy
    for use in (
        lambda: proxy.some,  # type: ignore[attr-defined]
        lambda: setattr(proxy, "some", 1),
        lambda: proxy["some"],
        lambda: proxy.__setitem__("some", 1),
        lambda: "some" in proxy,
        lambda: proxy(),
        proxy._get_current_object,
    ):
        with pytest.raises(RuntimeError) as caught:
            use()
        assert str(caught.value) == PROXIES[name]


@pytest.mark.parametrize("name", ["websocket", "request", "session"])
def test_in_a_context_without_it(name: str) -> None:
    with quartish.Flask(__name__).app_context(), pytest.raises(RuntimeError) as caught:
        getattr(quartish.globals, name).some  # noqa: B018
    assert str(caught.value) == PROXIES[name]


def test_each_stands_for_its_object(ctx: t.Any) -> None:
    objects = {
        "current_app": ctx.app,
        "g": ctx.g,
        "request": ctx.request,
        "session": ctx.session,
    }
    for name, found in objects.items():
        proxy: t.Any = getattr(quartish.globals, name)
        assert proxy._get_current_object() is found and proxy == found
        assert repr(proxy) == repr(found) and dir(proxy) == dir(found)
        assert isinstance(proxy, type(found)) and type(proxy) is not type(found)
        with pytest.raises(AttributeError, match="no_such"):
            proxy.no_such  # noqa: B018


def test_what_is_done_to_it_is_done_to_the_object(ctx: t.Any) -> None:
    g, session, request = quartish.g, quartish.session, quartish.request
    g.one = 1
    assert ctx.g.one == g.one == 1 and "one" in g and list(g) == ["one"]
    del g.one
    assert "one" not in ctx.g
    session["a"] = [1]
    session |= {"b": 2}  # type: ignore[operator]
    assert isinstance(session, LocalProxy)
    assert session["a"] == [1] and len(session) == 2 and session == {"a": [1], "b": 2}
    del session["a"]
    assert copy.copy(session) == {"b": 2} and bool(session)
    assert request.args["a"] == "1"
    request.extra = "x"  # type: ignore[attr-defined]
    assert ctx.request.extra == "x"


@pytest.mark.parametrize("flavour", [flask.Flask, quartish.Flask])
def test_g_of_an_app_context_is_one_and_the_same(flavour: t.Any) -> None:
    context = flavour("app").app_context()
    context.g.early = 1
    for _ in range(2):
        with context:
            assert context.g.setdefault("late", 2) == 2
            assert (context.g.early, list(context.g)) == (1, ["early", "late"])
