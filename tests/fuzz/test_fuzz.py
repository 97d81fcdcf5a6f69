"""Made-up requests, thousands of them: every one is answered, none with a 5xx.

`FUZZ_EXAMPLES` says how many requests each test makes; the everyday run makes few.
"""

from __future__ import annotations

import asyncio
import os
import typing as t

import pytest
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

import quartish
from tests._doors import Ask
from tests._doors import check
from tests._doors import make_app
from tests._doors import through_asgi
from tests._doors import through_wsgi

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Send = t.Callable[[Ask], None]


@pytest.fixture(scope="module")
def send() -> t.Iterator[Send]:
    """Send a request to apps of both colours and lanes, through both doors."""
    with asyncio.Runner() as runner:
        apps = [
            make_app(cls, lane)
            for cls in (quartish.Flask, quartish.Quart)
            for lane in ("loop", "thread")
        ]

        def send_to_all(ask: Ask) -> None:
            for app in apps:
                check(runner.run(through_asgi(app, ask)), ask)
                if app.plain:
                    check(through_wsgi(app, ask), ask)

        yield send_to_all


def mixed(*words: bytes) -> st.SearchStrategy[bytes]:
    """Bytes made of what parsers look for, with others between."""
    pieces = st.one_of(st.sampled_from(words), st.binary(max_size=4))
    return st.lists(pieces, max_size=12).map(b"".join)


HOSTS = mixed(b"a", b".", b":", b"80", b"[", b"]", b"::1", b"xn--", b"\xfc", b"-", b"_", b"@", b"/")
QUERIES = mixed(b"a", b"=", b"&", b"%", b"%ff", b"%c3", b"+", b";", b"\xc3\xa9", b"#", b"?")
COOKIES = mixed(b"session", b"=", b";", b'"', b"\\", b"\\377", b"\\134", b".", b"eJw", b" ", b",")
PATHS = st.one_of(
    st.text(st.characters(), max_size=12),
    st.tuples(
        st.sampled_from(
            [
                "/int/",
                "/float/",
                "/uuid/",
                "/any/",
                "/str/",
                "/path/",
                "/slash/",
                "/static/",
                "/static/../",
                "//",
            ]
        ),
        st.text(st.characters(), max_size=12),
    ).map("".join),
)
NAMES = [
    *(b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"authorization"),
    *(b"cache-control", b"content-encoding", b"content-length", b"content-type", b"cookie"),
    *(b"date", b"host", b"if-match", b"if-modified-since", b"if-none-match", b"if-range"),
    *(b"if-unmodified-since", b"max-forwards", b"origin", b"pragma", b"range", b"referer"),
    *(b"transfer-encoding", b"user-agent", b"x-forwarded-for"),
]
VALUES = mixed(
    *(b"*", b"/", b";", b"q=", b",", b'"', b"W/", b"=", b"bytes=", b"-", b"0", b"9" * 20, b":"),
    *(b"Basic ", b"Digest ", b"Bearer ", b"YTpi", b"utf-8''%ff", b"charset", b"*0*", b"max-age"),
    *(b"Thu, 01 Jan 1970 00:00:00 GMT", b"Mon", b" ", b"\t", b"\\", b"chunked", b"en-US"),
)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES) | st.binary(max_size=8), VALUES), max_size=4)
TYPES = st.one_of(
    st.sampled_from(
        [
            *(b"application/json", b"application/x-www-form-urlencoded"),
            *(b"multipart/form-data; boundary=x", b"multipart/form-data", b"text/plain"),
        ]
    ),
    mixed(b"multipart/form-data", b";", b"boundary", b"=", b"x", b'"', b"charset", b"*", b"''"),
)
MULTIPARTS = mixed(
    *(b"--x\r\n", b"--x--", b"--x", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"name=", b'"'),
    *(b"Content-Disposition: form-data; name=a\r\n\r\n", b"Content-Disposition:", b"form-data;"),
    *(b"\r\nContent-Type: ", b"text/plain; charset=", b"utf-16", b"*=", b"utf-8''%ff", b";", b":"),
    *(b"filename=", b"\x00", b" "),
    b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n",
)
JSONS = mixed(
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u", b"d800", b"dc00", b",", b":", b"1", b"e", b"-"),
    *(b"null", b"NaN", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xed\xa0\x80", b'"a":', b"\\ud83d"),
)


def chunks(body: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """The body in one piece, or cut in two somewhere."""
    return st.one_of(
        body.map(lambda data: [data]),
        st.tuples(body, st.integers(0, 40)).map(lambda cut: [cut[0][: cut[1]], cut[0][cut[1] :]]),
    )


@fuzz
@given(host=HOSTS, path=PATHS, query=QUERIES, cookie=COOKIES)
def test_targets(send: Send, host: bytes, path: str, query: bytes, cookie: bytes) -> None:
    send(Ask(path, query=query, headers=[(b"cookie", cookie)], host=host))
    send(Ask(query=query, headers=[(b"cookie", cookie)], host=host))


@fuzz
@given(headers=HEADERS)
def test_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    send(Ask(headers=headers))


@fuzz
@given(
    path=st.sampled_from(["/form", "/json", "/text", "/data"]),
    kind=TYPES,
    body=chunks(MULTIPARTS | JSONS | QUERIES),
)
def test_bodies(send: Send, path: str, kind: bytes, body: list[bytes]) -> None:
    send(Ask(path, "POST", headers=[(b"content-type", kind)], body=body))


@fuzz
@given(body=chunks(MULTIPARTS))
def test_multipart(send: Send, body: list[bytes]) -> None:
    kind = b"multipart/form-data; boundary=x"
    send(Ask("/form", "POST", headers=[(b"content-type", kind)], body=body))


@fuzz
@given(path=st.sampled_from(["/json", "/text"]), body=chunks(JSONS))
def test_json(send: Send, path: str, body: list[bytes]) -> None:
    send(Ask(path, "POST", headers=[(b"content-type", b"application/json")], body=body))
