"""Long MessagePack in small steps: made-up values, whole and damaged, beside msgspec."""

from __future__ import annotations

import random
import typing as t

import msgspec
import pytest

from quartish.typed import packed
from quartish.typed.codecs import _DECODING
from quartish.typed.codecs import _refuse_ext

decode = msgspec.msgpack.Decoder(ext_hook=_refuse_ext).decode
SCALARS = [
    *(1, -5, -200, 300, 70_000, 2**40, -(2**40), 2**63, 1.5, None, True, ""),
    *("a" * 40, "a" * 300, "\u00e9" * 40_000, b"x" * 9, b"x" * 300, b"x" * 70_000),
]


def made(chance: random.Random, depth: int = 0) -> t.Any:
    kind = chance.random()
    if depth > 4 or kind < 0.5:
        return chance.choice(SCALARS)
    size = chance.choice([0, 1, 3, 17 if depth else 70_000 if kind > 0.98 else 40])
    if size > 100:
        return [1] * size
    if kind < 0.8:
        return [made(chance, depth + 1) for _ in range(size)]
    keys = [chance.choice([str, int])(chance.randrange(10**6)) for _ in range(size)]
    return {key: made(chance, depth + 1) for key in keys}


def damaged(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(min(len(data), 60))
    changed = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    return chance.choice([changed, data[: chance.randrange(len(data))], data + b"\1", data])


def said(read: t.Callable[[bytes], t.Any], data: bytes) -> t.Any:
    try:
        return repr(read(data))
    except _DECODING:
        return "refused"


@pytest.mark.parametrize("piece", [1, 50, 3_000, packed.PIECE])
def test_the_same_as_msgspec(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "PIECE", piece)
    chance = random.Random(piece)

    def in_steps(data: bytes) -> t.Any:
        packed.check_parts(data, None)
        return packed.loads_long(data, decode)

    refused = 0
    for _ in range(100):
        whole = msgspec.msgpack.encode(made(chance))
        for data in (whole, damaged(whole, chance), damaged(whole, chance)):
            wanted = said(decode, data)
            assert said(in_steps, data) == wanted, data[:60]
            refused += wanted == "refused"
    assert 20 < refused < 200


def test_lists_and_maps_are_counted() -> None:
    data = msgspec.msgpack.encode([[], {}, [[]], {"a": {}}, "\x90" * 9, b"\x80" * 9])
    packed.check_parts(data, 7)
    with pytest.raises(packed.TooManyParts, match="more than 6 lists and maps"):
        packed.check_parts(data, 6)
    with pytest.raises(RecursionError):
        packed.check_parts(b"\x91" * 501 + b"\xc0", None)
