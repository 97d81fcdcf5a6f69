"""The context: what `g`, `request`, `websocket`, `session` and `current_app` are read from.

There is one class, with or without a connection in it, as in Flask 3.2. It holds data. The code
that pushes, matches and ends it is in `_dispatch.life`; Flask's public methods for that, such as
`push`, call it through the flow.
"""

from __future__ import annotations

import sys
import typing as t
from contextvars import Token
from types import TracebackType

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from ._app_globals import _AppCtxGlobals as _AppCtxGlobals
from ._app_globals import _sentinel as _sentinel
from ._concurrency.coroutines import drive
from ._concurrency.hook_thread import HookThread
from ._current import NO_REQUEST
from ._current import NO_WEBSOCKET
from ._http.headers import Checked
from ._lazy import lazy
from ._observed import PartType
from .sessions.session import SessionMixin
from .typing import ASGISend
from .typing import LiveApp
from .typing import Scope
from .wrappers.connection import Conn
from .wrappers.connection import hand_down
from .wrappers.websocket import Websocket

C = t.TypeVar("C", bound="AppContext")

_NO_HEADERS: dict[bytes, bytes] = {}
#: Key of an environ: the request that the ASGI door has made, for an app's own `request_context`.
DOORS_REQUEST = "quartish.request"

#: Methods that a class of contexts may redefine. The flow calls them then; else it does the same
#: without them.
_REDEFINABLE = frozenset(["push", "pop", "match_request", "auto_pop"])


class PlanOfContexts(t.Protocol):
    """What a context asks of a plan (`_dispatch.plan`)."""

    @property
    def late_request(self) -> bool: ...
    @property
    def lazy_session(self) -> bool: ...
    @property
    def makes_context(self) -> bool: ...
    @property
    def own_adapter(self) -> bool: ...
    def describe(self, ctx: AppContext, /) -> str: ...


class FlowOfContexts(t.Protocol):
    """What a context asks of a flow (`_dispatch.flow`): to be matched, pushed, popped and
    released."""

    @property
    def app(self) -> LiveApp: ...
    @property
    def plan(self) -> PlanOfContexts: ...
    def match(self, ctx: AppContext, /) -> None: ...
    def push(self, ctx: AppContext, /) -> t.Coroutine[t.Any, t.Any, None]: ...
    def pop(
        self, ctx: AppContext, exc: BaseException | None, /
    ) -> t.Coroutine[t.Any, t.Any, None]: ...
    def release(
        self, ctx: AppContext, exc: BaseException | None, /
    ) -> t.Coroutine[t.Any, t.Any, None]: ...


class AppContext(metaclass=PartType):
    """The context of an app, and of a request or websocket where it was made for one.

    Attributes are made when first read, as many views use neither `g` nor the session, nor the
    request itself. `with` and `async with` push and pop it; `async with` awaits async teardown
    functions.

    *Flask:* 3.1 has a second class for requests; `RequestContext` names this one too. As
    in 3.1, a request that is pushed inside an application context of the same app works
    with that context's `g`, and `app_ctx` stays what it was.
    """

    # What every request reads is set in `__init__`. A default in the class would keep the
    # interpreter from its fast way of reading an attribute.
    #: What it was made for: "request", "websocket", or None.
    kind: t.Literal["request", "websocket"] | None
    #: The view that matched, if nothing takes part before it and the app redefines nothing around
    #: it; else None.
    view: t.Callable[..., t.Any] | None
    #: The exception that the teardown functions are given, also if a response was made of it.
    error: BaseException | None
    #: Whether the body has to be read before the view: plain colour, loop lane.
    reads_ahead: bool
    #: The request or websocket, if it was made: a request that came by ASGI is made when something
    #: reads `conn`.
    made: t.Any
    #: The flow of the app's requests or websockets; None before something has needed it.
    flow: FlowOfContexts | None
    #: The ASGI scope that the door was called with (None by WSGI), and its headers, the last of
    #: each name. A request that is made later refers to the same two objects. They stay here as
    #: well, and are never changed: a thread may make the request while the door reads them.
    scope: t.Any
    quartish_raw_headers: dict[bytes, bytes]
    #: The rule that matched and its arguments, as long as no request is made; then they are moved
    #: to it.
    url_rule: t.Any
    view_args: t.Any
    #: The functions that `after_this_request` was given, if any.
    after: list[t.Callable[[t.Any], t.Any]] | None
    #: Whether the session was opened: something has read it.
    session_opened: bool
    #: How many users it has: pushes that were not popped, and streams that keep it.
    pushes: int
    #: Awaitables of async receivers of `appcontext_pushed` that were not awaited yet.
    unsettled: list[t.Awaitable[t.Any]] | None
    #: The result of the flow: an `Outgoing`, or a response that is sent in pieces.
    outcome: t.Any
    _send: ASGISend
    #: The requests that threads have made at the same time. The first of them becomes `made`.
    _made_first: list[t.Any]

    flashes: list[tuple[str, str]] | None = None
    #: The application context around this one, if that has `g` and is `app_ctx`.
    outer: AppContext | None = None
    #: The same context, if it was made by the app's own `app_context` for this one, with which it
    #: ends.
    apart: AppContext | None = None
    #: The context of the connection that was active before this one.
    covered: AppContext | None = None
    #: Whether a new push keeps `g`, as a test client keeps the context open, or it is a copy.
    kept = False
    #: A token that resets the ContextVar to having no value, taken over from a context that ended
    #: before this one.
    blank: Token[t.Any] | None = None
    #: The checked header lines of the response.
    checked: Checked | None = None
    #: Whether the teardown functions run, which a disconnect does not cancel.
    ending: bool = False
    #: The thread of its synchronous hooks, if `SYNC_HOOKS_IN_THREAD` gives them one.
    hook_thread: HookThread | None = None
    #: Returns whether a cancellation came from the door, because the websocket has ended, and takes
    #: it back. None: this is no websocket of the ASGI door.
    uncancel: t.Callable[[], bool] | None = None

    def __init__(
        self,
        app: LiveApp,
        environ: dict[str, t.Any] | None = None,
        request: t.Any = None,
        session: SessionMixin | None = None,
        *,
        websocket: t.Any = None,
    ) -> None:
        self.app = app
        if environ is not None and type(environ) is not dict and isinstance(environ, Conn):
            # *Quart:* contexts are made with the connection itself
            if isinstance(environ, Websocket):
                websocket = environ
            else:
                request = environ
        elif environ is not None and request is None:
            request = environ.pop(DOORS_REQUEST, None)
            if request is None:
                request = app.request_class(environ)
                hand_down(app, request)
        self.kind, self.made = "request", request
        if request is None:
            self.kind, self.made = None if websocket is None else "websocket", websocket
        self.quartish_raw_headers = _NO_HEADERS
        self.flow = self.scope = self.url_rule = self.view_args = None
        self.view = self.error = self.unsettled = self.outcome = self.after = None
        self.reads_ahead = self.session_opened = False
        self.pushes = 0
        if session is not None:
            self._session = session
            self.session_opened = True

    @classmethod
    def of_scope(cls, flow: FlowOfContexts, scope: Scope, send: ASGISend) -> t.Self:
        """Make the context of an ASGI http scope. PERF(2.4 us under Hypercorn): a GET request
        without a body is made when something reads it, if its class redefines nothing of that."""
        app, plan = flow.app, flow.plan
        if plan.late_request and scope["method"] == "GET":
            raw_headers = dict(scope["headers"])
            if b"content-length" not in raw_headers and b"transfer-encoding" not in raw_headers:
                # Without `__init__`, which would set half of these twice.
                self = cls.__new__(cls)
                self.app, self.kind, self._send = app, "request", send
                self.flow, self.scope, self.quartish_raw_headers = flow, scope, raw_headers
                self._made_first = []
                self.made = self.url_rule = self.view_args = self.view = self.error = None
                self.outcome = self.unsettled = self.after = None
                self.reads_ahead = self.session_opened = False
                self.pushes = 0
                return self
        request = app.request_class.quartish_from_scope(scope)
        hand_down(app, request, send)
        if not plan.makes_context:
            self = cls(app, None, request)
        elif app.plain:
            request.environ[DOORS_REQUEST] = request
            self = app.request_context(request.environ)
        else:
            self = app.request_context(request)
        self.flow, self.scope, self.quartish_raw_headers = flow, scope, request.quartish_raw_headers
        return self

    # --- what is in it --------------------------------------------------------------------

    @property
    def conn(self) -> t.Any:
        """The request or the websocket; None without one. A request may be made by this."""
        if self.made is None and self.kind is not None:
            app = self.app
            request = app.request_class.quartish_from_scope(self.scope, self.quartish_raw_headers)
            request.url_rule, request.view_args = self.url_rule, self.view_args
            hand_down(app, request, self._send)
            # If several threads do this at the same time, all take the first request of the list:
            # appending is atomic, and so no lock is needed.
            self._made_first.append(request)
            self.made = self._made_first[0]
            self.url_rule = self.view_args = None  # the request has them now
        return self.made

    @lazy
    def request(self) -> t.Any:
        """The request; RuntimeError where the context was not made for one."""
        if self.kind != "request":
            raise RuntimeError(NO_REQUEST)
        return self.conn if self.made is None else self.made

    @lazy
    def websocket(self) -> t.Any:
        """The websocket; RuntimeError where the context was not made for one."""
        if self.kind != "websocket":
            raise RuntimeError(NO_WEBSOCKET)
        return self.made

    @property
    def request_websocket(self) -> t.Any:
        """*Quart's* name for `conn`."""
        return self.conn

    @property
    def has_request(self) -> bool:
        return self.kind == "request"

    @property
    def has_websocket(self) -> bool:
        return self.kind == "websocket"

    @property
    def app_ctx(self) -> AppContext:
        """The application context that this one works with: itself, or the one around it."""
        return self if self.outer is None else self.outer

    @property
    def conn_ctx(self) -> AppContext | None:
        """The context of the request or websocket that is active with this one."""
        return None if self.kind is None else self

    @lazy
    def g(self) -> _AppCtxGlobals:
        if self.outer is not None:
            return self.outer.g
        g: _AppCtxGlobals = self.app.app_ctx_globals_class()
        return g

    @lazy
    def url_adapter(self) -> MapAdapter | None:
        """Werkzeug's adapter, which matches and builds URLs; None without a request and
        `SERVER_NAME`."""
        adapter: MapAdapter | None = self.app.create_url_adapter(self.conn)
        return adapter

    @property
    def _after_request_functions(self) -> list[t.Callable[[t.Any], t.Any]]:
        """The functions that `after_this_request` was given."""
        if self.after is None:
            self.after = []
        return self.after

    @lazy
    def _session(self) -> SessionMixin:
        """The session. It is opened by this only if it is kept in the cookie; by any other session
        interface it is opened before the first hook."""
        conn = self.conn
        if conn is None:
            raise RuntimeError(NO_REQUEST)
        interface = self.app.session_interface
        session = interface.quartish_load(self.app, conn)
        if session is None:
            session = interface.null_session_class()
        self.session_opened = True
        return session  # type: ignore[no-any-return]

    @property
    def session(self) -> SessionMixin:
        """The session. Reading this, as the `session` proxy does, marks it as accessed, so that the
        response gets `Vary: Cookie`."""
        session = self._session
        session.accessed = True
        return session

    def _find_flow(self) -> FlowOfContexts:
        flow = self.flow
        if flow is None:
            flow = self.flow = t.cast(FlowOfContexts, self.app.quartish_flow_of(self))
        return flow

    def take_outcome(self) -> t.Any:
        """Return the outcome and forget it, as it may refer to the context."""
        outcome, self.outcome = self.outcome, None
        return outcome

    def keep_session(self, session: SessionMixin) -> None:
        """Use this session from now on."""
        self._session = session
        self.session_opened = True

    @lazy
    def entered(self) -> list[tuple[AppContext | None, AppContext | None, bool, Token[t.Any]]]:
        """For each push: the contexts of the app and of the connection that were active before it,
        whether it changed the app's, and the token of the ContextVar."""
        return []

    def hold(self) -> None:
        """Count one more user of the context, such as a stream that keeps it. It does not become
        the active one."""
        self.pushes += 1

    # --- life: by `_dispatch.life` ----------------------------------------------------------

    def match_request(self) -> None:
        """Match the connection's URL; an exception is kept as its `routing_exception`."""
        self._find_flow().match(self)

    def push(self) -> t.Any:
        """Become the active context until `pop`. Awaitable in the awaitable colour. The first push
        of a request matches the URL, and opens the session if that cannot be done later."""
        return self.app.quartish_drive(self._push())

    def _push(self) -> t.Coroutine[t.Any, t.Any, None]:
        return self._find_flow().push(self)

    def pop(self, exc: BaseException | None = _sentinel) -> t.Any:
        """Undo the last push. For the last user of the context this runs the teardown functions
        with `exc`, by default the exception being handled. Awaitable in the awaitable colour.

        Raises AssertionError when another context is active.
        """
        return self.app.quartish_drive(self._pop(sys.exc_info()[1] if exc is _sentinel else exc))

    def _pop(self, exc: BaseException | None) -> t.Coroutine[t.Any, t.Any, None]:
        return self._find_flow().pop(self, exc)

    def release(self, exc: BaseException | None = None) -> t.Coroutine[t.Any, t.Any, None]:
        """Count one user less. For the last one this runs the teardown functions."""
        return self._find_flow().release(self, exc)

    def __enter__(self) -> t.Self:
        before = len(self.entered)
        try:
            if (pushed := self.push()) is not None:
                drive(pushed)
        except BaseException as error:
            if len(self.entered) > before:  # it is active: nobody would end it
                self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if (popped := self._leave(exc_value)) is not None:
            drive(popped)

    def _leave(self, exc: BaseException | None) -> t.Any:
        return self.pop(exc)

    async def __aenter__(self) -> t.Self:
        return await self.quartish_enter(self._push())

    async def quartish_enter(self, pushing: t.Awaitable[None]) -> t.Self:
        """Push it for a block; if that fails, end what is active already."""
        before = len(self.entered)
        try:
            await pushing
        except BaseException as error:
            if len(self.entered) > before:
                await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._pop(exc_value)

    def copy(self) -> AppContext:
        """Return another context for the same request or websocket, and the same session."""
        return self._with_adapter(
            type(self)(
                self.app,
                request=self.request if self.has_request else None,
                session=self.shared_session(),
                websocket=self.websocket if self.has_websocket else None,
            )
        )

    def shared_session(self) -> SessionMixin | None:
        """Return the session for a copy: what it changes there is saved by this context. None
        where it is opened when a context is pushed, and was not."""
        opens = self.kind is not None and self._find_flow().plan.lazy_session
        return self._session if self.session_opened or opens else None

    def _with_adapter(self, copied: C) -> C:
        """Call an app's own `create_url_adapter` for a copy at once, as Flask does."""
        if copied.kind is not None and self._find_flow().plan.own_adapter:
            try:
                _ = copied.url_adapter
            except HTTPException as error:
                copied.conn.routing_exception = error
        return copied

    def __repr__(self) -> str:
        name, conn = type(self).__name__, self.conn
        if conn is None:
            return f"<{name} of {self.app.name}>"
        return f"<{name} {conn.url!r} [{conn.method}] of {self.app.name}>"


def class_has_own_methods(cls: type[AppContext]) -> bool:
    """Say whether a class of contexts redefines methods that the flow then has to call."""
    return not _REDEFINABLE.isdisjoint(cls.quartish_redefined)


def has_own_methods(ctx: AppContext) -> bool:
    """Say whether a context redefines such methods: by its class, or on the object."""
    return class_has_own_methods(type(ctx)) or not _REDEFINABLE.isdisjoint(vars(ctx))
