"""Which views become `async def`: those that call nothing but what is known not to block, and that
nothing calls which could not await them.

The set of functions that are turned is the largest possible: it begins with all, and those that may
not be turned are removed, with what depends on them, until none of them is left.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from dataclasses import field

from .blocking import Table
from .colours import is_awaitable
from .extensions import EXTENSIONS
from .follow import Follower
from .index import Index
from .records import Decorator
from .records import Function
from .records import Use
from .records import View
from .registered import Registered

#: Decorators that return what they are given.
_SAME = frozenset(
    (
        *("flask_wtf.CSRFProtect().exempt", "flask_limiter.Limiter().exempt"),
        *("flask_wtf.csrf.CSRFProtect().exempt", "flasgger.swag_from", "typing.no_type_check"),
        *("functools.wraps", "functools.partial"),
    )
)
_METHOD_KINDS = ("builtins.staticmethod", "builtins.classmethod")


@dataclass(slots=True)
class Decision:
    """What is turned: functions by their object, and where an `await` is put."""

    views: list[View] = field(default_factory=list)
    turned: set[str] = field(default_factory=set)
    awaits: list[tuple[Function, Use]] = field(default_factory=list)
    #: Calls that are written anew by a flag: `time.sleep(1)`.
    rewritten: list[tuple[Function, Use, str]] = field(default_factory=list)
    #: Uses that should be awaited, and cannot be.
    left: list[tuple[Function, Use]] = field(default_factory=list)


class Decider(Follower):
    """Decides for one project, once."""

    def __init__(
        self,
        index: Index,
        table: Table,
        flags: t.Collection[str] = (),
        every: bool = False,
        *,
        awaits: bool = False,
        views: bool = True,
    ) -> None:
        """`flags` name what is rewritten; `every` turns what blocks, too; `awaits` inserts what
        the awaitable colour awaits; without `views` only what has to be is turned."""
        super().__init__(index, table, flags)
        self.every = every
        self.awaits = awaits
        self.views = views
        self.hooks_in_thread = any(
            name == "SYNC_HOOKS_IN_THREAD" and value
            for fact in self.project.facts
            for name, value, _ in fact.settings
        )

    # --- what is turned -----------------------------------------------------------------------

    def decide(self) -> Decision:
        """Settle all views and return what is to be done."""
        kinds: dict[str, Registered] = {}
        for one in self.registered:
            kinds.setdefault(one.function.dotted, one)
        waiting = self._need_async()
        views = {
            name
            for name, one in kinds.items()
            if (one.kind in ("view", "class view") and self.views and not self.awaits)
            or name in waiting
        }
        candidates = views | waiting
        candidates = {name for name in candidates if not self.project.functions[name].is_async}
        self.turned = set(candidates)
        reasons: dict[str, str] = {}
        while True:
            self.known = {}
            wrong = {
                name: why for name in sorted(self.turned) if (why := self._against(name, kinds))
            }
            if not wrong:
                break
            reasons |= wrong
            self.turned -= wrong.keys()
        return self._decision(kinds, reasons)

    def _need_async(self) -> set[str]:
        """Return the functions with a call that a flag rewrites, and what calls them."""
        todo = [
            function.dotted
            for fact, function, use in self.project.uses()
            if not fact.test and self._waits(use) and function.name != "<module>"
        ]
        found: set[str] = set()
        while todo:
            name = todo.pop()
            if name in found:
                continue
            found.add(name)
            callers = self.index.calls.get(name, ())
            todo += [one.dotted for one, _ in callers if one.name != "<module>" and not one.test]
        return found

    def _waits(self, use: Use) -> bool:
        """Say whether a use becomes one that is awaited."""
        return bool(self.rewrites(use)) or self._colours(use)

    def _colours(self, use: Use) -> bool:
        """Say whether the awaitable colour awaits a use that the plain one does not."""
        if not self.awaits or use.awaited:
            return False
        return any(is_awaitable(end, use.kind) for end in self.project.expand_all(use.paths))

    def _against(self, name: str, kinds: dict[str, Registered]) -> str:
        """Return why a function must stay `def`, or ""."""
        function = self.project.functions[name]
        one = kinds.get(name)
        if len(self.project.twins[name]) > 1:
            return "it is defined more than once"
        if function.generator:
            return "it is a generator"
        if one is not None and one.library:
            return f"{one.library} calls it, by a `def` of its own in a worker thread"
        if one is not None and not one.known:
            return f"what `{one.by}` belongs to is not known"
        if one is None and not self.index.calls.get(name):
            return "nothing in the project calls it"
        if one is None and function.decorators:
            return "a decorator may look at what it returns"
        if one is not None:
            why = self._decorators(function, one)
            if why:
                return why
        return (
            self._called(name)
            or self._taken(name, one)
            or ("" if self.awaits else self._stays(function, one))
            or self._breaks(function)
        )

    def _called(self, name: str) -> str:
        for caller, use in self.index.calls.get(name, ()):
            if use.awaited:
                continue
            if caller.dotted not in self.turned or not use.may_await:
                if not (caller.is_async and use.may_await and not caller.test):
                    return f"{caller.file}:{use.span.line} calls it, and does not wait"
        return ""

    def _taken(self, name: str, one: Registered | None) -> str:
        for user, use in self.index.references.get(name, ()):
            context, _, argument = use.context.rpartition("(")
            by = context.rpartition(".")[2]
            by = by.removesuffix("()")
            if one is not None and by in ("add_url_rule", "register_error_handler", one.by):
                continue
            if one is not None and (user.file, use.span) in one.places:
                continue
            if context.endswith("url_for") or (use.context == "receiver" and not argument):
                continue
            return f"{user.file}:{use.span.line} takes it for something else"
        return ""

    def _decorators(self, function: Function, one: Registered) -> str:
        klass = self.project.classes.get(function.owner)
        of_class = klass.names.get("decorators", ()) if klass and one.kind == "class view" else ()
        every = [
            *function.decorators,
            *one.through,
            *(Decorator((path.removesuffix("()"),), 0, path.endswith("()")) for path in of_class),
        ]
        for decorator in every:
            ends = self.project.expand_all(decorator.paths)
            if any(self._registers(path) for path in decorator.paths):
                continue
            if all(end in _SAME or end in _METHOD_KINDS for end in ends):
                continue
            effects = {self._effect(end, decorator.called) for end in ends}
            if effects <= {"same", "async"}:
                continue
            name = decorator.paths[0].rpartition(".")[2] if decorator.paths else "?"
            if effects <= {"same", "async", "passes"}:
                if not self.every:
                    return f"its decorator `{name}` is `def`, and keeps it in a worker thread"
                continue
            if "looks" in effects:
                return f"its decorator `{name}` uses what the view returns"
            return f"nothing is known of its decorator `{name}`"
        return ""

    def _registers(self, path: str) -> bool:
        registrar, _, by = path.rpartition(".")
        return any(by == one.by and registrar for one in self.registered)

    def _effect(self, path: str, called: bool) -> str:
        """Say what a decorator does with a function: gives it back as the "same", wraps it in an
        "async" one, "passes" on what it returns, "looks" at that; or "" where it is not known."""
        extension = EXTENSIONS.get(path.partition(".")[0])
        if extension is not None:
            return "passes" if extension.wraps else ""
        decorator = self.project.functions.get(path)
        if decorator is None:
            return ""
        if called:
            inner = self._returned(decorator)
            if inner is None:
                return ""
            decorator = inner
        if not decorator.parameters:
            return ""
        given = f"?{decorator.parameters[0]}"
        if decorator.returns == (given,):
            return "same"
        wrapper = self._returned(decorator)
        if wrapper is None:
            return ""
        if wrapper.is_async:
            return "async"
        calls = [use for use in wrapper.uses if use.kind == "call" and given in use.paths]
        if not calls:  # it goes some other way, such as by a parameter's annotation
            return ""
        return "passes" if all(use.returned for use in calls) else "looks"

    def _returned(self, function: Function) -> Function | None:
        functions = self.project.functions
        found = [functions[path] for path in function.returns if path in functions]
        return found[0] if len(found) == 1 and len(function.returns) == 1 else None

    def _stays(self, function: Function, one: Registered | None) -> str:
        if self.every and one is not None:
            return ""
        why = self.blocks(function)
        if why or one is None or self.hooks_in_thread:
            return why
        if not self.hooks_in_thread:
            return self._hooks(one)
        return ""

    def _hooks(self, one: Registered) -> str:
        """Return what blocks among the synchronous hooks that share the loop with a view."""
        for hook in self.registered:
            if hook.kind != "hook" or hook.function.is_async:
                continue
            # A blueprint's hooks are for its own views; those of a class may be of any.
            if hook.blueprint and "app" not in hook.by and one.origin not in ("", hook.origin):
                continue
            if hook.function.dotted in self.turned:
                continue
            why = self.blocks(hook.function)
            if why:
                return f"its hook `{hook.function.name}` {why}"
        for found in self.extensions:
            entry = EXTENSIONS.get(found)
            if entry is None:
                return f"nothing is known of the hooks of `{found}`"
            if entry.hooks:
                return f"the hooks of {entry.name} {entry.hooks}"
        return ""

    # --- what would break ---------------------------------------------------------------------

    def _breaks(self, function: Function) -> str:
        """Return what a function would have to await, where it cannot."""
        for use in function.uses:
            if use.awaited or use.may_await:
                continue
            if self._colours(use):
                return f"line {use.span.line} would be awaited where no `await` may stand"
            if use.kind != "call":
                continue
            for end in self.project.expand_all(use.paths):
                if end in self.turned:
                    return f"it calls `{end}` where no `await` may stand"
        return ""

    # --- what is done -------------------------------------------------------------------------

    def _decision(self, kinds: dict[str, Registered], reasons: dict[str, str]) -> Decision:
        decision = Decision(turned=set(self.turned))
        for name, one in kinds.items():
            function = one.function
            view = View(
                name, function.name, function.file, function.line, one.kind, function.is_async
            )
            if one.kind == "template function":
                continue
            view.turned = name in self.turned
            if view.turned:
                view.why, view.gains = self._gain(function)
            elif function.is_async:
                view.why = "it is `async def` already"
            elif one.kind in ("view", "class view"):
                view.why = reasons.get(name, "")
            else:
                view.why = "hooks and error handlers run as they are beside both kinds of view"
            decision.views.append(view)
        for name in sorted(self.turned):
            function = self.project.functions[name]
            for use in function.uses:
                flag = self.rewrites(use)
                if flag:
                    decision.rewritten.append((function, use, flag))
        for _, function, use in self.project.uses():
            if use.kind == "call" and not use.awaited and use.may_await:
                ends = self.project.expand_all(use.paths)
                if any(end in self.turned for end in ends) and function.name != "<module>":
                    decision.awaits.append((function, use))
        if self.awaits:
            self._await_all(decision)
        decision.views.sort(key=lambda view: (view.file, view.line))
        return decision

    def _await_all(self, decision: Decision) -> None:
        """Put an `await` before what the colour awaits; what cannot have one is left."""
        for fact, function, use in self.project.uses():
            if fact.test or not self._colours(use):
                continue
            if use.may_await and (function.is_async or function.dotted in self.turned):
                decision.awaits.append((function, use))
            else:
                decision.left.append((function, use))

    def _gain(self, function: Function) -> tuple[str, bool]:
        if any(self.rewrites(use) for use in function.uses):
            return "waits without a thread", True
        self.known = {}
        if self.blocks(function):
            return "turned as all are; it blocks the event loop", False
        return "needs no worker thread any more", True
