"""The same script, played on a real framework and on ours: what each call gave or raised, with its
text; what is warned of, and at which line; what is logged; which signals are sent.

A script is a function of a `Side`. What it tells by `side.tell` is compared, and what happened
meanwhile. Scripts are made by chance, of a number that says which one; with the environment
variable `DIFFERENTIAL_CASES` so many times as many are played.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import functools
import importlib
import inspect
import logging
import os
import random
import re
import typing as t
import warnings

import flask

import quartish

Script = t.Callable[["Side", random.Random], t.Any]
TIMES = int(os.environ.get("DIFFERENTIAL_CASES", "1"))
SIGNALS = (
    *("request_started", "request_finished", "request_tearing_down", "got_request_exception"),
    *("template_rendered", "before_render_template", "message_flashed"),
    *("appcontext_pushed", "appcontext_popped", "appcontext_tearing_down"),
)
_NAMES = re.compile(r"\b(quartish\.quart|quartish|quart|flask)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_QUALIFIED = re.compile(r"\b(flask|werkzeug\.local)(\.\w+)*\.(?=\w)")
#: Texts that say more here: of what, of which view, or what to do.
TEXTS = [
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in [
        (r"No root path can be found for the provided module ('\w+').*", r"\1 has no root path"),
        (r"('\w+' has no root path):.*", r"\1"),
        (r"(The environment variable '\w+' is not set).*", r"\1"),
        (r"The environment variable .* is not a dict \((.*)\)\. Rename.*", r"\1"),
        (r"(can only be opened for reading), not.*", r"\1."),
        (r"( was set)\.  ?(Set the secret_key on the application).*", r"\1. \2"),
        (r"The view function for '[\w. ]+' did not", "The view function did not"),
        (r"issubclass\(\) arg 1 must be a class", "It is an instance, not a class."),
        (r"^.* is an instance, not a class\..*", "It is an instance, not a class."),
        (r"consistently\.\n.*", "consistently."),
        (r"(may not contain a dot '\.' character): .*\.", r"\1."),
        (r"(register a blueprint on itself): .*\.", r"\1"),
        (r"(endpoint function: [\w.]+)\. It is .*", r"\1"),
        (r"(Unimplemented method '\w+'): it is .*", r"\1"),
        (r"\b[\w.<>]+\.(\w+\(\) got an unexpected)", r"\1"),
    ]
]


@functools.lru_cache(10_000)  # each side tells it, and mostly many times
def plain_text(text: str) -> str:
    """Return a text without names of frameworks and addresses."""
    text = _NAMES.sub("flask", _ADDRESS.sub("0x", text))
    text = _QUALIFIED.sub("flask.", text)
    for pattern, replacement in TEXTS:
        text = pattern.sub(replacement, text)
    return text


def plain(value: t.Any) -> t.Any:
    """Return a value as it compares: texts as `plain_text` has them, objects as what they are
    called."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, BaseException):
        return ["raised", type(value).__name__, plain(str(value))]
    if isinstance(value, bool | int | float | bytes | None):
        return value
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(plain(item)) for item in value)
    return plain(repr(value))


class Client:
    """A test client of the side's door."""

    def __init__(self, side: Side, app: t.Any, **options: t.Any) -> None:
        self._side = side
        by_asgi = side.door == "asgi"
        self.real = (app.async_test_client if by_asgi else app.test_client)(**options)

    def open(self, path: str = "/", **options: t.Any) -> t.Any:
        """Ask, tell what is answered or raised, and return it."""
        try:
            if self._side.door == "asgi":
                response = asyncio.run(self.real.open(path, **options))
            else:
                response = self.real.open(path, buffered=True, **options)
        except Exception as error:
            self._side.tell(path, error)
            return error
        self._side.tell(path, response.status, self.lines(response), response.get_data())
        return response

    @staticmethod
    def lines(response: t.Any) -> list[tuple[str, t.Any]]:
        """Return the headers, but for the clock's; the methods that are allowed are a set."""
        lines = [(name.lower(), value) for name, value in response.headers]
        lines = [(name, value) for name, value in lines if name not in ("date", "expires")]
        return [(k, sorted(v.split(", ")) if k == "allow" else v) for k, v in lines]


class Side:
    """A framework that a script is played on, by a door, with views of a kind; and what is told."""

    client_class = Client

    def __init__(
        self, module: t.Any, app_class: t.Any, views: str = "def", door: str = "wsgi"
    ) -> None:
        self.module = module
        self.app_class = app_class
        self.views = views
        self.door = door
        self.told: list[t.Any] = []

    def __repr__(self) -> str:
        return f"{self.module.__name__}, {self.views} views, {self.door}"

    def sub(self, name: str) -> t.Any:
        """Return the framework's module of that name."""
        return importlib.import_module(f"{self.module.__name__}.{name}")

    def app(self, name: str = "app", **options: t.Any) -> t.Any:
        options.setdefault("static_folder", None)
        app = self.app_class(name, **options)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        return app

    def view(self, func: t.Any) -> t.Any:
        """Return the function, as `async def` where this side's views are."""
        if self.views == "def" or inspect.iscoroutinefunction(func):
            return func

        @functools.wraps(func)
        async def view(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return func(*args, **kwargs)

        return view

    def tell(self, *values: t.Any) -> None:
        self.told.append(plain(list(values)))

    def tried(self, func: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Call, tell what is raised or returned (a function or a class: that it is), return it."""
        try:
            value = func(*args, **kwargs)
        except Exception as error:
            value = error
        is_code = callable(value) and not isinstance(value, Exception)
        self.tell("a callable" if is_code else value)
        return value

    def client(self, app: t.Any, **options: t.Any) -> Client:
        return self.client_class(self, app, **options)


class _Records(logging.Handler):
    def __init__(self, told: list[t.Any]) -> None:
        super().__init__(1)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        if record.name not in ("asyncio", "concurrent.futures"):
            error = record.exc_info[1] if record.exc_info else None
            said = [record.name, record.levelname, record.getMessage(), error]
            self._told.append(plain(["logged", *said]))


@contextlib.contextmanager
def _logged(side: Side) -> t.Iterator[None]:
    handler, root = _Records(side.told), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@contextlib.contextmanager
def _signals(side: Side) -> t.Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in SIGNALS:

            def receive(sender: t.Any, _name: str = name, **values: t.Any) -> None:
                shown = {key: _of_signal(value) for key, value in sorted(values.items())}
                side.tell("signal", _name, type(sender).__name__, shown)

            stack.enter_context(getattr(side.module, name).connected_to(receive))
        yield


def _of_signal(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return sorted(map(str, value))
    if isinstance(value, BaseException | str | None):
        return value
    if hasattr(value, "render"):
        return f"template {value.name}"
    return getattr(value, "status", None) or type(value).__name__


def play(script: Script, side: Side, number: int) -> list[t.Any]:
    """Return what is told of a script."""
    warned: list[t.Any] = []
    with warnings.catch_warnings(record=True) as caught, _logged(side), _signals(side):
        warnings.simplefilter("always")
        try:
            script(side, random.Random(number))
        except Exception as error:
            side.tell("in the end", error)
        warned += caught
    seen = list[t.Any]()
    for each in warned:
        if each.category is not ResourceWarning:
            inside = "/quartish/" in each.filename or "/site-packages/" in each.filename
            where = "inside" if inside else f"{os.path.basename(each.filename)}:{each.lineno}"
            told = (each.category.__name__, str(each.message), where)
            if told not in seen:  # as by Python's default filter
                side.tell("warned", *told)
                seen.append(told)
    if "RecursionError" in repr(side.told):  # how deep is nobody's business
        return ["a circle"]
    return side.told


def real_flask() -> Side:
    return Side(flask, flask.Flask)


BOTH = ("wsgi", "asgi")


def our_flasks(doors: t.Iterable[str]) -> list[Side]:
    """Ours with `def` views by WSGI, and with `async def` views by each door."""
    sides = [Side(quartish, quartish.Flask, "async", door) for door in doors]
    return [Side(quartish, quartish.Flask), *sides]


def differing(what: str, expected: list[str], told: list[str]) -> str:
    """Return where two differ first."""
    lines = difflib.unified_diff(expected, told, lineterm="", n=2)
    return "\n".join([what, *[*lines][3:15]])


def without(*kinds: str) -> t.Callable[[list[t.Any]], list[t.Any]]:
    """Return what leaves out the lines of these kinds: "signal", "logged", "warned"."""
    return lambda told: [line for line in told if line[0] not in kinds]


def assert_same(
    script: Script,
    cases: int,
    doors: t.Iterable[str] = BOTH,
    departs: t.Callable[[list[t.Any]], list[t.Any]] = list,
) -> None:
    """Play so many scripts on Flask and on ours; show where the first few differ.

    `departs` is given what was told, and leaves out or rewrites what differs on purpose.
    """
    shown: list[str] = []
    for number in range(cases * TIMES):
        expected = [repr(line) for line in departs(play(script, real_flask(), number))]
        for side in our_flasks(doors):
            told = [repr(line) for line in departs(play(script, side, number))]
            if told != expected and len(shown) < 5:
                shown.append(differing(f"script {number}: {side}", expected, told))
    assert not shown, "\n\n".join(shown)
