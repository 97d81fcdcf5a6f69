"""The plain request whose small body was read ahead: whatever is asked of it, in whatever
order, the answer is that of a request which reads a file, as Werkzeug's does.

Attributes of Werkzeug's requests that are not public are used; these tests are what notices
when a release of Werkzeug changes them.
"""

from __future__ import annotations

import io
import itertools
import typing as t

import pytest
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request as WerkzeugRequest

import quartish
from quartish._http.body import Body
from quartish._http.forms import BlockingFormDataParser
from quartish._http.inbox import Inbox
from quartish._http.urlencoded import parse_urlencoded
from quartish.routing import Rule
from quartish.wrappers.request import Request

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
FILE = (
    b'--b\r\ncontent-disposition: form-data; name="f"; filename="n"\r\n\r\nfile\r\n'
    b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
)
BODIES = [
    (FORM, b"a=1&b=two+%C3%A4&a=3&&c"),
    ("Application/X-WWW-Form-URLencoded; charset=utf-8", b"a=1"),
    (FORM, b"a=\xff"),
    (FORM, b""),
    (MULTIPART, FILE),
    ("application/json", b'{"a": 1}'),
    ("application/problem+json", b"[1]"),
    ("application/json", b"no json"),
    ("", b"bytes"),
]


def scope_of(content_type: str, body: bytes) -> dict[str, t.Any]:
    headers = [(b"content-length", str(len(body)).encode())]
    if content_type:
        headers.append((b"content-type", content_type.encode()))
    return {"type": "http", "method": "POST", "path": "/", "headers": headers}


async def read_ahead(
    kind: type[Request], content_type: str, body: bytes, *, chunks: int = 1
) -> Request:
    """Return a request as the loop lane makes it."""
    size = -(-len(body) // chunks) or 1
    parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def receive() -> dict[str, t.Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    request = kind.quartish_from_scope(scope_of(content_type, body))
    request.quartish_receive_body(Body(Inbox(receive)))
    assert request.quartish_read_at_once() or await request.quartish_read_ahead()
    return request


def of_file(kind: type[Request], content_type: str, body: bytes) -> Request:
    """Return a request that was given its body as a file."""
    request = kind.quartish_from_scope(scope_of(content_type, body))
    request.quartish_receive_input(io.BytesIO(body))
    return request


def fields(form: MultiDict[str, t.Any]) -> t.Any:
    return type(form), [
        (name, value if isinstance(value, str) else value.stream.getvalue())
        for name, value in form.items(multi=True)
    ]


ASK: dict[str, t.Callable[[Request], t.Any]] = {
    "form": lambda request: fields(request.form),
    "files": lambda request: len(request.files),
    "values": lambda request: list(request.values.items(multi=True)),
    "data": lambda request: request.data,
    "get_data": lambda request: request.get_data(),
    "text": lambda request: request.get_data(as_text=True),
    "uncached": lambda request: request.get_data(cache=False),
    "parsed": lambda request: request.get_data(parse_form_data=True),
    "stream": lambda request: request.stream.read(),
    "some": lambda request: request.stream.read(2),
    "input": lambda request: request.environ["wsgi.input"].read(),
    "json": lambda request: request.get_json(),
    "silent": lambda request: request.get_json(silent=True),
    "forced": lambda request: request.get_json(force=True, cache=False),
    "mimetype": lambda request: (request.mimetype, request.content_length, request.is_json),
}


def answers(request: Request, questions: t.Iterable[str]) -> list[t.Any]:
    found = []
    for name in questions:
        try:
            found.append(ASK[name](request))
        except HTTPException as error:
            found.append((type(error), error.description))
    if request.quartish_needs_close:  # as the end of a request does
        request.close()
    return found


@pytest.mark.parametrize(("content_type", "body"), BODIES, ids=repr)
async def test_any_order_of_questions(content_type: str, body: bytes) -> None:
    for questions in itertools.product(ASK, repeat=3):
        ours = answers(await read_ahead(Request, content_type, body), questions)
        assert ours == answers(of_file(Request, content_type, body), questions), questions


@pytest.mark.parametrize(("content_type", "body"), BODIES, ids=repr)
async def test_in_pieces(content_type: str, body: bytes) -> None:
    for name in ASK:
        whole = answers(await read_ahead(Request, content_type, body), [name])
        assert answers(await read_ahead(Request, content_type, body, chunks=3), [name]) == whole


async def test_the_same_json_comes_back() -> None:
    request = await read_ahead(Request, "application/json", b'{"a": []}')
    value = request.get_json()
    assert value is request.get_json() is request.get_json(silent=True) is request.json
    assert WerkzeugRequest.get_json(request) is value


async def test_the_file_of_a_form_can_be_read_again() -> None:
    request = await read_ahead(Request, FORM, b"a=1")
    assert request.form["a"] == "1"
    file = request.environ["wsgi.input"]
    assert file.read() == b"" and file.seek(0) == 0 and file.read() == b"a=1"
    request.close()
    assert file.closed


async def test_an_environ_made_before_the_body_was_read() -> None:
    body = b"a=1"

    async def receive() -> dict[str, t.Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request.quartish_from_scope(scope_of(FORM, body))
    assert request.environ["wsgi.input"].read() == b""
    request.quartish_receive_body(Body(Inbox(receive)))
    await request.quartish_read_ahead()
    assert request.environ["wsgi.input"].read() == b"a=1"


# --- subclasses -------------------------------------------------------------------------------


class OwnStream(Request):
    @property
    def stream(self) -> t.Any:
        return io.BytesIO(b"a=own")


class OwnParser(Request):
    class form_data_parser_class(BlockingFormDataParser):
        def parse(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            stream, form, files = super().parse(*args, **kwargs)
            return stream, type(form)([("a", "own")]), files


class OwnMaker(Request):
    def make_form_data_parser(self) -> t.Any:
        return OwnParser.form_data_parser_class()


class OwnStreamForParsing(Request):
    def _get_stream_for_parsing(self) -> t.Any:
        return io.BytesIO(b"a=own")


class OwnLoading(Request):
    def _load_form_data(self) -> None:
        self.__dict__.update(form=MultiDict({"a": "own"}), files=MultiDict())


class OwnForm(Request):
    @property
    def form(self) -> t.Any:
        return {"a": "own"}


class Unwanted(Request):
    want_form_data_parsed = False  # type: ignore[assignment]


class OwnStorage(Request):
    parameter_storage_class = MultiDict  # type: ignore[assignment]


SUBCLASSES = (OwnStream, OwnParser, OwnMaker, OwnStreamForParsing, OwnLoading, OwnForm)


@pytest.mark.parametrize("kind", SUBCLASSES)
async def test_a_subclass_has_its_say(kind: type[Request]) -> None:
    request = await read_ahead(kind, FORM, b"a=1")
    assert request.form["a"] == "own"


async def test_a_subclass_may_want_no_form_or_another_kind() -> None:
    unwanted = await read_ahead(Unwanted, FORM, b"a=1")
    assert not unwanted.form and unwanted.get_data() == b"a=1"
    other = await read_ahead(OwnStorage, FORM, b"a=1")
    assert type(other.form) is type(other.files) is MultiDict
    request = await read_ahead(Request, FORM, b"a=1")
    request.form_data_parser_class = OwnParser.form_data_parser_class
    assert request.form["a"] == "own"


async def test_json_of_ones_own() -> None:
    class Own(Request):
        is_json = True  # type: ignore[assignment]

        def get_data(self, cache: bool = True, **kwargs: t.Any) -> t.Any:  # type: ignore[override]
            return b"[2]"

        def on_json_loading_failed(self, e: ValueError | None) -> t.Any:
            return f"failed: {e}"

    assert (await read_ahead(Own, "", b"[1]")).get_json() == [2]
    request = await read_ahead(Own, "", b"[1]")

    class Module:
        @staticmethod
        def loads(data: bytes) -> t.Any:
            raise ValueError(data.decode())

    request.json_module = Module
    assert request.get_json(silent=True) is None
    assert request.get_json() == "failed: [2]"


# --- limits -----------------------------------------------------------------------------------


async def test_a_limit_set_by_the_view() -> None:
    for ask in (lambda r: r.form, lambda r: r.get_data(), lambda r: r.get_json(force=True)):
        request = await read_ahead(Request, FORM, b"a=1&b=2")
        request.max_content_length = 6
        for _ in range(2):
            with pytest.raises(RequestEntityTooLarge):
                ask(request)
        request.max_content_length = 7
        assert request.form.to_dict() == {"a": "1", "b": "2"}


async def test_a_limit_that_is_set_where_the_body_is_a_file_of_somebodys() -> None:
    request = of_file(Request, FORM, b"a=1&b=2")
    request.max_content_length = 6
    with pytest.raises(RequestEntityTooLarge):
        request.stream  # noqa: B018
    request.max_content_length = 7
    assert request.stream.read() == b"a=1&b=2"


async def test_a_limit_of_a_subclass_that_changes() -> None:
    class Changing(Request):
        limit = 100

        @property  # type: ignore[misc]
        def max_content_length(self) -> int | None:  # type: ignore[override]
            return self.limit

    request = await read_ahead(Changing, FORM, b"a=1")
    request.limit = 2  # type: ignore[attr-defined]
    with pytest.raises(RequestEntityTooLarge):
        request.form  # noqa: B018
    request.limit = 3  # type: ignore[attr-defined]
    assert request.form["a"] == "1"


@pytest.mark.parametrize("limits", [{"max_form_memory_size": 6}, {"max_form_parts": 1}], ids=str)
async def test_limits_of_a_form(limits: dict[str, int]) -> None:
    request = await read_ahead(Request, FORM, b"a=1&b=2")
    for name, value in limits.items():
        setattr(request, name, value)
    for _ in range(2):
        with pytest.raises(RequestEntityTooLarge):
            request.form  # noqa: B018


@pytest.mark.parametrize("at_hand", [True, False])
async def test_a_damaged_form_is_no_empty_one_the_next_time(at_hand: bool) -> None:
    body = b"a=\xff"
    request = await read_ahead(Request, FORM, body) if at_hand else of_file(Request, FORM, body)
    for _ in range(2):
        with pytest.raises(BadRequest, match="damaged"):
            request.form  # noqa: B018


async def test_limits_of_a_form_that_a_subclass_or_the_route_has() -> None:
    class Limited(Request):
        max_form_parts = 1

    request = await read_ahead(Limited, FORM, b"a=1&b=2")
    with pytest.raises(RequestEntityTooLarge):
        request.form  # noqa: B018
    request = await read_ahead(Request, FORM, b"a=1&b=2")
    request.url_rule = Rule("/", max_form_memory_size=6)
    with quartish.Flask(__name__).app_context(), pytest.raises(RequestEntityTooLarge):
        request.form  # noqa: B018


@pytest.mark.parametrize("limits", [{"max_form_memory_size": 6}, {"max_form_parts": 1}], ids=str)
async def test_limits_that_are_set_on_the_class(
    limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limits.items():  # as many a Flask app does
        monkeypatch.setattr(Request, name, value)
    request = await read_ahead(Request, FORM, b"a=1&b=2")
    request.url_rule = Rule("/")
    with quartish.Flask(__name__).app_context(), pytest.raises(RequestEntityTooLarge):
        request.form  # noqa: B018


async def test_a_limit_of_forms_in_the_config() -> None:
    app = quartish.Flask(__name__)
    app.config["MAX_FORM_PARTS"] = 1
    request = await read_ahead(Request, FORM, b"a=1&b=2")
    request.url_rule = Rule("/")
    with app.app_context(), pytest.raises(RequestEntityTooLarge):
        request.form  # noqa: B018


# --- what is used of Werkzeug's insides --------------------------------------------------------


def test_a_form_is_filled_as_its_constructor_would() -> None:
    made = parse_urlencoded(b"a=1&b=2&a=3", ImmutableMultiDict, None)
    expected = ImmutableMultiDict([("a", "1"), ("b", "2"), ("a", "3")])
    assert made == expected and hash(made) == hash(expected)
    assert list(made.lists()) == list(expected.lists())
    assert dict.__eq__(made, expected)
    with pytest.raises(TypeError):
        made["c"] = "4"


async def test_through_an_app_in_debug_mode() -> None:
    app = quartish.Flask(__name__)
    app.debug = True

    @app.post("/")
    async def view() -> str:
        with pytest.raises(KeyError, match="enctype"):
            quartish.request.files["a"]
        return quartish.request.form["a"]

    response = await app.async_test_client().post("/", form={"a": "1"})
    assert response.data == b"1"
