"""One Redis behind several servers: a visitor goes from one to the other, and one of them is
killed."""

from __future__ import annotations

import time
import typing as t
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests._processes import COMMANDS
from tests._processes import is_installed
from tests._processes import kill
from tests._processes import Process
from tests._processes import serve
from tests._redis import redis_server

pytestmark = [pytest.mark.slow, pytest.mark.redis]


@pytest.mark.parametrize("colour", ["Flask", "Quart"])
def test_a_visitor_goes_from_one_server_to_the_other(colour: str, tmp_path: Path) -> None:
    names = [name for name in COMMANDS if is_installed(name)]
    assert {"hypercorn", "uvicorn"} <= set(names)
    with redis_server(tmp_path) as redis, ExitStack() as stack:
        environ: dict[str, t.Any] = {"REDIS_URL": redis.url, "COLOUR": colour}
        servers: dict[str, Process] = {
            name: stack.enter_context(serve(name, "tests.sessions.served:app", **environ))
            for name in names
        }
        visitor = stack.enter_context(httpx.Client())
        visitor.post(f"{servers['hypercorn'].http}/login/ada").raise_for_status()
        for number, server in enumerate(servers.values(), start=1):
            assert visitor.post(f"{server.http}/count").text == str(number)
        cookie = f"session={visitor.cookies['session']}"
        for name, server in servers.items():
            with connect(f"{server.ws}/ws", additional_headers={"Cookie": cookie}) as socket:
                socket.send(name)
                assert socket.recv() == "ada"
            until = time.monotonic() + 10
            told: dict[str, t.Any] = {}
            while told.get("by") != name:  # it is written when the handler has returned
                assert time.monotonic() < until, told
                told = visitor.get(servers["uvicorn"].http).json()
            assert told == {"_user_id": "ada", "count": len(names), "by": name}

        kill(servers["hypercorn"].process)
        assert visitor.get(servers["uvicorn"].http).json()["_user_id"] == "ada"
        assert visitor.post(f"{servers['uvicorn'].http}/end").text == "1"
        assert visitor.get(servers["uvicorn"].http).json() == {}

        redis.stop()
        answer = visitor.get(servers["uvicorn"].http)
        assert answer.status_code == 503
        redis.start()
        assert visitor.get(servers["uvicorn"].http).status_code == 200
