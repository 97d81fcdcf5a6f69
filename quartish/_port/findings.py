"""What a person should look at: each rule with what it says and what to do instead."""

from __future__ import annotations

import typing as t
from importlib import import_module
from importlib.util import find_spec

from ..production import check_setting
from .blocking import Table
from .extensions import EXTENSIONS
from .extensions import find_extensions
from .follow import in_thread
from .records import Facts
from .records import Finding
from .records import Use
from .resolve import normal
from .resolve import Project


class Rule(t.NamedTuple):
    """A name that is met in code: how it is met, what that means, and the cure."""

    name: str
    #: Paths in Flask's names; what ends in "*" only begins so.
    paths: tuple[str, ...]
    #: "import", "call", "load", "store", or several of these.
    kinds: str
    says: str
    cure: str


RULES: tuple[Rule, ...] = (
    Rule(
        "thread-local",
        ("threading.local", "_threading_local.local", "werkzeug.local.Local"),
        "call",
        "what is kept for a thread is shared by all `async def` views, which run in one",
        "use `contextvars.ContextVar`, or `g`; `def` views have a thread for each request",
    ),
    Rule(
        "internals",
        (
            *("flask._request_ctx_stack", "flask._app_ctx_stack"),
            *("flask.globals._request_ctx_stack", "flask.globals._app_ctx_stack"),
            *("flask.globals._lookup_req_object", "flask.globals._lookup_app_object"),
            *("flask._compat*", "flask.signals.Namespace", "flask.helpers._PackageBoundObject"),
        ),
        "import load",
        "`{path}` was internal to Flask, and removed in 2.3",
        "use `flask.globals.request_ctx` and `app_ctx`, or `g`",
    ),
    Rule(
        "flask-ext",
        ("flask.ext*",),
        "import",
        "`flask.ext` was removed in Flask 1.0",
        "import the extension by its own name, such as `flask_login`",
    ),
    Rule(
        "wsgi-app",
        ("flask.Flask().wsgi_app", "?app.wsgi_app"),
        "store",
        "WSGI middleware takes a worker thread for each request, and no websockets",
        "leave it, or use ASGI middleware: `app.asgi_app = ...`; `quartish.middleware.ProxyFix`",
    ),
    Rule(
        "wsgi-middleware",
        ("werkzeug.middleware*", "werkzeug.contrib*", "werkzeug.wsgi.DispatcherMiddleware"),
        "call",
        "`{path}` is WSGI middleware",
        "`quartish.middleware` has `ProxyFix` and mounts; others go on with `app.wsgi_app`",
    ),
    Rule(
        "before-first-request",
        (
            *("flask.Flask().before_first_request", "?app.before_first_request"),
            *("flask.Blueprint().before_app_first_request", "?bp.before_app_first_request"),
        ),
        "call load",
        "`before_first_request` was removed in Flask 2.3",
        "use `@app.before_serving`, or do it where the app is made",
    ),
    Rule(
        "json-encoder",
        (
            *("flask.Flask().json_encoder", "flask.Flask().json_decoder"),
            *("flask.json.JSONEncoder", "flask.json.JSONDecoder"),
        ),
        "import store load",
        "`{path}` was removed in Flask 2.3",
        "subclass `quartish.json.provider.DefaultJSONProvider`, and set `app.json`",
    ),
    Rule(
        "green-threads",
        ("gevent*", "eventlet*"),
        "import",
        "`{path}` replaces the threads that `def` views run in",
        "take it out: an ASGI server waits for many clients at once",
    ),
    Rule(
        "asgi-bridge",
        ("asgiref.wsgi*", "a2wsgi*", "hypercorn.middleware.wsgi*", "asgiref.sync.async_to_sync"),
        "import",
        "`{path}` is not needed: the app is an ASGI app",
        "hand the app itself to the server; await, or call by `quartish`'s lanes",
    ),
    Rule(
        "version",
        ("flask.__version__",),
        "import load",
        "quartish has no `__version__`",
        'ask `importlib.metadata.version("quartish")`',
    ),
    Rule(
        "app-run",
        ("flask.Flask().run",),
        "call",
        "`app.run()` serves for development, with Hypercorn",
        "in production start a server: `hypercorn {module}:app`",
    ),
    Rule(
        "wsgi-server",
        (
            *("waitress.serve", "gunicorn*", "cheroot*", "werkzeug.serving.run_simple", "bjoern*"),
            *("wsgiref.simple_server*", "tornado.wsgi*", "meinheld*", "cherrypy*", "paste*"),
        ),
        "call",
        "`{path}` is a WSGI server: it works, without websockets",
        "an ASGI server: Hypercorn, uvicorn or granian",
    ),
)
_WORKS = "works"


def find(
    project: Project, table: Table, loop: t.Collection[str], thread: t.Collection[str]
) -> list[Finding]:
    """Return all findings; `loop` names the functions that begin on the event loop, `thread` the
    views and hooks that do not."""
    found = {
        *_by_rules(project),
        *blocking(project, table, loop, thread),
        *_extensions(project),
        *_settings(project),
        *_missing(project),
        *_unread(project),
    }
    return sorted(found)


def _matches(rule: Rule, path: str) -> bool:
    return any(
        path.startswith(wanted[:-1]) and (path + ".")[len(wanted) - 1] in ".("
        if wanted.endswith("*")
        else path == wanted
        for wanted in rule.paths
    )


def _by_rules(project: Project) -> t.Iterator[Finding]:
    for fact in project.facts:
        if fact.test:
            continue
        for one in fact.imports:
            for rule in RULES:
                if "import" in rule.kinds and one.dotted.partition(".")[0] not in project.modules:
                    if _matches(rule, one.dotted) or _matches(rule, normal(one.dotted)):
                        yield _finding(rule, fact, one.line, one.dotted)
    for fact, _, use in project.uses():
        if not fact.test:
            for path in _ends(project, use):
                if path.partition(".")[0] in project.modules:  # its own, of the same name
                    continue
                for rule in RULES:
                    if use.kind in rule.kinds.split() and _matches(rule, path):
                        yield _finding(rule, fact, use.span.line, path)


def _ends(project: Project, use: Use) -> t.Iterable[str]:
    """Return what a use leads to; of an attribute that is set, its object and its name."""
    if use.kind != "store":
        return project.expand_all(use.paths)
    parts = (path.rpartition(".") for path in use.paths)
    return [f"{end}.{name}" for owner, _, name in parts for end in project.expand(owner)]


def _finding(rule: Rule, fact: Facts, line: int, path: str) -> Finding:
    words = {"path": path, "module": fact.module}
    return Finding(fact.file, line, rule.name, rule.says.format(**words), rule.cure.format(**words))


# --- what blocks ------------------------------------------------------------------------------


def reach(project: Project, start: t.Iterable[str]) -> set[str]:
    """Return the functions that are run when these are, in the same thread."""
    todo = list(start)
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in found or name not in project.functions:
            continue
        found.add(name)
        for use in project.functions[name].uses:
            if in_thread(use):
                continue
            for end in project.expand_all(use.paths):
                called = use.kind == "call" or use.context.endswith(")")
                todo.append(end if called else end.removesuffix("()") if "()" in end else "")
    return found


def blocking(
    project: Project, table: Table, loop: t.Collection[str], thread: t.Collection[str]
) -> t.Iterator[Finding]:
    """Name what views wait for, once a line; what no view comes to is no matter."""
    on_loop = reach(project, loop)
    on_thread = reach(project, thread)
    for fact in project.facts:
        if fact.test:
            continue
        for function in fact.functions:
            if function.dotted not in on_loop | on_thread:
                continue
            lines: set[int] = set()
            for use in function.uses:
                if use.span.line in lines:
                    continue
                for path, waits, instead in blocking_ends(project, table, use):
                    lines.add(use.span.line)
                    held = function.dotted in on_loop and not use.awaited
                    if held:
                        says = f"`{path}` waits for {waits}, and with it the event loop"
                        yield Finding(fact.file, use.span.line, "blocks-loop", says, instead)
                    else:
                        says = f"`{path}` waits for {waits}, in a worker thread"
                        cure = f"leave it, or use {instead}"
                        yield Finding(fact.file, use.span.line, "blocks-thread", says, cure)


def blocking_ends(project: Project, table: Table, use: Use) -> t.Iterator[tuple[str, str, str]]:
    """Yield what a call blocks by: the path, what it waits for, and what to use instead."""
    if use.kind != "call" or use.awaited:
        return
    for path in dict.fromkeys((*use.paths, *project.expand_all(use.paths))):
        entry = table.blocks(path)
        if entry is not None:
            yield path, entry.waits, entry.instead
            return


# --- the rest ---------------------------------------------------------------------------------


def _extensions(project: Project) -> t.Iterator[Finding]:
    for name, (file, line) in find_extensions(project).items():
        entry = EXTENSIONS.get(name.partition(".")[0])
        if entry is None:
            cure = "run its tests, and yours, with `pytest -p quartish.as_flask`"
            yield Finding(file, line, "extension", f"`{name}` is not in our table", cure)
        elif entry.status == _WORKS:
            says = f"{entry.name} works, through `quartish.as_flask`"
            yield Finding(file, line, "extension", says + (f"; {entry.says}" * bool(entry.says)))
        else:
            yield Finding(file, line, "extension", f"{entry.name}: {entry.status}", entry.says)


def _settings(project: Project) -> t.Iterator[Finding]:
    for fact in project.facts:
        if not fact.test:
            for name, value, line in fact.settings:
                for one in check_setting(name, value):
                    yield Finding(fact.file, line, "production", f"{name}: {one.says}", one.cure)


def _missing(project: Project) -> t.Iterator[Finding]:
    """Name what is imported from Flask, and quartish has not."""
    for fact in project.facts:
        for one in fact.imports:
            root, _, rest = one.dotted.partition(".")
            if root not in ("flask", "quart") or root in project.modules or not rest:
                continue
            known = any("import" in rule.kinds and _matches(rule, one.dotted) for rule in RULES)
            if not known and not _exists(root, rest):
                says = f"quartish has no `{rest}`"
                yield Finding(fact.file, one.line, "no-such-name", says, "see what it is used for")


def _exists(root: str, rest: str) -> bool:
    face = "quartish.quart" if root == "quart" else "quartish"
    module, _, name = rest.rpartition(".")
    import_module(face)
    if not name or name == "*":
        return True
    for place in (f"{face}.{module}" if module else face,):
        try:
            if hasattr(import_module(place), name):
                return True
        except ImportError:
            pass
    try:
        return find_spec(f"{face}.{rest}") is not None
    except ImportError:
        return False


def _unread(project: Project) -> t.Iterator[Finding]:
    for fact in project.facts:
        if fact.error:
            yield Finding(fact.file, 1, "unread", fact.error, "port this file by hand")
