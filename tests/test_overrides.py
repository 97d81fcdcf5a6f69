"""What extensions and tools do to an app: methods redefined, registries edited late."""

from __future__ import annotations

import functools
import typing as t

from quartish import Flask
from quartish import make_response

from ._peer import ask


async def test_a_sync_decorator_that_knows_nothing_of_async_views() -> None:
    app = Flask("app")

    def tagged(view: t.Any) -> t.Any:
        @functools.wraps(view)
        def inner(**kwargs: t.Any) -> t.Any:
            response = make_response(view(**kwargs), 201)
            response.headers["X-Tag"] = "tagged"
            return response

        return inner

    @app.get("/<name>")
    @tagged
    async def greet(name: str) -> t.Any:
        return {"hello": name}

    for answer in (app.test_client().get("/ada"), await ask(app, "/ada")):
        assert answer.headers["X-Tag"] == "tagged"
        assert "ada" in answer.text
    assert answer.status == 201
