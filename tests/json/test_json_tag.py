"""Tagged JSON: what comes back as it was, and the bytes it is written as."""

from __future__ import annotations

import typing as t
from collections import OrderedDict
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from datetime import UTC
from uuid import UUID

import pytest
from markupsafe import Markup

from quartish.json.tag import JSONTag
from quartish.json.tag import TaggedJSONSerializer

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.fixture
def serializer() -> TaggedJSONSerializer:
    return TaggedJSONSerializer()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ([1, "a", 1.5, True], '[1,"a",1.5,true]'),
        ({"x": (1, (2,)), "y": {}}, '{"x":{" t":[1,{" t":[2]}]},"y":{}}'),
        (b"\xff", '{" b":"/w=="}'),
        (Markup("<b>"), '{" m":"<b>"}'),
        (UUID(int=1), '{" u":"00000000000000000000000000000001"}'),
        (NOON, '{" d":"Thu, 29 Feb 2024 12:00:00 GMT"}'),
        ({" t": 1}, '{" di":{" t__":1}}'),
        ({" t": (1,)}, '{" di":{" t__":{" t":[1]}}}'),
        ({" t__": b"a"}, '{" t__":{" b":"YQ=="}}'),
        ({" di": " di"}, '{" di":{" di__":" di"}}'),
        ({" t": 1, "x": 2}, '{" t":1,"x":2}'),
        ({"x": {"unknown": 1}}, '{"x":{"unknown":1}}'),
    ],
)
def test_a_value_is_written_as_these_bytes_and_comes_back(
    serializer: TaggedJSONSerializer, value: t.Any, text: str
) -> None:
    assert serializer.dumps(value) == text
    back = serializer.loads(text)
    assert (back, type(back)) == (value, type(value))


def test_a_datetime_comes_back_in_utc_without_its_microseconds(
    serializer: TaggedJSONSerializer,
) -> None:
    east = timezone(timedelta(hours=2))
    back = serializer.loads(serializer.dumps(datetime(2024, 2, 29, 14, 0, 0, 99, east)))
    assert back == NOON and back.utcoffset() == timedelta(0)


def test_whatever_has_html_comes_back_as_markup(serializer: TaggedJSONSerializer) -> None:
    class Widget:
        def __html__(self) -> str:
            return "<i>"

    back = serializer.loads(serializer.dumps(Widget()))
    assert back == Markup("<i>") and isinstance(back, Markup)


class TagOrderedDict(JSONTag):
    __slots__ = ()
    key = " od"

    def check(self, value: t.Any) -> bool:
        return isinstance(value, OrderedDict)

    def to_json(self, value: t.Any) -> t.Any:
        return [[key, self.serializer.tag(item)] for key, item in value.items()]

    def to_python(self, value: t.Any) -> t.Any:
        return OrderedDict(value)


def test_a_tag_registered_in_front_takes_a_special_case(
    serializer: TaggedJSONSerializer,
) -> None:
    value = OrderedDict(b=(1,), a=2)
    assert type(serializer.loads(serializer.dumps(value))) is dict
    serializer.register(TagOrderedDict, index=0)
    assert serializer.dumps(value) == '{" od":[["b",{" t":[1]}],["a",2]]}'
    back = serializer.loads(serializer.dumps(value))
    assert back == value and type(back) is OrderedDict


def test_a_key_is_registered_once_unless_forced(serializer: TaggedJSONSerializer) -> None:
    class Mine(JSONTag):
        key = " d"

    with pytest.raises(KeyError, match="Tag ' d' is already registered"):
        serializer.register(Mine)
    serializer.register(Mine, force=True, index=-1)
    assert isinstance(serializer.tags[" d"], Mine)
    assert isinstance(serializer.order[-2], Mine)


def test_a_tag_without_a_key_joins_the_order_only(serializer: TaggedJSONSerializer) -> None:
    class Silent(JSONTag):
        pass

    keys = set(serializer.tags)
    serializer.register(Silent)
    assert set(serializer.tags) == keys
    assert isinstance(serializer.order[-1], Silent)


def test_the_base_tag_leaves_everything_to_do(serializer: TaggedJSONSerializer) -> None:
    tag = JSONTag(serializer)
    for method in (tag.check, tag.to_json, tag.to_python, tag.tag):
        with pytest.raises(NotImplementedError):
            method(None)


def test_unknown_objects_are_refused(serializer: TaggedJSONSerializer) -> None:
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        serializer.dumps({"a": object()})


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"n": 1, "text": "x", "none": None, "true": True, "half": 0.5},
        {"n": 1, "t": (1,)},
        {"a": [1, [2, {"b": "c"}]]},
        {" u": " t"},
        {" t": None, " d": None},
        {"text": ' x"'},
        {"text": '" t'},
    ],
    ids=str,
)
def test_what_needs_no_tag_is_written_the_same(value: t.Any) -> None:
    """A subclass is believed to have ideas of its own, and so takes the long way."""

    class Thorough(TaggedJSONSerializer):
        pass

    quick, thorough = TaggedJSONSerializer(), Thorough()
    text = quick.dumps(value)
    assert text == thorough.dumps(value)
    assert quick.loads(text) == thorough.loads(text) == value


@pytest.mark.parametrize(
    "text", ['{"a": { " b" : "/w==" }}', '{"a":{"\\u0020b":"\\u002fw=="}}', '[{" b":"/w=="}]']
)
def test_a_tag_is_seen_however_it_is_spelled(serializer: TaggedJSONSerializer, text: str) -> None:
    assert serializer.loads(text) in ({"a": b"\xff"}, [b"\xff"])


def test_bytes_are_read_too(serializer: TaggedJSONSerializer) -> None:
    text = serializer.dumps({"a": (1,)}).encode()
    assert serializer.loads(t.cast(t.Any, text)) == {"a": (1,)}


def test_a_tag_may_begin_with_any_letter(serializer: TaggedJSONSerializer) -> None:
    class Complex(JSONTag):
        key = "c"

        def check(self, value: t.Any) -> bool:
            return isinstance(value, complex)

        def to_json(self, value: t.Any) -> t.Any:
            return [value.real, value.imag]

        def to_python(self, value: t.Any) -> t.Any:
            return complex(*value)

    serializer.register(Complex)
    text = serializer.dumps({"z": 1j})
    assert text == '{"z":{"c":[0.0,1.0]}}' and serializer.loads(text) == {"z": 1j}


def test_a_subclass_may_tag_in_its_own_way() -> None:
    class Loud(TaggedJSONSerializer):
        def tag(self, value: t.Any) -> t.Any:
            return {key: f"{item}!" for key, item in value.items()}

        def untag(self, value: dict[str, t.Any]) -> t.Any:
            return {key: item[:-1] for key, item in value.items()}

    assert Loud().dumps({"a": "b"}) == '{"a":"b!"}'
    assert Loud().loads('{"a":"b!"}') == {"a": "b"}
