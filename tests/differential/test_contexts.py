"""What a request, its copies, tasks in threads, streams and late functions see of contexts, hook by
hook, as in Flask."""

from __future__ import annotations

import contextvars
import random
import threading
import time
import typing as t

import pytest

from tests.differential._beside import assert_same
from tests.differential._beside import Side


def of_contexts(module: t.Any) -> t.Any:
    """Return what the proxies say."""
    seen = [module.has_request_context(), module.has_app_context()]
    for ask in (
        lambda: module.request.path,
        lambda: module.current_app.name,
        lambda: len([*module.g]) if module.has_app_context() else None,
        lambda: len(module.session),
        lambda: module.url_for("view", _external=True),
    ):
        try:
            seen.append(ask())
        except Exception as error:
            seen.append(type(error).__name__)
    return seen


def in_thread(func: t.Callable[[], t.Any], context: contextvars.Context | None = None) -> t.Any:
    result: list[t.Any] = []

    def run() -> None:
        try:
            result.append(func())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run if context is None else lambda: context.run(run))
    thread.start()
    thread.join()
    return result[0]


def act(side: Side, app: t.Any, what: str) -> t.Any:
    module = side.module

    def see() -> t.Any:
        return of_contexts(module)

    match what:
        case "see":
            return see()
        case "write":
            module.g.a = module.session["b"] = 1
            return see()
        case "thread":
            return in_thread(see)
        case "copied context":
            return in_thread(see, contextvars.copy_context())
        case "copied request":
            return in_thread(module.copy_current_request_context(see))
        case "copied and called here":
            return module.copy_current_request_context(see)()
        case "late":

            @module.after_this_request
            def late(response: t.Any) -> t.Any:
                side.tell("late", see())
                response.headers["X-Late"] = "1"
                return response

            return None
        case "app's":
            with app.app_context():
                return see()
        case "of a test":
            with app.test_request_context("/other?q=1", method="POST"):
                return [see(), module.request.method, module.request.args.get("q")]
        case "of a client":
            return app.test_client().get("/plain").text
        case "of an environ":
            with app.request_context(module.request.environ):
                return see()
        case "stream":
            return [*module.stream_with_context(str(each) for each in see())]
        case "decorated stream":

            @module.stream_with_context
            def pieces(n: int) -> t.Iterator[str]:
                yield from map(str, [n, *see()])

            return [*pieces(3)]
        case _:
            return module.globals.request_ctx._get_current_object() is not None


WHAT = [
    *("see", "write", "thread", "copied context", "copied request", "copied and called here"),
    *("late", "app's", "of a test", "of a client", "of an environ", "stream", "decorated stream"),
]


def visit(side: Side, r: random.Random) -> None:
    module, app = side.module, side.app()
    app.secret_key = "key"
    app.config.update(r.choice([{}, {"SERVER_NAME": "localhost"}]))
    hooks = ["before", "view", "after"]
    steps = {hook: r.choices(WHAT, k=r.randrange(3)) for hook in hooks}
    fails = r.choice([None, None, None, *hooks])

    running: list[str] = []  # what a hook does may end a request, whose hooks it would call

    def run(hook: str) -> None:
        for what in [] if running else steps[hook]:
            side.tell(hook, what)
            running.append(hook)
            side.tried(act, side, app, what)
            running.pop()
        if hook == fails and not running:
            raise LookupError(hook)

    def after(response: t.Any) -> t.Any:
        run("after")
        return response

    def view() -> t.Any:
        run("view")
        return module.stream_with_context(iter(["a", "b"])) if r.random() < 0.3 else "x"

    app.before_request(lambda: run("before") if module.request.path == "/" else None)
    app.after_request(lambda q: after(q) if module.request.path == "/" else q)
    app.add_url_rule("/", "view", side.view(view))
    app.add_url_rule("/plain", "plain", side.view(lambda: f"{of_contexts(module)}"))
    side.client(app).open("/")
    side.tell("outside", of_contexts(module))
    for what in r.choices(WHAT, k=3):
        side.tell("outside", what)
        side.tried(act, side, app, what)


def without_ends(told: list[t.Any]) -> list[t.Any]:
    """Flask pushes the context of a stream once more, which signals tell."""
    ends = ("appcontext_pushed", "appcontext_popped", "appcontext_tearing_down")
    left_out = (*ends, "request_tearing_down")
    return [line for line in told if line[:1] != ["signal"] or line[1] not in left_out]


def test_what_is_seen_of_contexts_is_what_flask_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.7e9)  # sessions are signed with it
    assert_same(visit, 60, doors=["wsgi"], departs=without_ends)


def keep(side: Side, r: random.Random) -> None:
    """What a copy of a request does to the session is saved, whether or not it was looked at."""
    module, app = side.module, side.app()
    app.secret_key = "key"
    first, last = r.random() < 0.5, r.random() < 0.5

    def view() -> str:
        if first:
            side.tell(sorted(module.session))
        write = module.copy_current_request_context(lambda: module.session.update(a=1))
        if r.random() < 0.5:
            write()
        else:
            in_thread(write)
        return f"{sorted(module.session)}" if last else "x"

    app.add_url_rule("/", "view", side.view(view))
    client = side.client(app)
    client.open("/")
    client.open("/")


def test_a_copy_shares_the_session_as_in_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.7e9)  # it is signed with it
    assert_same(keep, 8)
