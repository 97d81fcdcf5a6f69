"""Pages of errors, in debug mode: Werkzeug's, with its console for those that it admits.

Everything about who may use the console is Werkzeug's: `DebuggedApplication` keeps the secret, the
PIN, its cookie, the count of wrong ones and the trusted hosts, and responds to what the page asks.
What is added is where a command runs: in the Context of the request that failed, on the event loop
or in a worker thread as its view did, and that `await` works in it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import pkgutil
import re
import traceback
import types
import typing as t
from collections import deque
from contextvars import Context

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header
from werkzeug.test import run_wsgi_app

from ._concurrency.coroutines import from_thread
from ._concurrency.threads import lane_loop
from ._current import activate
from ._tracebacks import fold
from ._tracebacks import is_full
from ._tracebacks import note
from ._tracebacks import with_note
from ._werkzeug import let_console_await
from .typing import AppLike
from .typing import LiveApp
from .wrappers.awaitable_response import Response

if t.TYPE_CHECKING:
    from werkzeug.debug import DebuggedApplication
    from werkzeug.debug.tbtools import DebugTraceback

KEPT = 50
"""Pages whose consoles go on working; older ones are forgotten. *Werkzeug:* keeps all."""
CONSOLE = "/console"
KEEP = "quartish.keep"
"""Key of a scope: what `Quart.handle_request` calls with the context that it makes."""
_PASSED = "quartish.passed"
# The copy of the text that Werkzeug adds as a comment, in which nothing is escaped.
_COPY = r"(?s)(?<=</html>).*"
# That, and what asks Werkzeug's middleware for something or speaks of its console.
_INTERACTIVE = rf"""(?sx)<script.*?</script>\s*
    |<link[^>]*>\s*
    |<div\ class="explanation">.*?</div>\s*
    |<div\ class="pin-prompt">.*?(?=</body>)
    |{_COPY.removeprefix("(?s)")}"""
_HEADLINE = '<h2 class="traceback">Traceback <em>(most recent call last)</em></h2>'


class Place:
    """Where the code of a request ran: its Context, its event loop, and whether on that loop or in
    a worker thread."""

    def __init__(
        self, context: Context, ctx: t.Any, loop: asyncio.AbstractEventLoop, on_loop: bool
    ) -> None:
        self.context: Context = context
        self.ctx = ctx
        self.loop = loop
        self.on_loop = on_loop

    def evaluate(self, console: t.Any, code: str) -> str:
        """Run a line in a console; called in a worker that a loop waits for. What a command sets
        of ContextVars is there for the next."""
        context = self.context.copy()
        shown = context.run(self._evaluate, console, code)
        self.context = context
        return shown

    def _evaluate(self, console: t.Any, code: str) -> str:
        if self.ctx is not None:
            activate(self.ctx.app_ctx, self.ctx.conn_ctx)  # its end may have made it inactive
        return t.cast(str, console.eval(code))

    def run(self, func: types.FunctionType) -> BaseException | None:
        """Run a command's code and return what it raised."""
        if self.on_loop or func.__code__.co_flags & inspect.CO_COROUTINE:
            if self.loop is lane_loop():
                return from_thread(_call(func))
            if self.loop.is_closed():
                return RuntimeError(
                    "The event loop of this request is closed: it was served by"
                    " another one than this page is."
                )
            return asyncio.run_coroutine_threadsafe(_call(func), self.loop).result()
        try:
            func()
        except BaseException as error:  # it is shown, also SystemExit
            return error
        return None


async def _call(func: t.Callable[[], t.Any]) -> BaseException | None:
    try:
        rv = func()
        if type(rv) is types.CoroutineType:
            await rv
    except BaseException as error:  # else `exit()` would end the loop
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # who asked has left
        return error
    return None


class _Frame:
    """A frame of a page as Werkzeug's middleware knows it."""

    def __init__(self, console: t.Callable[[], t.Any], place: Place) -> None:
        self._make_console = console
        self._place = place

    @functools.cached_property
    def console(self) -> t.Any:
        console = self._make_console()
        let_console_await(console, self._place.run)
        return console

    def eval(self, code: str) -> str:
        return self._place.evaluate(self.console, code)


class Debugger:
    """Werkzeug's debugger of one app."""

    def __init__(self, app: AppLike) -> None:
        # PERF(4 ms): of `import quartish`, with pdb and all; only a page like this needs it.
        from werkzeug.debug import DebuggedApplication

        self.app = app
        # Made for the app itself, by whose name the PIN and its cookie are.
        self.middleware: DebuggedApplication = DebuggedApplication(app, evalex=True)
        _ = self.middleware.pin  # which is made now
        self.middleware.app = _pass
        self.middleware.trusted_hosts = list(app.config["DEBUGGER_TRUSTED_HOSTS"])
        self._pages: deque[list[int]] = deque()
        #: Whether it was said that clients of other machines are served.
        self.warned = False

    def respond(self, environ: dict[str, t.Any]) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """Return the response to a request of a debugger's page; None for a request to the app.
        This blocks, as the response to a wrong PIN is delayed: it is called in a worker thread."""
        if environ["PATH_INFO"] == CONSOLE and "__debugger__" not in environ["QUERY_STRING"]:
            self._open_console()
        passed = environ[_PASSED] = list[bool]()
        body, status, headers = run_wsgi_app(self.middleware, environ, buffered=True)
        if passed:
            return None
        return int(status.split()[0]), list(headers), b"".join(body)

    def _open_console(self) -> None:
        if 0 in self.middleware.frames:
            return
        from werkzeug.debug.console import Console

        loop = lane_loop()
        assert loop is not None
        place = Place(Context(), self.app.app_context(), loop, False)
        self.middleware.frames[0] = t.cast(
            t.Any, _Frame(functools.partial(Console, {"app": self.app}), place)
        )

    def page(self, error: BaseException, environ: dict[str, t.Any], place: Place) -> str:
        """Return the page of an error, with a console in each of its frames."""
        found, folded = _read(error, full=is_full(self.app.config["TRACEBACKS"]))
        frames = self.middleware.frames
        for frame in found.all_frames:
            frames[id(frame)] = t.cast(t.Any, _Frame(_console_of(frame), place))
        self._pages.append([id(frame) for frame in found.all_frames])
        while len(self._pages) > KEPT:
            for number in self._pages.popleft():
                frames.pop(number, None)
        page = found.render_debugger_html(
            evalex=self.middleware.check_host_trust(environ),
            secret=self.middleware.secret,
            evalex_trusted=bool(self.middleware.check_pin_trust(environ)),
        )
        page = re.sub(_COPY, "", page)
        return _noted(page, folded).replace("your WSGI application", "your application")


def _console_of(frame: t.Any) -> t.Callable[[], t.Any]:
    return lambda: frame.console  # which keeps the frame, and so its number, too


def debugger_of(app: AppLike) -> Debugger:
    """Return the debugger of an app, made on first use: it then logs its PIN, as Werkzeug's does,
    where the server has a reloader."""
    found: Debugger | None = vars(app).get("_debugger")
    if found is None:
        found = vars(app)["_debugger"] = Debugger(app)
    return found


def is_asked(app: AppLike, scope: t.Any) -> bool:
    """Say whether a request is for the debugger: one that its page makes, or for its console,
    where the app has nothing at that path."""
    if not app.config["DEBUGGER"]:
        return False
    if b"__debugger__=yes" in (scope.get("query_string") or b""):
        return True
    path: str = scope["path"]
    return (
        path.endswith(CONSOLE)
        and path.removeprefix(scope.get("root_path") or "") == CONSOLE
        and not app.url_map.bind("localhost").test(CONSOLE)
    )


def _pass(environ: dict[str, t.Any], start_response: t.Any) -> t.Iterable[bytes]:
    """Stand in for the app in Werkzeug's middleware: it was not the middleware that was asked."""
    environ[_PASSED].append(True)
    start_response("404 NOT FOUND", [])
    return []


# --- responses --------------------------------------------------------------------------------


def kind_of(accept: str) -> str:
    """Return the form of an error for an Accept header: "html" for a browser, "json" for a client
    that asks for JSON, "text" for all others, such as curl.

    *Source:* RFC 9110, section 12.5.1.
    """
    for kind in parse_accept_header(accept, MIMEAccept).values():
        if kind in ("text/html", "application/xhtml+xml"):
            return "html"
        if kind == "application/json" or kind.endswith("+json"):
            return "json"
        if kind == "text/plain":
            break
    return "text"


def render_problem(error: BaseException, *, full: bool = False) -> str:
    """Return an error as `application/problem+json`. *Source:* RFC 9457, section 3."""
    found, folded = _read(error, full=full)
    problem = {
        "title": "Internal Server Error",
        "status": 500,
        "detail": "".join(traceback.format_exception_only(error)).strip(),
        "exception": f"{type(error).__module__}.{type(error).__qualname__}",
        "traceback": with_note(found.render_traceback_text(), folded).splitlines(),
    }
    return json.dumps(problem, indent=2)


def render_traceback(error: BaseException, *, html: bool, full: bool = False) -> str:
    """Return the traceback of `error` as a page that runs nothing, or as text."""
    found, folded = _read(error, full=full)
    if not html:
        return with_note(found.render_traceback_text(), folded)
    page = found.render_debugger_html(evalex=False, secret="", evalex_trusted=False)
    page = _noted(re.sub(_INTERACTIVE, "", page), folded)
    head, end, body = page.partition("</head>")
    return f"{head}<style>{_style()}</style>{end}{body}"


def shows_errors(app: LiveApp) -> bool:
    """Say whether the response to an unhandled exception is its traceback: in the awaitable colour
    when debugging and, as in *Quart*, when testing, where *Flask* raises it in the test."""
    return not app.plain and bool(app.config["DEBUG"] or app.config["TESTING"])


async def traceback_response(error: Exception) -> Response:
    """Return the page of an error, by *Quart's* interface. Never for users of a live site."""
    return Response(render_traceback(error, html=True), 500)


def _read(error: BaseException, *, full: bool) -> tuple[DebugTraceback, int]:
    """Return a traceback, and how many of its frames were folded away."""
    from werkzeug.debug.tbtools import DebugTraceback

    found = DebugTraceback(error)
    return found, 0 if full else fold(found.all_tracebacks[0][1])


def _noted(page: str, folded: int) -> str:
    if not folded:
        return page
    return page.replace(_HEADLINE, f'{_HEADLINE}\n<p class="folded">{note(folded)}</p>', 1)


@functools.cache
def _style() -> str:
    sheet = pkgutil.get_data("werkzeug.debug", "shared/style.css") or b""
    return re.sub(r"background-image: url\([^)]*\);", "", sheet.decode())
