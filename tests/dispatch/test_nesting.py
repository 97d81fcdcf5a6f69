"""Contexts nest as in Flask 3.1: every nesting of what makes one, of one app and of two, entered
and left in every order that Flask allows, is played on real Flask and here.

After each step, and in each teardown function, what the proxies and `has_...` functions say is
written down, and compared.
"""

from __future__ import annotations

import itertools
import random
import threading
import typing as t

import flask
import pytest

import quartish

KINDS = ["app", "request", "environ", "client", "ask", "session", "cli", "thread"]
#: What is begun and ended by a step of its own; the others begin and end in one.
OPEN = {"app", "request", "environ", "client"}


class Play:
    """Two apps of one framework, what was begun, and what was seen."""

    def __init__(self, module: t.Any) -> None:
        self.module = module
        self.seen: list[t.Any] = []
        self.open: dict[int, t.Any] = {}
        self.apps = [self.make(name) for name in "ab"]
        self.clients: dict[int, t.Any] = {}
        self.count = 0

    def make(self, name: str) -> t.Any:
        app = self.module.Flask(name, root_path=".", static_folder=None)
        app.secret_key = "key"
        app.config["SERVER_NAME"] = f"{name}.example"

        @app.route("/<value>")
        def view(value: str) -> str:
            self.look(f"view {name}")
            with app.app_context():
                self.look(f"view {name}, app context")
            return value

        app.teardown_request(lambda exc: self.look(f"teardown request {name}"))
        app.teardown_appcontext(lambda exc: self.look(f"teardown app {name}"))
        app.cli.command("look")(lambda: self.look(f"command {name}"))
        return app

    def look(self, where: str) -> None:
        module = self.module
        row: list[t.Any] = [where, module.has_request_context(), module.has_app_context()]
        for read in (
            lambda: module.current_app.name,
            lambda: module.request.path,
            lambda: module.g.get("mark"),
            lambda: "k" in module.session,
            lambda: module.url_for("view", value="x"),
            lambda: module.globals.app_ctx._get_current_object().app.name,
            lambda: module.globals.request_ctx._get_current_object().app.name,
            lambda: module.get_flashed_messages(),
        ):
            try:
                row.append(read())
            except Exception as error:
                row.append(type(error).__name__)
        if module.has_app_context() and "mark" not in module.g:
            self.count += 1
            module.g.mark = self.count
        self.seen.append(row)

    def begin(self, number: int, kind: str, which: int, by_with: bool) -> None:
        app, client = self.apps[which], self.apps[which].test_client()
        where = f"{kind} {which}"
        if kind == "client":
            client.__enter__()
            self.open[number] = self.clients[which] = client
        elif kind in OPEN:
            if kind == "app":
                ctx = app.app_context()
            elif kind == "request":
                ctx = app.test_request_context(f"/{number}")
            else:
                builder = self.module.testing.EnvironBuilder(app, f"/e{number}")
                ctx = app.request_context(builder.get_environ())
                builder.close()
            ctx.__enter__() if by_with else ctx.push()
            self.open[number] = ctx
        elif kind == "ask":
            self.clients.get(which, client).get(
                f"/ask{number}", base_url=f"http://{app.name}.example"
            )
        elif kind == "session":
            with client.session_transaction() as session:
                session["k"] = 1
                self.look(where)
        elif kind == "cli":
            app.test_cli_runner().invoke(args=["look"])
        elif kind == "thread":
            self.carry(where)
        self.look(f"after {where}")

    def carry(self, where: str) -> None:
        try:
            work = self.module.copy_current_request_context(lambda: self.look(where))
        except RuntimeError as error:
            self.seen.append(type(error).__name__)
            return
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    def end(self, number: int, by_with: bool) -> None:
        ctx = self.open.pop(number)
        try:
            if by_with or hasattr(ctx, "open"):
                ctx.__exit__(None, None, None)
            else:
                ctx.pop()
        except (AssertionError, LookupError, ValueError) as error:
            self.seen.append(type(error).__name__)
        if hasattr(ctx, "open"):
            self.clients = {k: c for k, c in self.clients.items() if c is not ctx}
        self.look(f"ended {number}")


def run(module: t.Any, nest: t.Any, order: t.Any, by_with: bool) -> list[t.Any]:
    seen: list[t.Any] = []

    def work() -> None:  # in a thread, where no context is left of another
        play = Play(module)
        for number, (kind, which) in enumerate(nest):
            play.begin(number, kind, which, by_with)
        for number in order:
            if number in play.open:
                play.end(number, by_with)
        seen.extend(play.seen)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return seen


def nestings(depth: int) -> t.Iterator[t.Any]:
    steps = [(kind, which) for kind in KINDS for which in (0, 1)]
    for nest in itertools.product(steps, repeat=depth):
        if nest[0][1] == 0:  # which of the two is first makes no difference
            yield nest


def allowed(expected: list[t.Any]) -> bool:
    """Say whether Flask lets this be done at all."""
    return not any(isinstance(row, str) and row != "RuntimeError" for row in expected)


def compare(nest: t.Any) -> None:
    opened = [number for number, (kind, _) in enumerate(nest) if kind in OPEN]
    for order in itertools.permutations(opened):
        for by_with in (True, False):
            expected = run(flask, nest, order, by_with)
            if allowed(expected):
                got = run(quartish, nest, order, by_with)
                assert got == expected, (nest, order, by_with)


@pytest.mark.parametrize("depth", [1, 2])
def test_every_nesting(depth: int) -> None:
    for nest in nestings(depth):
        compare(nest)


def test_some_nestings_of_three() -> None:
    for nest in random.Random(3).sample(list(nestings(3)), 150):
        compare(nest)


@pytest.mark.slow
def test_every_nesting_of_three() -> None:
    for nest in nestings(3):
        compare(nest)
