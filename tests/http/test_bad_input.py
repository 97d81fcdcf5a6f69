"""Whatever a client sends is answered: 4xx by the app's error handlers where it is wrong.

Each case goes through both doors, to apps of both colours, on both lanes, and has to get
the same status from all of them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import typing as t
from contextlib import contextmanager

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived
from hypercorn.asyncio import serve
from hypercorn.config import Config

import quartish
from quartish._http.inbox import QUEUED
from tests._doors import Ask
from tests._doors import check
from tests._doors import HANDLED
from tests._doors import LIMIT
from tests._doors import make_app
from tests._doors import PATIENCE
from tests._doors import Reply
from tests._doors import through_asgi
from tests._doors import through_wsgi
from tests._peer import handshake

FORM = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=x"

Send = t.Callable[[Ask], Reply]


@pytest.fixture(scope="module")
def ways() -> t.Iterator[dict[str, Send]]:
    """Every way to an app: colour, lane and door."""
    with asyncio.Runner() as runner:
        found: dict[str, Send] = {}
        for cls in (quartish.Flask, quartish.Quart):
            for lane in ("loop", "thread"):
                app = make_app(cls, lane)
                name = f"{cls.__name__} {lane}"
                found[f"{name} asgi"] = lambda ask, app=app: runner.run(through_asgi(app, ask))  # type: ignore[misc]
                if app.plain:
                    found[f"{name} wsgi"] = lambda ask, app=app: through_wsgi(app, ask)  # type: ignore[misc]
        yield found


def statuses(ways: dict[str, Send], ask: Ask, door: str = "") -> set[int]:
    """Send a request by every way, and check each answer; return the statuses they had."""
    return {check(send(ask), ask).status for way, send in ways.items() if way.endswith(door)}


def posted(path: str, content_type: bytes, *body: bytes) -> Ask:
    return Ask(path, "POST", headers=[(b"content-type", content_type)], body=list(body))


def ids(value: t.Any) -> str:
    return repr(value)[:40].replace("\x00", "") if isinstance(value, (bytes, str)) else str(value)


# --- the head -------------------------------------------------------------------------------

HOSTS: dict[bytes | None, int] = {
    **dict.fromkeys([b" ", b"a b", b"a,b", b"a/b", b"http://a", b"user@host", b"a\x00b"], 400),
    **dict.fromkeys([b"a:b", b"a:0", b"a:99999", b"[::1", b"]", b"[]", b"[z]"], 400),
    **dict.fromkeys([b".", b"..", b"a..b", b"a" * 64 + b".com", b"a." * 10_000], 400),
    **dict.fromkeys([b"xn--a", b"xn--\xff", b"\xff" * 70], 400),
    **dict.fromkeys([b"[::aaaaaaaaaa", b"[::aaaaaaaaaa]", b"[::1", b"[]", b"[1.2.3.4]", b"]"], 400),
    **dict.fromkeys([b"[::1]:99999", b"a:0", b"a:80:80"], 400),
    **dict.fromkeys([b"", b"localhost:80", b"[::1]:80", b"10.0.0.1", b"\xfc.example"], 200),
    **dict.fromkeys([b"my_service:8000", b"xn--bcher-kva.example:80"], 200),
    None: 200,
}


@pytest.mark.parametrize(("host", "status"), HOSTS.items(), ids=ids)
def test_host(ways: dict[str, Send], host: bytes | None, status: int) -> None:
    assert statuses(ways, Ask(host=host)) == {status}
    assert statuses(ways, Ask("/nowhere", host=host)) == {404 if status == 200 else status}


CONDITIONS = [b"If-Range", b"If-Match", b"If-None-Match", b"If-Modified-Since", b"Range"]
TAGS = [b'">', b'"', b"W/", b'W/"', b'"a', b'a"b', b'">,">', b'*,"', b'"\x80"', b"\xff", b"=", b";"]


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("path", ["/attributes", "/file"])
def test_a_condition_that_is_malformed_is_none(
    ways: dict[str, Send], name: bytes, path: str
) -> None:
    for value in TAGS + DATES:
        for more in ([], [(b"range", b"bytes=0-1")], [(b"if-none-match", b'"a"')]):
            ask = Ask(path, headers=[(name.lower(), value), *more])
            found = {send(ask).status for send in ways.values()}
            assert found <= {200, 206, 304, 412, 416}, ask


def test_two_hosts(ways: dict[str, Send]) -> None:
    assert statuses(ways, Ask(headers=[(b"host", b"other")])) == {400}


def test_untrusted_host_in_hooks(colour: type[t.Any]) -> None:
    app = make_app(colour, "loop")
    app.config["TRUSTED_HOSTS"] = ["example.com"]
    urls = []

    def note(response: t.Any) -> t.Any:
        urls.append((quartish.request.url, quartish.url_for("attributes", _external=True)))
        return response

    app.after_request(note)
    reply = asyncio.run(through_asgi(app, Ask(host=b"evil.example")))
    assert (reply.status, reply.headers[HANDLED]) == (400, "yes")
    assert urls == [("http:///attributes", "http:///attributes")]
    assert asyncio.run(through_asgi(app, Ask(host=b"example.com"))).status == 200


PATHS = {
    **dict.fromkeys(["", "*", "/", "nopath", "/%", "/%zz", "/\x00", "/\ud800", "/\udcff"], 404),
    **dict.fromkeys(["/static/\x00", "/static/" + "a" * 5000, "/static/.", "/static/\udcff"], 404),
    **dict.fromkeys(["/static/../conftest.py", "/static/..\\conftest.py"], 404),
    **dict.fromkeys(["/static//etc/passwd", "/static/../../../../etc/passwd"], 404),
    **dict.fromkeys(["/int/" + "9" * 5000, "/int/-1", "/int/x", "/uuid/x", "/any/c"], 404),
    **dict.fromkeys(["/int/" + "9" * 4000, "/float/" + "9" * 400 + ".0"], 200),
    **dict.fromkeys(["/str/" + "a" * 15_000, "/str/\ud800", "/str/\x00", "/str/\r\n"], 200),
    **dict.fromkeys(["/slash/\udcff", "/slash/\r\nX-Handled: no", "/slash/" + "é" * 4999], 308),
    **dict.fromkeys(["//evil.example/attributes", "/slash//x"], 404),
}


@pytest.mark.parametrize(("path", "status"), PATHS.items(), ids=ids)
def test_path(ways: dict[str, Send], path: str, status: int) -> None:
    found = statuses(ways, Ask(path))
    assert found == {status} or (found == {308} and "//" in path)


@pytest.mark.parametrize("query", [b"\xff", b"a=\xff", b"a=b&\xed\xa0\x80=c", b"\xc3"])
def test_query_that_is_no_text(ways: dict[str, Send], query: bytes) -> None:
    assert statuses(ways, Ask(query=query)) == {400}
    assert statuses(ways, Ask("/slash/x", query=query)) == {308}


QUERIES = [b"%ff", b"%", b"&&&", b"=", b";;;", b"a=%00", b"\x00", b"%ed%a0%80"]


@pytest.mark.parametrize(
    ("query", "quoted"),
    [
        (b"a\r\nX-Handled: no", "a%0D%0AX-Handled:%20no"),
        (b"a=\xc3\xa9&b=\xff", "a=%C3%A9&b=%FF"),
        (b"a=%0d+b;c|d", "a=%0d+b;c%7Cd"),
    ],
)
def test_query_of_a_redirect(ways: dict[str, Send], query: bytes, quoted: str) -> None:
    for send in ways.values():
        reply = check(send(Ask("/slash/x", query=query)), Ask())
        assert reply.headers["Location"] == f"http://localhost/slash/x/?{quoted}"


@pytest.mark.parametrize("query", [*QUERIES, b"a" * 15_000, b"&a" * 7999], ids=ids)
def test_odd_query(ways: dict[str, Send], query: bytes) -> None:
    assert statuses(ways, Ask(query=query)) == {200}


COOKIES = [b"\xff", b"=", b";;;", b"a=b" * 9000, b'"', b'a="\\400"', b'a="\\', b"\x00=\x00"]
SESSIONS = [b"\xff", b"a" * 9999, b".eJw", b".eJwAAA.AAAA.AAAA", b"a.b.c", b"...", b'"\\377"']


@pytest.mark.parametrize("cookie", [*COOKIES, *(b"session=" + s for s in SESSIONS)], ids=ids)
def test_cookies_that_nobody_set_are_ignored(ways: dict[str, Send], cookie: bytes) -> None:
    assert statuses(ways, Ask(headers=[(b"cookie", cookie)])) == {200}


DATES = [
    *(b"x", b"Mon, 99 Foo 99999999999 99:99:99 GMT", b"Thu, 01 Jan 0000 00:00:00 GMT"),
    *(b"Thu, 01 Jan 1970 00:00:00 +9999999999", b"Thu, 01 Jan 1970 00:00:00 +9999999999999"),
    *(b"Mon, 01 Jan 0001 00:00:00 +2359", b"Fri, 31 Dec 9999 23:59:59 -2359", b'"\xff', b"\xff"),
]
HEADERS = {
    b"accept": [b"*;q=x," * 999, b"a/b;q=1e999", b"/;;;==,,", b"a/b;" + b" " * 30_000],
    b"accept-language": [b"\xff-*", b"a-" * 15_000],
    b"authorization": [
        *(b"Basic", b"Basic \xff", b"Basic ////", b"Basic " + base64.b64encode(b"\xff")),
        *(b"Digest a", b'Digest a="b', b"Digest " + b'a="\\' * 7000, b"\xff \xff"),
    ],
    b"cache-control": [b"max-age=x, =,", b"max-age=" + b"9" * 5000],
    b"content-type": [b";;;", b"\xff/\xff; \xff=\xff", b"a/b;" + b'x*0="' * 6000],
    b"cookie": [b"x" * 30_000],
    **dict.fromkeys([b"date", b"if-modified-since", b"if-unmodified-since", b"if-range"], DATES),
    b"if-none-match": [b'W/"', b'"' * 9999],
    b"max-forwards": [b"x", b"9" * 5000],
    b"origin": [b"\xff"],
    b"range": [b"bytes=-", b"bytes=" + b"9" * 5000 + b"-", b"\xff", b"bytes=2-1"],
    b"user-agent": [b"\xff" * 30_000],
    b"x-forwarded-for": [b'",,,', b"," * 9999],
    b"x": [b"a\r\nb: c", b"a\nb", b"\x00", b""],
    b"\xff": [b"x"],
    b"a" * 30_000: [b"x"],
    b"": [b"x"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, v) for name, values in HEADERS.items() for v in values], ids=ids
)
def test_odd_header(ways: dict[str, Send], name: bytes, value: bytes) -> None:
    assert statuses(ways, Ask(headers=[(name, value)])) == {200}


@pytest.mark.parametrize("size", [40_000, pytest.param(8_000_000, marks=pytest.mark.slow)])
def test_a_head_without_end_is_refused(ways: dict[str, Send], size: int) -> None:
    for header in ((b"x", b"a" * size), (b"a" * size, b"x"), (b"cookie", b"a=b;" * (size // 4))):
        assert statuses(ways, Ask(headers=[header])) == {431}
    lines = [(b"%d" % number, b"") for number in range(size // 4)][:20_000]
    assert statuses(ways, Ask(headers=lines), "asgi") == {431}
    assert statuses(ways, Ask(headers=[(b"x", b"")] * size), "asgi") == {431}
    assert statuses(ways, Ask(host=b"a" * size)) == {431}
    assert statuses(ways, Ask(query=b"a" * size)) == {414}
    assert statuses(ways, Ask("/str/" + "a" * size)) == {414}


def test_how_long_a_head_may_be_is_configured(colour: type[t.Any]) -> None:
    app = make_app(colour, "loop")
    app.config.update(MAX_HEADER_SIZE=None, MAX_URL_SIZE=5000)
    long = Ask(headers=[(b"x", b"a" * 100_000)])
    assert asyncio.run(through_asgi(app, long)).status == 200
    assert asyncio.run(through_asgi(app, Ask(query=b"a" * 6000))).status == 414
    app.config.update(MAX_HEADER_SIZE=5000, MAX_URL_SIZE=None)
    assert asyncio.run(through_asgi(app, long)).status == 431
    assert asyncio.run(through_asgi(app, Ask(query=b"a" * 100_000))).status == 200


async def test_a_line_break_in_a_header_is_a_space(colour: type[t.Any]) -> None:
    app = colour(__name__)
    app.add_url_rule("/", view_func=lambda: quartish.request.headers["X"])
    reply = await through_asgi(app, Ask("/", headers=[(b"x", b"a\r\nb\nc")]))
    assert reply.body == b"a b c"


@pytest.mark.parametrize("method", ["get", "", "FOO BAR", "\xff", "A" * 9999, "CONNECT", "TRACE"])
def test_odd_method(ways: dict[str, Send], method: str) -> None:
    assert statuses(ways, Ask(method=method)) <= {200, 405}


BAD_LENGTHS = [b"", b"x", b"-1", b"+5", b"5_0", b"1,2", "٣".encode()]


@pytest.mark.parametrize("length", BAD_LENGTHS)
def test_content_length_that_is_no_number(ways: dict[str, Send], length: bytes) -> None:
    ask = Ask("/data", "POST", headers=[(b"content-length", length)], body=[b"data"])
    assert statuses(ways, ask, "asgi") == {400}
    assert statuses(ways, ask, "wsgi") == {200}  # where the server has read it, as Werkzeug has it


def test_content_lengths_that_contradict(ways: dict[str, Send]) -> None:
    twice = [(b"content-length", b"4"), (b"content-length", b"5")]
    assert statuses(ways, Ask("/data", "POST", headers=twice, body=[b"data"]), "asgi") == {400}
    same = twice[:1] * 2
    assert statuses(ways, Ask("/data", "POST", headers=same, body=[b"data"]), "asgi") == {200}


@pytest.mark.parametrize("path", ["/data", "/form", "/json"])
def test_content_length_that_lies(ways: dict[str, Send], path: str) -> None:
    for length in (b"1", b"1000", b"9" * 5000):
        kind = (b"content-type", MULTIPART if path == "/form" else b"application/json")
        ask = Ask(path, "POST", headers=[(b"content-length", length), kind], body=[b"{", b"}"])
        assert statuses(ways, ask) <= {200, 400, 413}


# --- JSON -----------------------------------------------------------------------------------

JSON = {
    **dict.fromkeys([b"", b"{", b"[1,]", b"'a'", b"{}\x00", b"\x00", b'"\x01"', b'"\\u"'], 400),
    **dict.fromkeys([b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b'"\xff"', b'"\xe9"'], 400),
    **dict.fromkeys([b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"{}" * 2], 400),
    **dict.fromkeys([b'"\\ud800"', b'"\\uDFFF"', b'["\\ud800\\ud800\\udc00"]'], 400),
    **dict.fromkeys([b'{"\\udc00": 1}', b'"\xed\xa0\x80"', b'"\\\\\\ud800"'], 400),
    **dict.fromkeys(['"\ud800"'.encode("utf-16", "surrogatepass")], 400),
    **dict.fromkeys([b"1e999999", b"NaN", b"9" * 4000, b'{"a":1,"a":2}'], 200),
    b"[" * 99 + b"]" * 99: 200,
    **dict.fromkeys([b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-32")], 200),
    **dict.fromkeys([b'"\\ud83d\\ude00"', '"\U0001f600"'.encode(), b'"\\\\ud800"'], 200),
}


@pytest.mark.parametrize(("body", "status"), JSON.items(), ids=ids)
def test_json(ways: dict[str, Send], body: bytes, status: int) -> None:
    assert statuses(ways, posted("/json", b"application/json", body)) == {status}
    halves = body[: len(body) // 2], body[len(body) // 2 :]
    assert statuses(ways, posted("/text", b"text/plain", *halves)) == {status}


@pytest.mark.parametrize("lane", ["loop", "thread"])
@pytest.mark.parametrize("size", [140_000, 700_000])
async def test_long_json_is_read_off_the_loop(
    colour: type[t.Any], lane: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def loads_long(text: str) -> t.Any:
        threads.append(threading.get_ident())
        return json.loads(text)

    monkeypatch.setattr("quartish.json.provider.loads_long", loads_long)
    app = make_app(colour, lane)
    for end, status in ((b"]", 200), (b",", 400)):
        body = b"[" + b"1," * (size // 2) + b"1" + end
        ask = posted("/json", b"application/json", *(body[:99], body[99:]))
        assert (await through_asgi(app, ask)).status == status
    assert len(threads) == 2 and threading.get_ident() not in threads


@pytest.mark.parametrize("charset", [b"utf-7", b"nope", b'"', b"\xff", b"utf-16"])
def test_json_is_utf8_whatever_the_charset(ways: dict[str, Send], charset: bytes) -> None:
    kind = b"application/json; charset=" + charset
    assert statuses(ways, posted("/json", kind, b'"\xc3\xa9"')) == {200}
    assert statuses(ways, posted("/json", kind, b'"\xe9"')) == {400}


def test_text_for_sessions_may_hold_what_bytes_may_not() -> None:
    app = quartish.Flask(__name__)
    assert app.json.loads('"\\ud800"') == "\ud800"  # our own: nobody else wrote it
    with pytest.raises(ValueError, match="surrogate"):
        app.json.loads(b'"\\ud800"')


# --- forms ----------------------------------------------------------------------------------


def part(headers: bytes = b"Content-Disposition: form-data; name=a", data: bytes = b"v") -> bytes:
    return b"--x\r\n" + headers + b"\r\n\r\n" + data + b"\r\n"


END = b"--x--\r\n"
NAMED = b"Content-Disposition: form-data; name=a"
FILE = NAMED + b"; filename=f"

BOUNDARIES = {
    **dict.fromkeys([b"", b"; boundary=", b'; boundary=""', b"; boundary=" + b"a" * 9999], 400),
    b"; boundary=" + b"x" * 71: 400,
    **dict.fromkeys([b"; boundary=\xff", b"; boundary=y", b'; boundary="x'], 400),
    **dict.fromkeys([b"; boundary=(((", b"; boundary=.*", b"; boundary=y; boundary=x"], None),
    **dict.fromkeys([b"; boundary=x; charset=nope", b'; boundary="x"'], 200),
}


@pytest.mark.parametrize(("options", "status"), BOUNDARIES.items(), ids=ids)
def test_boundary(ways: dict[str, Send], options: bytes, status: int | None) -> None:
    found = statuses(ways, posted("/form", b"multipart/form-data" + options, part() + END))
    assert len(found) == 1
    assert status is None or found == {status}


def test_multipart_cut_anywhere(ways: dict[str, Send]) -> None:
    whole = part(FILE + b"\r\nContent-Type: text/plain") + END
    for size in range(len(whole)):
        found = statuses(ways, posted("/form", MULTIPART, whole[:size]))
        # Nothing is a form without fields, and what ends after the last dashes is one.
        assert found == ({200} if size == 0 or whole[:size].endswith(b"--x--") else {400}) or (
            found == {200} and size == len(whole) - 1
        ), whole[:size]


PARTS = {
    **dict.fromkeys([b"junk" * 99_999, b"\r\n" * 99_999], 400),
    **dict.fromkeys([b"\x00" * 999, b"--y\r\n"], 200),  # before the first boundary all is let pass
    **dict.fromkeys([part(b""), part(b"X: y"), part(b"Content-Disposition"), part(b": x")], 400),
    **dict.fromkeys([part(b"Content-Disposition: form-data"), part(NAMED[:-1] + b'"')], 400),
    **dict.fromkeys([part(NAMED + b"\xff"), part(FILE + b"\r\nContent-Type: \xff")], 400),
    **dict.fromkeys([part(b"A\rB: x"), part(b"\x00")], 400),
    **dict.fromkeys([part(b"X: " + b"a" * 999_999), part(b"X: a\r\n" * 99_999 + NAMED)], 413),
    **dict.fromkeys([part(NAMED + b"a" * 99_999), part(NAMED + b"a" * 9000) * 9], 413),
    **dict.fromkeys([part() * 5000, b"--x\r\n" * 5000], 413),
    **dict.fromkeys([part(data=b"v" * 600_000), part(data=b"\r\n" * 300_000)], 413),
    **dict.fromkeys([part(data=b"\xff"), part(data=b"\x00"), part(data=b"--x--")], 200),
    part() * 999: 200,
    **dict.fromkeys([part(NAMED + b"\x00b; filename=\x00"), part(NAMED + b"\r\n folded")], 200),
    **dict.fromkeys([part(FILE + b"\r\nContent-Length: -5"), part(FILE + b"; filename=g")], 200),
    **dict.fromkeys([part(FILE + b"\r\nContent-Type: a\rb"), part(FILE, b"\r\n" * 500_000)], 200),
    **{
        part(NAMED + b"\r\nContent-Type: text/plain; charset=" + charset, b"\xff+2AA-"): 200
        for charset in (b"nope", b"utf-7", b"base64", b"utf-16", b"\x00", b"idna")
    },
    **{
        part(NAMED + b"; filename*=" + name): 200
        for name in (b"utf-8''%ff", b"utf-8''%00", b"undefined''%00", b"idna''%ff", b"'", b"''")
    },
}


@pytest.mark.parametrize(("body", "status"), PARTS.items(), ids=ids)
def test_multipart(ways: dict[str, Send], body: bytes, status: int) -> None:
    assert statuses(ways, posted("/form", MULTIPART, body + END)) == {status}
    chunks = [body[:7], body[7:30], body[30:], END[:4], END[4:]]
    assert statuses(ways, posted("/form", MULTIPART, *filter(None, chunks))) == {status}


URLENCODED = {
    **dict.fromkeys([b"\xff", b"a=\xff", b"\xed\xa0\x80", b"a=b\xc3"], 400),
    **dict.fromkeys([b"a=b&" * 5000, b"&" * 1000, b"a" * 600_000], 413),
    **dict.fromkeys([b"", b"%", b"=", b"&" * 999, b"a=%ff", b"%00=\x00", b"%ed%a0%80", b";"], 200),
}


@pytest.mark.parametrize(("body", "status"), URLENCODED.items(), ids=ids)
def test_urlencoded(ways: dict[str, Send], body: bytes, status: int) -> None:
    for kind in (FORM, FORM + b"; charset=nope"):
        assert statuses(ways, posted("/form", kind, body)) == {status}


def test_plain_form_is_parsed_to_the_end_once() -> None:
    app = quartish.Flask(__name__)

    def view() -> t.Any:
        request = quartish.request
        files = [(f.filename, f.read().decode(), f.mimetype) for f in request.files.getlist("f")]
        return [request.form.getlist("a"), files]

    app.add_url_rule("/", view_func=view, methods=["POST"])
    file = b"Content-Disposition: form-data; name=f; filename=n\r\nContent-Type: a/b"
    body = part(data=b"1") + part(data=b"2") + part(file, b"a--x\r\n") + part(file, b"") + END
    expected = [["1", "2"], [["n", "a--x\r\n", "a/b"], ["n", "", "a/b"]]]
    ask = posted("/", MULTIPART, *(bytes([byte]) for byte in body))
    assert json.loads(asyncio.run(through_asgi(app, ask)).body) == expected
    assert json.loads(through_wsgi(app, ask).body) == expected


@pytest.mark.parametrize("where", ["handler", "after function"])
@pytest.mark.parametrize("lane", ["loop", "thread"])
async def test_a_damaged_form_that_is_read_late(
    colour: type[t.Any], lane: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """*Flask:* has an empty form here, and a 500 for what an after function raises."""
    app = make_app(colour, lane)

    async def read(passed: t.Any) -> t.Any:
        form = quartish.request.form
        form if app.plain else await form  # type: ignore[misc]
        return passed

    if where == "handler":
        app.register_error_handler(400, read)
    else:
        app.after_request(read)
    reply = await through_asgi(app, posted("/form", MULTIPART, b"junk"))
    assert reply.status == 400
    assert not [record for record in caplog.records if "Exception on" in record.message]
    assert (await through_asgi(app, posted("/form", MULTIPART, part() + END))).status == 200


@pytest.mark.parametrize("host", [b"a b", b"xn--a"])
@pytest.mark.parametrize("query", [b"", b"\xff"])
async def test_handshake(colour: type[t.Any], host: bytes, query: bytes) -> None:
    app = colour(__name__)
    app.websocket("/ws")(lambda: None)
    sent = await handshake(app, "/ws", headers=[(b"host", host)], query_string=query)
    assert sent[0]["status"] == 400


# --- limits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lane", ["loop", "thread"])
@pytest.mark.parametrize("path", ["/data", "/form"])
async def test_others_get_their_turn_while_small_chunks_come_in(
    colour: type[t.Any], lane: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quartish._concurrency.loops.Turns.LENGTH", 0)
    app = make_app(colour, lane)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    body = part(FILE, b"v" * 50) + END
    ask = posted(path, MULTIPART, *(bytes([byte]) for byte in body))
    await through_asgi(app, ask)
    other.cancel()
    assert turns > len(body)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("path", "kind"), [("/data", b""), ("/form", FORM), ("/json", b"application/json")]
)
def test_too_large(ways: dict[str, Send], path: str, kind: bytes, announced: bool) -> None:
    ask = posted(path, kind, *[b"x" * 100_000] * 50)
    if not announced:
        ask.headers.append((b"transfer-encoding", b"chunked"))
    assert statuses(ways, ask) == {413}


@pytest.mark.parametrize("size", [100_000, 900_000])
@pytest.mark.parametrize("kind", [FORM, MULTIPART])
async def test_a_view_may_raise_the_limits_of_a_form(
    colour: type[t.Any], kind: bytes, size: int
) -> None:
    app = colour(__name__)
    app.config["MAX_FORM_MEMORY_SIZE"] = 1000

    @app.post("/")
    async def view() -> str:
        quartish.request.max_form_memory_size = 10**6
        form = quartish.request.form
        return str(len((form if app.plain else await form)["a"]))  # type: ignore[misc]

    body = b"a=" + b"v" * size if kind is FORM else part(data=b"v" * size) + END
    reply = await through_asgi(app, posted("/", kind, body))
    assert (reply.status, reply.body) == (200, str(size).encode())


def test_as_large_as_may_be(ways: dict[str, Send]) -> None:
    ask = posted("/data", b"", *[b"x" * 100_000] * (LIMIT // 100_000))
    assert statuses(ways, ask) == {200}
    ask.headers.append((b"transfer-encoding", b"chunked"))
    assert statuses(ways, ask) == {200}


@pytest.mark.parametrize("lane", ["loop", "thread"])
async def test_the_answer_does_not_wait_for_the_rest(colour: type[t.Any], lane: str) -> None:
    """A body without end is refused when it passes the limit, not when it ends."""
    app = make_app(colour, lane)
    sent: list[t.Any] = []
    received = 0

    async def receive() -> dict[str, t.Any]:
        nonlocal received
        received += 100_000
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": True}

    async def send(message: t.Any) -> None:
        sent.append((received, message))

    scope = {
        **dict(type="http", http_version="1.1", method="POST", scheme="http", path="/data"),
        **dict(query_string=b"", root_path="", client=None, server=("localhost", 80)),
        "headers": [(b"transfer-encoding", b"chunked")],
    }
    async with asyncio.timeout(PATIENCE):
        await app(scope, receive, send)
    by_then, start = sent[0]  # what comes later is dropped
    assert start["status"] == 413
    assert by_then <= LIMIT + 200_000
    # It is what may be in a server's queue, which would wait for us.
    assert received <= LIMIT + 200_000 + 2 * QUEUED * 100_000


# --- a real server --------------------------------------------------------------------------


@contextmanager
def served(app: t.Any) -> t.Iterator[tuple[str, int]]:
    """Serve the app by Hypercorn on loopback."""
    sock = socket.create_server(("127.0.0.1", 0))
    host, port = sock.getsockname()
    config = Config()
    config.bind, config.graceful_timeout, config.errorlog = [f"fd://{sock.detach()}"], 1, None
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(app, config, shutdown_trigger=stop.wait, mode="asgi"))  # type: ignore[arg-type]

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield host, port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


@pytest.fixture(scope="module", params=["Flask", "Quart"])
def address(request: pytest.FixtureRequest) -> t.Iterator[tuple[str, int]]:
    with served(make_app(getattr(quartish, request.param), "loop")) as address:
        yield address


def speak(address: tuple[str, int], data: bytes) -> bytes:
    """Send raw bytes, and return all that comes back until the server closes or is done."""
    with socket.create_connection(address, timeout=PATIENCE) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while chunk := client.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


HEAD = b"Host: localhost\r\nConnection: close\r\n"
RAW = {
    b"nonsense\r\n\r\n": 400,
    b"GET /attributes HTTP/1.1\r\n\r\n": 400,
    b"GET /attributes HTTP/1.1\r\n" + HEAD + b"Host: other\r\n\r\n": 400,
    b"GET /attributes HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n": 400,
    b"GET /attributes HTTP/1.1\r\nHost: xn--a\r\nConnection: close\r\n\r\n": 400,
    b"GET /\xff HTTP/1.1\r\n" + HEAD + b"\r\n": 400,
    b"GET /attributes?%ff HTTP/1.1\r\n" + HEAD + b"\r\n": 200,
    b"GET /str/%ff%00 HTTP/1.1\r\n" + HEAD + b"\r\n": 200,
    b"GET /attributes HTTP/1.1\r\n" + HEAD + b"Bad Name: x\r\n\r\n": 400,
    # Not much more than the server takes: what it leaves unread would reset the connection.
    b"GET /attributes HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 66_000 + b"\r\n\r\n": 431,
    b"GET /attributes HTTP/1.1\r\n" + HEAD + b"Cookie: session=\xff\r\n\r\n": 200,
    b"POST /data HTTP/1.1\r\n" + HEAD + b"Content-Length: x\r\n\r\n": 400,
    b"POST /data HTTP/1.1\r\n" + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab": 400,
    b"POST /data HTTP/1.1\r\n" + HEAD + b"Content-Length: 9999999\r\n\r\nxxx": 413,
    b"POST /json HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n": 400,
    b"POST /form HTTP/1.1\r\n" + HEAD + b"Content-Type: " + MULTIPART + b"\r\n"
    b"Content-Length: 5\r\n\r\n--x\r\n": 400,
}


def speak_http2(address: tuple[str, int], headers: list[tuple[bytes, bytes]]) -> bytes:
    """Send a GET with headers that nobody checks on the way; return the status."""
    config = H2Configuration(header_encoding=None, validate_outbound_headers=False)
    connection = H2Connection(config)
    connection.initiate_connection()
    connection.send_headers(1, headers, end_stream=True)
    with socket.create_connection(address, timeout=PATIENCE) as client:
        client.sendall(connection.data_to_send())
        while data := client.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, ResponseReceived):
                    return dict(t.cast("list[tuple[bytes, bytes]]", event.headers))[b":status"]
            client.sendall(connection.data_to_send())
    return b"no answer"


HTTP2 = {
    (b"localhost", b"/attributes", b"a=b"): b"200",
    (b"a b", b"/attributes", b"a=b"): b"400",
    (b"xn--a", b"/attributes", b"a=b"): b"400",
    (b"localhost", b"/attributes?\xff", b"a=b"): b"400",
    (b"localhost", b"/attributes", b"session=\xff"): b"200",
}


@pytest.mark.parametrize(("parts", "status"), HTTP2.items())
def test_raw_bytes_over_http2(
    address: tuple[str, int], parts: tuple[bytes, bytes, bytes], status: bytes
) -> None:
    host, path, cookie = parts
    headers = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", host)]
    cookies = [(b"cookie", cookie), (b"cookie", b"c=d")]
    assert speak_http2(address, [*headers, (b":path", path), *cookies]) == status


@pytest.mark.parametrize(("data", "status"), RAW.items(), ids=ids)
def test_raw_bytes(address: tuple[str, int], data: bytes, status: int) -> None:
    answer = speak(address, data)
    assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:200]
