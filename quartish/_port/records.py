"""What was read from a file, and what was decided of it: plain data that goes between processes.

A path says what is known of a value: `requests.get`, `sqlite3.connect().cursor` (an attribute of
what a call returned), `app.tags[]` (an item), `<str>` (a literal), `?name` (nothing is known). A
value has several where it was assigned several times.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from dataclasses import field

Paths: t.TypeAlias = tuple[str, ...]


class Span(t.NamedTuple):
    """Where an expression stands: lines from 1, columns from 0 in characters."""

    line: int
    column: int
    end_line: int
    end_column: int


class Wrapped(t.NamedTuple):
    """What is in the middle of calls that wrap it: `login_required(limit("5/m")(view))`."""

    paths: Paths
    span: Span
    #: What wraps it, outermost first.
    by: tuple[Decorator, ...]


@dataclass(slots=True)
class Use:
    """A value that is read, called or entered: a name, an attribute, a call, a `with`."""

    paths: Paths
    span: Span
    kind: t.Literal["load", "call", "store"]
    #: Whether it is the operand of an `await`, an `async with` or an `async for`.
    awaited: bool = False
    #: Whether an `await` may stand before it, were the function around it async.
    may_await: bool = True
    #: Of a call: what is given, by position or name, where it is no literal.
    arguments: dict[str, Paths] = field(default_factory=dict)
    #: Of a load: the call that it is given to, or a word on where else it stands.
    context: str = ""
    #: Of a call: the arguments that are calls themselves, which may wrap what is in them.
    wrapped: dict[str, Wrapped] = field(default_factory=dict)
    #: Whether it is what the function returns, and nothing is around it that an end of it
    #: would reach: no `try`, no `with`.
    returned: bool = False


@dataclass(slots=True)
class Decorator:
    """A decorator of a function or class."""

    paths: Paths
    line: int
    called: bool


@dataclass(slots=True)
class Function:
    """A function, a method, or a module's own code under the name `<module>`."""

    name: str
    dotted: str
    file: str
    #: The line of its `def`.
    line: int
    is_async: bool = False
    generator: bool = False
    decorators: list[Decorator] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    returns: Paths = ()
    parameters: tuple[str, ...] = ()
    #: The class that it is a method of.
    owner: str = ""
    #: The function that it is written in.
    parent: str = ""
    test: bool = False


@dataclass(slots=True)
class Class:
    """A class: its bases, and what its body assigns."""

    name: str
    dotted: str
    file: str
    line: int
    bases: list[Paths] = field(default_factory=list)
    names: dict[str, Paths] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    decorators: list[Decorator] = field(default_factory=list)


@dataclass(slots=True)
class Imported:
    """An import: the name that it binds, what it means, and whether for type checkers alone."""

    name: str
    dotted: str
    line: int
    type_checking: bool = False
    #: The module as written, with its dots if relative.
    module: str = ""


@dataclass(slots=True)
class Facts:
    """All that one file says."""

    file: str
    module: str
    test: bool = False
    package: bool = False
    #: Why it could not be read.
    error: str = ""
    functions: list[Function] = field(default_factory=list)
    classes: list[Class] = field(default_factory=list)
    imports: list[Imported] = field(default_factory=list)
    #: Names of the module -> what they are.
    names: dict[str, Paths] = field(default_factory=dict)
    #: Attributes that are assigned: `flask.g.db` -> what they are.
    attributes: dict[str, Paths] = field(default_factory=dict)
    #: Modules from which all names are imported.
    stars: list[str] = field(default_factory=list)
    #: Strings that name a module or a part of one: text, place, and what they are given to.
    strings: list[tuple[str, Span, str]] = field(default_factory=list)
    #: Settings of the app that are assigned a literal: name, value, line.
    settings: list[tuple[str, t.Any, int]] = field(default_factory=list)
    #: Blocks such as `if __name__ == "__main__"` are told by the lines that they span.
    guarded: list[tuple[int, int]] = field(default_factory=list)
    lines: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that a person should look at, or that was changed: where, what, and the cure."""

    file: str
    line: int
    rule: str
    says: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f" Cure: {self.cure}." if self.cure else ""
        return f"{self.file}:{self.line}: {self.rule}: {self.says}.{cure}"


@dataclass(slots=True)
class View:
    """A view, hook or error handler, and what was decided of it."""

    dotted: str
    name: str
    file: str
    line: int
    #: "view", "hook", "error handler", "class view" or "websocket".
    kind: str
    is_async: bool
    turned: bool = False
    #: Why it was left `def`, or what it gains by `async def`.
    why: str = ""
    gains: bool = False


@dataclass(slots=True)
class Changes:
    """What is to be changed in one file; positions are those of the file as it is."""

    #: Lines of `def`s that become `async def`.
    make_async: set[int] = field(default_factory=set)
    #: Expressions that an `await` is put before.
    make_await: set[Span] = field(default_factory=set)
    #: Operands of an `await` that is removed.
    drop_await: set[Span] = field(default_factory=set)
    #: Expressions that are written anew.
    replace: dict[Span, str] = field(default_factory=dict)
    #: Calls that become calls of another function.
    calls: dict[Span, str] = field(default_factory=dict)
    #: Calls of methods that are of another name.
    methods: dict[Span, str] = field(default_factory=dict)
    #: Calls of requests that become calls of httpx, and their method: "GET", or "" if they say.
    requests: dict[Span, str] = field(default_factory=dict)
    #: Imports to add, such as `import asyncio`.
    add_imports: list[str] = field(default_factory=list)
    #: An import that has to run before all others, or "".
    first_import: str = ""
    #: Whether `import flask` keeps its name: `import quartish as flask`.
    keep_alias: bool = False
    #: The module that takes the place of each: flask -> quartish.
    modules: dict[str, str] = field(default_factory=dict)
    #: Names that are imported from them -> the names that take their place.
    rename: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)

    def spans(self) -> set[Span]:
        """Return the places of the expressions that change."""
        return self.make_await | self.drop_await | self.replace.keys() | self.methods.keys()

    def only(self, moved: t.Mapping[Span, Span]) -> Changes:
        """Return those of the changes that are at some places, which are told anew."""
        return Changes(
            make_await={moved[span] for span in self.make_await & moved.keys()},
            drop_await={moved[span] for span in self.drop_await & moved.keys()},
            replace={moved[span]: to for span, to in self.replace.items() if span in moved},
            calls={moved[span]: to for span, to in self.calls.items() if span in moved},
            methods={moved[span]: to for span, to in self.methods.items() if span in moved},
            requests={moved[span]: to for span, to in self.requests.items() if span in moved},
            modules=self.modules,
            rename=self.rename,
        )
