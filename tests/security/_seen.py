"""An app that tells which requests it has seen, for servers in processes of their own."""

from __future__ import annotations

import typing as t

import quartish

PATHS: list[str] = []


def make(cls: type[t.Any]) -> t.Any:
    app = cls("seen")

    async def view(path: str = "") -> t.Any:
        request = quartish.request
        PATHS.append(f"{request.method} /{path}")
        body = request.get_data()
        return str(len(body if app.plain else await body))  # type: ignore[misc]

    async def seen() -> t.Any:
        paths = list(PATHS)
        PATHS.clear()
        return paths

    app.add_url_rule("/", view_func=view, methods=["GET", "POST"])
    app.add_url_rule("/<path:path>", view_func=view, methods=["GET", "POST"])
    app.add_url_rule("/seen", view_func=seen)

    @app.websocket("/ws")
    async def echo() -> None:
        while True:
            await quartish.websocket.send(str(len(await quartish.websocket.receive())))

    return app


plain = make(quartish.Flask)
awaitable = make(quartish.Quart)
