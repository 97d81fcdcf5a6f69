"""Long JSON is read and written as by `json.loads` and `json.dumps`, by pieces that are made small
here; and its lists and objects are counted."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from quartish.json import _long
from quartish.json._long import begins_as_json
from quartish.json._long import dumps_long
from quartish.json._long import has_more_parts
from quartish.json._long import is_long
from quartish.json._long import loads_long
from quartish.json._long import LONGEST_NUMBER

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=60,
)
tokens = st.lists(
    st.sampled_from(
        ["[", "]", "{", "}", ",", ":", '"', '"a"', "1", "-", "1e5", "true", "NaN", " ", "\\u00"]
        + ["\\", '"a":', "{}", "[]", '"],"', '"},"', '{"a":1}', "\n", "é", "\ufeff", "[1,"]
    ),
    max_size=24,
).map("".join)


@pytest.fixture(autouse=True, params=[3, 8, 40])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_long, "PIECE", request.param)
    monkeypatch.setattr(_long, "ITEMS", request.param)


def outcome(loads: t.Callable[[str], t.Any], text: str) -> str:
    try:
        return repr(loads(text))
    except (ValueError, RecursionError):
        return "refused"


fast = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@fast
@given(value=values, indent=st.sampled_from([None, 0, 2]), ascii=st.booleans())
def test_values(value: t.Any, indent: int | None, ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    assert outcome(loads_long, text) == outcome(json.loads, text)
    for cut in (text[:-1], text[1:], text + "]", text + ",", text.replace(",", ",,", 1)):
        assert outcome(loads_long, cut) == outcome(json.loads, cut), cut


@fast
@given(text=tokens)
def test_garbage(text: str) -> None:
    for whole in (text, f"[{text}]", f'{{"a":{text}}}', f"[{text},{text}]"):
        assert outcome(loads_long, whole) == outcome(json.loads, whole), whole


@pytest.mark.parametrize("end", ["", "]", "}", ",", "1", '"a"', '"a":', '"a" 1', "x"])
@pytest.mark.parametrize("begin", ["[", "{"])
def test_ends_that_are_none(begin: str, end: str) -> None:
    """What is past the first piece is read as strictly as the rest."""
    item = "[1], " if begin == "[" else '"name": [1], '
    for text in (begin + item * 5000 + end, begin + item * 5000 + end + "]", begin + " " + end):
        try:
            expected: t.Any = json.loads(text)
        except json.JSONDecodeError:
            with pytest.raises(json.JSONDecodeError):
                loads_long(text)
        else:
            assert loads_long(text) == expected


def test_a_number_has_its_bounds() -> None:
    """Up to them it is what `json` makes of it; to read a longer one lets no other thread run."""
    rest = ", 1" * 9
    fits = "-1." + "7" * (LONGEST_NUMBER - 4)
    for text in (fits, f"[{fits}{rest}]", f'{{"a": {fits}}}'):
        assert loads_long(text) == json.loads(text)
    for text in (f"{fits}7", f"[{fits}7{rest}]", f'{{"a": {fits}e7}}'):
        with pytest.raises(json.JSONDecodeError, match="Number too long"):
            loads_long(text)


# --- counting -------------------------------------------------------------------------------------


def parts(value: t.Any) -> int:
    if isinstance(value, (list, dict)):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + sum(map(parts, inner))
    return 0


@fast
@given(value=values | st.lists(st.text('[]{}"\\\\u', max_size=9)), ascii=st.booleans())
def test_parts_are_counted_but_not_in_strings(value: t.Any, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii)
    count = parts(value)
    for encoded in (text, *(text.encode(name) for name in ("utf-8", "utf-16", "utf-32-le"))):
        assert not has_more_parts(encoded, count)  # type: ignore[arg-type]
        assert count == 0 or has_more_parts(encoded, count - 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ['"[', '"[\\', '["\\"', '{"a"[', "[" * 9, '"' * 9 + "["])
def test_what_is_no_json_is_counted_too(text: str) -> None:
    assert not has_more_parts(text, 9)
    assert isinstance(has_more_parts(text, 0), bool)


def test_a_string_of_many_pieces_is_passed_over() -> None:
    text = json.dumps(['\\"[' * 5000, [], "[" * 5000])
    assert not has_more_parts(text, 2) and has_more_parts(text, 1)


# --- what may be JSON ----------------------------------------------------------------------------


@fast
@given(
    text=tokens | values.map(json.dumps), encoding=st.sampled_from(["utf-8", "utf-16", "utf-32"])
)
def test_all_that_is_json_begins_as_json(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    try:
        json.loads(data)
    except ValueError:
        return
    assert begins_as_json(data)


def test_forms_do_not_begin_as_json() -> None:
    for head in (b"--boundary", b"name=value", b"n=1", b"file=", b"total=3", b"Infinite=1", b"-a"):
        assert not begins_as_json(head), head
    for head in (b"-Infinity", b" -1", b"null", b"NaN", b"", b" " * 99, b'"', b"\xef\xbb\xbf[1"):
        assert begins_as_json(head), head


# --- writing --------------------------------------------------------------------------------------


class Counting(dict[str, t.Any]):
    """A dict of which `json` asks for what its `items` says."""

    def items(self) -> t.Any:
        return [("count", len(self))]


@fast
@given(
    value=values | st.lists(st.tuples(values, st.integers())) | st.text(max_size=2000),
    ascii=st.booleans(),
    sort=st.booleans(),
)
def test_the_same_text_is_written(value: t.Any, ascii: bool, sort: bool) -> None:
    encode = json.JSONEncoder(ensure_ascii=ascii, sort_keys=sort).encode
    for each in (value, {"b": value, "a": [value, value]}, (value, [value])):
        if is_long(each):
            assert dumps_long(each, encode, sort) == encode(each)


def test_names_of_all_kinds_are_written() -> None:
    value = {1: [[1] * 50], 2.5: "x" * 999, 7: 0, 9: [], 10: {}, 11: [{}] * 60}
    encode = json.JSONEncoder(sort_keys=True).encode
    assert is_long(value) and dumps_long(value, encode, True) == encode(value)
    value = {None: [1] * 50, True: "y" * 999, "é": Counting(a=1)}  # type: ignore[dict-item]
    encode = json.JSONEncoder(ensure_ascii=False).encode
    assert dumps_long(value, encode, False) == encode(value)
