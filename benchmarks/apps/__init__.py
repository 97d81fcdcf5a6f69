"""One small application, written once for each framework, in that framework's own idiom.

    GET  /                       text/plain "Hello, World!"
    GET  /json                   {"message": "Hello, World!"}
    GET  /user/<int>/post/<str>  {"user": int, "post": str}
    POST /form                   urlencoded a and b; text, both joined
    POST /echo                   the JSON that was sent
    GET  /page                   a Jinja page of 50 rows
    GET  /visits                 a counter in a signed cookie
    GET  /r<n>/<int>             300 routes
    GET  /stream                 100 chunks of 1 KiB from a generator
    GET  /def                    what a `def` view returns
    POST /upload                 multipart file; its size, as text
    GET  /download               a file of 100 MB
    GET  /wait                   20 ms of waiting for a database
    WS   /ws                     echo

`hooked` has ten synchronous hooks around an async view, `nested` a view three blueprints
deep. A framework lacks what it does not ship.
"""

from __future__ import annotations

import importlib
import typing as t


class Framework(t.NamedTuple):
    """A peer: the module here that builds its apps, and the library they are built of."""

    name: str
    builder: str
    library: str | None
    wsgi: bool = False

    def build(self, variant: str = "small") -> t.Any:
        """Return an app. Raises ImportError, or LookupError where there is no such variant."""
        library = importlib.import_module(self.library) if self.library else None
        builder = importlib.import_module(f"benchmarks.apps.{self.builder}")
        if not hasattr(builder, variant):
            raise LookupError(f"{self.name} has no {variant!r} app")
        return getattr(builder, variant)(library)


FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework("raw ASGI", "raw", None),
        Framework("quartish.Quart", "awaitable", "quartish"),
        Framework("quartish.Flask", "plain", "quartish"),
        Framework("Quart", "awaitable", "quart"),
        Framework("Flask", "sync", "flask", wsgi=True),
        Framework("Starlette", "with_starlette", "starlette"),
        Framework("FastAPI", "with_fastapi", "fastapi"),
        Framework("Litestar", "with_litestar", "litestar"),
        Framework("BlackSheep", "with_blacksheep", "blacksheep"),
        Framework("Falcon", "with_falcon", "falcon"),
        Framework("Sanic", "with_sanic", "sanic"),
    )
}
OURS = ("quartish.Quart", "quartish.Flask")
