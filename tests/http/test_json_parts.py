"""JSON of more lists and objects than `MAX_JSON_PARTS` is a 413: both colours, lanes and doors."""

from __future__ import annotations

import asyncio
import functools
import threading
import typing as t

import pytest

import quartish
from quartish._concurrency.coroutines import drive
from quartish.json._long import loads_long
from tests._doors import Ask
from tests._doors import make_app
from tests._doors import through_asgi
from tests._doors import through_wsgi

PARTS = 30_000


def json_app(colour: type[t.Any], lane: str) -> t.Any:
    app = make_app(colour, lane)
    app.config["MAX_JSON_PARTS"] = PARTS

    async def parts(**options: t.Any) -> str:
        found = quartish.request.get_json(**options)
        return str(len(found if app.plain else await found))

    async def raised() -> str:
        quartish.request.max_json_parts = PARTS + 1
        return await parts()

    def route(path: str, view: t.Any, **options: t.Any) -> None:
        if lane == "thread":
            view = in_thread(app, view)
        app.add_url_rule(path, path, view, methods=["POST"], **options)

    route("/parts", parts)
    route("/parts/uncached", functools.partial(parts, cache=False))
    route("/parts/any", functools.partial(parts, force=True, silent=True))
    route("/parts/more", parts, max_json_parts=PARTS + 1)
    route("/parts/raised", raised)
    return app


@pytest.mark.parametrize("guessed", [1 << 20, 0])
@pytest.mark.parametrize(
    "kind",
    [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b""],
)
async def test_json_that_is_read_by_force_is_read_off_the_loop(
    guessed: int, kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first time on; what is too long for that, from the second."""
    monkeypatch.setattr("quartish.wrappers.request.GUESSED", guessed)
    threads: list[int] = []

    def noting(text: str) -> t.Any:
        threads.append(threading.get_ident())
        return loads_long(text)

    monkeypatch.setattr("quartish.json.provider.loads_long", noting)
    app = json_app(quartish.Flask, "loop")
    body = b"[" + b"1," * 100_000 + b"1]"
    for _ in range(3):
        headers = [(b"content-type", kind)] if kind else []
        answer = await through_asgi(app, Ask("/parts/any", "POST", headers=headers, body=[body]))
        assert answer.body == b"100001"
    on_loop = [thread == threading.get_ident() for thread in threads]
    assert on_loop == [guessed == 0, False, False]


async def test_what_is_no_json_is_not_read_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the view finds it as it came, whether it begins as JSON or not."""
    read: list[bytes] = []

    def noting(text: str) -> t.Any:
        read.append(text[:2].encode())
        return loads_long(text)

    monkeypatch.setattr("quartish.json.provider.loads_long", noting)
    app = json_app(quartish.Flask, "loop")

    async def raw() -> bytes:
        assert isinstance(quartish.request.stream.read(2), bytes)
        return t.cast(bytes, quartish.request.stream.read())

    app.add_url_rule("/parts/raw", view_func=raw, methods=["POST"])
    for begin in (b"\x89P", b"ab", b"1,", b"[1", b" {"):
        body = begin + b"x" * 200_000
        answer = await through_asgi(app, Ask("/parts/raw", "POST", body=[body]))
        assert answer.status == 200 and answer.body == body[2:]
    assert read == [b"1,", b"[1", b" {"]


def in_thread(app: t.Any, view: t.Any) -> t.Any:
    def call() -> t.Any:
        return drive(view()) if app.plain else app.ensure_sync(view)()

    return call


@pytest.mark.parametrize("lane", ["loop", "thread"])
@pytest.mark.parametrize("kind", [b"application/json", b"text/plain"])
async def test_json_of_too_many_parts_is_a_413(colour: type[t.Any], lane: str, kind: bytes) -> None:
    app = json_app(colour, lane)
    most = b"[" + b"{}    ," * (PARTS - 2) + b'["[[{"]]'
    more = b"[" + b"{}    ," * (PARTS - 1) + b'["[[{"]]'
    doors: list[t.Any] = [through_asgi]
    if app.plain:

        async def by_wsgi(app: t.Any, ask: Ask) -> t.Any:
            return await asyncio.to_thread(through_wsgi, app, ask)

        doors.append(by_wsgi)

    async def ask(path: str, body: bytes) -> int:
        found = {
            (
                await door(app, Ask(path, "POST", headers=[(b"content-type", kind)], body=[body]))
            ).status
            for door in doors
        }
        assert len(found) == 1
        return found.pop()

    asked = ["/parts", "/parts/uncached"] if kind == b"application/json" else []
    for path in (*asked, "/parts/any"):
        assert await ask(path, most) == 200, path
        assert await ask(path, more) == 413, path
    if asked:
        for path in ("/parts/more", "/parts/raised"):
            assert await ask(path, more) == 200, path
        app.config["MAX_JSON_PARTS"] = None
        assert await ask("/parts", more) == 200
