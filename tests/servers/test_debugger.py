"""Werkzeug's debugger over real sockets, by each server."""

from __future__ import annotations

import html
import re
import typing as t

import httpx
import pytest

from .conftest import Serve

PIN = "123-456-789"


def make(colour: type[t.Any]) -> t.Any:
    app = colour("app")
    app.debug = True

    @app.get("/loop")
    async def loop() -> t.NoReturn:
        shelf = "empty"
        raise LookupError(shelf)

    @app.get("/thread")
    def thread() -> t.NoReturn:
        shelf = "empty"
        raise LookupError(shelf)

    return app


def test_it_is_opened_by_the_pin(
    colour: type[t.Any], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WERKZEUG_DEBUG_PIN", PIN)
    served = serve(make(colour))
    for path in ("/loop", "/thread"):
        with httpx.Client(base_url=served.http, headers={"accept": "text/html"}) as client:
            page = client.get(path).text
            secret = re.search(r'SECRET = "(\w+)"', page)
            frame = re.search(r'id="frame-(\d+)"', page)
            assert secret is not None and frame is not None

            def ask(
                path: str = path,
                client: httpx.Client = client,
                secret: str = secret[1],
                **values: str,
            ) -> httpx.Response:
                return client.get(path, params={"__debugger__": "yes", "s": secret, **values})

            assert ask(cmd="1 + 1", frm=frame[1]).status_code == 500  # the app's own answer
            assert ask(cmd="pinauth", pin=PIN).json() == {"auth": True, "exhausted": False}
            assert "'empty'" in html.unescape(ask(cmd="shelf", frm=frame[1]).text)
            ask(cmd="import asyncio", frm=frame[1])
            slept = ask(cmd="await asyncio.sleep(0.001, 6 * 7)", frm=frame[1])
            assert ">42<" in slept.text
            client.headers["host"] = "evil.example"
            assert ask(cmd="1 + 1", frm=frame[1]).status_code == 400
            assert "EVALEX = false" in client.get(path).text
