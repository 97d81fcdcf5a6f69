"""Streams that end early, over real sockets: nobody takes what came for the whole."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import typing as t

import httpx
import pytest

from .conftest import Serve

App = type[t.Any]


def make(colour: App) -> t.Any:
    app = colour("app")
    app.config["RESPONSE_TIMEOUT"] = 0.3

    @app.get("/async")
    async def broken() -> t.Any:
        async def pieces() -> t.AsyncIterator[bytes]:
            yield b"a" * 100
            await asyncio.sleep(0)
            raise LookupError("the stream's own")

        return pieces()

    @app.get("/plain")
    def plain() -> t.Any:
        def pieces() -> t.Iterator[bytes]:
            yield b"a" * 100
            raise LookupError("the stream's own")

        return pieces()

    @app.get("/quiet")
    async def quiet() -> t.Any:
        async def pieces() -> t.AsyncIterator[bytes]:
            yield b"a" * 100
            await asyncio.sleep(60)

        return pieces()

    return app


@pytest.mark.parametrize(
    ("http2", "debug"), [(False, False), (True, False), (True, True)], ids=["1.1", "2", "2-debug"]
)
@pytest.mark.parametrize("path", ["/async", "/plain", "/quiet"])
def test_what_ends_early_is_no_whole(
    colour: App,
    serve: Serve,
    server: str,
    path: str,
    http2: bool,
    debug: bool,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if http2 and server == "uvicorn":
        pytest.skip("uvicorn has no HTTP/2")
    app = make(colour)
    app.logger.propagate = True
    app.debug = debug
    served = serve(app)
    data, url = b"", served.http + path
    with httpx.Client(http1=not http2, http2=http2, timeout=5) as client:
        with pytest.raises(httpx.RemoteProtocolError), client.stream("GET", url) as r:
            assert r.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            for chunk in r.iter_bytes():
                data += chunk
        assert data == b"a" * 100
        with contextlib.suppress(httpx.RemoteProtocolError):  # one that is being closed
            client.get(served.http + "/none")
        assert client.get(served.http + "/none").status_code == 404
    lines = [
        logging.Formatter("%(message)s").format(record)
        for record in caplog.records
        if record.levelno >= logging.WARNING
    ]
    if server == "uvicorn":  # whose log goes to the terminal alone
        lines += [text for text in capfd.readouterr().err.split("ERROR:") if text]
    told = [line for line in lines if f"[GET {path}]" in line]
    assert len(told) == 1, lines
    assert ("was given up" if path == "/quiet" else "LookupError: the stream's own") in told[0]
    assert "'quiet'" in told[0] or "'plain'" in told[0] or "'broken'" in told[0]
