"""For Flask, with `def` views and a synchronous WSGI call."""

from __future__ import annotations

import time
import typing as t

from .content import BYTES
from .content import chunks
from .content import FILE
from .content import HELLO
from .content import ROUTES
from .content import ROWS
from .content import TEXT
from .content import WAIT
from .family import new


def small(lib: t.Any) -> t.Any:
    app = new(lib.Flask)
    request, session = lib.request, lib.session

    @app.get("/")
    def hello() -> t.Any:
        return HELLO, 200, {"content-type": TEXT}

    @app.get("/json")
    def json() -> t.Any:
        return {"message": HELLO}

    @app.get("/user/<int:user>/post/<post>")
    def param(user: int, post: str) -> t.Any:
        return {"user": user, "post": post}

    @app.post("/form")
    def form() -> str:
        return str(request.form["a"] + request.form["b"])

    @app.post("/echo")
    def echo() -> t.Any:
        return request.get_json()

    @app.get("/page")
    def page() -> str:
        return str(lib.render_template("page.html", rows=ROWS))

    @app.get("/visits")
    def visits() -> str:
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    @app.get("/stream")
    def stream() -> t.Any:
        return chunks(), 200, {"content-type": BYTES}

    @app.get("/def")
    def in_thread() -> str:
        return HELLO

    @app.post("/upload")
    def upload() -> str:
        file = request.files["file"]
        file.seek(0, 2)
        return str(file.tell())

    @app.get("/download")
    def download() -> t.Any:
        return lib.send_file(str(FILE), mimetype=BYTES)

    @app.get("/wait-def")
    def wait() -> str:
        time.sleep(WAIT)
        return HELLO

    for n in range(ROUTES):

        @app.get(f"/r{n}/<int:i>", endpoint=f"r{n}")
        def route(i: int) -> str:
            return str(i)

    return app


def hooked(lib: t.Any) -> t.Any:
    app = new(lib.Flask)
    for n in range(5):

        @app.before_request
        def before(n: int = n) -> None:
            setattr(lib.g, f"hook{n}", n)

        @app.after_request
        def after(response: t.Any) -> t.Any:
            return response

    @app.get("/")
    def view() -> str:
        return HELLO

    return app


def nested(lib: t.Any) -> t.Any:
    app = new(lib.Flask)
    inner = lib.Blueprint("inner", __name__)

    @inner.get("/<int:i>")
    def view(i: int) -> str:
        return str(i)

    for name in ("c", "b", "a"):
        outer = lib.Blueprint(name, __name__, url_prefix=f"/{name}")

        @outer.before_request
        def before() -> None:
            lib.g.depth = lib.g.get("depth", 0) + 1

        outer.register_blueprint(inner)
        inner = outer
    app.register_blueprint(inner)
    return app
