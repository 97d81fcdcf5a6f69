"""Methods of what an app is made of may be overridden, in every way, and are then called as often
as on real Flask and real Quart, with the arguments that they have there, and with no other
answer for it.

The methods are found by looking at the real classes. How often one is called differs on purpose
where docs/overrides.md says so.
"""

from __future__ import annotations

import inspect
import logging
import typing as t
from collections import Counter

import flask
import flask.json.provider
import flask.sessions
import pytest
import quart
import quart.json.provider
import quart.sessions

import quartish
import quartish.json.provider
import quartish.sessions

from . import _overriding
from ._overriding import Case
from ._overriding import Side

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
    "websocket": (None, quart.Websocket, None, quartish.Quart.websocket_class),
    "json": (
        flask.json.provider.DefaultJSONProvider,
        quart.json.provider.DefaultJSONProvider,
        quartish.json.provider.DefaultJSONProvider,
        quartish.json.provider.DefaultJSONProvider,
    ),
}
def _pairs() -> t.Iterator[t.Any]:
    for part, (flask_class, quart_class, our_flask, our_quart) in CLASSES.items():
        for real, ours, model_class, stock in (
            (_overriding.FLASK, _overriding.OUR_FLASK, flask_class, our_flask),
            (_overriding.QUART, _overriding.OUR_QUART, quart_class, our_quart),
        ):
            for name in _overriding.public_methods(model_class) if model_class else ():
                model = inspect.getattr_static(model_class, name)
                case = Case(part, model_class, name, model)
                id_ = f"{real.app_class.__name__}-{part}-{name}"
                yield pytest.param(real, ours, case, Case(part, stock, name, model), id=id_)


#: The requests of the everyday run.
FEW = [
    request
    for request in _overriding.REQUESTS
    if request[0] in ("/", "/error", "/json", "/get_json", "/write", "/read", "/static/conftest.py")
    or "fail" in request[0]
]
_plain: dict[t.Any, list[t.Any]] = {}
_expected: dict[t.Any, list[t.Any]] = {}


async def check(real: Side, ours: Side, case: Case, our_case: Case, requests: t.Any) -> bool:
    """Play a case on both; return whether the table says the truth of it."""
    is_apart = f"{case.part}.{case.name}" in _overriding.apart(real)
    equal = True
    for is_async in (False, True):
        if real.awaits and not is_async:
            continue
        key: t.Any = (real, case, is_async, len(requests))
        if key not in _expected:
            _expected[key] = await _overriding.observe(
                real, real.doors[0], case, is_async, requests
            )
        expected = _expected[key]
        for door in ours.doors:
            key = (ours, door, is_async, len(requests))
            if key not in _plain:
                app = _overriding.make_app(ours, ours.app_class, is_async)
                _plain[key] = await _overriding.play(ours, door, app, Counter(), requests)
            got = await _overriding.observe(ours, door, our_case, is_async, requests)
            assert [row[:3] for row in got] == [row[:3] for row in _plain[key]]
            counts = [(row[:2], row[3]) for row in expected]
            our_counts = [(row[:2], row[3]) for row in got]
            if not is_apart:
                assert our_counts == counts, (door.__name__, is_async)
            equal = equal and our_counts == counts
    return equal != is_apart


@pytest.fixture(autouse=True)
def quiet() -> t.Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("colour", "is_async"), [("Flask", False), ("Flask", True), ("Quart", True)]
)
async def test_without_an_override(colour: str, is_async: bool) -> None:
    real, ours = {
        "Flask": (_overriding.FLASK, _overriding.OUR_FLASK),
        "Quart": (_overriding.QUART, _overriding.OUR_QUART),
    }[colour]
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


#: Two very different ways; the slow run takes all.
EVERYDAY = [("subclass", "by name"), ("wrapt after", "as given")]
ALL = [
    (way, call)
    for way in _overriding.WAYS
    for call in _overriding.CALLS
    if (way, call) not in EVERYDAY
]


@pytest.mark.filterwarnings("ignore")  # Quart's own
@pytest.mark.parametrize(("real", "ours", "case", "our_case"), list(_pairs()))
async def test_as_there(real: Side, ours: Side, case: Case, our_case: Case) -> None:
    for way, call in EVERYDAY:
        assert await check(real, ours, case, _in(our_case, way, call), FEW)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("real", "ours", "case", "our_case"), list(_pairs()))
async def test_as_there_in_every_way(real: Side, ours: Side, case: Case, our_case: Case) -> None:
    for way, call in ALL:
        if way != "instance" or case.part in _overriding.ON_INSTANCE:
            await check(real, ours, case, _in(our_case, way, call), _overriding.REQUESTS)


def _in(case: Case, way: str, call: str) -> Case:
    return Case(case.part, case.stock, case.name, case.model, way, call)
