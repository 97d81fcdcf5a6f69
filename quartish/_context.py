"""The application context: what `g`, `request`, `websocket` and `session` stand for.

There is one kind, with or without a connection in it (Flask 3.2's shape). Only this room
writes the ContextVar that says which one is active. Contexts are counted: the one that
is pushed, or held by a stream, twice runs its teardown functions when it is let go twice.
"""

from __future__ import annotations

import sys
import threading
import typing as t
from contextvars import Token
from types import TracebackType

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from ._app_globals import _AppCtxGlobals as _AppCtxGlobals
from ._app_globals import _sentinel as _sentinel
from ._concurrency.coroutines import awaited
from ._concurrency.coroutines import drive
from ._concurrency.coroutines import is_awaitable
from ._current import _cv_app
from ._current import activate
from ._current import NO_REQUEST
from ._current import NO_WEBSOCKET
from ._http.headers import Checked
from ._lazy import lazy
from ._observed import PartType
from .sessions import SessionMixin
from .signals import appcontext_popped
from .signals import appcontext_pushed
from .typing import ASGISend
from .typing import Scope
from .wrappers.connection import Conn
from .wrappers.websocket import Websocket

C = t.TypeVar("C", bound="AppContext")

_NO_HEADERS: dict[bytes, bytes] = {}
#: Where an environ has the request that the ASGI door made, for an app's own `request_context`.
DOORS_REQUEST = "quartish.request"
#: A request is made by the thread that asks first: the view's, or one that the view started.
_making = threading.RLock()


#: What the flow does itself, unless a context says how.
_LIFE = frozenset(["push", "pop", "match_request", "auto_pop"])


class AppContext(metaclass=PartType):
    """The context of an app, and of a request or websocket where it was made for one.

    Attributes are made when first read: many views touch neither `g` nor the session, nor the
    request itself.
    `with` and `async with` push and pop it; `async with` awaits async teardown functions.

    *Flask:* 3.1 has a second class for requests; `RequestContext` names this one too. As
    in 3.1, a request that is pushed inside an application context of the same app works
    with that context's `g`, and `app_ctx` stays what it was.
    """

    # What every request asks for is set in `__init__`, and has no default in the class.
    # PERF(0.01 us each time): that alone would keep the interpreter from its fast way.
    #: What it was made for: "request", "websocket", or None.
    kind: t.Literal["request", "websocket"] | None
    #: The `async def` view that matched, where nobody has a word in how it is called.
    view: t.Any
    #: What the teardown functions are told went wrong, whether or not it was answered.
    error: BaseException | None
    #: Whether the body is to be read before the view: plain colour, loop lane.
    reads_ahead: bool
    #: Whether the session, or a function of `after_this_request`, may change the response.
    touched: bool
    #: `conn`, if it has been made: a request that came by ASGI is when somebody asks for it.
    made: t.Any
    #: The dispatch flow for what it was made for, once that was asked for.
    flow: t.Any
    #: The ASGI scope, and its headers, the last of each name.
    scope: t.Any
    raw_headers: dict[bytes, bytes]
    #: The rule that matched and its arguments, where that took no request, or None.
    url_rule: t.Any
    view_args: t.Any
    pushes: int
    #: What async receivers of `appcontext_pushed` returned, and nobody has awaited.
    unsettled: list[t.Any] | None
    _send: ASGISend

    flashes: list[tuple[str, str]] | None = None
    #: Whether anybody touched the session.
    session_opened: bool = False
    #: The context that `g` and `app_ctx` are taken from, where it is not this one.
    outer: AppContext | None = None
    #: The same, where the app was asked for one, which ends with this one.
    apart: AppContext | None = None
    #: The connection that was active before this one.
    _covered: AppContext | None = None
    #: Whether `g` stays what it was when this is pushed: a test client keeps it open, or it is a
    #: copy.
    kept = False
    #: What makes no context the active one again, left by one that ended before this.
    blank: Token[t.Any] | None = None
    checked: Checked | None = None  # the head of the response
    #: Whether only the end is left to run, which no client that leaves can cancel.
    ending: bool = False
    #: The thread of its synchronous hooks, where they may have one (`_dispatch.hooks`).
    hook_thread: t.Any = None
    #: Says whether a cancellation came from the door, because the conversation is over, and
    #: takes it back. None: there is no such cancellation.
    took_back: t.Callable[[], bool] | None = None

    def __init__(
        self,
        app: t.Any,
        environ: dict[str, t.Any] | None = None,
        request: t.Any = None,
        session: SessionMixin | None = None,
        *,
        websocket: t.Any = None,
    ) -> None:
        self.app = app
        if environ is not None and type(environ) is not dict and isinstance(environ, Conn):
            # *Quart:* its contexts are given the connection itself
            if isinstance(environ, Websocket):
                websocket = environ
            else:
                request = environ
        elif environ is not None and request is None:
            request = environ.pop(DOORS_REQUEST, None)
            if request is None:
                request = app.request_class(environ)
                request.json_module, request.config_of_app = app.json, app.config
        self.kind, self.made = "request", request
        if request is None:
            self.kind, self.made = None if websocket is None else "websocket", websocket
        self.raw_headers = _NO_HEADERS
        self.flow = self.scope = self.url_rule = self.view_args = None
        self.view = self.error = self.unsettled = None
        self.reads_ahead = self.touched = False
        self.pushes = 0
        if session is not None:
            self._session = session
            self.session_opened = self.touched = True

    @classmethod
    def of_scope(cls, flow: t.Any, scope: Scope, send: ASGISend) -> t.Self:
        """Make the context of an ASGI http scope. PERF(2.4 us under Hypercorn): a request that
        has no body to read, and does nothing of its own, is made when somebody asks for it."""
        app, plan = flow.app, flow.plan
        if plan.late_request and scope["method"] == "GET":
            raw_headers = dict(scope["headers"])
            if b"content-length" not in raw_headers:
                # PERF(0.1 us): `__init__`, which would set half of this twice.
                self = cls.__new__(cls)
                self.app, self.kind, self._send = app, "request", send
                self.flow, self.scope, self.raw_headers = flow, scope, raw_headers
                self.made = self.url_rule = self.view_args = self.view = self.error = None
                self.unsettled = None
                self.reads_ahead = self.touched = False
                self.pushes = 0
                return self
        request = _request_of(app, send, app.request_class.from_scope(scope))
        if not plan.makes_context:
            self = cls(app, None, request)
        elif app.plain:
            request.environ[DOORS_REQUEST] = request
            self = app.request_context(request.environ)
        else:
            self = app.request_context(request)
        self.flow, self.scope, self.raw_headers = flow, scope, request.raw_headers
        return self

    # --- what is in it --------------------------------------------------------------------

    @property
    def conn(self) -> t.Any:
        """The request or the websocket, made now if nobody has asked for it before; None without
        one."""
        if self.made is None and self.kind is not None:
            with _making:
                if self.made is None:
                    app = self.app
                    request = app.request_class.from_scope(self.scope, self.raw_headers)
                    request.url_rule, request.view_args = self.url_rule, self.view_args
                    self.made = _request_of(app, self._send, request)
        return self.made

    @lazy
    def request(self) -> t.Any:
        """The request; RuntimeError where the context was not made for one."""
        if self.kind != "request":
            raise RuntimeError(NO_REQUEST)
        return self.conn

    @lazy
    def websocket(self) -> t.Any:
        """The websocket; RuntimeError where the context was not made for one."""
        if self.kind != "websocket":
            raise RuntimeError(NO_WEBSOCKET)
        return self.conn

    @property
    def request_websocket(self) -> t.Any:
        """*Quart's* name of `conn`."""
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
        """What builds and matches URLs here; None without a request and `SERVER_NAME`."""
        adapter: MapAdapter | None = self.app.create_url_adapter(self.conn)
        return adapter

    @lazy
    def _after_request_functions(self) -> list[t.Callable[[t.Any], t.Any]]:
        """What `after_this_request` was given."""
        self.touched = True
        return []

    @lazy
    def _session(self) -> SessionMixin:
        """The session, opened now. Only a session interface that keeps it in the cookie is
        opened this late; any other is opened before the first hook."""
        conn = self.conn
        if conn is None:
            raise RuntimeError(NO_REQUEST)
        interface = self.app.session_interface
        session = interface.load(self.app, conn)
        if session is None:
            session = interface.null_session_class()
        self.session_opened = self.touched = True
        return session  # type: ignore[no-any-return]

    @property
    def session(self) -> SessionMixin:
        """The session. To read this, as the `session` proxy does, marks it as accessed, and
        so the response varies by cookie."""
        session = self._session
        session.accessed = True
        return session

    def _find_flow(self) -> t.Any:
        if self.flow is None:
            self.flow = self.app.flow_of(self)
        return self.flow

    # --- life -----------------------------------------------------------------------------

    def match_request(self) -> None:
        """Match the connection's URL; what goes wrong is kept as its `routing_exception`."""
        self._find_flow().match_url(self)

    async def open_session(self) -> None:
        """Open the session now, unless it is one that may wait until it is touched."""
        if self.session_opened or self._find_flow().plan.lazy_session:
            return
        interface = self.app.session_interface
        session = self._find_flow().plan.of_interface(interface.open_session)(self.app, self.conn)
        if is_awaitable(session):
            session = await awaited(session, prepared=True)  # does not read the body
        if session is None:
            session = interface.make_null_session(self.app)
            if is_awaitable(session):
                session = await awaited(session, prepared=True)
        self._session = session
        self.session_opened = self.touched = True

    def begin(self, apart: bool = False) -> Token[t.Any]:
        """Become active in the current Context. The doors do just this, in a Context made
        for the request that is thrown away after it; `release` ends it. Where the app may have
        a say in its app contexts, it is asked for one `apart` from the connection's."""
        active: t.Any = _cv_app.get(None)
        if active is not None and self.kind is not None:
            around, self._covered = active.app_ctx, active.conn_ctx
            if around is not None and around.app is self.app:
                self.outer = around
        if apart and self.kind is not None and self.outer is None:
            outer = self.outer = self.apart = self.app.app_context()
            first: Token[t.Any]
            if lives_by_itself(outer) and self.app.plain:
                outer.push()
                first = outer._entered[-1][-1]  # noqa: SLF001 (this class's)
            else:
                first = outer.begin()
            self.unsettled = outer.unsettled
            _cv_app.set(self)
            self.pushes = 1
            return first
        token = _cv_app.set(self)
        self.pushes = 1
        if appcontext_pushed.receivers and self.outer is None:
            self._announce()
        return token

    def push(self) -> t.Any:
        """Become the active context until `pop`; awaitable in the awaitable colour. The first
        push of a request opens the session, if that cannot wait, and matches the URL."""
        return self.app.drive(self._push())

    async def _push(self) -> None:
        active: t.Any = _cv_app.get(None)
        app_half, conn_half = (None, None) if active is None else (active.app_ctx, active.conn_ctx)
        if self.pushes:
            self.pushes += 1
            owns = self.kind is None or app_half is None or app_half.app is not self.app
            token = activate(self if owns else app_half, self if self.kind else conn_half)
            if owns and appcontext_pushed.receivers:
                self._announce()
        else:
            if self.kind is not None and not self.kept:  # once more after its end: another `g`
                vars(self).pop("g", None)
            self.outer = None
            token = self.begin(self._find_flow().plan.asks_for_app_context)
            owns = self.outer is None or self.apart is not None
            if not owns or (self.kind is None and conn_half is not None):
                activate(self.outer or self, self if self.kind else conn_half)
        self._entered.append((app_half, conn_half, owns, token))
        await self.announced()
        if self.kind is not None and self.pushes == 1:
            await self.open_session()
            conn = self.conn
            found = conn.url_rule is not None or conn.routing_exception is not None
            if not found or lives_by_itself(self):
                self.match_request()

    @lazy
    def _entered(self) -> list[tuple[AppContext | None, AppContext | None, bool, Token[t.Any]]]:
        """For each push: whose the app and the connection were before it, whether the app became
        this context's, and what takes back the first of all."""
        return []

    def _announce(self) -> None:
        """Tell receivers of `appcontext_pushed`; what async ones return waits for `announced`."""
        sent = appcontext_pushed.send(self.app, _async_wrapper=self.app.ensure_sync)
        self.unsettled = [rv for _, rv in sent if is_awaitable(rv)] or None

    async def announced(self) -> None:
        """Await what async receivers of `appcontext_pushed` returned."""
        unsettled, self.unsettled = self.unsettled, None
        for rv in unsettled or ():
            await awaited(rv)

    def pop(self, exc: BaseException | None = _sentinel) -> t.Any:
        """End the last push; the last of all runs the teardown functions with `exc`, by
        default the exception being handled. Awaitable in the awaitable colour.

        Raises AssertionError when another context is active.
        """
        return self.app.drive(self._pop(sys.exc_info()[1] if exc is _sentinel else exc))

    async def _pop(self, exc: BaseException | None) -> None:
        active: t.Any = _cv_app.get(None)
        try:
            await self.release(exc)
        finally:
            app_half, conn_half, owns, token = self._entered.pop()
            if active is not None:
                app_half = app_half if owns else active.app_ctx
                conn_half = conn_half if self.kind else active.conn_ctx
            activate(app_half, conn_half, self.blank or token)
        if (
            active is None
            or (self.kind is not None and active.conn_ctx is not self)
            or (owns and active.app_ctx is not (self.outer or self))
        ):
            kind = "app" if self.kind is None else self.kind
            raise AssertionError(f"Popped wrong {kind} context. ({active!r} instead of {self!r})")

    def hide_connection(self) -> None:
        """Let functions of `teardown_appcontext` find no request, as in Flask 3.1."""
        if self.kind is not None:
            activate(self, self._covered)

    def hold(self) -> None:
        """Count one more user of the context, such as a stream, without making it active."""
        self.pushes += 1

    def let_go(self) -> bool:
        """Count one user less; say whether it was the last."""
        self.pushes -= 1
        return self.pushes <= 0

    async def release(self, exc: BaseException | None = None) -> None:
        """Count one user less; the last one runs the teardown functions."""
        if not self.let_go():
            return
        self.ending = True
        try:
            await self._find_flow().end_context(self, exc)
        finally:
            self.ending = False  # the response may be yet to be sent
            if self.apart is not None:
                apart, self.apart = self.apart, None
                activate(apart, self._covered)
                if lives_by_itself(apart) and self.app.plain:
                    apart.pop(exc)
                else:
                    await apart.release(exc)
        if self.outer is None and appcontext_popped.receivers:
            for _, rv in appcontext_popped.send(self.app, _async_wrapper=self.app.ensure_sync):
                if is_awaitable(rv):
                    await awaited(rv)

    def __enter__(self) -> t.Self:
        if (pushed := self.push()) is not None:
            drive(pushed)
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
        await self._push()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._pop(exc_value)

    def copy(self) -> AppContext:
        """Return a context of its own for the same request or websocket and session."""
        return self._with_adapter(
            type(self)(
                self.app,
                request=self.request if self.has_request else None,
                session=self._session if self.session_opened else None,
                websocket=self.websocket if self.has_websocket else None,
            )
        )

    def _with_adapter(self, copied: C) -> C:
        """Let an app's own `create_url_adapter` be asked at once, as Flask does."""
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


def has_own_life(cls: type[AppContext]) -> bool:
    """Say whether a class of contexts has methods of its own for what the flow does with them."""
    return not _LIFE.isdisjoint(cls.redefined)


def lives_by_itself(ctx: AppContext) -> bool:
    """Say the same of a context: by its class, or as something was set on it."""
    return has_own_life(type(ctx)) or not _LIFE.isdisjoint(vars(ctx))


def _request_of(app: t.Any, send: ASGISend, request: t.Any) -> t.Any:
    request.json_module, request.config_of_app = app.json, app.config
    if not app.plain:
        request.asgi_send = send
    return request
