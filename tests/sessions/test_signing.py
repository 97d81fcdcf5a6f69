"""Signing: what comes out and what is taken is what itsdangerous would write and take."""

from __future__ import annotations

import hashlib
import json
import pickle
import typing as t

import pytest
from itsdangerous import BadData
from itsdangerous import URLSafeTimedSerializer

from quartish.sessions.signing import lazy_sha1
from quartish.sessions.signing import SigningSerializer

NOW = 1_700_000_000
VALUES: list[t.Any] = [
    {},
    {"n": 1},
    {"text": "ü" * 20, "more": "~" * 7},
    {"text": "abcdef" * 3},
    {"n": "x" * 5},
    {"a": list(range(300))},
    {"a": "x" * 4000},
    [1, None, True],
]


def both(
    keys: t.Any = "secret", serializer: t.Any = json, **settings: t.Any
) -> tuple[SigningSerializer, URLSafeTimedSerializer]:
    given: dict[str, t.Any] = {"key_derivation": "hmac", "digest_method": lazy_sha1, **settings}
    made = [
        kind(keys, salt="cookie-session", serializer=serializer, signer_kwargs=given)
        for kind in (SigningSerializer, URLSafeTimedSerializer)
    ]
    return t.cast(t.Any, tuple(made))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[float], None]:
    def set_to(seconds: float) -> None:
        monkeypatch.setattr("time.time", lambda: seconds)

    set_to(NOW + 0.5)
    return set_to


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"keys": ["old", "new"]},
        {"keys": "k" * 100},
        {"key_derivation": "none"},
        {"key_derivation": "django-concat", "digest_method": hashlib.sha256},
        {"digest_method": lambda data=b"": hashlib.md5(data)},
        {"serializer": pickle},
    ],
    ids=lambda settings: "-".join(settings) or "defaults",
)
def test_it_is_written_as_itsdangerous_writes_it(settings: dict[str, t.Any], value: t.Any) -> None:
    ours, theirs = both(**settings)
    assert ours.dumps(value) == theirs.dumps(value)
    assert ours.dumps(value, salt="other") == theirs.dumps(value, salt="other")
    for salt in (None, "other"):
        signed = theirs.dumps(value, salt=salt)
        assert ours.loads(signed, max_age=10, salt=salt) == value
        data = signed if isinstance(signed, bytes) else signed.encode()
        assert ours.loads(data, salt=salt) == value
    again, stamp = ours.loads(ours.dumps(value), return_timestamp=True)
    assert (again, stamp.timestamp()) == (value, NOW)


def test_the_time_is_that_of_each_signature(clock: t.Callable[[float], None]) -> None:
    ours, theirs = both()
    for second in (0, 0.9, 1, 0, 2**40):
        clock(NOW + second)
        assert ours.dumps(VALUES[1]) == theirs.dumps(VALUES[1])


def damaged(signed: str) -> t.Iterator[str]:
    for at in range(len(signed)):
        yield signed[:at] + signed[at + 1 :]
        yield signed[:at] + ("A" if signed[at] != "A" else "B") + signed[at + 1 :]
        yield signed[:at] + "é" + signed[at:]
    yield from ("", ".", "..", "...", signed + "=", signed + "A", signed.rpartition(".")[0])


def judged(serializer: URLSafeTimedSerializer, signed: str | bytes, max_age: int) -> t.Any:
    try:
        return serializer.loads(signed, max_age=max_age)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("age", [-1, 0, 10, 11])
def test_it_is_judged_as_itsdangerous_judges(clock: t.Callable[[float], None], age: int) -> None:
    ours, theirs = both(["old", "new"])
    signed = theirs.dumps({"n": 1, "x": "y" * 30})
    old = both("old")[1].dumps({"n": 2})
    clock(NOW + age)
    for text in [signed, old, *damaged(signed)]:
        assert judged(ours, text, 10) == judged(theirs, text, 10)


@pytest.mark.parametrize("payload", [b"", b"eyJ9", b".AAAA", b"!!", b".", b"_-8", b"e30"])
def test_what_was_signed_may_be_no_json(payload: bytes) -> None:
    ours, theirs = both()
    for value in (payload, payload + b".", b"." + payload):
        signed = theirs.make_signer().sign(value)
        assert judged(ours, signed, 10) == judged(theirs, signed, 10)
        stampless = value + b"." + theirs.make_signer().get_signature(value)
        assert judged(ours, stampless, 10) == judged(theirs, stampless, 10)
        with pytest.raises(BadData):
            ours.loads(stampless, max_age=10)
