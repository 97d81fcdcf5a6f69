"""A view may put a dictionary in place of a response's headers, as under Flask."""

from __future__ import annotations

import typing as t

import flask
import pytest

import quartish


def create_app(framework: t.Any, is_async: bool) -> t.Any:
    app = framework.Flask("app")

    def view() -> t.Any:
        response = framework.make_response("hi")
        response.headers = {"Content-Type": "text/x", "Location": "/é"}
        return response

    async def async_view() -> t.Any:
        return view()

    app.add_url_rule("/", view_func=async_view if is_async else view)
    return app


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_dictionary_of_headers_is_sent(is_async: bool) -> None:
    expected = create_app(flask, False).test_client().get("/")
    app = create_app(quartish, is_async)
    found = app.test_client().get("/")
    sent = await app.async_test_client().get("/")
    assert found.status_code == sent.status_code == 200
    assert list(found.headers) == list(expected.headers)
    assert {name.title(): value for name, value in sent.headers} == dict(expected.headers)
