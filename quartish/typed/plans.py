"""The plan of a typed view: where each value comes from, and the order of components.

The rules, for each parameter of the view, and of a factory:

1. A mark says where it stands. `Depends` names a factory, or the type that the app provides.
2. Without a mark, a name that the rule has is a variable of the URL's, and a type that the app
   provides is a component.
3. An uploaded file is a file of the form, a type with fields is the body (of a websocket: the
   message), anything else a value of the query. This rule does not apply in a class, or in a
   factory that the app provides for a type: no client can set a parameter there that has no mark.
   It keeps its default; without a default it is an error.
"""

from __future__ import annotations

import inspect
import typing as t

import msgspec

from .._mistakes.places import place_of
from ..sansio.app import Core
from ..sansio.components import Component
from .annotations import hints_of
from .annotations import is_file
from .annotations import is_given
from .annotations import is_struct
from .annotations import item_of
from .annotations import marks_in
from .annotations import needs_pydantic
from .annotations import split
from .annotations import without_none
from .bodies import BodyPlan
from .codecs import Codec
from .codecs import codec_of
from .marks import Body
from .marks import Cookie
from .marks import Depends
from .marks import File
from .marks import Form
from .marks import Header
from .marks import Mark
from .marks import Message
from .marks import Operation
from .marks import Parameter
from .marks import Path
from .marks import Query
from .parameters import NOTHING
from .parameters import Value
from .returns import Returns
from .scopes import Argument
from .scopes import Step

#: The scopes, by how long they last.
_LIVES = {"message": 0, "request": 1, "app": 2}


class Unresolvable(TypeError):
    """No plan can be made for a view; the message says which, and for what reason."""


class Plan:
    """The plan of one view, or of one method of a class view."""

    def __init__(
        self,
        app: Core,
        func: t.Any,
        names: frozenset[str],
        operation: Operation | None,
        websocket: bool = False,
    ) -> None:
        self.version: int = app.quartish_components_version
        self.func = func
        self.operation = operation
        self.websocket = websocket
        #: The message that the view is called for, and how the message that it returns is written.
        self.message: Value | None = None
        self.sends: Returns
        #: The slot of the view's `Messages`, and what reads and writes them.
        self.talk: tuple[int, Codec, Returns] | None = None
        self.path: list[Value] = []
        self.query: list[Value] = []
        self.headers: list[Value] = []
        self.cookies: list[Value] = []
        self.body: BodyPlan = BodyPlan()
        self.has_body: bool = False
        #: Components in the order in which they are made; those of a tuple are made concurrently.
        self.order: list[Step | tuple[Step, ...]] = []
        self.steps: list[Step] = []
        self.size = 0
        builder = _Builder(self, app, names)
        self.arguments: list[Argument] = builder.arguments_of(func, place_of(func), top=True)
        if self.message is None and (short := [s for s in self.steps if s.scope == "message"]):
            raise Unresolvable(
                f"{place_of(func)} asks for {_name(short[0].key)}, which is made for each message,"
                " and for no message: take them one by one, as `Annotated[..., Message()]`."
            )
        self.has_body = bool(self.body)
        #: Variables of the URL that only components take.
        self.taken: list[str] = builder.taken_from(func)
        self.order = _in_order([step for step in self.steps if step.scope != "message"])
        #: Components that are made for each message.
        self.message_order: list[Step | tuple[Step, ...]] = _in_order(
            [step for step in self.steps if step.scope == "message"]
        )
        annotation = hints_of(func).get("return", t.Any)
        where = f"The view {place_of(func)},"
        try:
            self.returns: Returns = Returns(annotation, operation, where)
        except TypeError as error:
            raise Unresolvable(f"The view {place_of(func)} returns {annotation!r}: {error}") from (
                error
            )
        self.sends = self.returns
        if websocket:
            self.returns = Returns(t.Any, None, where)


class _Builder:
    def __init__(self, plan: Plan, app: Core, names: frozenset[str]) -> None:
        self.plan = plan
        self.app = app
        self.names = names
        self.made: dict[t.Any, Step] = {}
        #: The components that are being resolved, each needed by the one before it.
        self.chain: list[t.Any] = []
        #: The scopes of values that last for less than a request, by slot.
        self.short: dict[int, str] = {}
        #: Whether the parameters of a class, or of a factory that the app provides, are being
        #: resolved: no client may set one of those that is not marked.
        self.inward = False

    def slot(self) -> int:
        self.plan.size += 1
        return self.plan.size - 1

    def arguments_of(self, func: t.Any, place: str, top: bool = False) -> list[Argument]:
        try:
            parameters = list(inspect.signature(func).parameters.values())
        except (TypeError, ValueError):  # a built-in function without a signature
            return []
        try:
            hints = hints_of(func)
        except NameError as error:
            raise Unresolvable(
                f"{self.told(place)}: {error}. Annotations of typed views are evaluated where"
                " their module is: name what stands there, and not below TYPE_CHECKING alone."
            ) from error
        except TypeError as error:  # too few arguments of a generic class, and the like
            raise Unresolvable(f"{self.told(place)}: {error}") from error
        if parameters and parameters[0].name in ("self", "cls") and top:
            parameters = parameters[1:]
        found = []
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if isinstance(parameter.default, Mark):
                raise Unresolvable(
                    f"{place}: the mark of '{parameter.name}' is its default. Write"
                    f" `{parameter.name}: Annotated[..., {parameter.default!r}]`, and the default"
                    " after it."
                )
            try:
                slot = self.slot_of(parameter, hints.get(parameter.name), top)
            except Unresolvable:
                raise
            except TypeError as error:
                raise Unresolvable(f"{self.told(place)}: '{parameter.name}': {error}") from error
            if slot is not None:
                found.append(Argument(parameter.name, slot))
            elif parameter.default is parameter.empty and not top:
                raise Unresolvable(
                    f"{self.told(place)} asks for '{parameter.name}' without saying what it is."
                    " Annotate it."
                )
        return found

    def taken_from(self, func: t.Any) -> list[str]:
        parameters = inspect.signature(func).parameters
        if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            return []
        return [value.name for value in self.plan.path if value.name not in parameters]

    def slot_of(self, parameter: inspect.Parameter, annotation: t.Any, top: bool) -> int | None:
        """Return where the value of a parameter is stored; None: the plan does not supply it."""
        name = parameter.name
        default = NOTHING if parameter.default is parameter.empty else parameter.default
        if is_given(annotation):
            return self.messages(split(annotation)[0], name, top)
        marks = marks_in(annotation)
        for mark in marks:
            if isinstance(mark, Depends):
                return self.component(split(annotation)[0], mark, name)
            if isinstance(mark, Parameter):
                return self.value(name, annotation, mark, default)
        if name in self.names:
            return None if annotation is None else self.value(name, annotation, Path(), default)
        if annotation is None or (self.inward and default is not NOTHING):
            return None
        bare = split(without_none(annotation))[0]
        if (
            _is_hashable(bare)
            and self.app.quartish_component_of(bare) is not None
            and bare is not t.Any
        ):
            if isinstance(bare, type):
                return self.component(bare, Depends(), name)
        if self.inward:
            raise Unresolvable(
                f"{self.told('')} asks for '{name}' without saying where it stands. Mark it:"
                f" `{name}: Annotated[..., Query()]`; or provide its type:"
                f" `app.provide({_name(bare)}, ...)`."
            )
        if is_file(annotation):
            return self.value(name, annotation, File(), default)
        if is_struct(annotation):
            mark = Message() if self.plan.websocket else Body()
            return self.value(name, annotation, mark, default)
        if not needs_pydantic(annotation) and _is_foreign(annotation):
            if default is not NOTHING:
                return None
            raise self.unknown(bare, name)
        return self.value(name, annotation, Query(), default)

    def value(self, name: str, annotation: t.Any, mark: Parameter, default: t.Any) -> int:
        plan, body = self.plan, self.plan.body
        if isinstance(mark, Message) is not plan.websocket and isinstance(
            mark, (Message, Body, Form, File)
        ):
            raise Unresolvable(
                f"{self.told(place_of(plan.func))} asks for '{name}', a {type(mark).__name__},"
                + (
                    " and a websocket's handshake has no body. Mark it as a Message()."
                    if plan.websocket
                    else " and is no websocket's: register it with `app.websocket`."
                )
            )
        value = Value(name, annotation, mark, default)
        value.slot = self.slot()
        if isinstance(mark, Message):
            if plan.message is not None or plan.talk is not None:
                raise Unresolvable(
                    f"{self.told(place_of(plan.func))} asks for its messages twice, the second"
                    f" time as '{name}'."
                )
            plan.message = value
            self.short[value.slot] = "message"
        elif isinstance(mark, Body):
            if body.whole is not None:
                raise Unresolvable(
                    f"{self.told(place_of(plan.func))} asks for two bodies,"
                    f" '{body.whole.name}' and '{name}': make a type that has both as fields."
                )
            body.whole = value
        else:
            lists: list[tuple[type[Parameter], list[Value]]] = [
                *[(Path, plan.path), (Query, plan.query), (Header, plan.headers)],
                *[(Cookie, plan.cookies), (Form, body.fields), (File, body.files)],
            ]
            next(values for cls, values in lists if isinstance(mark, cls)).append(value)
        if body.whole is not None and (body.fields or body.files):
            raise Unresolvable(
                f"{self.told(place_of(plan.func))} asks for the whole body,"
                f" '{body.whole.name}', and for fields of a form: make them fields of its type."
            )
        return value.slot

    def messages(self, annotation: t.Any, name: str, top: bool) -> int:
        plan, told = self.plan, self.told(place_of(self.plan.func))
        arguments = t.get_args(annotation)
        if len(arguments) != 2:
            raise Unresolvable(f"{told}: '{name}' has to say both types: Messages[Order, Receipt].")
        if not plan.websocket:
            raise Unresolvable(
                f"{told} asks for '{name}', the messages of a websocket, and is no websocket's:"
                " register it with `app.websocket`."
            )
        if plan.message is not None or plan.talk is not None or not top:
            raise Unresolvable(
                f"{told} asks for its messages twice, or a component for them, as '{name}'."
            )
        where = f"The view {place_of(plan.func)},"
        plan.talk = self.slot(), codec_of(arguments[0]), Returns(arguments[1], None, where)
        return plan.talk[0]

    def component(self, cls: t.Any, mark: Depends, name: str) -> int:
        key = mark.dependency or cls
        if mark.use_cache and key in self.made:
            return self.made[key].slot
        found = self.app.quartish_component_of(key)
        if found is None and mark.dependency is not None:
            found = Component(key, "request")
        if found is None:
            raise self.unknown(key, name)
        if key in self.chain:
            circle = " -> ".join(map(_name, [*self.chain[self.chain.index(key) :], key]))
            raise Unresolvable(f"{place_of(self.plan.func)}: components in a circle: {circle}")
        step = Step(key, found.factory, found.scope, self.slot())
        self.chain.append(key)
        outer = self.inward
        self.inward = isinstance(key, type)
        step.arguments = self.arguments_of(found.factory, place_of(found.factory))
        self.inward = outer
        by_slot = {one.slot: one for one in self.plan.steps}
        for argument in step.arguments:
            other = by_slot.get(argument.slot)
            scope = other.scope if other else self.short.get(argument.slot, "request")
            if key == mark.dependency and key not in self.app.components and scope == "message":
                step.scope = "message"  # as what it takes
            if _LIVES[scope] < _LIVES[step.scope]:
                what = _name(other.key) if other else f"'{argument.name}'"
                raise Unresolvable(
                    f"{self.told(place_of(self.plan.func))} lives as long as the {step.scope}, and"
                    f" asks for {what}, which does not."
                )
        if step.scope == "message" and not self.plan.websocket:
            raise Unresolvable(
                f"{self.told(place_of(self.plan.func))} is made for each message of a websocket,"
                " and this is none."
            )
        self.chain.pop()
        needed = [by_slot[a.slot].level for a in step.arguments if a.slot in by_slot]
        step.level = 1 + max(needed, default=-1)
        self.plan.steps.append(step)
        if mark.use_cache:
            self.made[key] = step
        return step.slot

    def unknown(self, key: t.Any, name: str) -> Unresolvable:
        return Unresolvable(
            f"{self.told(place_of(self.plan.func))} asks for '{name}', a {_name(key)}, which the"
            f" app does not provide: `app.provide({_name(key)}, ...)`."
        )

    def told(self, place: str) -> str:
        """Name the view, and each component from there to the one that is being resolved."""
        if not self.chain:
            return place
        return " -> ".join([place_of(self.plan.func), *map(_name, self.chain)])


def _in_order(steps: list[Step]) -> list[Step | tuple[Step, ...]]:
    """Order components such that each comes after what it needs, and put those together that are
    made by async functions and need nothing of each other. Generators stay by themselves: what
    opens one, such as a task group, has to be closed in the same task."""
    found: list[Step | tuple[Step, ...]] = []
    for level in sorted({step.level for step in steps}):
        here = [step for step in steps if step.level == level]
        together = [s for s in here if inspect.iscoroutinefunction(s.factory) and s.scope != "app"]
        if len(together) > 1:
            here = [step for step in here if step not in together]
            found.append(tuple(together))
        found += here
    return found


def _is_foreign(annotation: t.Any) -> bool:
    """Say whether msgspec knows nothing of a type: it is a class of the app's."""
    item = item_of(annotation)
    bare = split(without_none(annotation if item is None else item))[0]
    return isinstance(msgspec.inspect.type_info(bare), msgspec.inspect.CustomType)


def _is_hashable(key: t.Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


def _name(key: t.Any) -> str:
    return getattr(key, "__name__", None) or repr(key)
