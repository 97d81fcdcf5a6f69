"""Typed messages over real sockets, by Hypercorn and the `websockets` client."""

from __future__ import annotations

import json
import typing as t

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests._processes import serve


@pytest.mark.parametrize("name", ["flask", "quart"])
def test_messages_over_hypercorn(name: str) -> None:
    with serve("hypercorn", f"tests.typed._served:{name}") as process:

        def ask(path: str, *messages: str | bytes) -> list[t.Any]:
            """Send messages, each after the answer to the one before; end with the close."""
            found: list[t.Any] = []
            with connect(f"{process.ws}{path}") as client:
                for message in messages:
                    client.send(message)
                    try:
                        said = client.recv(timeout=10)
                    except ConnectionClosed as error:
                        assert error.rcvd is not None
                        return [*found, (error.rcvd.code, error.rcvd.reason)]
                    if isinstance(said, str):
                        found.append(json.loads(said))
                    else:
                        found.append(msgspec.msgpack.decode(said))
            return found

        order, packed = '{"sku": "a", "quantity": 3}', msgspec.msgpack.encode({"sku": "b"})
        wrong = (1007, "quantity: Expected `int` >= 1.")
        faulty = '{"sku": "a", "quantity": 0}'
        assert ask("/listen", order, packed, faulty) == [[3, 1, 0], [1, 2, 1], wrong]
        assert ask("/talk", order, packed, faulty) == [3, 1, wrong]
        json_order, packed_order = {"sku": "a", "quantity": 3}, {"sku": "b", "quantity": 1}
        assert ask("/thread", order, packed, faulty) == [json_order, packed_order, wrong]
        assert ask("/listen", order, b"\xc1")[1][0] == 1007
        assert ask("/listen", order) == [[3, 4, 3]]
        assert "Traceback" not in process.log()
