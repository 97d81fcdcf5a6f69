"""Flask-Compress: what is compressed, how, and what is left alone; streams; ETags."""

from __future__ import annotations

import typing as t

from flask import Flask
from flask import request
from flask import Response
from flask import send_file
from flask_compress import Compress


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["COMPRESS_ALGORITHM"] = ["gzip", "deflate"]
    compress = Compress(app)

    @app.get("/long")
    def long() -> t.Any:
        return "words and words " * 500

    @app.get("/short")
    def short() -> t.Any:
        return "word"

    @app.get("/json")
    def json() -> t.Any:
        return list(range(1000))

    @app.get("/image")
    def image() -> t.Any:
        return Response(bytes(1000), mimetype="image/png")

    @app.get("/stream")
    def stream() -> t.Any:
        return Response((f"line {n}\n" for n in range(1000)), mimetype="text/plain")

    @app.get("/tagged")
    def tagged() -> t.Any:
        response = Response("tagged " * 200)
        response.set_etag("tag")
        return response.make_conditional(request)

    @app.get("/file")
    def file() -> t.Any:
        return send_file(__file__, mimetype="text/plain", last_modified=1, etag=False)

    @app.get("/marked")
    @compress.compressed()
    def marked() -> t.Any:
        return Response("marked " * 200)

    return app


def visit(visitor: t.Any) -> None:
    for path in ("/long", "/short", "/json", "/image", "/stream", "/tagged", "/file", "/marked"):
        for coding in ("gzip", "identity", "deflate;q=0.5, gzip;q=0"):
            visitor.get(path, accept_encoding=coding)
    visitor.get("/tagged", accept_encoding="gzip", if_none_match='"tag:gzip"')
    visitor.open("HEAD", "/long", accept_encoding="gzip")
