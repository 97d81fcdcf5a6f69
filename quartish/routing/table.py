"""A table in front of Werkzeug's matcher: the same result, or the matcher is asked.

PERF(12 us): the matcher walks a state machine for every path. Most paths match one rule only, which
is found by their literal segments; for its arguments the table has one regular expression. Whatever
could have another result is left to the matcher: several rules for one shape of path, converters
that take slashes, defaults, redirects, aliases, hosts, subdomains, doubled slashes, and every path
that does not match.
"""

from __future__ import annotations

import re
import typing as t
from operator import itemgetter

from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter
from werkzeug.routing import IntegerConverter
from werkzeug.routing import Map
from werkzeug.routing import Rule

from .._werkzeug import converters_of
from .._werkzeug import parts_of
from .._werkzeug import pattern_of

Found = tuple[Rule, dict[str, t.Any]]
Key = t.Callable[[list[str]], t.Any]
Match = t.Callable[[str], re.Match[str] | None]
Convert = t.Callable[[str], t.Any]
#: A request's method; False for a websocket.
Method = str | t.Literal[False]
#: Means all methods. It is not a method itself, as these are not empty (RFC 9110, section 9.1).
ANY = ""
#: By method the first rule that accepts it; None: the matcher has to be asked.
ByMethod = dict[Method, Rule | None]
#: Each rule and its methods, the pattern for its arguments, and by argument the function that
#: converts it, if any.
Targets = list[tuple[Rule, frozenset[Method], Match, list[tuple[str, Convert]]]]
Tables = dict[tuple[int, ...], tuple[Key, dict[t.Any, "Shape | None"]]]

_ABSENT: t.Any = object()
_SLASHES = re.compile("/{2,}")
_NO_TABLES: Tables = {}
NO_RULES: ByMethod = {}


class Shape:
    """The rules with the same literal segments, and the same patterns for the other segments.

    It is compiled when a path first has this shape. PERF(0.7 kB, 0.04 ms a rule): most rules of a
    large app are never used in one process.
    """

    __slots__ = ("pattern", "rules", "targets")

    def __init__(self, pattern: str) -> None:
        self.pattern: str = pattern
        self.rules: tuple[Rule, ...] = ()
        self.targets: Targets | None = None

    def prepare(self) -> Targets:
        """Compile the patterns; there is no target if the matcher has to be asked."""
        targets: Targets = []
        for rule in self.rules:
            match = _match(rule)
            if match is None:
                targets.clear()
                break
            converted = [
                (name, convert)
                for name, converter in converters_of(rule).items()
                if (convert := _conversion(converter)) is not None
            ]
            targets.append((rule, _methods(rule), match, converted))
        self.targets = targets  # set in one step, as other threads may read it
        return targets


class RouteTable:
    """The rules of a map that can be found without the matcher, at the time when this is made.
    `rules` are in the order in which they were added."""

    def __init__(self, url_map: Map, rules: t.Iterable[Rule]) -> None:
        #: Rules by their text, then by method. For a missing one the matcher is asked.
        self.static: dict[str, ByMethod] = {}
        #: By the number of segments: the function that picks a path's literal segments, and the
        #: shapes by these. None: the matcher has to be asked.
        self.shapes: dict[int, Tables] = {}
        #: The numbers of segments of rules that end in a slash after a variable.
        self.slashed: set[int] = set()
        #: First segments of rules with a converter that accepts slashes.
        self.deep: set[str] = set()
        #: Whether every rule is in it: then a path that fits none is a 404.
        self.whole: bool = True
        if url_map.host_matching:
            self.whole = False
            return
        rules = [rule for rule in rules if not rule.build_only]
        defaulted = {rule.endpoint for rule in rules if rule.defaults}
        for rule in rules:
            simple = (
                rule.endpoint not in defaulted
                and not rule.alias
                and rule.redirect_to is None
                and rule.subdomain == url_map.default_subdomain
                and "//" not in rule.rule
            )
            text = rule.rule
            if "//" in text:  # Werkzeug's matcher merges slashes
                self.whole, text = False, _SLASHES.sub("/", text)
            if "<" not in text:  # `arguments` would include those of defaults
                by_method = self.static.setdefault(text, {})
                for method in _methods(rule):
                    if method is False or ANY not in by_method:
                        by_method.setdefault(method, rule if simple else None)
            elif not self._add(rule, simple):
                self.shapes.clear()  # this rule may match anything
                self.whole = False
                break

    def _add(self, rule: Rule, simple: bool) -> bool:
        parts = parts_of(rule)
        if parts is None:
            return False
        literal = tuple(index for index, part in enumerate(parts) if part.static and index)
        if any(part.final or part.suffixed for part in parts):
            if 1 not in literal:
                return False
            self.deep.add(parts[1].content)
            return True
        key: Key = itemgetter(*literal) if literal else len
        segments = [part.content if part.static else "" for part in parts]
        shapes = self.shapes.setdefault(len(parts), {}).setdefault(literal, (key, {}))[1]
        literals = key(segments)
        if not segments[-1] and parts[-1].static:
            self.slashed.add(len(parts))
        if not simple:
            shapes[literals] = None
            return True
        pattern = pattern_of(parts, [f"_{number}" for number in range(len(converters_of(rule)))])
        shape = shapes.setdefault(literals, Shape(pattern))
        if shape is None or shape.pattern != pattern:
            shapes[literals] = None
        else:
            shape.rules += (rule,)
        return True

    def find(self, path: str, method: str, websocket: bool) -> Found | None:
        """Return the rule and its arguments; None if the matcher has to be asked.

        Raises NotFound (404) if no rule has the path's shape, with or without a slash at the end.
        """
        asked: Method = not websocket and method
        by_method = self.static.get(path)
        if by_method is not None:
            static = by_method.get(asked)
            if static is None and asked not in by_method and not websocket:
                static = by_method.get(ANY)
            return None if static is None else (static, {})
        segments = path.split("/")
        if segments[1] in self.deep or "//" in path:
            return None
        only: Shape | None = None
        for key, table in self.shapes.get(len(segments), _NO_TABLES).values():
            shape = table.get(key(segments), _ABSENT)
            if shape is not _ABSENT:
                if only is not None or shape is None:
                    return None  # two shapes: the matcher knows which one wins
                only = shape
        if only is None:
            if self.whole and not self._fits(path[:-1] if path[-1] == "/" else path + "/"):
                raise NotFound
            return None
        with_slash = path + "/"
        if with_slash in self.static or (
            len(segments) + 1 in self.slashed and self._fits(with_slash)
        ):
            return None  # if that one is more literal, it is a redirect
        targets = only.prepare() if only.targets is None else only.targets
        for rule, methods, match, converted in targets:
            if asked in methods or (ANY in methods and not websocket):
                found = match(path)
                if found is None:
                    return None
                arguments: dict[str, t.Any] = found.groupdict()
                try:
                    for name, convert in converted:
                        arguments[name] = convert(arguments[name])
                except ValueError:  # ValidationError, or too many digits for Python
                    return None
                return rule, arguments
        return None

    def _fits(self, path: str) -> bool:
        """Say whether a rule has the path's literal segments in their places."""
        if path in self.static:
            return True
        segments = path.split("/")
        for key, table in self.shapes.get(len(segments), _NO_TABLES).values():
            if key(segments) in table:
                return True
        return False


def _methods(rule: Rule) -> frozenset[Method]:
    """Return the methods that a rule accepts; `ANY` for all except a websocket's."""
    if rule.websocket:  # its handshake is a GET
        return frozenset([False] if "GET" in (rule.methods or ("GET",)) else [])
    return frozenset([ANY] if rule.methods is None else rule.methods)


def _conversion(converter: BaseConverter) -> Convert | None:
    """Return the function that converts an argument's text; None if it stays as it is.

    PERF(0.5 us): most converters accept any text, or any whole number.
    """
    kind = type(converter)
    if kind.to_python is BaseConverter.to_python:
        return None
    if kind is IntegerConverter and isinstance(converter, IntegerConverter):  # for mypy too
        if (converter.fixed_digits, converter.min, converter.max) == (0, None, None):
            return int
    return converter.to_python


def _match(rule: Rule) -> Match | None:
    """Return a pattern with the arguments as named groups; None if a converter's own pattern has
    groups, which would be taken for arguments."""
    names = list(converters_of(rule))
    try:
        compiled = re.compile(pattern_of(parts_of(rule) or (), names))
    except re.error:  # one of those groups has an argument's name
        return None
    is_whole = compiled.groups == len(names) and compiled.groupindex.keys() == set(names)
    return compiled.match if is_whole else None
