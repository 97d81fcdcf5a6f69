"""What after functions see of the response to an error, and what is sent of it then, is what they
see in Flask: it counts as a stream there, and has no body for HEAD, as errors are called by WSGI.
"""

from __future__ import annotations

import typing as t

import flask
import pytest
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound
from werkzeug.exceptions import TooManyRequests
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response as WerkzeugResponse

import quartish
from tests._peer import ask


def fail(error: Exception) -> t.Callable[[], t.Any]:
    def view() -> t.Any:
        raise error

    return view


def application(environ: t.Any, start_response: t.Any) -> list[bytes]:
    start_response("202 ACCEPTED", [("X-Own", "1")])
    return [b"called"]


VIEWS: dict[str, t.Callable[[t.Any], t.Callable[[], t.Any]]] = {
    "raised": lambda module: fail(NotFound("nothing")),
    "returned": lambda module: lambda: NotFound("nothing"),
    "of a tuple": lambda module: lambda: (NotFound("nothing"), 418, {"X-Own": "1"}),
    "unknown": lambda module: fail(KeyError("x")),
    "with headers": lambda module: fail(TooManyRequests(retry_after=5)),
    "challenge": lambda module: fail(Unauthorized(www_authenticate=WWWAuthenticate("basic"))),
    "with a response": lambda module: fail(NotFound(response=WerkzeugResponse("own", 410))),
    "aborted with one": lambda module: fail(HTTPException(response=module.Response("own", 409))),
    "Werkzeug's response": lambda module: lambda: WerkzeugResponse("werkzeug"),
    "a stream of Werkzeug's": lambda module: lambda: WerkzeugResponse(iter(["a", "b"])),
    "WSGI": lambda module: lambda: application,
    "text": lambda module: lambda: "text",
    "one of its own": lambda module: lambda: module.make_response("text", 201),
}


def read(response: t.Any) -> t.Any:
    return response.get_data(), response.is_streamed, response.content_length


def freeze(response: t.Any) -> t.Any:
    response.freeze()
    return sorted(response.headers)


def tag(response: t.Any) -> t.Any:
    response.add_etag()
    return response.get_etag()


def replace(response: t.Any) -> t.Any:
    response.set_data("another")
    return response.is_sequence


def iterate(response: t.Any) -> t.Any:
    response.response = [b"".join(response.iter_encoded())]
    return response.is_sequence


def take_some(response: t.Any) -> t.Any:
    return [*zip([0], response.iter_encoded(), strict=False)]


WAYS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "nothing": lambda response: None,
    **{way.__name__: way for way in (read, freeze, tag, replace, iterate, take_some)},
}


def seen(module: t.Any, way: str, door: str) -> t.Any:
    app, told = module.Flask("seen"), []
    app.logger.disabled = True
    for name, view in VIEWS.items():
        app.add_url_rule(f"/{name}", name, view(module))

    @app.after_request
    def look(response: t.Any) -> t.Any:
        names = ("is_streamed", "is_sequence", "status", "content_length", "direct_passthrough")
        facts = [getattr(response, name) for name in names]
        told.append([*facts, [*response.headers], WAYS[way](response)])
        return response

    client = app.test_client()
    for verb in ("GET", "HEAD"):
        for path in [*VIEWS, "nowhere"]:
            if door == "WSGI":
                answer = client.open(f"/{path}", method=verb)
                told.append([path, answer.status, sorted(answer.headers), answer.data])
    return told


@pytest.mark.parametrize("way", WAYS)
def test_what_after_functions_see(way: str) -> None:
    assert seen(quartish, way, "WSGI") == seen(flask, way, "WSGI")


async def test_it_is_sent_in_one_piece() -> None:
    app = quartish.Flask("seen")
    streamed: list[bool] = []

    @app.after_request
    def look(response: quartish.Response) -> quartish.Response:
        streamed.append(response.is_streamed)
        return response

    @app.get("/")
    async def index() -> t.Any:
        quartish.abort(404)

    for verb in ("GET", "HEAD"):
        answer = await ask(app, "/", method=verb)
        assert len(answer.messages) == (verb == "GET")
        assert (answer.status, answer.headers["Content-Length"]) == (404, "207")
    assert streamed == [True, True]
