"""Mistakes, and what quartish, Flask and Quart say of each: `docs/mistakes.md` is written of this.

    python -m tests.docs.mistakes --write

Each is a piece of an app in a file `hello.py`, which is run and asked something. What is said is
what was raised or logged or warned of, or what the page of the answer says.
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import html
import importlib
import linecache
import logging
import re
import sys
import tempfile
import typing as t
import warnings
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"
WORKS = "(it works)"
SILENT = "(nothing)"
MISSING = "(does not have it)"


@dataclass
class Mistake:
    """What somebody writes; in which colour it is one; and how it shows."""

    title: str
    source: str
    colour: t.Literal["plain", "awaitable"] = "plain"
    method: str = "GET"
    path: str = "/"
    kind: t.Literal["http", "websocket", "script"] = "http"
    #: Whether it is a mistake in the other colour as well.
    both: bool = True
    #: Whether it is that the event loop is blocked; else a busy machine may have done so.
    blocks: bool = False


def _(title: str, source: str, **how: t.Any) -> Mistake:
    return Mistake(title, dedent(source).strip() + "\n", **how)


MISTAKES = [
    _(
        "Awaiting what is plain in a `Flask` app",
        """
        @app.post("/")
        async def view():
            form = await request.form
            return dict(form)
        """,
        method="POST",
    ),
    _(
        "The same of a function",
        """
        @app.post("/")
        async def view():
            data = await request.get_json(silent=True)
            return data or {}
        """,
        method="POST",
    ),
    _(
        "Awaiting a template",
        """
        @app.get("/")
        async def view():
            return await render_template_string("Hello")
        """,
    ),
    _(
        "Awaiting a `def` of your own",
        """
        def price(of):
            return 7


        @app.get("/")
        async def view():
            return str(await price("tea"))
        """,
    ),
    _(
        "Awaiting a function that was not called",
        """
        async def price():
            return 7


        @app.get("/")
        async def view():
            return str(await price)
        """,
    ),
    _(
        "Forgetting `await`",
        """
        async def user():
            return {"name": "Ada"}


        @app.get("/")
        async def view():
            found = user()
            return found["name"]
        """,
    ),
    _(
        "Forgetting it where the value is read",
        """
        async def name():
            return "Ada"


        @app.get("/")
        async def view():
            return "Hello, " + name()
        """,
    ),
    _(
        "Forgetting it of a form, in a `Quart` app",
        """
        @app.post("/")
        async def view():
            return request.form["name"]
        """,
        method="POST",
        colour="awaitable",
    ),
    _(
        "Forgetting it of JSON, in a `Quart` app",
        """
        @app.post("/")
        async def view():
            data = request.get_json()
            return data["name"]
        """,
        method="POST",
        colour="awaitable",
    ),
    _(
        "A coroutine in a tuple",
        """
        async def user():
            return "Ada"


        @app.get("/")
        async def view():
            return user(), 201
        """,
    ),
    _(
        "A coroutine in a dict",
        """
        async def user():
            return "Ada"


        @app.get("/")
        async def view():
            return {"user": user()}
        """,
    ),
    _(
        "A coroutine in a template",
        """
        async def user():
            return "Ada"


        @app.get("/")
        async def view():
            return render_template_string("Hello, {{ user }}", user=user())
        """,
    ),
    _(
        "A hook that forgets `await`",
        """
        async def load_user():
            g.user = "Ada"


        @app.before_request
        def before():
            load_user()


        @app.get("/")
        async def view():
            return g.user
        """,
    ),
    _(
        "An `async def` hook that does",
        """
        async def load_user():
            g.user = "Ada"


        @app.before_request
        async def before():
            load_user()


        @app.get("/")
        async def view():
            return g.user
        """,
    ),
    _(
        "A view that forgets it, and answers nevertheless",
        """
        async def note(text):
            g.note = text


        @app.get("/")
        async def view():
            note("seen")
            return "Hello"
        """,
    ),
    _(
        "A hook that returns a coroutine",
        """
        async def load_user():
            g.user = "Ada"


        @app.before_request
        def before():
            return load_user()


        @app.get("/")
        async def view():
            return g.user
        """,
    ),
    _(
        "`async for` over a plain stream",
        """
        @app.post("/")
        async def view():
            return str(sum([len(piece) async for piece in request.stream]))
        """,
        method="POST",
    ),
    _(
        "`for` over an async generator",
        """
        async def numbers():
            yield 1


        @app.get("/")
        async def view():
            return str([number for number in numbers()])
        """,
    ),
    _(
        "`async with app.app_context()` in a `Flask` app",
        """
        async def main():
            async with app.app_context():
                return current_app.name


        print(asyncio.run(main()))
        """,
        kind="script",
    ),
    _(
        "`with app.app_context()` in a `Quart` app",
        """
        with app.app_context():
            print(current_app.name)
        """,
        kind="script",
        colour="awaitable",
    ),
    _(
        "`with` what wants `async with`",
        """
        @app.get("/")
        async def view():
            with asyncio.timeout(1):
                return "in time"
        """,
    ),
    _(
        "`asyncio.run` in a view",
        """
        async def user():
            return "Ada"


        @app.get("/")
        async def view():
            return asyncio.run(user())
        """,
    ),
    _(
        "Blocking the event loop",
        """
        import time


        @app.get("/")
        async def view():
            time.sleep(0.25)
            return "done"
        """,
        blocks=True,
    ),
    _(
        "Forgetting `await` of a websocket's `send`",
        """
        @app.websocket("/")
        async def talk():
            websocket.send("hello")
        """,
        kind="websocket",
    ),
    _(
        "Forgetting it of `receive`",
        """
        @app.websocket("/")
        async def talk():
            said = websocket.receive()
            await websocket.send(said.upper())
        """,
        kind="websocket",
    ),
    _(
        "A template that does not exist",
        """
        @app.get("/")
        async def view():
            return render_template("indx.html")
        """,
    ),
    _(
        "A URL that is no route's",
        """
        @app.get("/users/<int:number>")
        def user(number):
            return str(number)
        """,
        path="/user/7",
    ),
    _(
        "A method that the route does not take",
        """
        @app.route("/login")
        def login():
            return "Hello"
        """,
        method="POST",
        path="/login",
    ),
    _(
        "`url_for` of an unknown endpoint",
        """
        @app.get("/")
        def index():
            return url_for("indx")
        """,
    ),
    _(
        "`url_for` without the blueprint's name",
        """
        auth = Blueprint("auth", __name__)


        @auth.get("/login")
        def login():
            return "Hello"


        app.register_blueprint(auth)


        @app.get("/")
        def index():
            return url_for("login")
        """,
    ),
    _(
        "`url_for` without a value",
        """
        @app.get("/users/<int:number>")
        def user(number):
            return str(number)


        @app.get("/")
        def index():
            return url_for("user")
        """,
    ),
    _(
        "A view that returns nothing",
        """
        @app.get("/")
        def view():
            "Hello"
        """,
    ),
    _(
        "A view that returns a number",
        """
        @app.get("/")
        def view():
            return 42
        """,
    ),
    _(
        "A view whose arguments are not the rule's",
        """
        @app.get("/<int:number>")
        def view(id):
            return str(id)
        """,
        path="/7",
    ),
    _(
        "A decorator without its rule",
        """
        @app.route
        def index():
            return "Hello"
        """,
    ),
    _(
        "A rule without a slash",
        """
        @app.get("index")
        def index():
            return "Hello"
        """,
        kind="script",
    ),
    _(
        "Two views of one name",
        """
        @app.get("/a")
        def index():
            return "a"


        @app.get("/b")
        def index():
            return "b"
        """,
        kind="script",
    ),
    _(
        "A route that is added too late",
        """
        @app.get("/")
        def index():
            @app.get("/late")
            def late():
                return "late"

            return "Hello"
        """,
    ),
    _(
        "An after function that returns nothing",
        """
        @app.after_request
        def after(response):
            response.headers["X-Hello"] = "Ada"


        @app.get("/")
        def index():
            return "Hello"
        """,
    ),
    _(
        "The session without a secret key",
        """
        @app.get("/")
        def index():
            session["name"] = "Ada"
            return "Hello"
        """,
    ),
    _(
        "`request` without a request",
        """
        print(request.path)
        """,
        kind="script",
    ),
    _(
        "A WSGI middleware around an app",
        """
        from werkzeug.middleware.proxy_fix import ProxyFix

        app = ProxyFix(app)
        serve(app)
        """,
        kind="script",
    ),
    _(
        "The wrong door",
        """
        asyncio.run(app.wsgi_app({"type": "http"}, None, None))
        """,
        kind="script",
    ),
    _(
        "Two apps in one module",
        """
        first = app
        second = type(app)("second")
        del app
        find_app()
        """,
        kind="script",
    ),
]

#: Names, module and class of each framework; quartish in either colour.
FRAMEWORKS = {
    "quartish": {"plain": ("quartish", "Flask"), "awaitable": ("quartish.quart", "Quart")},
    "Flask": {"plain": ("flask", "Flask"), "awaitable": ("flask", "Flask")},
    "Quart": {"plain": ("quart", "Quart"), "awaitable": ("quart", "Quart")},
}


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def play(framework: str, mistake: Mistake, folder: Path) -> str:
    """Run a mistake and return what is said of it."""
    module_name, cls = FRAMEWORKS[framework][mistake.colour]
    module = importlib.import_module(module_name)
    place = folder / "hello.py"
    place.write_text(mistake.source)
    linecache.checkcache(str(place))
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    (templates / "index.html").write_text("Hello")

    app = getattr(module, cls)("hello", root_path=str(folder))
    app.debug = framework == "quartish" or mistake.kind != "http"
    names = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    printed: list[str] = []
    namespace = {
        **names,
        "__name__": "hello",
        "asyncio": asyncio,
        "app": app,
        "print": lambda *args: printed.append(" ".join(map(str, args))),
        "serve": lambda served: _serve(framework, served),
    }
    namespace["find_app"] = lambda: _find_app(framework, namespace)
    heard = _Heard()
    logger = logging.getLogger("hello")
    logger.handlers[:] = [heard]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    raised: list[BaseException] = []

    def hear(sender: t.Any, exception: BaseException, **extra: t.Any) -> None:
        raised.append(exception)

    for signal in ("got_request_exception", "got_websocket_exception"):
        if hasattr(module, signal):
            getattr(module, signal).connect(hear, app)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            exec(compile(mistake.source, str(place), "exec"), namespace)
            answer = _ask(framework, app, mistake)
        except Exception as error:
            answer = _told(error)
        answer = _heard_of(answer, raised, heard)
        namespace.clear()
        for _ in range(2):
            gc.collect()
    said = [*printed] if mistake.kind == "script" else []
    if answer is not None:
        said.append(answer)
    logged = [record.getMessage() for record in heard.records]
    if not mistake.blocks:
        logged = [each for each in logged if "blocked the event loop" not in each]
    said += [
        each
        for each in logged
        if each.partition("]. ")[2] not in (answer or "") or "]. " not in each
    ]
    warned_of = {str(each.message) for each in warned if each.category is RuntimeWarning}
    if not any("not awaited" in one for one in said):
        said += sorted(warned_of)
    text = "\n".join(line for line in said if line)
    return _clean(text, folder) or (SILENT if mistake.kind == "websocket" else WORKS)


def _heard_of(answer: str | None, raised: list[BaseException], heard: _Heard) -> str | None:
    """Return what the last error says, if there was any, and forget them all."""
    raised += [record.exc_info[1] for record in heard.records if record.exc_info]  # type: ignore[misc]
    if raised:
        answer = _told(raised[-1])
    raised.clear()
    heard.records[:] = [record for record in heard.records if not record.exc_info]
    return answer


def _told(error: BaseException) -> str:
    notes = getattr(error, "__notes__", ())
    return "\n".join([f"{type(error).__name__}: {error}", *notes])


def _ask(framework: str, app: t.Any, mistake: Mistake) -> str | None:
    if mistake.kind == "script":
        return None
    app.testing = True
    if framework == "Flask":
        if mistake.kind == "websocket":
            return MISSING
        return _page(
            app.test_client().open(mistake.path, method=mistake.method, data={"name": "Ada"})
        )
    return asyncio.run(_ask_asgi(app, mistake))


async def _ask_asgi(app: t.Any, mistake: Mistake) -> str | None:
    client = app.async_test_client() if hasattr(app, "async_test_client") else app.test_client()
    if mistake.kind == "websocket":
        async with client.websocket(mistake.path) as connection:
            await connection.send("hello")
            try:
                await asyncio.wait_for(connection.receive(), 0.2)
            except Exception as error:  # it was closed, or nothing came
                assert isinstance(error, TimeoutError) or "Disconnect" in type(error).__name__
        return None
    response = await client.open(mistake.path, method=mistake.method, form={"name": "Ada"})
    data = response.get_data(as_text=True)
    return _page(response, await data if hasattr(data, "__await__") else data)


def _page(response: t.Any, text: str | None = None) -> str | None:
    if response.status_code < 400:
        body = response.get_data(as_text=True) if text is None else text
        return f"answers: {html.unescape(body)}" if "coroutine" in body else None
    body = response.get_data(as_text=True) if text is None else text
    lines = html.unescape(re.sub(r"<title>.*</title>|<h1>|</h1>|<[^>]+>", " ", body)).split()
    return f"{response.status_code} " + " ".join(lines)


def _serve(framework: str, app: t.Any) -> None:
    """Serve an app as its framework's own server would begin to."""
    if framework == "quartish":
        importlib.import_module("quartish.serving").run(app)
    elif framework == "Quart":
        asyncio.run(app({"type": "lifespan"}, None, None))


def _find_app(framework: str, namespace: dict[str, t.Any]) -> None:
    import types

    module = types.ModuleType("hello")
    vars(module).update({k: v for k, v in namespace.items() if k in ("first", "second")})
    cli = importlib.import_module(f"{framework.lower()}.cli")
    try:
        cli.find_best_app(module)
    except Exception as error:
        raise type(error)(error.format_message()) from None  # type: ignore[attr-defined]


def _clean(text: str, folder: Path) -> str:
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    text = re.sub(r"for \d{3,} ms", "for 250 ms", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines() if line.strip())


def play_all() -> dict[str, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        return {
            mistake.title: {name: play(name, mistake, place) for name in FRAMEWORKS}
            for mistake in MISTAKES
        }


HEAD = """\
# Mistakes, and what is said of them

What quartish says of {count} mistakes, beside what Flask {flask} and Quart {quart} say of the same
code. The place is named, and the cure: what is added to an error of Python's is a note below its
message, in the log, on the page and in a test's report; the type of the error, and its message,
stay what they were. The line that blocks, the nearest routes, and calls that nobody awaits are
named in debug mode only.

This page is written by `python -m tests.docs.mistakes --write`, which runs all of it on Python
3.11; a test holds that each sentence is still true. The code stands below the table.

| mistake | quartish says | Flask says | Quart says |
| --- | --- | --- | --- |
"""


def render(found: dict[str, dict[str, str]]) -> str:
    """Return the page."""
    from importlib.metadata import version

    head = HEAD.format(count=len(MISTAKES), flask=version("flask"), quart=version("quart"))
    rows = "".join(f"{row_of(mistake, found[mistake.title])}\n" for mistake in MISTAKES)
    parts = [f"## {mistake.title}\n\n```python\n{mistake.source}```\n" for mistake in MISTAKES]
    return f"{head}{rows}\n" + "\n".join(parts)


def row_of(mistake: Mistake, said: dict[str, str]) -> str:
    """Return the row of the table."""
    return f"| {mistake.title} | {' | '.join(map(_cell, said.values()))} |"


def _cell(text: str) -> str:
    pieces = re.split(r"(`[^`\n]*`)", text.replace("\n", " \u23ce "))
    for at in range(0, len(pieces), 2):
        pieces[at] = re.sub(r"([*_<>\[\]])", r"\\\1", pieces[at])
    joined = re.sub(r"[ ]+", " ", "".join(pieces)).replace("|", "\\|")
    return joined.replace(" \u23ce ", "<br>")


if __name__ == "__main__":
    page = render(play_all())
    if "--write" in sys.argv:
        PAGE.write_text(page)
    else:
        builtins.print(page)
