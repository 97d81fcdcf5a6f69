"""URLs, rules, blueprints and requests of every shape in the awaitable colour, as in Quart.

Quart's texts of errors are others, and its teardown functions are not told of what was answered.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import typing as t

import pytest

from tests.differential import test_requests
from tests.differential import test_routes
from tests.differential._awaiting import assert_same
from tests.differential._beside import Side


def build_urls(side: Side, r: random.Random) -> None:
    """In an app's context and without one, `APPLICATION_ROOT` and `PREFERRED_URL_SCHEME` are
    heeded here, as in Flask."""
    module = side.module
    configs = [{}, {"SERVER_NAME": "example.com:5000"}, {"PREFER_SECURE_URLS": True}]
    configs.append({"SERVER_NAME": "example.com", "PREFER_SECURE_URLS": True})
    app = test_routes.make_app(side, r.choice(test_routes.APPS[:2]), r.random() < 0.4)
    app.config.update(r.choice(configs))
    answer = r.choice(["", "an URL", "raises", "none"])

    def handle(error: t.Any, endpoint: str, values: dict[str, t.Any]) -> str | None:
        side.tell("handler", error, endpoint, sorted(values.items()))
        if answer == "raises":
            raise error
        return "/handled" if answer == "an URL" else None

    if answer:
        app.url_build_error_handlers.append(handle)

    def build() -> None:
        for _ in range(15):
            endpoint = r.choice(test_routes.ENDPOINTS)
            values = {**r.choice(test_routes.OPTIONS), **r.choice(test_routes.VALUES)}
            side.told.append((endpoint, repr(values)))
            side.tried(module.url_for, endpoint, **values)

    async def within(context: t.Any) -> None:
        async with context:
            build()

    options, where = {}, r.choice(["", "app", "/item/3", "/bp/", "/bp/in/fr/", "/nowhere"])
    if where.startswith("/"):
        options = r.choice([{}, {"scheme": "https"}, {"root_path": "/mounted"}])
        where = options.get("root_path", "") + where
    if not where:
        build()
    else:
        make = app.app_context if where == "app" else app.test_request_context
        asyncio.run(within(make(**options) if where == "app" else make(where, **options)))


def test_urls_are_built_as_in_quart() -> None:
    assert_same(build_urls, 60)


def test_rules_of_one_path_are_found_in_the_order_of_quart() -> None:
    assert_same(test_routes.share_a_path, 30)


def test_blueprints_are_registered_and_nested_as_in_quart(monkeypatch: pytest.MonkeyPatch) -> None:
    """*Quart:* its rules have neither aliases nor redirects."""
    options = [given for given in test_routes.RULE_WITH if not {"alias", "redirect_to"} & {*given}]
    monkeypatch.setattr(test_routes, "RULE_WITH", options)
    assert_same(test_routes.nest_blueprints, 12)
    assert_same(test_routes.nest_with_options, 40)


#: What Quart's requests do not have, or say of another client; and forms, whose files, limits and
#: mistakes `tests/quart/test_quart_probes.py` has.
ELSEWHERE = {
    *("environ", "user", "stream", "a part", "want form", "module", "close", "memory", "parts"),
    *("wants form", "limit", "limits", "headers", "form", "files", "no field", "no file", "values"),
    *("parse", "data once", "foo", "force, silent", "set foo", "client", "repr", "type", "rule"),
}
#: Quart takes JSON for UTF-8.
BODIES = [body for body in test_requests.BODIES if body.isascii() and b"\0" not in body]
READS = {name: func for name, func in test_requests.READS.items() if name not in ELSEWHERE}


def read(side: Side, r: random.Random) -> None:
    module, app = side.module, side.app()
    reads: list[str] = []

    async def view() -> str:
        for name in reads:
            side.tell(name)
            try:
                value = READS[name](module.request)
                value = await value if inspect.isawaitable(value) else value
            except Exception as error:
                side.tell(error, getattr(error, "description", None))
            else:
                side.tell(value)
        return "x"

    app.add_url_rule("/", "view", view, methods=["GET", "POST", "PUT"])
    client = side.client(app)
    for _ in range(5):
        kind, headers = r.choice(test_requests.TYPES), dict(r.choice(test_requests.HEADERS))
        body, query = r.choice(BODIES), r.choice(test_requests.QUERIES[:6])
        reads[:] = r.choices([*READS], k=r.randrange(1, 4))
        if kind is not None:
            headers["Content-Type"] = kind
        if kind and kind.startswith("multipart/"):
            body = r.choice([test_requests.FILE, test_requests.FIELD + b"--x--\r\n"])
        side.told.append(([*reads], kind, body, query))
        client.open(f"/?{query}", method=r.choice(["POST", "PUT"]), data=body, headers=headers)


def test_requests_are_read_as_in_quart() -> None:
    assert_same(read, 40)
