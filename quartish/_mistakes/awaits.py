"""An `await` too many or too few, the other kind of `for` and `with`, and loops in loops."""

from __future__ import annotations

import inspect
import os
import re
import types
import typing as t

from .._tracebacks import is_users
from .case import Case
from .case import Frame
from .places import place_of

#: What is awaited in a Quart app and plain in a Flask app.
AWAITED_IN_QUART = frozenset(
    {
        *("data", "files", "form", "get_data", "get_json", "json", "values"),
        *("flash", "make_response", "render_template", "render_template_string"),
        *("send_file", "send_from_directory", "send_static_file", "stream_template"),
        *("stream_template_string", "get_template_attribute"),
    }
)
_FUNCTIONS = {"function", "method", "builtin_function_or_method", "type"}

# --- await, too often -----------------------------------------------------------------------------

_NOT_AWAITABLE = re.compile(
    r"object (\w+) can't be used in 'await' expression|'(\w+)' object can't be awaited"
)


def awaits_too_much(case: Case) -> str | None:
    match = _NOT_AWAITABLE.match(case.text)
    if match is None or case.frame is None or not case.ended_in_users():
        return None
    kind = match[1] or match[2]
    awaited = case.expression().removeprefix("await").strip()
    if not awaited:
        return None
    name = re.match(r"[\w.]+", awaited)
    called = case.named(name[0]) if name else None
    if kind in _FUNCTIONS:
        return f"`{awaited}` was not called: write `await {awaited}()`; {case.place()}"
    last = name[0].rpartition(".")[2] if name else ""
    if last in AWAITED_IN_QUART and getattr(case.app, "plain", False):
        return (
            f"`{awaited}` is plain in a {type(case.app).__name__} app, and awaited in a Quart app:"
            f" write `{awaited}`, without `await`; {case.place()}"
        )
    if isinstance(called, types.FunctionType) and not inspect.iscoroutinefunction(called):
        return (
            f"{place_of(called)}, is a plain `def`: write `{awaited}`, without `await`, or make it"
            f" an `async def`; {case.place()}"
        )
    return f"`{awaited}` is no awaitable: write it without `await`; {case.place()}"


# --- await, forgotten -----------------------------------------------------------------------------


_UNAWAITED = re.compile(
    r"'(coroutine|async_generator)' object|argument of type 'coroutine'|not \"?coroutine"
    r"|type coroutine is not|was a coroutine"
)


def awaits_too_little(case: Case) -> str | None:
    if _UNAWAITED.search(case.text) is None or case.text.startswith(_SHOWS):
        return None
    if "'async_generator'" in case.text and "iterable" in case.text:
        return (
            f"{_iterated(case) or 'An async generator'} is iterated by `async for`, not by `for`;"
            f" {case.place()}"
        )
    found = _forgotten(case.frames)
    if found is None:
        if case.frame is None:
            return None
        return f"{_it(case, 'It')} lacks an `await`; {case.place()}"
    name, coro = found
    code = coro.cr_code
    called = coro.__qualname__.rpartition(".<locals>.")[2]
    whose = f"`{called}`"
    if is_users(code.co_filename):
        whose += f" ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"
    before = f"`{name}` is the" if name else "It is the"
    return f"{before} coroutine of {whose}: write `await {called}(...)`; {case.place()}"


_SHOWS = "A template is to show"


def refuse_coroutine(value: t.Any) -> t.Any:
    """Return a value that a template shows, unless it is a coroutine, which is no text: Jinja's
    `finalize`, in debug mode. Raises TypeError."""
    if type(value) is types.CoroutineType:
        code = value.cr_code
        raise TypeError(
            f"{_SHOWS} the coroutine of `{value.__qualname__}`"
            f" ({os.path.basename(code.co_filename)}:{code.co_firstlineno}): give it what"
            f" `await {value.__name__}(...)` returns."
        )
    return value


def _it(case: Case, otherwise: str) -> str:
    expression = case.expression()
    return f"`{expression}`" if expression else otherwise


def _forgotten(frames: list[Frame]) -> tuple[str, types.CoroutineType[t.Any, t.Any, t.Any]] | None:
    """Return a coroutine that was never started, and the user's name for it, if it has one."""
    for frame in reversed(frames):
        users = is_users(frame.f_code.co_filename)
        for name, value in frame.f_locals.items():
            for each in _within(value):
                if inspect.getcoroutinestate(each) == inspect.CORO_CREATED:
                    return (name if users and each is value else ""), each
    return None


def _within(value: t.Any) -> t.Iterator[types.CoroutineType[t.Any, t.Any, t.Any]]:
    values = value.values() if type(value) is dict else [value]
    yield from (each for each in values if type(each) is types.CoroutineType)


# --- the other kind of `for` and `with` -----------------------------------------------------------


def iterates_otherwise(case: Case) -> str | None:
    begins = "'async for' requires an object with __aiter__ method"
    if not case.text.startswith(begins) or not case.ended_in_users():
        return None
    iterated = _iterated(case)
    if iterated == "`request.stream`" and getattr(case.app, "plain", False):
        return (
            "`request.stream` is plain where the body was read before the view: write"
            " `request.get_data()`, or let the route say `stream_body=True` and read it"
            f" piece by piece; {case.place()}"
        )
    return f"{iterated or 'It'} is plain: write `for`, without `async`; {case.place()}"


def _iterated(case: Case) -> str:
    """Return what stands behind `in`: of a comprehension, all of it is known."""
    header = re.match(r"(?:async\s+)?for\s.+?\sin\s+(.+?)\s*:\s*(?:#.*)?$", case.first_line())
    if header is not None:
        return f"`{header[1]}`"
    whole = case.expression()
    match = re.search(r"\bfor\s.+?\sin\s+(.+?)(\s+if\s.*)?[\])}:]*$", whole)
    # A call's own bracket is closed by one of those at the end.
    found = match[1] if match else whole
    found += ")" * (found.count("(") - found.count(")"))
    return f"`{found}`" if found else ""


_PROTOCOL = re.compile(r"'([\w.]+)' object does not support the (asynchronous )?context manager")


def enters_otherwise(case: Case) -> str | None:
    match = _PROTOCOL.match(case.text)
    if match is None or not case.ended_in_users():
        return None
    right = "with" if match[2] else "async with"
    entered = re.match(r"(?:async\s+)?with\s+(.+?)(?:\s+as\s+\w+)?\s*:", case.expression())
    what = f"`{entered[1]}`" if entered else _it(case, f"A {match[1]}")
    return f"{what} is entered by `{right}`; {case.place()}"


# --- loops in loops ------------------------------------------------------------------------------

_IN_LOOP = re.compile(
    r"asyncio.run\(\) cannot be called from a running event loop"
    r"|This event loop is already running|Cannot run the event loop while another loop is running"
    r"|Runner.run\(\) cannot be called from a running event loop"
)


def runs_in_loop(case: Case) -> str | None:
    if _IN_LOOP.match(case.text) is None or case.frame is None:
        return None
    called = case.expression()
    inner = re.fullmatch(r"[\w.]+\((.*)\)", called)
    cure = f"`await {inner[1]}`" if inner and inner[1] else "`await` and what it is to run"
    return f"`{called}` is called on the event loop that runs already: write {cure}; {case.place()}"
