"""A table in front of Werkzeug's matcher: the same answers, or it stands aside.

PERF(12 us): the matcher walks a state machine for every path. Most paths fit one rule only,
which their literal segments single out; for those the table has one regular expression.
Whatever could be answered otherwise is left to the matcher: several rules for one shape of
path, converters that take slashes, defaults, redirects, aliases, hosts, subdomains, doubled
slashes, and every path that does not match.
"""

from __future__ import annotations

import re
import typing as t
from operator import itemgetter

from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter
from werkzeug.routing import Map
from werkzeug.routing import Rule
from werkzeug.routing import ValidationError

Found = tuple[Rule, dict[str, t.Any]]
Key = t.Callable[[list[str]], t.Any]
Match = t.Callable[[str], re.Match[str] | None]
Convert = t.Callable[[str], t.Any]

_ABSENT: t.Any = object()


class Shape:
    """The rules whose literal segments, and whose patterns for the others, are the same.

    It is made ready when a path first has this shape. PERF(0.7 kB, 0.04 ms a rule): most of a
    large app's are never asked for in one process.
    """

    __slots__ = ("groups", "match", "pattern", "rules", "targets")

    def __init__(self, pattern: str, groups: int) -> None:
        self.pattern = pattern
        self.groups = groups
        self.rules: tuple[Rule, ...] = ()
        self.match: Match | None = None
        #: The rules with their variables: name, converter (None gives the text), group.
        self.targets: list[tuple[Rule, list[tuple[str, Convert | None, int]]]] = []

    def prepare(self) -> Match:
        """Compile the pattern, and look up where the values are and how they are converted."""
        compiled = re.compile(self.pattern)
        # A converter may have groups of its own, so that these need not be the first ones.
        groups = [compiled.groupindex[f"_{number}"] - 1 for number in range(self.groups)]
        self.targets = [
            (
                rule,
                [
                    (name, _conversion(converter), group)
                    for group, (name, converter) in zip(
                        groups, rule._converters.items(), strict=True
                    )
                ],
            )
            for rule in self.rules
        ]
        self.match = compiled.match
        return self.match


def _conversion(converter: BaseConverter) -> Convert | None:
    to_python = converter.to_python
    return None if getattr(to_python, "__func__", None) is BaseConverter.to_python else to_python


class RouteTable:
    """The rules of a map that can be found by a look-up, as they are when it is made."""

    def __init__(self, url_map: Map) -> None:
        #: Rules by their text; an empty list says that the matcher has to be asked.
        self.static: dict[str, list[Rule]] = {}
        #: By the number of segments: how to read a path's literal ones, and what they give.
        #: None says that the matcher has to be asked.
        self.shapes: dict[int, dict[tuple[int, ...], tuple[Key, dict[t.Any, Shape | None]]]] = {}
        #: First segments below which a converter takes slashes.
        self.deep: set[str] = set()
        #: Whether every rule is in it: then a path that fits none has no answer.
        self.whole = True
        if url_map.host_matching:
            self.whole = False
            return
        rules = [rule for rule in url_map.iter_rules() if not rule.build_only]
        defaulted = {rule.endpoint for rule in rules if rule.defaults}
        for rule in rules:
            simple = (
                rule.endpoint not in defaulted
                and not rule.alias
                and rule.redirect_to is None
                and rule.subdomain == url_map.default_subdomain
                and "//" not in rule.rule
            )
            if not rule.arguments:
                self.static.setdefault(rule.rule, [])
                if simple:
                    self.static[rule.rule].append(rule)
            elif not self._add(rule, simple):
                self.shapes.clear()  # a rule that may match anything
                self.whole = False
                break

    def _add(self, rule: Rule, simple: bool) -> bool:
        parts = rule._parts[1:]  # the first is the domain's
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
        if not simple:
            shapes[literals] = None
            return True
        pattern, groups = _pattern(rule)
        shape = shapes.setdefault(literals, Shape(pattern, groups))
        if shape is None or shape.pattern != pattern:
            shapes[literals] = None
        else:
            shape.rules += (rule,)
        return True

    def find(self, path: str, method: str, websocket: bool) -> Found | None:
        """Return the rule and its arguments, or None: ask the matcher.

        Raises NotFound (404) where no rule has the path's shape, with or without a slash at
        its end.
        """
        rules = self.static.get(path)
        if rules is not None:
            for rule in rules:
                if rule.websocket == websocket and (rule.methods is None or method in rule.methods):
                    return rule, {}
            return None
        segments = path.split("/")
        if segments[1] in self.deep or "//" in path:
            return None
        shapes = self.shapes.get(len(segments), {})
        only: Shape | None = None
        for key, table in shapes.values():
            shape = table.get(key(segments), _ABSENT)
            if shape is not _ABSENT:
                if shape is None or only is not None:
                    return None  # two shapes: which one wins, the matcher knows
                only = shape
        if only is None:
            if self.whole and not self._fits(path[:-1] if path[-1] == "/" else path + "/"):
                raise NotFound
            return None
        match = (only.match or only.prepare())(path)
        if match is None:
            return None
        for rule, variables in only.targets:
            if rule.websocket == websocket and (rule.methods is None or method in rule.methods):
                values = match.groups()
                found: dict[str, t.Any] = {}
                try:
                    for name, convert, group in variables:
                        value = values[group]
                        found[name] = value if convert is None else convert(value)
                except ValidationError:
                    return None
                return rule, found
        return None

    def _fits(self, path: str) -> bool:
        """Say whether a rule has the path's literal segments at their places."""
        segments = path.split("/")
        return path in self.static or any(
            key(segments) in table for key, table in self.shapes.get(len(segments), {}).values()
        )


def _pattern(rule: Rule) -> tuple[str, int]:
    """Return one regular expression for the whole path, and how many groups it names."""
    groups = 0

    def rename(_: re.Match[str]) -> str:
        nonlocal groups
        groups += 1
        return f"(?P<_{groups - 1}>"

    segments = [
        re.escape(part.content)
        if part.static
        else re.sub(r"\(\?P<__werkzeug_\d+>", rename, part.content.removesuffix(r"\Z"))
        for part in rule._parts[1:]
    ]
    return "/".join(segments) + r"\Z", groups
