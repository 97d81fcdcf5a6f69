"""WhiteNoise in front of an app: files of a folder, their types and ages, the app behind them."""

from __future__ import annotations

import typing as t
from pathlib import Path

from flask import Flask
from flask import request
from whitenoise import WhiteNoise

#: The files are new.
SCRUB = r"(?<=last-modified: ).*|[A-Z][a-z]{2}, \d\d .* GMT|\"[0-9a-f]{8}-[0-9a-f]+\""


def create_app() -> Flask:
    folder = Path("files")
    folder.mkdir()
    (folder / "page.html").write_text("<h1>Hello</h1>" * 100)
    (folder / "index.html").write_text("index")
    (folder / "app.0123456789ab.js").write_bytes(b"x" * 300_000)
    app = Flask(__name__)
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app, root=str(folder.absolute()), prefix="files/", index_file=True, max_age=60
    )

    @app.route("/<path:path>", methods=["GET", "POST"])
    def behind(path: str) -> t.Any:
        return {"path": path, "form": request.form}

    return app


def visit(visitor: t.Any) -> None:
    for path in ("page.html", "", "app.0123456789ab.js", "missing.html"):
        visitor.get(f"/files/{path}")
    visitor.open("HEAD", "/files/page.html")
    visitor.get("/files/page.html", range="bytes=4-8")
    visitor.post("/files/page.html")
    visitor.post(f"/else/{visitor.number}", {"number": str(visitor.number)})
