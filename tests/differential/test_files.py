"""`send_file`, `send_from_directory` and the static view: of each kind of file, with each argument,
asked for whole, in part and on conditions, as in Flask."""

from __future__ import annotations

import datetime
import io
import os
import random
import typing as t
from pathlib import Path

import pytest
import werkzeug.utils

from tests.differential._beside import assert_same
from tests.differential._beside import Side
from tests.differential._files import AT
from tests.differential._files import BEFORE
from tests.differential._files import begun
from tests.differential._files import make_folder

FOLDER = Path()


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global FOLDER
    FOLDER = make_folder(tmp_path_factory.mktemp("files") / "d")


OPENED: list[t.Any] = []


def kept(file: t.Any) -> t.Any:
    """Keep a file to close it: `send_file` leaves it open where it fails afterwards."""
    OPENED.append(file)
    return file


FILES: dict[str, t.Callable[[], t.Any]] = {
    "a path": lambda: FOLDER / "a.txt",
    "text": lambda: str(FOLDER / "a.txt"),
    "bytes": lambda: os.fsencode(FOLDER / "a.txt"),
    "relative": lambda: "a.txt",
    "not ASCII": lambda: FOLDER / "é.html",
    "empty": lambda: FOLDER / "empty",
    "two endings": lambda: FOLDER / "x.tar.gz",
    "JavaScript": lambda: FOLDER / "n.js",
    "nowhere": lambda: "nowhere.txt",
    "memory": lambda: io.BytesIO(b"memory" * 10),
    "in the middle": begun,
    "text in memory": lambda: io.StringIO("text"),
    "open": lambda: kept((FOLDER / "a.txt").open("rb")),
    "open as text": lambda: kept((FOLDER / "a.txt").open(encoding="ascii")),
    "its content": lambda: b"content",
    "a number": lambda: 5,
}
ARGUMENTS: dict[str, list[t.Any]] = {
    "mimetype": [None, "text/css", "x/y; charset=latin-1", ""],
    "as_attachment": [False, True],
    "download_name": [None, "n.txt", "ü €.pdf", 'q".txt', "a/b.txt", ""],
    "conditional": [True, False],
    "etag": [True, False, "tag", '"q"', ""],
    "last_modified": [None, 1_700_000_000, datetime.datetime(2023, 1, 1), 0, 1.5],
    "max_age": [None, 0, 60, -1, lambda path: 30, lambda path: None],
}
HEADERS: list[dict[str, str]] = [
    *({}, {"Range": "bytes=0-4"}, {"Range": "bytes=5-"}, {"Range": "bytes=-3"}),
    *({"Range": "bytes=90-"}, {"Range": "bytes=0-1,3-4"}, {"Range": "lines=0-1"}),
    *({"Range": "bytes=4-2"}, {"Range": "bytes=x"}, {"If-None-Match": "*"}),
    *({"If-None-Match": '"tag"'}, {"If-None-Match": 'W/"tag"'}, {"If-Match": '"nope"'}),
    *({"If-Match": "*"}, {"If-Modified-Since": AT}, {"If-Modified-Since": BEFORE}),
    *({"If-Modified-Since": "bad"}, {"If-Unmodified-Since": BEFORE}),
    *({"Range": "bytes=0-4", "If-Range": value} for value in ('"tag"', AT, BEFORE)),
    {"Range": "bytes=0-4", "If-None-Match": '"tag"'},
]
CONFIGS: list[dict[str, t.Any]] = [
    *({}, {}, {"SEND_FILE_MAX_AGE_DEFAULT": 60}),
    {"SEND_FILE_MAX_AGE_DEFAULT": datetime.timedelta(1)},
]


def send(side: Side, r: random.Random) -> None:
    module = side.module
    app = side.app(root_path=str(FOLDER), static_folder=".")
    app.config.update(r.choice(CONFIGS))
    arguments = {k: r.choice(values) for k, values in ARGUMENTS.items() if r.random() < 0.3}
    file, how = r.choice([*FILES]), r.choice(["", "", "directory", "changed", "read", "told"])

    def view() -> t.Any:
        if how == "directory":
            return module.send_from_directory(str(FOLDER), "a.txt", **arguments)
        response = module.send_file(FILES[file](), **arguments)
        if how == "changed":
            response.headers["X"] = "1"
            response.status_code = 201
        elif how == "read":
            response.direct_passthrough = False
            response.get_data()
        elif how == "told":
            side.tell(response.direct_passthrough, response.content_length, response.mimetype)
            side.tell(response.is_streamed, response.last_modified, response.get_etag())
        return response

    app.add_url_rule("/", "view", side.view(view))
    app.errorhandler(404)(lambda error: ("nothing", 404))
    client, method = side.client(app), r.choice(["GET", "GET", "HEAD"])
    for headers in r.sample(HEADERS, 4):
        client.open("/", headers=headers, method=method)
    name = r.choice(["a.txt", "sub", "../d/a.txt", "%2e%2e/d/a.txt", "nowhere", "", "%C3%A9.html"])
    client.open(f"/{FOLDER.name}/{name}")
    while OPENED:
        OPENED.pop().close()


def test_files_are_sent_as_in_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_kept(*args: t.Any) -> t.Any:
        return kept(open(*args))

    monkeypatch.setattr(werkzeug.utils, "open", open_kept, raising=False)
    assert_same(send, 60)
