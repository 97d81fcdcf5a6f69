"""For Quart, and for quartish's class of that name."""

from __future__ import annotations

import typing as t

from . import typed_views
from .content import BYTES
from .content import FILE
from .content import ROWS
from .family import add_blueprints
from .family import add_hooks
from .family import add_views
from .family import new


def small(lib: t.Any) -> t.Any:
    app = new(lib.Quart)
    add_views(app, lib)
    request = lib.request

    @app.post("/form")
    async def form() -> str:
        fields = await request.form
        return str(fields["a"] + fields["b"])

    @app.post("/echo")
    async def echo() -> t.Any:
        return await request.get_json()

    @app.get("/page")
    async def page() -> str:
        return str(await lib.render_template("page.html", rows=ROWS))

    @app.post("/upload")
    async def upload() -> str:
        file = (await request.files)["file"]
        file.seek(0, 2)
        return str(file.tell())

    @app.get("/download")
    async def download() -> t.Any:
        return await lib.send_file(str(FILE), mimetype=BYTES)

    return app


def hooked(lib: t.Any) -> t.Any:
    return add_hooks(new(lib.Quart), lib)


def nested(lib: t.Any) -> t.Any:
    return add_blueprints(new(lib.Quart), lib)


def typed(lib: t.Any) -> t.Any:
    return typed_views.build(lib.Quart)
