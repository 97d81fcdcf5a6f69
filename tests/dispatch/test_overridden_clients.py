"""Methods of the test clients may be overridden, in every way, and are then called as often as
those of Flask's and Quart's clients, and give the same. See `test_overridden_parts`."""

from __future__ import annotations

import asyncio
import functools
import typing as t
from collections import Counter
from dataclasses import dataclass

import flask.testing
import pytest
import quart.testing
from werkzeug.test import EnvironBuilder

import quartish.quart
import quartish.testing
from tests import _overriding
from tests._overriding import Side
from tests.dispatch.test_overridden_parts import without_forms

#: The client's class in real Flask, in real Quart, and here in either colour.
CLASSES: dict[str, tuple[t.Any, t.Any]] = {
    "Flask": (flask.testing.FlaskClient, quartish.testing.FlaskClient),
    "Quart": (quart.testing.QuartClient, quartish.testing.QuartClient),  # type: ignore[attr-defined]
}
SIDES = {
    "Flask": (_overriding.FLASK, _overriding.OUR_FLASK),
    "Quart": (_overriding.QUART, _overriding.OUR_QUART),
}
#: Quart 0.22 gives no form with a Werkzeug that says None for its class of forms.
COLOURS = ["Flask", pytest.param("Quart", marks=without_forms)]
#: Those that make a request, or a context, in a way that only subclasses are told of.
PRIVATE = {
    "Flask": ("_request_from_builder_args", "_copy_environ", "_update_cookies_from_response"),
    "Quart": ("_make_request",),
}
WAYS = ("subclass", "subclass on app", "stock class", "functools.wraps", "wrapt")
LATE = ("instance", "stock class after", "wrapt after")
Step = t.Callable[..., t.Any]


def names_of(colour: str) -> tuple[str, ...]:
    model = CLASSES[colour][0]
    private = (name for name in PRIVATE[colour] if hasattr(CLASSES[colour][1], name))
    return (*_overriding.public_methods(model), *private)


# --- what clients are asked for ----------------------------------------------------------------


def _told(response: t.Any) -> t.Any:
    return response.status_code, response.get_data(as_text=True)[:60]


def _flask_steps(app: t.Any, module: t.Any) -> list[Step]:
    def status(verb: str, client: t.Any) -> t.Any:
        return getattr(client, verb)("/").status_code

    def transaction(client: t.Any) -> t.Any:
        with client.session_transaction() as session:
            session["a"] = 5
        return _told(client.get("/read"))

    def kept(client: t.Any) -> t.Any:
        with client:
            client.get("/read?x=1")
            return module.request.query_string, dict(module.session)

    def jar(client: t.Any) -> t.Any:
        client.set_cookie("name", "value")
        found = client.get_cookie("name").value
        client.delete_cookie("name")
        return found, client.get_cookie("name")

    verbs = ("get", "post", "put", "patch", "delete", "options", "head", "trace")
    return [
        *(functools.partial(status, verb) for verb in verbs),
        lambda client: _told(client.post("/form", data={"a": "1"})),
        lambda client: _told(client.post("/get_json", json={"a": [1]})),
        lambda client: _told(client.open("/", method="GET")),
        lambda client: _told(client.open(EnvironBuilder("/values?a=1"))),
        lambda client: _told(client.open(EnvironBuilder("/values?a=1").get_environ())),
        lambda client: _told(client.open(EnvironBuilder("/values?a=1").get_request())),
        lambda client: _told(client.get("/slash", follow_redirects=True)),
        lambda client: _told(client.get("/write")),
        lambda client: _told(client.get("/read", buffered=True)),
        lambda client: _told(client.get("/error")),
        transaction,
        kept,
        jar,
    ]


def _quart_steps(app: t.Any, module: t.Any) -> list[Step]:
    async def told(response: t.Any) -> t.Any:
        response = await response
        return response.status_code, (await response.get_data(as_text=True))[:60]

    async def transaction(client: t.Any) -> t.Any:
        async with client.session_transaction() as session:
            session["a"] = 5
        return await told(client.get("/read"))

    async def jar(client: t.Any) -> t.Any:
        client.set_cookie("localhost", "name", "value")
        found = [cookie.value for cookie in client.cookie_jar if cookie.name == "name"]
        client.delete_cookie("localhost", "name")
        return found, [cookie.value for cookie in client.cookie_jar if cookie.name == "name"]

    async def socket(client: t.Any) -> t.Any:
        async with client.websocket("/ws") as ws:
            await ws.send("hello")
            return await ws.receive()

    async def connection(client: t.Any) -> t.Any:
        async with client.request("/", method="POST") as conn:
            await conn.send_complete()
        return (await conn.as_response()).status_code

    async def status(verb: str, client: t.Any) -> t.Any:
        return (await told(getattr(client, verb)("/")))[0]

    verbs = ("get", "post", "put", "patch", "delete", "options", "head", "trace")
    return [
        *(functools.partial(status, verb) for verb in verbs),
        lambda client: told(client.post("/form", form={"a": "1"})),
        lambda client: told(client.post("/get_json", json={"a": [1]})),
        lambda client: told(client.open("/", method="GET")),
        lambda client: told(client.get("/slash", follow_redirects=True)),
        lambda client: told(client.get("/write")),
        lambda client: told(client.get("/read")),
        lambda client: told(client.get("/error")),
        *(transaction, jar, socket, connection),
    ]


# --- one way to override ------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    stock: t.Any
    model: t.Any
    names: tuple[str, ...]
    way: str
    call: str = "as given"


async def observe(side: Side, case: Case) -> list[t.Any]:
    """Return what each step gives, and how often each method was called for it."""
    calls: Counter[str] = Counter()
    stock, way = case.stock, case.way
    own = {name: vars(stock)[name] for name in case.names if name in vars(stock)}
    methods = {
        name: _overriding.counting(
            _overriding.inspect.getattr_static(stock, name),
            _overriding.inspect.getattr_static(case.model, name),
            case.call,
            way,
            lambda _, name=name: calls.update([name]),  # type: ignore[misc]
        )
        for name in case.names
    }
    on_stock = way in ("stock class", "stock class after", "wrapt after")
    app_class = type("App", (side.app_class,), {})
    sub = type("Client", (stock,), methods)

    def patch() -> None:
        for name, method in methods.items():
            setattr(stock, name, method)

    try:
        if way == "stock class":
            patch()
        elif way not in (*LATE, "subclass on app"):
            app_class.test_client_class = sub  # type: ignore[attr-defined]
        app = _overriding.make_app(side, app_class, side.awaits)
        if way == "subclass on app":
            app.test_client_class = sub
        client = app.test_client()
        if way == "instance":
            for name, method in methods.items():
                setattr(client, name, method.__get__(client, stock))
        elif way in LATE:
            patch()
        if side.awaits:
            return [await _row(step, client, calls) for step in _quart_steps(app, side.module)]
        return await asyncio.to_thread(_rows, app, side, client, calls)
    finally:
        for name in case.names if on_stock else ():
            if name in own:
                setattr(stock, name, own[name])
            elif name in vars(stock):
                delattr(stock, name)


def _rows(app: t.Any, side: Side, client: t.Any, calls: Counter[str]) -> list[t.Any]:
    rows = []
    for step in _flask_steps(app, side.module):
        calls.clear()
        try:
            seen = step(client)
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
        rows.append((seen, dict(calls)))
    return rows


async def _row(step: Step, client: t.Any, calls: Counter[str]) -> t.Any:
    calls.clear()
    try:
        seen = await step(client)
    except Exception as error:
        seen = f"{type(error).__name__}: {error}"
    return seen, dict(calls)


async def differing(colour: str, names: tuple[str, ...], way: str, call: str) -> set[str]:
    """Return which of the overridden methods are not called as often as there; fail where an
    answer is another."""
    real, ours = SIDES[colour]
    model, stock = CLASSES[colour]
    expected = await observe(real, Case(model, model, names, way))
    got = await observe(ours, Case(stock, model, names, way, call))
    assert [seen for seen, _ in got] == [seen for seen, _ in expected]
    return {
        name
        for (_, there), (_, here) in zip(expected, got, strict=True)
        for name in names
        if there.get(name) != here.get(name)
    }


def apart(colour: str) -> set[str]:
    return {name.rpartition(".")[2] for name in _overriding.apart(colour, "client")}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("way", "call"), [("subclass", "by name"), ("wrapt after", "as given")])
async def test_all_at_once(colour: str, way: str, call: str) -> None:
    assert await differing(colour, names_of(colour), way, call) <= apart(colour)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("call", _overriding.CALLS)
@pytest.mark.parametrize("way", [*WAYS, *LATE])
async def test_all_in_every_way(colour: str, way: str, call: str) -> None:
    assert await differing(colour, names_of(colour), way, call) <= apart(colour)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("colour", COLOURS)
async def test_each_alone(colour: str) -> None:
    for name in names_of(colour):
        for way in ("subclass", "stock class after"):
            assert await differing(colour, (name,), way, "as given") <= apart(colour)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("colour", COLOURS)
async def test_the_table_is_true(colour: str) -> None:
    for name in apart(colour):
        assert await differing(colour, (name,), "subclass", "as given") == {name}
