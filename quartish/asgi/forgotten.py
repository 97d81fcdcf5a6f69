"""Forgotten `await`s, logged in debug mode: of a websocket's methods, and of coroutine functions
that hooks and views call.

Python's warning comes when the coroutine is collected, may name a function of ours, and does not
say what to do. Here the log says at which line it was, what was not done, and what to write.
"""

from __future__ import annotations

import ast
import functools
import inspect
import logging
import os
import textwrap
import types
import typing as t
import weakref
from asyncio import _get_running_loop

from .._concurrency.coroutines import mark_async
from ..typing import LiveApp
from ..wrappers.unawaited import find_place
from ..wrappers.unawaited import Place
from ..wrappers.websocket import Websocket

NAMES = ("accept", "close", "receive", "receive_json", "send", "send_json")


def watch_calls(app: LiveApp, websocket: Websocket) -> None:
    """Log calls of the websocket's methods whose coroutines are dropped without being awaited."""
    for name in NAMES:
        method = getattr(websocket, name)
        setattr(websocket, name, _watched(app.logger, method, name))


def _watched(
    log: logging.Logger, method: t.Callable[..., t.Any], name: str
) -> t.Callable[..., t.Any]:
    @mark_async
    @functools.wraps(method)
    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        if _get_running_loop() is None:
            return method(*args, **kwargs)  # in a thread, where it is waited for
        begun: list[bool] = []
        coro: t.Any = _noted(begun, method, args, kwargs)
        coro.__qualname__ = coro.__name__ = f"websocket.{name}"
        weakref.finalize(coro, _tell, log, begun, name, find_place())
        return coro

    return call


async def _noted(
    begun: list[bool], method: t.Callable[..., t.Awaitable[t.Any]], args: t.Any, kwargs: t.Any
) -> t.Any:
    begun.append(True)
    return await method(*args, **kwargs)


def _tell(log: logging.Logger, begun: list[bool], name: str, place: Place) -> None:
    if not begun:
        log.warning(
            "`websocket.%s(...)` was not awaited, and so nothing was %s: write `await"
            " websocket.%s(...)`; %s",
            name,
            _DONE[name.partition("_")[0]],
            name,
            place,
        )


def log_dropped_calls(app: LiveApp, endpoint: str | None) -> None:
    """Log calls in the app's hooks, and in the view of an endpoint, that drop a coroutine. Each
    function's source is looked at once."""
    looked: set[t.Any] = vars(app).setdefault("_looked_for_dropped_calls", set())
    for kind, func in _parts(app, endpoint):
        func = inspect.unwrap(func)
        code = getattr(func, "__code__", None)
        if code is None or code in looked:
            continue
        looked.add(code)
        for line, call in _dropped_calls(func):
            asynchronous = inspect.iscoroutinefunction(func)
            first = "" if asynchronous else f"make `{code.co_name}` an `async def`, and "
            app.logger.warning(
                "`%s` is not awaited, and so nothing of it is done: %swrite `await %s`;"
                " %s `%s`, %s:%d",
                *(call, first, call, kind, code.co_name, os.path.basename(code.co_filename), line),
            )


_HOOKS = [
    *("url_value_preprocessors", "before_request_funcs", "after_request_funcs"),
    *("teardown_request_funcs", "before_websocket_funcs", "after_websocket_funcs"),
    *("teardown_websocket_funcs", "template_context_processors"),
]


def _parts(app: LiveApp, endpoint: str | None) -> t.Iterator[tuple[str, t.Any]]:
    for name in _HOOKS:
        for functions in getattr(app, name).values():
            yield from (("hook", func) for func in functions)
    yield from (("hook", func) for func in app.teardown_appcontext_funcs)
    for by_code in app.error_handler_spec.values():
        for handlers in by_code.values():
            yield from (("error handler", func) for func in handlers.values())
    if endpoint in app.view_functions:
        yield "view", app.view_functions[endpoint]


def _dropped_calls(func: t.Any) -> t.Iterator[tuple[int, str]]:
    """Return the line and the text of each statement that is a call of a coroutine function."""
    try:
        lines, first = inspect.getsourcelines(func)
        text = textwrap.dedent("".join(lines))
        tree = ast.parse(text)
        known = inspect.getclosurevars(func)
    except (OSError, SyntaxError, TypeError, ValueError):  # there is no source
        return
    names = {**known.globals, **known.nonlocals}
    for node in _statements(tree.body[0]):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if inspect.iscoroutinefunction(_meaning(node.value.func, names)):
                called = ast.get_source_segment(text, node.value) or ""
                one_line = ast.unparse(node.value) if "\n" in called else called
                yield first + node.lineno - 1, one_line


def _statements(node: ast.AST) -> t.Iterator[ast.AST]:
    """Iterate over the nodes of a function, without those of functions within it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from _statements(child)


def _meaning(node: ast.expr, names: dict[str, t.Any]) -> t.Any:
    """Return the object that an expression such as `asyncio.sleep` refers to, if that can be found
    without running code; else None."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _meaning(node.value, names)
        if isinstance(owner, (types.ModuleType, type)):
            found = vars(owner).get(node.attr)
            return found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
    return None


_DONE = {"accept": "accepted", "close": "closed", "receive": "received", "send": "sent"}
