"""Methods of what an app is made of may be overridden, in every way, and are then called as often
as on real Flask and real Quart, with the arguments that they have there, and with no other
answer for it.

The methods are found by looking at the real classes. How often one is called differs on purpose
where docs/overrides.md says so.
"""

from __future__ import annotations

import logging
import typing as t
from collections import Counter

import flask
import flask.ctx
import flask.json.provider
import flask.sessions
import pytest
import quart
import quart.ctx
import quart.json.provider
import quart.sessions
from werkzeug.sansio.request import Request as SansioRequest

import quartish
import quartish.ctx
import quartish.json.provider
import quartish.quart
import quartish.sessions
from quartish._quart import contexts as _quart_contexts
from tests import _overriding
from tests._overriding import Case

#: Each part's class in real Flask, in real Quart, and here in either colour.
CLASSES: dict[str, tuple[t.Any, t.Any, t.Any, t.Any]] = {
    "session_interface": (
        flask.sessions.SecureCookieSessionInterface,
        quart.sessions.SecureCookieSessionInterface,
        quartish.sessions.SecureCookieSessionInterface,
        type(quartish.Quart.session_interface),
    ),
    "request": (
        flask.Request,
        quart.Request,
        quartish.Flask.request_class,
        quartish.Quart.request_class,
    ),
    "response": (
        flask.Response,
        quart.Response,
        quartish.Flask.response_class,
        quartish.Quart.response_class,
    ),
    "app": (flask.Flask, quart.Quart, quartish.Flask, quartish.Quart),
    "blueprint": (flask.Blueprint, quart.Blueprint, quartish.Blueprint, quartish.quart.Blueprint),
    "config": (
        flask.Config,
        quart.Config,
        quartish.Flask.config_class,
        quartish.Quart.config_class,
    ),
    "context": (
        flask.ctx.RequestContext,
        quart.ctx.RequestContext,
        quartish.ctx.RequestContext,
        _quart_contexts.RequestContext,
    ),
    "app_context": (
        flask.ctx.AppContext,
        quart.ctx.AppContext,
        quartish.ctx.AppContext,
        _quart_contexts.AppContext,
    ),
    "websocket_context": (
        None,
        quart.ctx.WebsocketContext,
        None,
        _quart_contexts.WebsocketContext,
    ),
    "websocket": (None, quart.Websocket, None, quartish.Quart.websocket_class),
    "json": (
        flask.json.provider.DefaultJSONProvider,
        quart.json.provider.DefaultJSONProvider,
        quartish.json.provider.DefaultJSONProvider,
        quartish.json.provider.DefaultJSONProvider,
    ),
}
#: Those that serve an app or make something to test it with.
LEFT_OUT = {
    *("run", "run_task", "startup", "shutdown"),
    *("test_client", "test_cli_runner", "test_app"),
}
COLOURS = {
    "Flask": (_overriding.FLASK, _overriding.OUR_FLASK),
    "Quart": (_overriding.QUART, _overriding.OUR_QUART),
}
_cache: dict[t.Any, list[t.Any]] = {}


def names_of(model: t.Any) -> tuple[str, ...]:
    return tuple(name for name in _overriding.public_methods(model) if name not in LEFT_OUT)


def cases() -> t.Iterator[tuple[str, str, t.Any, t.Any]]:
    for part, (flask_class, quart_class, our_flask, our_quart) in CLASSES.items():
        if flask_class:
            yield "Flask", part, flask_class, our_flask
        yield "Quart", part, quart_class, our_quart


CASES = list(cases())


async def differing(
    colour: str, part: str, model: t.Any, stock: t.Any, names: tuple[str, ...], way: str, call: str
) -> set[str]:
    """Return which of the overridden methods are not called as often as there; fail where they
    change an answer."""
    real, ours = COLOURS[colour]
    found: set[str] = set()
    for is_async in (False, True):
        if real.awaits and not is_async:
            continue
        # Some ways come too late for what was made of the methods before, there as well.
        case = Case(part, model, model, names, way)
        if (key := (colour, case, is_async)) not in _cache:
            _cache[key] = await _overriding.observe(real, real.doors[0], case, is_async)
        expected = _cache[key]
        for door in ours.doors:
            plain: t.Any = (colour, door, is_async)
            if plain not in _cache:
                app = _overriding.make_app(ours, ours.app_class, is_async)
                _cache[plain] = await _overriding.play(ours, door, app, Counter())
            our_case = Case(part, stock, model, names, way, call)
            got = await _overriding.observe(ours, door, our_case, is_async)
            answers = [row[:3] for row in got if row[0] != "set up"]
            assert answers == [row[:3] for row in _cache[plain]], (way, call, door.__name__)
            for there, here in zip(expected, got, strict=True):
                found.update(name for name in names if there[3].get(name) != here[3].get(name))
    return found


@pytest.fixture(autouse=True)
def quiet() -> t.Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


#: Quart 0.22 calls what a Request says that its form is made of; Werkzeug says None since 3.2.
without_forms = pytest.mark.skipif(
    SansioRequest.parameter_storage_class is None,
    reason="Quart answers no form with this Werkzeug",
)


def compared(cases: t.Iterable[t.Any]) -> list[t.Any]:
    """Return the cases, Quart's marked as above."""
    return [
        pytest.param(*case, marks=without_forms) if case[0] == "Quart" else pytest.param(*case)
        for case in cases
    ]


COMPARED = compared(CASES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("colour", "is_async"),
    [("Flask", False), ("Flask", True), pytest.param("Quart", True, marks=without_forms)],
)
async def test_without_an_override(colour: str, is_async: bool) -> None:
    real, ours = COLOURS[colour]
    app = _overriding.make_app(real, real.app_class, is_async)
    expected = await _overriding.play(real, real.doors[0], app, Counter())
    for door in ours.doors:
        app = _overriding.make_app(ours, ours.app_class, is_async)
        got = await _overriding.play(ours, door, app, Counter())
        if real.awaits:
            expected, got = [list(map(_as_told, rows)) for rows in (expected, got)]
        assert got == expected


def _as_told(row: t.Any) -> t.Any:
    """Leave out what is better here on purpose: a session that was read varies by cookie; HEAD
    has no body; a rejected websocket's response ends once."""
    path, options, seen, _ = row
    if options == "websocket":
        return path, seen[:2] if seen[0][0].endswith("start") else seen
    if seen is not None:
        seen[1].pop("Vary", None)
        if options.get("method") == "HEAD":
            seen = (*seen[:3], b"")
    return path, seen


def ways(part: str) -> list[tuple[str, str]]:
    return [
        (way, call)
        for way in _overriding.WAYS
        for call in _overriding.CALLS
        if (way != "instance" or part in _overriding.ON_INSTANCE)
        and (way != "subclass on app" or part not in _overriding.BEFORE)
    ]


@pytest.mark.filterwarnings("ignore")  # Quart's own
@pytest.mark.parametrize(("way", "call"), [("subclass", "by name"), ("wrapt after", "as given")])
@pytest.mark.parametrize(("colour", "part", "model", "stock"), COMPARED)
async def test_all_at_once(
    colour: str, part: str, model: t.Any, stock: t.Any, way: str, call: str
) -> None:
    names = names_of(model)
    found = await differing(colour, part, model, stock, names, way, call)
    apart = {name.rpartition(".")[2] for name in _overriding.apart(colour, part)}
    assert found <= apart


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("colour", "part", "model", "stock"), COMPARED)
async def test_all_in_every_way(colour: str, part: str, model: t.Any, stock: t.Any) -> None:
    apart = {name.rpartition(".")[2] for name in _overriding.apart(colour, part)}
    for way, call in ways(part):
        assert await differing(colour, part, model, stock, names_of(model), way, call) <= apart


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("colour", "part", "model", "stock"), COMPARED)
async def test_each_alone(colour: str, part: str, model: t.Any, stock: t.Any) -> None:
    apart = {name.rpartition(".")[2] for name in _overriding.apart(colour, part)}
    for name in names_of(model):
        for way, call in (("subclass", "by name"), ("wrapt after", "as given")):
            assert await differing(colour, part, model, stock, (name,), way, call) <= apart


@pytest.mark.filterwarnings("ignore")
async def test_the_table_is_true() -> None:
    for colour, part, model, stock in CASES:
        for name in _overriding.apart(colour, part):
            names = (name.rpartition(".")[2],)
            found = [
                await differing(colour, part, model, stock, names, way, "as given")
                for way in ("subclass", "wrapt after")
            ]
            assert set(names) in found, f"{name} is called as in {colour}"
