"""Public attributes of what an app is made of (properties, cached or not, settings, headers) may be
overridden. What they say then counts where it counts in real Flask and in real Quart; where they
say what they said before, nothing changes.
"""

from __future__ import annotations

import inspect
import logging
import typing as t
from collections import Counter

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import Gone

from tests import _overriding
from tests._overriding import Side
from tests.dispatch.test_overridden_parts import _as_told
from tests.dispatch.test_overridden_parts import CLASSES
from tests.dispatch.test_overridden_parts import COLOURS
from tests.dispatch.test_overridden_parts import compared

PARTS = ("app", "blueprint", "session_interface", "request", "response", "websocket", "json")
#: How it is overridden: by a class of one's own, by a patch of ours, before the app is made or when
#: it has served a request.
WAYS = ("subclass", "stock class", "stock class after")
#: What an app has an instance of: an attribute may be assigned to it, where that is allowed.
ON_INSTANCE = {"app": "", "session_interface": "session_interface", "json": "json"}
_cache: dict[t.Any, t.Any] = {}


def cases() -> t.Iterator[tuple[str, str, t.Any, t.Any]]:
    for part in PARTS:
        flask_class, quart_class, our_flask, our_quart = CLASSES[part]
        if flask_class:
            yield "Flask", part, flask_class, our_flask
        yield "Quart", part, quart_class, our_quart


CASES = list(cases())
COMPARED = compared(CASES)


def names_of(model: t.Any) -> list[str]:
    """Return the names of a class's public attributes that are neither methods nor classes."""
    found = []
    for name in dir(model):
        value = inspect.getattr_static(model, name)
        kinds = (type, staticmethod, classmethod)
        if not name.startswith("_") and not inspect.isroutine(value):
            if not isinstance(value, kinds):
                found.append(name)
    return found


class Told:
    """Stands for an attribute of a class, says that it was read, and may say something else."""

    def __init__(self, name: str, original: t.Any, calls: Counter[str], change: t.Any) -> None:
        self.name = name
        self.original = original
        self.calls = calls
        self.change = change

    def __get__(self, instance: t.Any, owner: t.Any) -> t.Any:
        get = getattr(type(self.original), "__get__", None)
        if instance is None:
            return self.change(self.name, self.original) if get is None else self
        self.calls[self.name] += 1
        if get is None or (self.name in vars(instance) and not self._is_data()):
            value = vars(instance).get(self.name, self.original)
        else:
            value = get(self.original, instance, owner)
        return self.change(self.name, value)

    def _is_data(self) -> bool:
        return hasattr(type(self.original), "__set__")

    def __set__(self, instance: t.Any, value: t.Any) -> None:
        if self._is_data():
            type(self.original).__set__(self.original, instance, value)
        else:
            vars(instance)[self.name] = value

    def __delete__(self, instance: t.Any) -> None:
        if hasattr(type(self.original), "__delete__"):
            type(self.original).__delete__(self.original, instance)
        else:
            vars(instance).pop(self.name, None)


def same(name: str, value: t.Any) -> t.Any:
    return value


#: What some of them say in the place of None, or of what cannot be anything else.
OTHERS = {
    "trusted_hosts": ["elsewhere"],
    "max_content_length": 3,
    "max_form_memory_size": 1,
    "max_form_parts": 1,
    "key_derivation": "concat",
    "secret_key": "another",
    "routing_exception": Gone(),
    "status": "418 I'm a teapot",
}


def other(name: str, value: t.Any) -> t.Any:
    """Return another value of the same kind."""
    if name in OTHERS:
        return OTHERS[name]
    match value:
        case MultiDict() | dict():
            return type(value)()
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case _:
            return value


async def observe(
    side: Side,
    part: str,
    stock: t.Any,
    names: tuple[str, ...],
    way: str,
    is_async: bool,
    change: t.Callable[[str, t.Any], t.Any],
    door: t.Any,
) -> list[t.Any]:
    """Return what is seen of an app with the attributes overridden: see `_overriding.play`."""
    calls: Counter[str] = Counter()
    attribute = _overriding.ATTRIBUTES.get(part, "")
    told = {
        name: Told(name, inspect.getattr_static(stock, name), calls, change)
        for name in names
        if hasattr(stock, name)
    }
    own = {name: vars(stock)[name] for name in told if name in vars(stock)}
    app_class = type("App", (side.app_class,), told if (way, part) == ("subclass", "app") else {})
    blueprint_class: t.Any = None

    def patch() -> None:
        for name, value in told.items():
            setattr(stock, name, value)

    try:
        if way == "stock class":
            patch()
        elif way == "subclass" and part == "blueprint":
            blueprint_class = type("Own", (stock,), told)
        elif way == "subclass" and attribute:
            sub = type(stock)(stock.__name__, (stock,), told)
            if attribute == "json":
                app_class.json_provider_class = sub  # type: ignore[attr-defined]
            else:
                value = sub() if attribute == "session_interface" else sub
                setattr(app_class, attribute, value)
        app = _overriding.make_app(side, app_class, is_async, blueprint_class)
        if way == "instance":
            if part == "session_interface":
                app.session_interface = stock()  # not the one that all apps share
            instance = getattr(app, ON_INSTANCE[part]) if ON_INSTANCE[part] else app
            for name in names:
                setattr(instance, name, change(name, getattr(instance, name)))
        if way == "stock class after":
            await door(app, "/", {})
            patch()
        made = ("set up", None, None, dict(calls)) if way != "stock class after" else None
        rows = await _overriding.play(side, door, app, calls)
        return [made, *rows] if made else rows
    finally:
        if way.startswith("stock class"):
            for name in told:
                if name in own:
                    setattr(stock, name, own[name])
                elif name in vars(stock):
                    delattr(stock, name)


def told(row: t.Any) -> t.Any:
    """Return what a request gave, less what is better here on purpose."""
    path, options, seen, _ = row
    return (path, seen) if isinstance(seen, str) else _as_told(row)


@pytest.fixture(autouse=True)
def quiet() -> t.Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def answers(
    side: Side, part: str, cls: t.Any, names: tuple[str, ...], way: str, change: t.Any
) -> list[list[t.Any]]:
    """Return what each door and colour of view gives."""
    found: list[list[t.Any]] = []
    for is_async in (False, True):
        if is_async or not side.awaits:
            for door in side.doors:
                try:
                    seen = await observe(side, part, cls, names, way, is_async, change, door)
                    rows = [told(row) for row in seen if row[0] != "set up"]
                except Exception as error:  # the app cannot be made
                    rows = [type(error).__name__]
                found.append(rows)
    return found


async def differs(colour: str, part: str, model: t.Any, stock: t.Any, name: str, way: str) -> bool:
    """Say whether some answer is another than there, where the attribute says something else."""
    real, ours = COLOURS[colour]
    expected = await answers(real, part, model, (name,), way, other)
    got = await answers(ours, part, stock, (name,), way, other)
    doors = len(ours.doors)
    return any(rows != expected[number // doors] for number, rows in enumerate(got))


@pytest.mark.filterwarnings("ignore")  # Quart's own
@pytest.mark.parametrize(("colour", "part", "model", "stock"), CASES)
async def test_nothing_changes(colour: str, part: str, model: t.Any, stock: t.Any) -> None:
    ours = COLOURS[colour][1]
    names = tuple(names_of(model))
    assert all(hasattr(stock, name) for name in names)
    if ours not in _cache:
        _cache[ours] = await answers(ours, "app", ours.app_class, (), "subclass", same)
    for way in WAYS:
        assert await answers(ours, part, stock, names, way, same) == _cache[ours]


#: Those that were not asked, or not everywhere, and some that are asked in odd places.
BOUNDED = {
    "app": ("debug", "has_static_folder", "secret_key", "testing"),
    "request": ("cookies", "trusted_hosts", "is_json", "method", "blueprints"),
    "response": ("status", "status_code", "is_sequence", "default_mimetype"),
    "websocket": ("cookies", "path"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("colour", "part", "model", "stock"), COMPARED)
async def test_what_they_say_counts(colour: str, part: str, model: t.Any, stock: t.Any) -> None:
    """A part of the slow test."""
    apart = _overriding.apart(colour, part, attributes=True)
    for name in BOUNDED.get(part, names_of(model)):
        if f"{part}.{name}" not in apart:
            for way in ("subclass", "stock class after", *["instance"][: part in ON_INSTANCE]):
                assert not await differs(colour, part, model, stock, name, way), (name, way)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", [*WAYS, "instance"])
@pytest.mark.parametrize(("colour", "part", "model", "stock"), COMPARED)
async def test_what_all_say_counts(
    colour: str, part: str, model: t.Any, stock: t.Any, way: str
) -> None:
    apart = _overriding.apart(colour, part, attributes=True)
    if way == "instance" and part not in ON_INSTANCE:
        pytest.skip("there is one for each request")
    for name in names_of(model):
        expected = f"{part}.{name}" in apart
        assert await differs(colour, part, model, stock, name, way) is expected, name
