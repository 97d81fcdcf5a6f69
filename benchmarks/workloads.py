"""The requests that are measured, and what their answers have to be."""

from __future__ import annotations

import collections.abc as cabc
import json
import typing as t

from .apps.content import CHUNK
from .apps.content import CHUNKS
from .apps.content import DOWNLOAD
from .apps.content import HELLO
from .apps.content import MEGABYTE
from .apps.content import ROUTES

MESSAGES = 200
"""Messages echoed over one websocket, for the cost of one."""
PIECE = 64 * 1024
"""Bytes of an upload that a server hands over at once."""
MULTIPART = "multipart/form-data; boundary=quartish"
HEAD = (
    b'--quartish\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
TAIL = b"\r\n--quartish--\r\n"


#: Answers of which the JSON counts, not how it is written.
_JSON = ("json", "param")


class Workload(t.NamedTuple):
    """One kind of request. `expect` is the body of its answer, or how long that has to be."""

    name: str
    path: str = "/"
    method: str = "GET"
    content_type: str = ""
    body: bytes = b""
    expect: bytes | int | None = None
    status: int = 200
    #: Bytes of the file that is sent, in the place of `body`.
    upload: int = 0
    #: Which app of a framework's.
    app: str = "small"
    #: Statuses that others answer with.
    or_status: tuple[int, ...] = ()
    #: ASGI extensions that the server offers.
    extensions: tuple[str, ...] = ()

    def pieces(self) -> cabc.Iterator[bytes]:
        """Return the request's body as a server hands it over."""
        if not self.upload:
            yield self.body
            return
        yield HEAD
        piece = bytes(PIECE)
        for _ in range(self.upload // PIECE):
            yield piece
        yield piece[: self.upload % PIECE]
        yield TAIL

    @property
    def length(self) -> int:
        """Bytes of the request's body."""
        return len(HEAD) + self.upload + len(TAIL) if self.upload else len(self.body)

    def accepts(self, body: bytes | int) -> bool:
        """Say whether an answer is right; of a long one the length is known only."""
        if self.expect is None:
            return True
        if self.content_type == "application/json" or self.app == "typed" or self.name in _JSON:
            return bool(json.loads(t.cast(bytes, body)) == json.loads(t.cast(bytes, self.expect)))
        return body == self.expect


ECHO = json.dumps({"numbers": list(range(20)), "text": "x" * 50}).encode()

SMALL = (
    Workload("hello", expect=HELLO.encode()),
    Workload("json", "/json", expect=json.dumps({"message": HELLO}).encode()),
    Workload("param", "/user/42/post/title", expect=b'{"user": 42, "post": "title"}'),
    Workload(
        "form",
        "/form",
        "POST",
        "application/x-www-form-urlencoded",
        b"a=1&b=two",
        expect=b"1two",
    ),
    Workload("echo", "/echo", "POST", "application/json", ECHO, expect=ECHO),
    Workload("page", "/page"),
    Workload("visits", "/visits", expect=b"1"),
    Workload("routes", f"/r{ROUTES - 1}/7", expect=b"7"),
    Workload("notfound", "/nothing/here", status=404),
    Workload("stream", "/stream", expect=CHUNK * CHUNKS),
    Workload("ws", "/ws", "WS"),
)
MORE = (
    Workload("def", "/def", expect=HELLO.encode()),
    Workload("hooks", app="hooked", expect=HELLO.encode()),
    Workload("nested", "/a/b/c/7", app="nested", expect=b"7"),
)
ORDER = {
    "id": 7,
    "customer": "Ada Lovelace",
    "lines": [
        {"sku": f"SKU-{n:06}", "quantity": n + 1, "price": 9.5 + n, "note": "x" * 20}
        for n in range(12)
    ],
}
FAULTY = {**ORDER, "customer": "", "lines": [{"sku": "x" * 30, "quantity": 0, "price": "y"}]}
TYPED = (
    Workload(
        *("body", "/order", "POST", "application/json", json.dumps(ORDER).encode()),
        expect=b'{"lines": 12}',
        app="typed",
    ),
    Workload(
        "query",
        "/search?q=lamp&page=2&size=50&exact=true",
        expect=b'{"q": "lamp", "page": 2, "size": 50, "exact": true}',
        app="typed",
    ),
    Workload("path", "/item/42", expect=b'{"number": 42}', app="typed"),
    Workload(
        *("422", "/order", "POST", "application/json", json.dumps(FAULTY).encode()),
        status=422,
        or_status=(400,),
        app="typed",
    ),
    Workload("components", "/me", expect=b'{"name": "Ada"}', app="typed"),
)
LARGE = (
    Workload(
        "upload",
        "/upload",
        "POST",
        MULTIPART,
        upload=10 * MEGABYTE,
        expect=str(10 * MEGABYTE).encode(),
    ),
    Workload("download", "/download", expect=DOWNLOAD),
    Workload("pathsend", "/download", expect=DOWNLOAD, extensions=("http.response.pathsend",)),
)
HUGE = (
    Workload(
        "upload 1 GB",
        "/upload",
        "POST",
        MULTIPART,
        upload=1000 * MEGABYTE,
        expect=str(1000 * MEGABYTE).encode(),
    ),
)
WORKLOADS = {workload.name: workload for workload in (*SMALL, *MORE, *TYPED, *LARGE, *HUGE)}
