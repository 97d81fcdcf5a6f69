"""Typed views: functions that get what their annotations say.

Existing apps have annotations for type checkers, arguments that decorators pass, and defaults; none
of that may change what a view does. So a view is typed only if its author says so:

- one of its annotations has a mark (`Query`, `Body`, `Depends`, ...) or is `Messages`, or
- it is decorated with `typed`, or
- the app was given to `Typed`, and the annotations say more than that the view takes text of the
  URL and returns text or a response.

Any other view is left as it is: `view_functions` has the function itself. No annotation is read
before the app has imported `quartish.typed`.

A typed view is a function around the user's, made when it is registered. Its plan is made when
serving starts or when it is first called, and again when components change.
"""

from __future__ import annotations

import functools
import types
import typing as t
import weakref

from werkzeug.sansio.response import Response as SansioResponse

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import drive
from .._concurrency.coroutines import is_async_callable
from .._concurrency.coroutines import is_awaitable
from .._current import find_context
from .._dispatch.overrides import is_default
from .._view_makers import view_makers
from ..sansio.app import Core
from ..views import http_method_funcs
from ..views import MethodView
from ..views import View
from .annotations import has_marks
from .annotations import hints_of
from .annotations import innermost
from .faults import Fault
from .faults import PROBLEM
from .faults import Problem
from .faults import refused
from .marks import operation_of
from .messages import talk
from .parameters import NOTHING
from .parameters import read_all
from .plans import Plan
from .returns import Returns
from .scopes import close_all
from .scopes import close_with
from .scopes import open_all

EXTENSION = "quartish.typed"


class Typed:
    """Make typed views of all annotated views that are registered with `app` from now on.

    Those of its blueprints are included. Views whose annotations say only that they take text of
    the URL, and return text or a response, are left as they are.
    """

    def __init__(self, app: Core | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Core) -> None:
        """Do so for `app`."""
        app.extensions[EXTENSION] = self


class TypedView:
    """One typed view of an app: its plans, and how it is called."""

    def __init__(self, endpoint: str, func: t.Any) -> None:
        self.endpoint = endpoint
        self.func = func
        #: By method, for a class view that has a function for each; otherwise under "".
        self.plans: dict[str, Plan] = {}
        self._by_method = len(functions_of(func)) > 1 or "" not in functions_of(func)

    def resolve(self, app: Core) -> None:
        """Make the plans. Raises `Unresolvable`."""
        names: frozenset[str] = frozenset().union(
            *(rule.arguments for rule in app.url_map.iter_rules(self.endpoint))
        )
        whole = operation_of(self.func)
        websocket = any(rule.websocket for rule in app.url_map.iter_rules(self.endpoint))
        self.plans = {
            method: Plan(app, func, names, operation_of(func) or whole, websocket)
            for method, func in functions_of(self.func).items()
        }

    def plan(self, app: Core, method: str) -> Plan:
        """Return the plan for a request."""
        plan = self.plans.get(method if self._by_method else "")
        if plan is None or plan.version != app.quartish_components_version:
            self.resolve(app)
            key = method if self._by_method else ""
            if key == "HEAD" and key not in self.plans:
                self.plans[key] = self.plans["GET"]
            plan = self.plans[key]
        return plan

    async def call(self, values: dict[str, t.Any]) -> t.Any:
        """Call the view, and return what Flask makes a response of."""
        ctx: t.Any = find_context()
        conn, app = ctx.conn, ctx.app
        plan = self.plan(app, conn.method)
        slots: list[t.Any] = [None] * plan.size
        faults: list[Fault] = []
        for value in plan.path:
            if value.name in values:
                slots[value.slot] = value.read_path(values[value.name], faults)
            else:
                slots[value.slot] = value.default
        if plan.query:
            read_all(plan.query, conn.args, slots, faults)
        if plan.headers:
            read_all(plan.headers, conn.headers, slots, faults)
        if plan.cookies:
            read_all(plan.cookies, conn.cookies, slots, faults)
        try:
            if plan.has_body:
                await plan.body.read(conn, slots, faults)
            if faults:
                raise refused(faults)
        except Problem as error:
            if ctx.has_request and _is_unhandled(app, conn, error):
                return error.get_body(), error.code, {"Content-Type": PROBLEM}
            raise
        opened: list[t.Any] = []
        try:
            if plan.order:
                await open_all(plan.order, slots, opened, app)
            for name in plan.taken:
                values.pop(name, None)
            if plan.websocket:
                rv: t.Any = await talk(plan, self.func, slots, values, app, conn)
            else:
                for name, slot in plan.arguments:
                    value = slots[slot]
                    if value is not NOTHING:
                        values[name] = value
                rv = self.func(**values)
                if type(rv) is types.CoroutineType or (
                    is_awaitable(rv) and not isinstance(rv, SansioResponse)
                ):
                    rv = await awaited(rv)
            returns: Returns = plan.returns
            made = rv if returns.idle else returns.make(rv, app.debug or app.testing)
        except BaseException as error:
            if opened:
                await close_all(opened, error)
            raise
        if opened:
            if ctx.has_request:
                close_with(conn, opened)
            else:
                await close_all(opened)
        return made


def _is_unhandled(app: Core, conn: t.Any, error: Problem) -> bool:
    """Say whether neither an error handler nor an overridden method of the app sees an error.

    PERF(60 us): such an error is not raised through the flow, and not made a response of
    Werkzeug's.
    """
    asked: t.Any = app  # each colour has methods of its own
    return (
        is_default(asked.handle_user_exception)
        and is_default(asked.handle_http_exception)
        and app._find_error_handler(error, conn.blueprints) is None
        and not app.trap_http_exception(error)
    )


def functions_of(view: t.Any) -> dict[str, t.Any]:
    """Return the user's functions that a view calls: itself, or those of a class view by method."""
    cls = getattr(view, "view_class", None)
    if cls is None or not issubclass(cls, View):
        return {"": view}
    own = cls.dispatch_request
    if not (issubclass(cls, MethodView) and own.__module__ == MethodView.__module__):
        return {"": own}
    return {
        name.upper(): getattr(cls, name) for name in sorted(http_method_funcs) if hasattr(cls, name)
    }


def typed_view_of(view: t.Any) -> TypedView | None:
    """Return the `TypedView` of a view of an app, if it is typed."""
    return getattr(view, "typed_view", None) if isinstance(view, types.FunctionType) else None


def make(app: Core, endpoint: str, func: t.Any) -> t.Any:
    """Return a typed view for a function that is to be one; any other function as it is."""
    if hasattr(func, "quartish_not_there"):
        return func  # a mock, or another object that has every attribute
    functions = functions_of(func)
    said = operation_of(func) is not None or any(
        operation_of(one) is not None or has_marks(one) for one in functions.values()
    )
    if not said and not (EXTENSION in app.extensions and _asks(app, endpoint, functions)):
        return func
    typed = TypedView(endpoint, func)

    async def awaitable(**values: t.Any) -> t.Any:
        return await typed.call(values)

    def plain(**values: t.Any) -> t.Any:
        return drive(typed.call(values))

    made: t.Any = functools.wraps(func)(awaitable if is_async_callable(func) else plain)
    made.made_of, made.typed_view = func, typed
    _resolve_at_start(app)
    return made


def _asks(app: Core, endpoint: str, functions: dict[str, t.Any]) -> bool:
    """Say whether one of them takes more than text of the URL, or returns more than text or a
    response."""
    names = {name for rule in app.url_map.iter_rules(endpoint) for name in rule.arguments}
    for func in functions.values():
        if innermost(func).__module__.startswith("quartish."):
            continue
        try:
            hints = hints_of(func)
        except NameError:  # of a class that is defined below it
            return True
        returned = hints.pop("return", t.Any)
        if not Returns(returned, None, "").idle:
            return True
        if any(name not in names or hint not in (str, t.Any) for name, hint in hints.items()):
            return True
    return False


def resolve_all(app: Core) -> None:
    """Make the plans of all typed views of an app. Raises `Unresolvable`."""
    for view in app.view_functions.values():
        typed = typed_view_of(view)
        if typed is not None:
            typed.resolve(app)


_resolving: weakref.WeakSet[t.Any] = weakref.WeakSet()


def _resolve_at_start(app: Core) -> None:
    if app in _resolving:
        return
    _resolving.add(app)
    this = weakref.ref(app)

    async def resolve_typed_views() -> None:
        found = this()
        if found is not None:
            resolve_all(found)

    app.before_serving_funcs.append(resolve_typed_views)


if make not in view_makers:
    view_makers.append(make)
