"""An app with the shop's static files, in the folder that `STATIC_FOLDER` names, for a server."""

from __future__ import annotations

import os
import typing as t

import quartish

PAGE = """<!doctype html>
<link rel="stylesheet" href="{{ url_for('static', filename='style.css') }}">
<script defer src="{{ url_for('static', filename='say.js') }}"></script>
<p id="said">nothing</p>
"""


cls: t.Any = getattr(quartish, os.environ.get("COLOUR", "Flask"))
app = cls("static_app", static_folder=os.environ["STATIC_FOLDER"], static_url_path="/static")


@app.get("/")  # type: ignore[untyped-decorator, unused-ignore]
async def index() -> t.Any:
    rendered: t.Any = quartish.render_template_string(PAGE)
    return rendered if app.plain else await rendered
