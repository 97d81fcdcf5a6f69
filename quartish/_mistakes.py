"""What is said of common mistakes beside the error that they end in: thing, place and cure.

Looks at an error that nobody handled and adds a note to it (PEP 678), which the log, the page and
a test's report show below the message; message and type stay what code that handles them expects.
"""

from __future__ import annotations

import inspect
import linecache
import os
import re
import types
import typing as t

from jinja2 import TemplateNotFound
from werkzeug.routing import BuildError

from ._tracebacks import is_users
from .typing import AppLike

Frame = types.FrameType
Find = t.Callable[["_Case"], str | None]

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


def explain(error: BaseException, ctx: t.Any = None) -> None:
    """Add a note to an error that is a known mistake; `ctx` is the context it happened in."""
    if type(error) not in _FINDERS and not isinstance(error, (TemplateNotFound, BuildError)):
        return
    case = _Case(error, ctx)
    for kind, finders in _FINDERS.items():
        if isinstance(error, kind):
            for find in finders:
                note = find(case)
                if note is not None:
                    if note not in getattr(error, "__notes__", ()):
                        error.add_note(note)
                    return


class _Case:
    """An error, and where it met the user's code."""

    def __init__(self, error: BaseException, ctx: t.Any) -> None:
        self.error = error
        self.ctx = ctx
        self.text = str(error)
        #: The innermost line of the user's: its frame, and the instruction.
        self.frame: Frame | None = None
        self._at = -1
        #: All frames, the innermost last.
        self.frames: list[Frame] = []
        found = error.__traceback__
        while found is not None:
            self.frames.append(found.tb_frame)
            if is_users(found.tb_frame.f_code.co_filename):
                self.frame, self._at, self._line = found.tb_frame, found.tb_lasti, found.tb_lineno
            found = found.tb_next

    @property
    def app(self) -> t.Any:
        return None if self.ctx is None else self.ctx.app

    @property
    def view(self) -> t.Any:
        """The view of the connection, as it was written, or None."""
        conn = None if self.ctx is None else self.ctx.conn
        endpoint = None if conn is None else conn.endpoint
        view = None if endpoint is None else self.app.view_functions.get(endpoint)
        return None if view is None else inspect.unwrap(view)

    def ended_in_users(self) -> bool:
        """Say whether the user's own line raised it, and nothing that it called."""
        return bool(self.frames) and self.frames[-1] is self.frame

    def place(self) -> str:
        """Return where that was: "view `index`, hello.py:3"."""
        if self.frame is None:
            return place_of(self.view, "view ")
        code = self.frame.f_code
        is_view = getattr(self.view, "__code__", None) is code
        kind = "view" if is_view else "function"
        return f"{kind} `{code.co_name}`, {os.path.basename(code.co_filename)}:{self._line}"

    def expression(self) -> str:
        """Return the piece of source that raised it, in one line; "" where nobody can tell."""
        return " ".join(piece.strip() for piece in self._source())

    def first_line(self) -> str:
        """Return the first line of that; of a statement, its header."""
        return next(iter(self._source()), "").strip()

    def _source(self) -> list[str]:
        if self.frame is None:
            return []
        line, last, start, end = list(self.frame.f_code.co_positions())[self._at // 2]
        if line is None or last is None or start is None or end is None:
            return []
        lines = linecache.getlines(self.frame.f_code.co_filename)[line - 1 : last]
        if lines:
            lines[-1] = _cut(lines[-1], 0, end)
            lines[0] = _cut(lines[0], start, None)
        return lines

    def named(self, name: str) -> t.Any:
        """Return what a dotted name means there, as far as that calls nothing."""
        first, *rest = name.split(".")
        if self.frame is None:
            return None
        found = self.frame.f_locals.get(first, self.frame.f_globals.get(first))
        for each in rest:
            if not isinstance(found, (types.ModuleType, type)):
                return None
            found = vars(found).get(each)
        return found


def _cut(line: str, start: int, end: int | None) -> str:
    return line.encode()[start:end].decode(errors="replace")  # columns count bytes


def place_of(func: t.Any, kind: str = "") -> str:
    """Return where a function was written: "`index`, hello.py:2"."""
    code = getattr(func, "__code__", None)
    if code is None:
        name = getattr(func, "__qualname__", None) or type(func).__qualname__
        return f"{kind}`{name}`"
    return f"{kind}`{code.co_name}`, {os.path.basename(code.co_filename)}:{code.co_firstlineno}"


def overwrites(endpoint: str, before: t.Any, now: t.Any) -> AssertionError:
    """Return the error for a second view of an endpoint's."""
    return AssertionError(
        f"View function mapping is overwriting an existing endpoint function: {endpoint}. It is"
        f" {place_of(before)}, and now {place_of(now)}: rename one, or give it another `endpoint=`."
    )


# --- await, too often -----------------------------------------------------------------------------

_NOT_AWAITABLE = re.compile(
    r"object (\w+) can't be used in 'await' expression|'(\w+)' object can't be awaited"
)


def _awaits_too_much(case: _Case) -> str | None:
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


def _awaits_too_little(case: _Case) -> str | None:
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


def _it(case: _Case, otherwise: str) -> str:
    expression = case.expression()
    return f"`{expression}`" if expression else otherwise


def _forgotten(frames: list[Frame]) -> tuple[str, types.CoroutineType[t.Any, t.Any, t.Any]] | None:
    """Return a coroutine that nobody began, and the name that the user gave it, if he did."""
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


def _iterates_otherwise(case: _Case) -> str | None:
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


def _iterated(case: _Case) -> str:
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


def _enters_otherwise(case: _Case) -> str | None:
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


def _runs_in_loop(case: _Case) -> str | None:
    if _IN_LOOP.match(case.text) is None or case.frame is None:
        return None
    called = case.expression()
    inner = re.fullmatch(r"[\w.]+\((.*)\)", called)
    cure = f"`await {inner[1]}`" if inner and inner[1] else "`await` and what it is to run"
    return f"`{called}` is called on the event loop that runs already: write {cure}; {case.place()}"


# --- views ---------------------------------------------------------------------------------------

_ARGUMENTS = re.compile(r"[\w.<>]+\(\) (got an unexpected keyword|missing \d+ required)")


def _takes_others(case: _Case) -> str | None:
    """The view's arguments are not those of its rule."""
    if _ARGUMENTS.match(case.text) is None or case.frame is not None or case.view is None:
        return None
    rule = getattr(case.ctx.conn, "url_rule", None)
    if rule is None:
        return None
    try:
        takes = ", ".join(inspect.signature(case.view).parameters) or "nothing"
    except (TypeError, ValueError):
        return None
    gives = ", ".join(sorted(rule.arguments)) or "nothing"
    return (
        f"The rule {rule.rule!r} gives {gives}, and its view takes {takes}: use the same names;"
        f" {place_of(case.view, 'view ')}"
    )


def _answers_nothing(case: _Case) -> str | None:
    if not case.text.startswith("The view function") or case.view is None:
        return None
    place = place_of(case.view, "view ")
    if "either returned None" in case.text:
        return f"Each way through it has to end with `return`; {place}"
    if re.search(r"it was an? (int|float|bool|Decimal)\b", case.text):
        return f"Write `str(...)` for text, or a dict or list for JSON; {place}"
    return place[0].upper() + place[1:] + "."


# --- templates and URLs -------------------------------------------------------------------------


def _finds_no_template(case: _Case) -> str | None:
    error, app = case.error, case.app
    if not isinstance(error, TemplateNotFound) or app is None:
        return None
    places = []
    for owner, kind in ((app, "the app"), *((each, "") for each in app.iter_blueprints())):
        for folder in getattr(owner.jinja_loader, "searchpath", ()):
            exists = "" if os.path.isdir(folder) else ", which does not exist"
            places.append(f"{folder} (of {kind or f'blueprint {owner.name!r}'}{exists})")
    said = f"It was looked for in {'; '.join(places) or 'no folder, as there is none'}."
    try:
        known = app.jinja_env.list_templates()
    except TypeError:  # a loader that cannot tell
        known = []
    wanted = [*getattr(error, "templates", ()), error.name or ""]
    near = [each for name in wanted for each in _near(name, known, 0.6)]
    same = [each for each in known if os.path.basename(each) == os.path.basename(wanted[0])]
    if near or same:
        said += f" There is {_listed(dict.fromkeys([*same, *near]))}."
    return f"{said[:-1]}; {case.place()}"


def _builds_no_url(case: _Case) -> str | None:
    error, app = case.error, case.app
    if not isinstance(error, BuildError) or app is None:
        return None
    known = sorted({rule.endpoint for rule in app.url_map.iter_rules()})
    wanted = error.endpoint
    if wanted in known:
        rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint == wanted]
        missing = sorted(rules[0].arguments - set(error.values or ()))
        given = ", ".join(f"{name}=..." for name in missing)
        if not given:
            return None
        return (
            f"Its rule is {rules[0].rule!r}: write `url_for({wanted!r}, {given})`; {case.place()}"
        )
    inside = [each for each in known if each.rpartition(".")[2] == wanted]
    if inside:
        return (
            f"{wanted!r} is an endpoint of a blueprint: write `url_for({inside[0]!r})`;"
            f" {case.place()}"
        )
    near = _near(wanted, known, 0.5)
    if near:
        return f"The nearest endpoints are {_listed(near)}; {case.place()}"
    return f"The endpoints are {_listed(known[:10])}; {case.place()}"


def _near(name: str, known: t.Iterable[str], ratio: float) -> list[str]:
    import difflib  # PERF(1 ms): of `import quartish`; only a mistake needs it

    return difflib.get_close_matches(name, known, 3, ratio)


def _listed(names: t.Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def nearest(app: AppLike, path: str) -> str | None:
    """Return a sentence with the routes that are nearest to a URL that is no route's."""
    rules = [rule for rule in app.url_map.iter_rules() if not rule.build_only]
    by_rule: dict[str, t.Any] = {}
    for rule in rules:
        by_rule.setdefault(rule.rule, rule)
    lower = {rule.lower(): rule for rule in by_rule}
    shapes = {re.sub(r"<[^>]*>", "", rule): rule for rule in lower}
    asked = path.lower()
    near = _near(asked, lower, 0.6)
    # What stands for a variable is of any length: the parts around it are compared.
    for shape in _near(re.sub(r"\d+", "", asked), shapes, 0.7):
        near.append(shapes[shape])
    found = [by_rule[lower[rule]] for rule in dict.fromkeys(near)][:3]
    return (
        f"The nearest routes are {'; '.join(_told(app, rule) for rule in found)}."
        if found
        else None
    )


def allowed(app: AppLike, path: str, method: str, methods: t.Iterable[str]) -> str:
    """Return a sentence with the methods that a URL takes, and how to let it take another."""
    takes = ", ".join(sorted(set(methods) - {"HEAD", "OPTIONS"})) or "none"
    adapter = app.url_map.bind("localhost")
    rule = None
    for each in sorted(methods):
        try:
            rule, _ = adapter.match(path, method=each, return_rule=True)
            break
        except Exception:  # noqa: S112 (another host's, or a redirect)
            continue
    if rule is None or rule.endpoint not in app.view_functions:
        return f"It takes {takes}."
    place = place_of(inspect.unwrap(app.view_functions[rule.endpoint]), "view ")
    return f"It takes {takes}: add `methods=[..., {method!r}]` to its route; {place}."


def _told(app: AppLike, rule: t.Any) -> str:
    methods = "websocket"
    if not getattr(rule, "websocket", False):
        methods = ", ".join(sorted(set(rule.methods or ()) - {"HEAD", "OPTIONS"})) or "GET"
    view = app.view_functions.get(rule.endpoint)
    where = f", {place_of(inspect.unwrap(view), 'view ')}" if view is not None else ""
    return f"{rule.rule} ({methods}{where})"


_FINDERS: dict[type[BaseException], tuple[Find, ...]] = {
    TypeError: (
        *(_awaits_too_much, _iterates_otherwise, _enters_otherwise, _takes_others),
        *(_awaits_too_little, _answers_nothing),
    ),
    AttributeError: (_awaits_too_little,),
    RuntimeError: (_runs_in_loop,),
    TemplateNotFound: (_finds_no_template,),
    BuildError: (_builds_no_url,),
}
