"""What servers may offer beyond plain HTTP: asked for, used where it is there, left out else."""

from __future__ import annotations

import asyncio
import hashlib
import typing as t
from pathlib import Path

import pytest

import quartish
from quartish._http.headers import Unsendable
from tests._doors import Ask
from tests._doors import through_wsgi
from tests._scopes import http_scope

ALL: dict[str, t.Any] = {
    "http.response.early_hint": {},
    "http.response.trailers": {},
    "http.response.push": {},
    "http.response.pathsend": {},
}
STYLE = "</style.css>; rel=preload; as=style"
TE = (b"te", b"trailers, deflate;q=0.5")


async def sent(
    app: t.Any, path: str = "/", method: str = "GET", *lines: tuple[bytes, bytes], **more: t.Any
) -> list[t.Any]:
    more.setdefault("extensions", ALL)
    messages: list[t.Any] = []
    ended = asyncio.Event()

    async def receive() -> t.Any:
        await ended.wait()

    async def send(message: t.Any) -> None:
        messages.append(message)

    scope = http_scope(path, method, list(lines), **more)
    await app(scope, receive, send)
    return messages


def types(messages: list[t.Any]) -> list[str]:
    return [message["type"].removeprefix("http.response.") for message in messages]


@pytest.fixture(params=["plain async", "plain def", "awaitable"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(way: str, links: t.Any = (STYLE,)) -> t.Any:
    app = (quartish.Quart if way == "awaitable" else quartish.Flask)("extended")

    async def view() -> str:
        await quartish.request.send_early_hints(links)
        return str(quartish.request.supports("early_hints"))

    def blocking() -> str:
        quartish.request.send_early_hints(links)
        return str(quartish.request.supports("early_hints"))

    app.add_url_rule("/", "view", blocking if way == "plain def" else view)
    return app


async def test_early_hints(way: str) -> None:
    messages = await sent(make(way))
    assert messages[0] == {"type": "http.response.early_hint", "links": [STYLE.encode()]}
    assert types(messages) == ["early_hint", "start", "body"]
    assert messages[-1]["body"] == b"True"


async def test_they_are_left_out_where_the_server_has_none(way: str) -> None:
    none: tuple[t.Any, ...] = ({}, None)
    for extensions in none:
        messages = await sent(make(way), extensions=extensions)
        assert types(messages) == ["start", "body"] and messages[-1]["body"] == b"False"
    if way != "awaitable":  # nor has WSGI
        reply = await asyncio.to_thread(through_wsgi, make(way), Ask("/"))
        assert (reply.status, reply.body) == (200, b"False")


async def test_one_link_is_a_link_and_none_is_nothing(way: str) -> None:
    assert (await sent(make(way, STYLE)))[0]["links"] == [STYLE.encode()]
    assert types(await sent(make(way, []))) == ["start", "body"]


async def test_no_client_writes_a_head_by_a_link(way: str) -> None:
    app = make(way, ["</x>\r\nset-cookie: a=b"])
    app.logger.disabled = True
    messages = await sent(app)
    assert types(messages) == ["start", "body"] and messages[0]["status"] == 500


@pytest.mark.parametrize("extensions", [ALL, {}])
async def test_a_link_that_no_header_can_say(way: str, extensions: t.Any) -> None:
    """It was an error where the server has early hints, and none elsewhere."""
    seen: list[str] = []
    app = make(way, ["</\u20ac.css>; rel=preload"])
    app.register_error_handler(ValueError, lambda error: seen.append(str(error)) or "seen")
    messages = await sent(app, extensions=extensions)
    assert types(messages) == ["start", "body"]
    assert seen == [
        "A link is '</\u20ac.css>; rel=preload', which no header can say: percent-encode its URL."
    ]


async def test_what_is_supported(way: str) -> None:
    app = make(way)

    @app.get("/asked")
    async def asked() -> t.Any:
        names = ("early_hints", "trailers", "push", "path_send")
        with pytest.raises(ValueError, match="'teleport' is none of early_hints, trailers"):
            quartish.request.supports("teleport")
        return [name for name in names if quartish.request.supports(name)]

    async def told(*lines: tuple[bytes, bytes], **more: t.Any) -> t.Any:
        return quartish.json.loads((await sent(app, "/asked", "GET", *lines, **more))[-1]["body"])

    assert await told(TE) == ["early_hints", "trailers", "push", "path_send"]
    assert await told() == ["early_hints", "push", "path_send"]  # no client asks for trailers
    assert await told(extensions={}) == []


# --- trailers -------------------------------------------------------------------------------


def make_trailing(way: str) -> t.Any:
    app = (quartish.Quart if way == "awaitable" else quartish.Flask)("trailing")

    def trailing(response: t.Any, **trailers: t.Any) -> t.Any:
        response.trailers = {name.replace("_", "-"): value for name, value in trailers.items()}
        return response

    def add(rule: str, view: t.Callable[[], t.Any]) -> None:
        async def on_loop() -> t.Any:
            return view()

        app.add_url_rule(rule, rule, view if way == "plain def" else on_loop)

    def whole() -> t.Any:
        return trailing(app.response_class("whole"), Server_Timing="db;dur=53", X_More="yes")

    def streamed() -> t.Any:
        digest = hashlib.sha256()

        def pieces() -> t.Iterator[bytes]:
            for piece in (b"a", b"b"):
                digest.update(piece)
                yield piece

        return trailing(app.response_class(pieces()), Digest=digest.hexdigest)

    def broken() -> t.Any:
        return trailing(app.response_class("whole"), X_More="a\r\nb: c")

    def foreign() -> t.Any:
        return trailing(app.response_class("whole"), X_More="\u20ac")

    for view in (whole, streamed, broken, foreign):
        add(f"/{view.__name__}", view)
    return app


async def test_trailers(way: str) -> None:
    app = make_trailing(way)
    start, body, trailers = await sent(app, "/whole", "GET", TE)
    assert start["trailers"] is True and body["body"] == b"whole"
    assert dict(start["headers"])[b"trailer"] == b"server-timing, x-more"
    assert trailers == {
        "type": "http.response.trailers",
        "headers": [(b"server-timing", b"db;dur=53"), (b"x-more", b"yes")],
        "more_trailers": False,
    }


async def test_a_trailer_is_made_when_the_body_is_sent(way: str) -> None:
    messages = await sent(make_trailing(way), "/streamed", "GET", TE)
    assert types(messages) == ["start", "body", "body", "body", "trailers"]
    digest = hashlib.sha256(b"ab").hexdigest().encode()
    assert messages[-1]["headers"] == [(b"digest", digest)]


@pytest.mark.parametrize("lines", [(), ((b"te", b"deflate"),)])
async def test_nobody_gets_trailers_who_does_not_ask(way: str, lines: t.Any) -> None:
    for path in ("/whole", "/streamed"):
        messages = await sent(make_trailing(way), path, "GET", *lines)
        assert "trailers" not in types(messages) and "trailers" not in messages[0]
        assert b"trailer" not in dict(messages[0]["headers"])
    messages = await sent(make_trailing(way), "/whole", "GET", TE, extensions={})
    assert types(messages) == ["start", "body"]


async def test_there_are_none_by_http3(way: str) -> None:
    """Hypercorn 0.18 offers them and sends data after them: the answer never ended."""
    app = make_trailing(way)
    for path in ("/whole", "/streamed"):
        messages = await sent(app, path, "GET", TE, http_version="3")
        assert "trailers" not in types(messages) and "trailers" not in messages[0]
        assert b"trailer" not in dict(messages[0]["headers"])
    hinted = await sent(make(way), "/", "GET", http_version="3")
    assert types(hinted) == ["early_hint", "start", "body"]


async def test_a_trailer_that_no_server_could_send(way: str) -> None:
    """It ends as a body does that breaks: unfinished, and the server is told."""
    with pytest.raises(Unsendable, match="The trailer X-More has a line break"):
        await sent(make_trailing(way), "/broken", "GET", TE)
    with pytest.raises(Unsendable, match="The trailer X-More is '\u20ac', which no header can say"):
        await sent(make_trailing(way), "/foreign", "GET", TE)


# --- files that the server sends ------------------------------------------------------------


class Around:
    """A middleware that knows of no extension, as most: reports emmett-framework/granian 686, 838
    and redis/fastapi-redis-sdk 36."""

    def __init__(self, app: t.Any) -> None:
        self.app = app

    async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
        async def known(message: t.Any) -> None:
            assert message["type"] in ("http.response.start", "http.response.body"), message
            await send(message)

        await self.app(scope, receive, known)


@pytest.fixture
def served(colour: type[t.Any], tmp_path: Path) -> t.Any:
    app = colour("files", static_folder=str(tmp_path), static_url_path="/static")
    (tmp_path / "file.txt").write_bytes(b"0123456789" * 100_000)
    return app


async def test_a_file_is_left_to_the_server(served: t.Any, tmp_path: Path) -> None:
    seen = []
    served.after_request(lambda response: seen.append(response.status_code) or response)
    path = "/static/file.txt"
    start, send = await sent(served, path)
    assert send == {"type": "http.response.pathsend", "path": str(tmp_path / "file.txt")}
    head = dict(start["headers"])
    assert start["status"] == 200 and head[b"content-length"] == b"1000000" and seen == [200]
    # What is not the whole file is ours to send.
    assert types(await sent(served, path, "HEAD")) == ["start", "body"]
    assert types(await sent(served, path, "GET", (b"if-none-match", head[b"etag"]))) == [
        "start",
        "body",
    ]
    messages = await sent(served, path, "GET", (b"range", b"bytes=5-8"))
    assert messages[0]["status"] == 206
    assert b"".join(message.get("body", b"") for message in messages) == b"5678"


async def test_not_through_what_may_not_know_of_it(served: t.Any) -> None:
    served.add_middleware(Around)
    messages = await sent(served, "/static/file.txt")
    assert sum(len(message.get("body", b"")) for message in messages) == 1_000_000
    mounted = await sent(served, "/in/static/file.txt", root_path="/in")
    assert "pathsend" not in types(mounted)


@pytest.mark.parametrize(("setting", "expected"), [(True, True), (False, False)])
async def test_a_setting_says_otherwise(served: t.Any, setting: bool, expected: bool) -> None:
    served.config["PATH_SEND"] = setting
    messages = await sent(served, "/in/static/file.txt", root_path="/in")
    assert ("pathsend" in types(messages)) is expected


async def test_not_of_a_file_that_goes_with_its_response(served: t.Any, tmp_path: Path) -> None:
    """The server would look for it after that: report emmett-framework/granian 670."""
    file = tmp_path / "short-lived"
    file.write_bytes(b"x" * 300_000)

    @served.get("/once")
    async def once() -> t.Any:
        response = quartish.send_file(file)
        response = response if served.plain else await t.cast("t.Any", response)
        response.call_on_close(file.unlink)
        return response

    messages = await sent(served, "/once")
    assert sum(len(message.get("body", b"")) for message in messages) == 300_000
    assert not file.exists()
