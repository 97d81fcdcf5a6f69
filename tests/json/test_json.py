"""JSON: the default provider, a custom one, and who answers inside and outside of a context."""

from __future__ import annotations

import decimal
import gc
import io
import json as stdlib
import threading
import typing as t
import uuid
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from types import SimpleNamespace

import pytest
from werkzeug.wrappers import Response

import quartish
from quartish import json
from quartish._current import _cv_app
from quartish.json.provider import DefaultJSONProvider
from quartish.json.provider import encode_with
from quartish.json.provider import JSONProvider
from tests._peer import settled


class App:
    """As much of an app as a provider touches."""

    response_class = Response

    def __init__(self, debug: bool = False) -> None:
        self.debug = debug
        self.json: JSONProvider = DefaultJSONProvider(t.cast(t.Any, self))


@dataclass
class Point:
    x: int
    y: int


class Widget:
    def __html__(self) -> str:
        return "<p>"


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def provider(app: App) -> DefaultJSONProvider:
    return t.cast(DefaultJSONProvider, app.json)


@pytest.fixture
def active(app: App) -> t.Iterator[App]:
    """The app, current for the length of the test."""
    token = _cv_app.set(t.cast(t.Any, SimpleNamespace(app=app)))
    yield app
    _cv_app.reset(token)


EAST = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(1975, 1, 5), '"Sun, 05 Jan 1975 00:00:00 GMT"'),
        (datetime(1973, 3, 11, 6, 30, 45), '"Sun, 11 Mar 1973 06:30:45 GMT"'),
        (datetime(2017, 1, 1, 12, 34, 56, tzinfo=EAST), '"Sun, 01 Jan 2017 03:34:56 GMT"'),
        (uuid.UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
        (decimal.Decimal("0.003"), '"0.003"'),
        (Point(1, 2), '{"x": 1, "y": 2}'),
        (Widget(), '"<p>"'),
        ("\N{SNOWMAN}", '"\\u2603"'),
        ({"b": 1, "a": [2]}, '{"a": [2], "b": 1}'),
    ],
)
def test_the_default_provider_writes(
    provider: DefaultJSONProvider, value: t.Any, text: str
) -> None:
    assert provider.dumps(value) == text


@pytest.mark.parametrize("value", [object(), Point, {1, 2}])
def test_the_default_provider_refuses(provider: DefaultJSONProvider, value: t.Any) -> None:
    with pytest.raises(TypeError, match="is not JSON serializable"):
        provider.dumps({"a": value})


def test_the_settings_are_heeded_whenever_they_change(provider: DefaultJSONProvider) -> None:
    value = {"b": "ü", "a": 1}
    assert provider.dumps(value) == '{"a": 1, "b": "\\u00fc"}'
    provider.ensure_ascii = False
    assert provider.dumps(value) == '{"a": 1, "b": "ü"}'
    provider.sort_keys = False
    assert provider.dumps(value) == '{"b": "ü", "a": 1}'
    provider.default = lambda o: f"<{type(o).__name__}>"
    assert provider.dumps(Widget()) == '"<Widget>"'


class Loud(stdlib.JSONEncoder):
    def encode(self, o: t.Any) -> str:
        return super().encode(o).upper()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"sort_keys": False},
        {"ensure_ascii": False},
        {"indent": 4},
        {"indent": "\t"},
        {"separators": (",", ":")},
        {"separators": [",", ":"]},
        {"default": str},
        {"cls": Loud},
        {"skipkeys": True},
        {"allow_nan": False},
        {"check_circular": False, "separators": ["; ", " = "]},
    ],
    ids=str,
)
def test_arguments_mean_what_they_mean_to_the_json_module(
    provider: DefaultJSONProvider, kwargs: dict[str, t.Any]
) -> None:
    value = {"b": "ü", "a": {"d": [1, 2], "c": None}}
    expected = stdlib.dumps(value, **{"sort_keys": True, **kwargs})
    assert provider.dumps(value, **kwargs) == expected
    assert provider.dumps(value, **kwargs) == expected


def test_an_unknown_argument_is_named(provider: DefaultJSONProvider) -> None:
    with pytest.raises(TypeError, match="colour"):
        provider.dumps(1, colour="red")


def test_an_error_in_mid_dump_leaves_nothing_behind(provider: DefaultJSONProvider) -> None:
    shared: dict[str, t.Any] = {"x": object()}
    with pytest.raises(TypeError):
        provider.dumps([shared])
    shared["x"] = 1
    assert provider.dumps([shared]) == '[{"x": 1}]'
    shared["x"] = shared
    with pytest.raises(ValueError, match="Circular reference"):
        provider.dumps(shared)


def test_circles_and_depths_are_told_apart(provider: DefaultJSONProvider) -> None:
    """Circles are not looked for at first; the errors are those of the json module."""
    branches: dict[str, t.Any] = {}
    branches["all"] = [branches] * 9
    deep: list[t.Any] = []
    for _ in range(100_000):
        deep = [deep]
    for settings in ({}, {"separators": (",", ":")}):
        with pytest.raises(ValueError, match="Circular reference"):
            provider.dumps(branches, **settings)
        with pytest.raises(RecursionError):
            provider.dumps(deep, **settings)
        assert provider.dumps([1], **settings) == "[1]"
    provider.default = lambda o: o
    with pytest.raises(ValueError, match="Circular reference"):
        provider.dumps(object())


def test_a_default_of_one_call_is_not_kept(provider: DefaultJSONProvider) -> None:
    thing = Widget()
    gone = weakref.ref(thing)
    assert provider.dumps(object(), default=lambda o, thing=thing: thing.__html__()) == '"<p>"'
    del thing
    gc.collect()
    assert gone() is None


def test_loads_takes_text_bytes_and_arguments(provider: DefaultJSONProvider) -> None:
    assert provider.loads('{"a": "ü"}') == {"a": "ü"}
    assert provider.loads('{"a": "ü"}'.encode()) == {"a": "ü"}
    assert provider.loads("1.5", parse_float=decimal.Decimal) == decimal.Decimal("1.5")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "malformed",
        b'"\xff"',
        "[" * 200_000,
        '{"a":' * 200_000,
        "[" * 200_000 + "]" * 200_000,
        "9" * 10_000,
    ],
    ids=lambda text: repr(text[:5]),
)
def test_what_is_no_json_is_a_value_error(provider: DefaultJSONProvider, text: str | bytes) -> None:
    with pytest.raises(ValueError):
        provider.loads(text)


def test_dump_and_load_a_file(provider: DefaultJSONProvider) -> None:
    file = io.StringIO()
    provider.dump({"id": uuid.UUID(int=1)}, file, indent=1)
    assert file.getvalue() == '{\n "id": "00000000-0000-0000-0000-000000000001"\n}'
    file.seek(0)
    assert provider.load(file, object_hook=len) == 1
    assert provider.load(io.BytesIO(b"[1]")) == [1]


@pytest.mark.parametrize(
    ("debug", "compact", "text"),
    [
        (False, None, '{"a":[1]}\n'),
        (True, None, '{\n  "a": [\n    1\n  ]\n}\n'),
        (True, True, '{"a":[1]}\n'),
        (False, False, '{\n  "a": [\n    1\n  ]\n}\n'),
    ],
)
def test_a_response_is_compact_or_indented(debug: bool, compact: bool | None, text: str) -> None:
    app = App(debug)
    provider = t.cast(DefaultJSONProvider, app.json)
    provider.compact = compact
    provider.mimetype = "application/vnd.api+json"
    response = provider.response(a=[1])
    assert response.get_data(as_text=True) == text
    assert response.mimetype == "application/vnd.api+json"


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "null\n"),
        ((0,), {}, "0\n"),
        (([],), {}, "[]\n"),
        ((1, "a"), {}, '[1,"a"]\n'),
        ((), {"a": 1}, '{"a":1}\n'),
    ],
)
def test_jsonify_takes_one_value_several_or_keywords(
    active: App, args: tuple[t.Any, ...], kwargs: dict[str, t.Any], text: str
) -> None:
    response = json.jsonify(*args, **kwargs)
    assert response.mimetype == "application/json"
    assert response.get_data(as_text=True) == text


def test_jsonify_takes_not_both_kinds(active: App) -> None:
    with pytest.raises(TypeError, match="either args or kwargs, not both"):
        json.jsonify(1, a=2)


def test_jsonify_needs_an_app() -> None:
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        json.jsonify(1)


def test_the_provider_does_not_keep_its_app_alive() -> None:
    app = App()
    provider, gone = app.json, weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None
    with pytest.raises(ReferenceError):
        provider.response(1)


class Reversing(JSONProvider):
    """A provider of the two required methods."""

    def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        return stdlib.dumps(obj, **kwargs)[::-1]

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        return stdlib.loads(s[::-1], **kwargs)


def test_two_methods_make_a_provider(app: App) -> None:
    provider = Reversing(t.cast(t.Any, app))
    file = io.StringIO()
    provider.dump([1, 2], file)
    assert file.getvalue() == "]2 ,1["
    assert provider.load(io.StringIO("]2 ,1[")) == [1, 2]
    response = provider.response(True)
    assert (response.get_data(as_text=True), response.mimetype) == ("eurt", "application/json")


def test_the_base_provider_leaves_the_two_to_do(app: App) -> None:
    provider = JSONProvider(t.cast(t.Any, app))
    with pytest.raises(NotImplementedError):
        provider.dumps(1)
    with pytest.raises(NotImplementedError):
        provider.loads("1")


def test_inside_of_a_context_the_app_answers(active: App) -> None:
    active.json = Reversing(t.cast(t.Any, active))
    file = io.StringIO()
    json.dump([12], file)
    assert file.getvalue() == json.dumps([12]) == "]21["
    assert json.loads("]21[") == json.load(io.StringIO("]21[")) == [12]


def test_outside_of_a_context_the_json_module_answers() -> None:
    assert json.dumps({"b": Widget(), "a": 1}) == '{"b": "<p>", "a": 1}'
    assert json.dumps(Widget(), default=lambda o: 1) == "1"
    file = io.StringIO()
    json.dump(Point(1, 2), file)
    file.seek(0)
    assert json.load(file) == {"x": 1, "y": 2}
    assert json.loads(b"[1]", parse_int=str) == ["1"]


# --- Through an app -------------------------------------------------------------------------


def asgi_client(app: t.Any) -> t.Any:
    """A client that calls the app as a server does, for either colour."""
    return app.async_test_client() if app.plain else app.test_client()


@pytest.fixture
def real(colour: type[t.Any]) -> t.Any:
    """A real app, whose view sends back what JSON it got."""
    app = colour(__name__)

    @app.post("/echo")
    async def echo() -> t.Any:
        value = quartish.request.get_json()
        return json.jsonify(value if app.plain else await value)

    @app.get("/dict")
    async def as_dict() -> t.Any:
        return {"b": uuid.UUID(int=1), "a": [date(1975, 1, 5)]}

    return app


async def post(app: t.Any, body: bytes) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    response = await asgi_client(app).post("/echo", data=body, headers=headers)
    return response.status_code, await settled(response.get_data(as_text=False))


async def test_a_view_gets_and_returns_json(real: t.Any) -> None:
    assert await post(real, '{"b": "ü", "a": null}'.encode()) == (
        200,
        b'{"a":null,"b":"\\u00fc"}\n',
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"malformed", b'"\xff"', b"[" * 200_000, b'{"a":' * 50_000, b"9" * 10_000],
    ids=lambda body: repr(body[:5]),
)
async def test_a_body_that_is_no_json_is_a_bad_request(real: t.Any, body: bytes) -> None:
    status, _ = await post(real, body)
    assert status == 400


async def test_a_dict_that_a_view_returns_goes_through_the_provider(real: t.Any) -> None:
    client = asgi_client(real)
    response = await client.get("/dict")
    assert response.mimetype == "application/json"
    assert await settled(response.get_data(as_text=True)) == (
        '{"a":["Sun, 05 Jan 1975 00:00:00 GMT"],"b":"00000000-0000-0000-0000-000000000001"}\n'
    )
    real.json.sort_keys = False
    real.json.compact = False
    response = await client.get("/dict")
    assert (await settled(response.get_data(as_text=True))).startswith('{\n  "b": "0000')


async def test_the_app_takes_a_provider_of_ones_own(real: t.Any) -> None:
    real.json = Reversing(real)
    assert await post(real, b"]2 ,1[") == (200, b"]2 ,1[")


async def test_the_provider_class_of_the_app_is_used(colour: type[t.Any]) -> None:
    class App(colour):  # type: ignore[misc, valid-type]
        json_provider_class = Reversing

    assert isinstance(App(__name__).json, Reversing)


def test_text_in_a_plain_app_context_is_that_of_its_provider() -> None:
    app = quartish.Flask(__name__)
    app.json = Reversing(app)
    with app.app_context():
        assert quartish.json.dumps([12]) == "]21["


def test_the_encoder_of_python_is_used_as_python_uses_it(
    provider: DefaultJSONProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`json.encoder.c_make_encoder` is documented nowhere. Where it is missing, or is called
    in another way, the answer is the same."""
    value = {"b": "ü", "a": [1.5, float("inf"), {2: None, True: "x"}, Widget()]}
    settings = {"sort_keys": False, "separators": (",", ":")}
    expected = stdlib.dumps(value, default=provider.default, **t.cast(t.Any, settings))
    real: t.Any = getattr(stdlib.encoder, "c_make_encoder", None)
    calls: list[t.Any] = []

    def changed(*args: t.Any) -> t.Any:
        calls.append(args)
        if len(calls) == 1:
            raise TypeError("takes something else")
        return real(*args)

    for maker in (real, None, changed if real else None):
        monkeypatch.setattr(stdlib.encoder, "c_make_encoder", maker)
        encode_with.cache_clear()
        assert provider.dumps(value, **settings) == expected
    encode_with.cache_clear()


@pytest.mark.parametrize(
    "text", ["{}", "[1]", "[1] ", " [1]", '{"a": 1}\n', "[1]]", "[1,", '{"a"}', "\ufeff[]", "7", ""]
)
def test_text_is_read_as_python_reads_it(provider: DefaultJSONProvider, text: str) -> None:
    def read(loads: t.Callable[[str], t.Any]) -> t.Any:
        try:
            return loads(text)
        except ValueError as error:
            return str(error)

    assert read(provider.loads) == read(stdlib.loads)


def test_what_is_no_text_is_refused(provider: DefaultJSONProvider) -> None:
    for value in (None, 5, ["["], {}):  # type: ignore[var-annotated]
        with pytest.raises(TypeError, match="must be str, bytes or bytearray"):
            provider.loads(t.cast(t.Any, value))


def test_one_text_is_made_while_another_is(provider: DefaultJSONProvider) -> None:
    class Inner:
        def __html__(self) -> str:
            return provider.dumps([[shared]])

    shared = {"a": 1}
    expected = [shared, '[[{"a": 1}]]', shared]
    for _ in range(3):
        assert stdlib.loads(provider.dumps([shared, Inner(), shared])) == expected


def test_threads_make_texts_of_the_same_object(provider: DefaultJSONProvider) -> None:
    class Slow:
        def __html__(self) -> str:
            barrier.wait(10)
            return "slow"

    barrier = threading.Barrier(4)
    shared = {"a": [Slow()]}
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            texts = pool.map(provider.dumps, [shared] * 4)
            assert list(texts) == ['{"a": ["slow"]}'] * 4
