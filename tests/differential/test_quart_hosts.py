"""Rules of hosts and subdomains, of requests and websockets, asked for by many hosts."""

from __future__ import annotations

import asyncio
import random
import typing as t

from tests.differential._awaiting import assert_same
from tests.differential._beside import Side
from tests.differential._beside import without

HOSTS = [
    *("localhost", "example.com", "example.com:5000", "a.example.com", "a.example.com:5000"),
    *("a.b.example.com", "A.Example.COM", "other.test", "x.other.test", "127.0.0.1", "a.localhost"),
]
APPS: list[dict[str, t.Any]] = [
    *({}, {}, {"subdomain_matching": True}, {"subdomain_matching": True}),
    *({"host_matching": True}, {"host_matching": True, "static_host": "s.example.com"}),
]
CONFIGS: list[dict[str, t.Any]] = [
    *({}, {"SERVER_NAME": "example.com"}, {"SERVER_NAME": "example.com:5000"}),
    *({"SERVER_NAME": "localhost"}, {"SERVER_NAME": "a.example.com"}),
]
WHERE: list[dict[str, t.Any]] = [
    *({}, {"subdomain": "a"}, {"subdomain": "<user>"}, {"subdomain": ""}, {"host": "example.com"}),
    *({"host": "<user>.example.com"}, {"host": "other.test"}, {"host": "<path:any>"}),
]
PATHS = ["/p", "/p/", "/p/1", "/p/x", "/bp/p", "/nowhere", "//p", "/P"]
RULES = ["/p", "/p/", "/p/<int:n>", "/p/<n>", "/bp/p"]


def visit(side: Side, r: random.Random) -> None:
    module = side.module
    made = r.choice(APPS)
    side.tell(sorted(made))
    try:
        app = side.app(**made)
    except Exception as error:
        side.tell(error)
        return
    if "host_matching" not in made:  # by Quart's SERVER_NAME all hosts are that one
        app.config.update(r.choice(CONFIGS))
    if r.random() < 0.2:
        app.url_map.strict_slashes = False
    bp = module.Blueprint("bp", "bp", **r.choice([{}, {"subdomain": "a"}]))

    def found(values: dict[str, t.Any]) -> str:
        conn = module.request if module.has_request_context() else module.websocket
        parts = [conn.endpoint, sorted(values.items()), conn.host, conn.path, conn.url]
        for options in ({}, {"_external": True}):
            try:
                parts.append(module.url_for(conn.endpoint, **values, **options))
            except Exception as error:
                parts.append(type(error).__name__)
        return repr(parts)

    async def view(**values: t.Any) -> str:
        return found(values)

    async def socket(**values: t.Any) -> None:
        await module.websocket.send(found(values))

    for number in range(4):
        owner, rule, where = r.choice([app, app, bp]), r.choice(RULES), r.choice(WHERE)
        kinds = r.choice([["http"], ["websocket"], ["http", "websocket"]])
        side.tell(rule, sorted(where.items()), kinds, "bp" if owner is bp else "app")
        if "http" in kinds:
            side.tried(owner.add_url_rule, rule, f"view{number}", view, **where)
        if "websocket" in kinds:
            side.tried(owner.add_websocket, rule, f"socket{number}", socket, **where)
    side.tried(app.register_blueprint, bp)

    async def talk(path: str, options: dict[str, t.Any]) -> t.Any:
        async with app.test_client().websocket(path, **options) as socket:
            return await socket.receive()

    client = side.client(app)
    for _ in range(8):
        path = r.choice(PATHS)
        options: dict[str, t.Any] = r.choice([{}, {"subdomain": "a"}])
        if not options or r.random() < 0.1:
            options = {"headers": {"Host": r.choice(HOSTS)}}
        if r.random() < 0.2:
            options["root_path"] = "/bp"
        side.tell(path, repr(options))
        if r.random() < 0.5:
            client.open(path, **options)
            continue
        try:
            side.tell(asyncio.run(talk(path, options)))
        except Exception as error:
            response = getattr(error, "response", None)
            status = getattr(response, "status_code", None)
            headers = {k.lower(): v for k, v in response.headers} if response else None
            side.tell(type(error).__name__, status, headers)


def test_hosts_are_matched_as_in_quart() -> None:
    """Here a host that is not below `SERVER_NAME` is warned of once."""
    assert_same(visit, 60, without("signal", "logged", "warned"))
