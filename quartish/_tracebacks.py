"""Short tracebacks: frames of quartish, and of libraries between them and the user's, are folded
away, in the terminal as in the browser.

The rule: no line of the user's is ever folded, and where frames were folded, a line says so, and
how to see them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
import typing as t
from functools import cache

_HOUSE = os.path.dirname(__file__) + os.sep
#: Packages whose frames are folded next to those of quartish: they call it, or it calls them.
_LIBRARIES = (
    *("blinker", "click", "granian", "greenlet", "h11", "h2", "hypercorn", "jinja2"),
    *("markupsafe", "uvicorn", "uvloop", "werkzeug", "wsproto"),
)
VARIABLES = ("QUARTISH_TRACEBACKS", "FLASK_TRACEBACKS", "QUART_TRACEBACKS")
FULL = "full"


def is_full(setting: str | None = None, default: bool = False) -> bool:
    """Say whether all frames are shown: by the environment, else by the app's `setting`, else by
    `default`."""
    said = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), setting)
    return said.lower() == FULL if said else default


def fold(error: traceback.TracebackException) -> int:
    """Fold away what is not the user's, in place, also of causes, contexts and groups; return how
    many frames that were. An error that has met no code of the user's stays as it is."""
    if not any(_has_users(stack) for stack in _stacks(error)):
        return 0
    return sum(_fold(stack) for stack in _stacks(error))


def text_of(error: BaseException, *, full: bool = False) -> str:
    """Return a traceback as text, folded unless it is to be `full`."""
    found = traceback.TracebackException.from_exception(error)
    folded = 0 if full else fold(found)
    return with_note("".join(found.format()), folded)


def with_note(text: str, folded: int) -> str:
    """Say below the headline of a traceback that frames were folded away."""
    if not folded:
        return text
    head = "Traceback (most recent call last):\n"
    before, found, after = text.rpartition(head)
    return f"{before}{found}  [{note(folded)}]\n{after}" if found else text


def note(folded: int) -> str:
    """Return the sentence about frames that were folded away."""
    frames = "1 frame" if folded == 1 else f"{folded} frames"
    return f"{frames} of quartish and what it uses folded away; '--tracebacks full' shows all"


def _stacks(error: traceback.TracebackException) -> t.Iterator[traceback.StackSummary]:
    """Yield the stack of an error, and those of the errors that it was made of."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current.stack
        others = (current.__cause__, current.__context__, *(current.exceptions or ()))
        waiting += [other for other in others if other is not None]


def _has_users(stack: traceback.StackSummary) -> bool:
    return bool(_kept(stack))


def _kept(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    kept: list[traceback.FrameSummary] = []
    folding = True
    for frame in stack:
        kind = _kind(frame.filename)
        if kind == "ours" or (kind == "library" and folding):
            folding = True
            continue
        kept.append(frame)
        folding = kind == "template"  # what Jinja does for one is as far from the user as we are
    return kept


def is_users(filename: str) -> bool:
    """Say whether a file is the user's own, and not one of quartish or of a library."""
    return _kind(filename) in ("user", "template") and not filename.startswith(_installed())


@cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({os.path.join(paths[name], "") for name in ("stdlib", "purelib", "platlib")})


def _fold(stack: traceback.StackSummary) -> int:
    before = len(stack)
    # An error without a frame of the user's, such as the cause of one that has some: only the frame
    # that raised it is kept.
    stack[:] = _kept(stack) or stack[-1:]
    return before - len(stack)


@cache
def _kind(filename: str) -> str:
    if filename.startswith(_HOUSE):
        return "ours"
    if filename.startswith("<frozen "):
        return "library"
    if not filename.endswith((".py", ">")) or filename in ("<template>", "<unknown>"):
        return "template"
    return "library" if filename.startswith(_places()) else "user"


@cache
def _places() -> tuple[str, ...]:
    """Return where the libraries are: packages by their folder, Python's own by its modules."""
    standard = sysconfig.get_path("stdlib")
    names = "asyncio concurrent contextlib.py contextvars.py functools.py importlib runpy.py"
    own = [os.path.join(standard, name) for name in (*names.split(), "threading.py")]
    folders = [os.path.join(place, name, "") for place in sys.path for name in _LIBRARIES]
    return (*own, *folders)
