"""Long JSON is read as `json.loads` reads it, by pieces that are made small here."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from quartish.json import _long
from quartish.json._long import loads_long

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


def outcome(loads: t.Callable[[str], t.Any], text: str) -> str:
    try:
        return repr(loads(text))
    except (ValueError, RecursionError):
        return "refused"


fast = settings(
    max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck)
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
