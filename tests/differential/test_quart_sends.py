"""What Quart sends besides text: files of every kind with each argument, whole, in part and on
conditions; streams with their context; and sessions that a test client opens."""

from __future__ import annotations

import asyncio
import datetime
import io
import random
import time
import typing as t
from pathlib import Path

import pytest
import quart.sessions

import quartish.sessions.interface
from tests.differential._awaiting import assert_same
from tests.differential._beside import Side
from tests.differential._beside import without
from tests.differential._files import AT
from tests.differential._files import BEFORE
from tests.differential._files import begun
from tests.differential._files import make_folder
from tests.differential.test_sessions import Clock

FOLDER = Path()


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global FOLDER
    FOLDER = make_folder(tmp_path_factory.mktemp("sends") / "d")


FILES: dict[str, t.Callable[[], t.Any]] = {
    "a path": lambda: FOLDER / "a.txt",
    "text": lambda: str(FOLDER / "a.txt"),
    "not ASCII": lambda: FOLDER / "é.html",
    "empty": lambda: FOLDER / "empty",
    "two endings": lambda: FOLDER / "x.tar.gz",
    "nowhere": lambda: FOLDER / "nowhere.txt",
    "memory": lambda: io.BytesIO(b"memory" * 10),
    "in the middle": begun,
}
ARGUMENTS: dict[str, list[t.Any]] = {
    "mimetype": [None, "text/css", "x/y; charset=latin-1"],
    "as_attachment": [False, True],
    "attachment_filename": [None, "n.txt", "ü €.pdf", 'q".txt'],
    "conditional": [True, False],
    "add_etags": [True, False],
    "last_modified": [None, datetime.datetime(2023, 1, 1)],
    "cache_timeout": [None, 0, 60],
}
HEADERS: list[dict[str, str]] = [
    *({}, {"Range": "bytes=0-4"}, {"Range": "bytes=5-"}),
    *({"Range": "bytes=90-"}, {"Range": "bytes=0-1,3-4"}, {"Range": "lines=0-1"}),
    *({"Range": "bytes=4-2"}, {"Range": "bytes=x"}, {"If-None-Match": "*"}),
    *({"If-None-Match": '"tag"'}, {"If-Match": '"nope"'}, {"If-Match": "*"}),
    *({"If-Modified-Since": AT}, {"If-Modified-Since": BEFORE}, {"If-Modified-Since": "bad"}),
    *({"Range": "bytes=0-4", "If-Range": value} for value in ('"tag"', AT, BEFORE)),
]


def send(side: Side, r: random.Random) -> None:
    module = side.module
    app = side.app(root_path=str(FOLDER), static_folder=".")
    arguments = {k: r.choice(values) for k, values in ARGUMENTS.items() if r.random() < 0.3}
    file, how = r.choice([*FILES]), r.choice(["", "", "directory", "changed"])

    async def view() -> t.Any:
        if how == "directory":
            name = r.choice(["a.txt", "sub", "../d/a.txt", "nowhere"])
            response = await module.send_from_directory(str(FOLDER), name, **arguments)
        else:
            response = await module.send_file(FILES[file](), **arguments)
        if how == "changed":
            response.headers["X"] = "1"
            response.status_code = 201
        side.tell(response.content_length, response.mimetype, response.last_modified)
        return response

    app.add_url_rule("/", "view", view)
    app.errorhandler(404)(side.view(lambda error: ("nothing", 404)))
    client, method = side.client(app), r.choice(["GET", "GET", "HEAD"])
    side.tell(file, how, sorted(arguments))
    for headers in r.sample(HEADERS, 4):
        client.open("/", headers=headers, method=method)
    name = r.choice(["a.txt", "sub", "../d/a.txt", "%2e%2e/d/a.txt", "nowhere", "", "%C3%A9.html"])
    client.open(f"/{FOLDER.name}/{name}")


#: What is said here besides, or by RFC 6266, RFC 9110 and 9111, as Flask does.
HEADERS_OF_OURS = {
    *("accept-ranges", "content-range", "content-disposition", "cache-control"),
    "content-encoding",
}


def responses(told: list[t.Any]) -> list[t.Any]:
    """Return the lines of responses: path, status, headers, body."""
    return [line for line in told if len(line) == 4 and isinstance(line[2], list)]


def test_files_are_sent_as_in_quart() -> None:
    def departs(told: list[t.Any]) -> list[t.Any]:
        for line in responses(told):
            # A 304 says nothing of the content: RFC 9110, section 15.4.5.
            said = [] if line[1].startswith("304") else line[2]
            line[2] = [each for each in said if each[0] not in HEADERS_OF_OURS]
        return told

    assert_same(send, 60, departs)


def stream(side: Side, r: random.Random) -> None:
    """A generator of each kind, returned in each way, that looks at its request, or fails."""
    module = side.module
    app = side.app()
    app.secret_key = "key"
    kind = r.choice(["async", "def"])
    keeps = kind == "async" and r.random() < 0.7  # Quart keeps the context of no other
    fails = r.choice([None, None, None, 0, 1])
    looks = r.choice(["args", "session", "none"])
    how = r.choice(["response", "value", "tuple", "made", "headers"])

    def look(number: int) -> str:
        if fails == number:
            raise LookupError(number)
        if looks == "args":
            return str(module.request.args.get("a"))
        return str(module.session.get("seen")) if looks == "session" else "none"

    async def pieces() -> t.AsyncIterator[str]:
        for number in range(3):
            yield look(number)
            await asyncio.sleep(0)

    def pieces_of_def() -> t.Iterator[bytes]:
        for number in range(3):
            yield look(number).encode()

    async def view() -> t.Any:
        module.session["seen"] = module.session.get("seen", 0) + 1
        made: t.Any = pieces if kind == "async" else pieces_of_def
        made = module.stream_with_context(made)() if keeps else made()
        if how == "response":
            return app.response_class(made, 201, {"X": "1"})
        if how == "tuple":
            return made, 202
        if how == "headers":
            return made, {"X": "2", "Content-Type": "text/css"}
        return await module.make_response(made) if how == "made" else made

    app.add_url_rule("/", "view", view)
    side.tell(kind, keeps, fails, looks, how)
    client = side.client(app)
    for query in ("", "?a=b"):
        client.open(f"/{query}")


def test_streams_are_sent_as_in_quart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quart tears a copy of the context down after such a stream, which has a `g` of its own."""
    monkeypatch.setattr(time, "time", lambda: 1.7e9)  # sessions are signed with it
    assert_same(stream, 80, without("signal"))


WHERES: list[dict[str, t.Any]] = [
    {},
    {},
    {"path": "/a/b"},
    {"headers": {"X": "1"}},
    {"method": "POST"},
]


def transact(side: Side, r: random.Random) -> None:
    """Sessions that a client opens and changes, before, between and after requests."""
    module = side.module
    app = side.app()
    app.secret_key = r.choice(["key", "key", "key", None])
    app.config.update(r.choice([{}, {}, {"SESSION_COOKIE_PATH": "/a"}, {"APPLICATION_ROOT": "/r"}]))

    async def view() -> t.Any:
        said = {key: module.session[key] for key in sorted(module.session)}
        if module.request.args:
            module.session["visits"] = module.session.get("visits", 0) + 1
        return {"session": said, "permanent": module.session.permanent}

    app.add_url_rule("/", "view", view)
    app.add_url_rule("/a/b", "deep", view)
    client = side.client(app, **r.choice([{}, {}, {"use_cookies": False}]))

    async def change() -> None:
        where = r.choice(WHERES)
        what = r.choice(["set", "delete", "read", "permanent", "raise", "nested"])
        side.tell(what, sorted(where))
        async with client.real.session_transaction(**where) as session:
            side.tell(type(session).__name__, sorted(session), session.new, session.modified)
            if what == "set":
                session["by client"] = r.choice([1, "é", [1, 2], None])
            elif what == "delete":
                session.clear()
            elif what == "permanent":
                session.permanent = True
            elif what == "nested":
                session.setdefault("deep", []).append(1)
            elif what == "raise":
                raise LookupError("in the block")
            side.tell(session.modified, module.has_request_context())

    for _ in range(4):
        if r.random() < 0.5:
            side.tried(asyncio.run, change())
        else:
            client.open(r.choice(["/", "/?a=b", "/a/b", "/a/b?a=b"]))


def test_clients_open_sessions_as_in_quart(monkeypatch: pytest.MonkeyPatch) -> None:
    def departs(told: list[t.Any]) -> list[t.Any]:
        """As in Flask, the response depends on a session that is only iterated over, and a context
        is opened twice."""
        for line in responses(told):
            line[2] = [each for each in line[2] if each[0] != "vary"]
        return without("signal")(told)

    monkeypatch.setattr(quart.sessions, "datetime", Clock)
    monkeypatch.setattr(quartish.sessions.interface, "datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: 1.7e9)
    assert_same(transact, 80, departs)
