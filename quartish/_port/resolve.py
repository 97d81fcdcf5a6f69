"""The project as a whole: which function, class or value a path of one file leads to."""

from __future__ import annotations

import re
import typing as t

from .records import Class
from .records import Facts
from .records import Function
from .records import Paths
from .scopes import join

_DEEPEST = 12
_MOST = 100  # steps from a path to what it leads to
_END = re.compile(r"[.(\[]|$")
_FACES = re.compile(r"^(quartish\.quart|quartish|quart)(?=$|[.(\[])")
_SUBMODULES = re.compile(
    r"^flask\.(globals|app|blueprints|helpers|templating|wrappers|ctx|json(?=\.jsonify))\.(?=\w)"
)
_APPS = re.compile(
    r"^flask\.(current_app(\._get_current_object\(\))?(?=$|[.(\[])|(Quart|Quartish)\(\))"
)
_VALUES_OF_G = re.compile(r"^flask\.g\.(get|pop|setdefault)\(\)")


def normal(path: str) -> str:
    """Return a path with Flask's, Quart's and quartish's names as one: Flask's."""
    if path.startswith("quart"):
        path = _FACES.sub("flask", path)
    if path.startswith("flask."):
        path = _SUBMODULES.sub("flask.", path)
        path = _APPS.sub("flask.Flask()", path)
        path = re.sub(r"^flask\.(Quart|Quartish)(?=$|[.(\[])", "flask.Flask", path)
        path = _VALUES_OF_G.sub("?g", path)
    return path


def _first(path: str) -> tuple[str, str]:
    """Return the first name of a path, and what follows it."""
    match = _END.search(path)
    end = match.start() if match else len(path)
    return path[:end], path[end:]


class Project:
    """What all files say, and how their names lead to each other."""

    def __init__(self, facts: t.Sequence[Facts], modules: dict[str, str]) -> None:
        self.facts = facts
        self.modules = modules
        self.functions: dict[str, Function] = {}
        #: All of one name, such as those of an `if` and its `else`.
        self.twins: dict[str, list[Function]] = {}
        self.classes: dict[str, Class] = {}
        self.names: dict[str, Paths] = {}
        self.attributes: dict[str, Paths] = {}
        self.stars: dict[str, list[str]] = {}
        for fact in facts:
            self.stars[fact.module] = fact.stars
            for function in fact.functions:
                self.functions.setdefault(function.dotted, function)
                self.twins.setdefault(function.dotted, []).append(function)
            for klass in fact.classes:
                self.classes.setdefault(klass.dotted, klass)
            for name, paths in fact.names.items():
                if name not in ("__all__", "__version__"):
                    self.names[f"{fact.module}.{name}"] = paths
        self._memo: dict[str, Paths] = {}
        self._ancestry: dict[str, list[str]] = {}
        self._steps = 0
        attributes: dict[str, Paths] = {}
        for fact in facts:
            if fact.test:  # what tests set, the project does not rely on
                continue
            for path, paths in fact.attributes.items():
                for whole in {normal(path), *self.expand(path)}:
                    attributes[whole] = join((*attributes.get(whole, ()), *paths))
        self.attributes = attributes
        self._memo = {}
        self._ancestry = {}

    def expand(self, path: str, depth: int = 0) -> Paths:
        """Return what a path leads to: functions and classes of the project by their dotted
        names, what others wrote by theirs."""
        if path[:1] in "?<" or depth > _DEEPEST:
            return (path,)
        if depth == 0:
            if path in self._memo:
                return self._memo[path]
            self._steps = _MOST
        self._steps -= 1
        if self._steps < 0:  # values that are made of each other
            return ("?",)
        found = self._expand(path, depth)
        if depth == 0:
            self._memo[path] = found
        return found

    def expand_all(self, paths: Paths) -> Paths:
        """Return what several paths lead to."""
        return join(end for path in paths for end in self.expand(path))

    def _expand(self, path: str, depth: int) -> Paths:
        path = normal(self._canonical(path))
        ends = [match.start() for match in _END.finditer(path)]
        for end in reversed(ends):
            start, rest = path[:end], path[end:]
            if start in self.functions:
                return self._of_function(start, rest, depth)
            if start in self.classes:
                return self._of_class(start, rest, depth)
            for table in (self.attributes, self.names):
                values = table.get(start)
                if values is not None and values != (start,):
                    return join(
                        last for value in values for last in self.expand(value + rest, depth + 1)
                    )
            if rest.startswith(".") and start in self.stars:
                for module in self.stars[start]:
                    star = module + rest
                    ended = self.expand(star, depth + 1)
                    if ended != (star,):
                        return ended
        if path.startswith("super:"):
            name, _, rest = path.removeprefix("super:").partition("().")
            for klass in self.expand(name, depth + 1):
                if klass in self.classes:
                    return self._of_class(klass, f"().{rest}", depth, above=True)
        return (path,)

    def _canonical(self, path: str) -> str:
        """Return the path with its module called from the root."""
        if path.startswith("super:"):
            return path
        for end in reversed([match.start() for match in re.finditer(r"\.|$", path)]):
            module = self.modules.get(path[:end])
            if module is not None:
                return module + path[end:]
        return path

    def _of_function(self, start: str, rest: str, depth: int) -> Paths:
        function = self.functions[start]
        if not rest.startswith("()"):
            return (start + rest,)
        if rest == "()" and depth == 0:
            return (start + rest,)
        if function.generator or function.decorators:
            return (f"?{function.name}{rest}",)
        returns = function.returns or ("<none>",)
        return join(last for value in returns for last in self.expand(value + rest[2:], depth + 1))

    def _of_class(self, start: str, rest: str, depth: int, above: bool = False) -> Paths:
        called = rest.startswith("().")
        if not called and not rest.startswith("."):
            return (start + rest,)
        attribute, after = _first(rest[3 if called else 1 :])
        foreign: list[str] = []
        for klass in self.ancestry(start)[above:]:
            if klass not in self.classes:
                foreign.append(klass)
                continue
            method = self.classes[klass].methods.get(attribute)
            if method is not None:
                if method in self.classes:
                    return self.expand(method + after, depth + 1)
                kinds = {p for d in self.functions[method].decorators for p in d.paths}
                if any("property" in kind for kind in kinds):
                    if not after:
                        return (f"{method}()",)
                    after = f"(){after}"
                return self.expand(method + after, depth + 1) if after else (method,)
            values = self.attributes.get(f"{klass}().{attribute}", ())
            values += self.classes[klass].names.get(attribute, ())
            if values:
                return join(e for value in values for e in self.expand(value + after, depth + 1))
        for klass in foreign:
            return (klass + rest,)
        return (f"?{start}{rest}",)

    def origin(self, path: str) -> str:
        """Return the name under which a value was made, through the imports of it."""
        for _ in range(_DEEPEST):
            path = self._canonical(path)
            values = self.names.get(path, ())
            if len(values) != 1 or "()" in values[0] or values[0][:1] in "?<":
                break
            path = values[0]
        return path

    def ancestry(self, name: str) -> list[str]:
        """Return a class and those that it inherits from, in the order in which their methods
        are looked up; others' by their paths."""
        if name not in self._ancestry:
            self._ancestry[name] = [name]  # where classes inherit from each other
            found = [name]
            if name in self.classes:
                for base in self.classes[name].bases:
                    for end in self.expand_all(base):
                        if end != name:
                            found += self.ancestry(end)
            # What is inherited twice comes after all that inherit from it.
            self._ancestry[name] = list(dict.fromkeys(reversed(found)))[::-1]
        return self._ancestry[name]

    def inherits(self, path: str, *names: str) -> bool:
        """Say whether a path is one of these classes, or one that inherits from it."""
        return bool(set(names) & set(self.ancestry(path)))

    def is_instance(self, path: str, *names: str) -> bool:
        """Say whether a path is an object of one of these classes."""
        return path.endswith("()") and self.inherits(path.removesuffix("()"), *names)

    def uses(self) -> t.Iterator[tuple[Facts, Function, t.Any]]:
        """Yield each use with its file and function."""
        for fact in self.facts:
            for function in fact.functions:
                for use in function.uses:
                    yield fact, function, use
