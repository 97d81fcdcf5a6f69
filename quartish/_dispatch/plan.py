"""What is known of an app before a request is dispatched.

It is read from the app: which registered functions take part before the view, after it and at the
end, and whether anything looks at the response. What the app *redefines* is looked up once, as
setting any of that makes a new plan. What is *registered* is looked up for each request, as the
registries may be edited at any time.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import MethodType

from blinker import Signal

from .._concurrency.coroutines import is_async_callable
from .._concurrency.greenlets import can_pause
from .._context import AppContext
from .._context import class_has_own_methods
from .._settings import Settings
from ..routing.map import Map
from ..sessions.interface import is_stock
from ..signals import appcontext_popped
from ..signals import appcontext_tearing_down
from ..signals import got_request_exception
from ..signals import got_websocket_exception
from ..signals import request_finished
from ..signals import request_started
from ..signals import request_tearing_down
from ..signals import websocket_finished
from ..signals import websocket_started
from ..signals import websocket_tearing_down
from ..typing import LiveApp
from ..wrappers.awaitable_response import Response as AwaitableResponse
from ..wrappers.connection import Conn
from ..wrappers.response import Response
from .hooks import Registry
from .overrides import as_handler
from .overrides import as_step
from .overrides import CONTEXT_LAST
from .overrides import HELPERS
from .overrides import is_default
from .response import make_response

Adapt = t.Callable[[t.Callable[..., t.Any]], t.Callable[..., t.Any]]

#: Attributes that `direct_outgoing` looks at; a class of responses may set them.
_SETTINGS = frozenset(["default_mimetype", "default_status"])
_FROM_SCOPE: t.Any = vars(Conn)["quartish_from_scope"].__func__


@dataclass(frozen=True)
class Kind:
    """The names of the same things for requests and for websockets."""

    name: str
    #: The app's registries of the hooks: before, after, teardown.
    hooks: tuple[str, str, str]
    #: The app's method around the flow, and the one that makes its contexts, if it has them.
    handler: str
    context: str
    #: The app's attribute for its own class of connections.
    connection: str
    #: The app's method for each step that it may override.
    methods: t.Mapping[str, str]
    #: The signals of its start, its end, its failure and its teardown.
    started: Signal
    finished: Signal
    failed: Signal
    tearing_down: Signal


HTTP = Kind(
    name="Request",
    hooks=("before_request_funcs", "after_request_funcs", "teardown_request_funcs"),
    handler="handle_request",
    context="request_context",
    connection="asgi_http_class",
    methods={
        "full_dispatch": "full_dispatch_request",
        "preprocess": "preprocess_request",
        "dispatch": "dispatch_request",
        "finalize": "finalize_request",
        "postprocess": "process_response",
        "handle_user_exception": "handle_user_exception",
        "handle_http_exception": "handle_http_exception",
        "handle_exception": "handle_exception",
        "teardown_connection": "do_teardown_request",
        "teardown_app": "do_teardown_appcontext",
    },
    started=request_started,
    finished=request_finished,
    failed=got_request_exception,
    tearing_down=request_tearing_down,
)
WEBSOCKET = Kind(
    name="Websocket",
    hooks=("before_websocket_funcs", "after_websocket_funcs", "teardown_websocket_funcs"),
    handler="handle_websocket",
    context="websocket_context",
    connection="asgi_websocket_class",
    methods={
        "full_dispatch": "full_dispatch_websocket",
        "preprocess": "preprocess_websocket",
        "dispatch": "dispatch_websocket",
        "finalize": "finalize_websocket",
        "postprocess": "postprocess_websocket",
        "handle_user_exception": "handle_user_exception",
        "handle_http_exception": "handle_http_exception",
        "handle_exception": "handle_websocket_exception",
        "teardown_connection": "do_teardown_websocket",
        "teardown_app": "do_teardown_appcontext",
    },
    started=websocket_started,
    finished=websocket_finished,
    failed=got_websocket_exception,
    tearing_down=websocket_tearing_down,
)


class Plan:
    """What is known of one app's requests, or of its websockets. A plan is never changed: the app
    makes a new one when something that it was made of is set."""

    # PERF(0.2 of 5 us): without slots so many attributes make a dict of each plan's own, in which
    # every look-up takes the slow way.
    __slots__ = (
        *("adapt", "after", "app", "asks_for_app_context", "at_end", "before"),
        *("connection_class", "quartish_context_class", "detour", "direct", "finishing"),
        *("in_app_context", "kind", "late_request", "lazy_session", "make", "makes_context"),
        *("matches", "minds_host", "overridden", "own_adapter", "own_app_context"),
        *("own_contexts", "plain", "preprocessors", "reads_ahead", "replaced", "request_class"),
        *("response_class", "settings", "starting", "steps", "takes_scope", "teardown"),
        *("through_wsgi", "unchanged", "url_map"),
    )

    def __init__(self, app: LiveApp, kind: Kind) -> None:
        self.app = app
        self.kind = kind
        self.plain: bool = app.plain
        #: Whether a body is read before the view, on the loop lane.
        self.reads_ahead: bool = app.plain and kind is HTTP
        self.settings: Settings = app.quartish_settings
        self.request_class: t.Any = app.request_class
        self.quartish_context_class: type[AppContext] = app.quartish_context_class
        self.response_class: t.Any = app.response_class
        #: Whether the app makes the contexts by a method of its own.
        maker: t.Any = getattr(app, kind.context, None)
        class_of: t.Any = getattr(app, "context_class_of", lambda _: self.quartish_context_class)
        self.makes_context: bool = maker is not None and (
            not is_default(maker) or class_of(kind.context) is not self.quartish_context_class
        )
        #: Whether a request may be made as late as something reads it: neither its class nor its
        #: context's redefines how one is made or closed.
        from_scope = getattr(self.request_class, "quartish_from_scope", None)
        self.late_request: bool = (
            self.quartish_context_class.__init__ is AppContext.__init__
            and "__init__" not in self.quartish_context_class.quartish_redefined
            and type(from_scope) is MethodType
            and from_scope.__func__ is _FROM_SCOPE
            and not self.request_class.quartish_needs_close
            and not self.makes_context
        )
        #: The registries themselves, as they may be edited at any time. When one is replaced, a new
        #: flow is made.
        self.before: Registry
        self.after: Registry
        self.teardown: Registry
        self.before, self.after, self.teardown = (getattr(app, name) for name in kind.hooks)
        #: The steps that a method of the app's replaces.
        self.replaced: set[str] = set()
        self.steps: dict[str, t.Callable[..., t.Any]] = {}
        #: Whether one of these methods is a `def`: then the whole request runs in a thread.
        self.overridden: bool = False
        for step, name in kind.methods.items():
            method = getattr(app, name)
            if not is_default(method):
                context_last = not self.plain and step in CONTEXT_LAST
                self.steps[step] = as_step(method, context_last)
                self.replaced.add(step)
                self.overridden = self.overridden or not is_async_callable(method)
        for name in HELPERS:
            method = getattr(app, name, None)
            if method and not is_default(method):
                self.overridden = self.overridden or not is_async_callable(method)
        #: The app's own method around the whole flow (awaitable colour).
        handler = getattr(app, kind.handler, None)
        if handler is not None and not is_default(handler):
            self.steps["handle"] = as_handler(handler)
            self.replaced.add("handle")
            self.overridden = self.overridden or not is_async_callable(handler)
        #: Whether the app redefines `app_context`, which Flask's flow calls.
        self.own_app_context: bool = self.plain and not is_default(t.cast(t.Any, app).app_context)
        #: Whether contexts may redefine `push` and its like, which the flow calls then.
        self.own_contexts: bool = (
            self.own_app_context
            or self.makes_context
            or class_has_own_methods(self.quartish_context_class)
        )
        #: Whether the app redefines `create_url_adapter`; and whether each connection therefore, or
        #: because `app_context` is redefined, gets an application context of its own.
        self.own_adapter: bool = not is_default(app.create_url_adapter)
        self.asks_for_app_context: bool = self.own_adapter or not is_default(
            t.cast(t.Any, app).app_context
        )
        #: The app's own `ensure_sync` or `ensure_async`, which is called for each function of the
        #: user's; None if nothing is redefined.
        self.adapt: Adapt | None = None
        if not self.plain and not all(map(is_default, (app.ensure_async, app.sync_to_async))):
            self.adapt = app.ensure_async
        elif self.overridden:
            self.adapt = app.ensure_sync
        #: What makes a response of what a view returned.
        own = is_default(app.make_response)
        self.make: t.Callable[[t.Any], t.Any] = (
            partial(make_response, app) if own else app.make_response
        )
        #: Whether the app redefines nothing that makes or changes a response.
        self.unchanged: bool = (
            not self.replaced
            and own
            and kind is HTTP
            and self.response_class in (Response, AwaitableResponse)
            and self.response_class.quartish_redefined <= _SETTINGS
        )
        #: What else takes part before the view and after it.
        self.preprocessors: Registry = app.url_value_preprocessors
        self.starting: t.Mapping[t.Any, t.Any]
        self.finishing: t.Mapping[t.Any, t.Any]
        self.starting, self.finishing = kind.started.receivers, kind.finished.receivers
        #: What takes part at the end.
        self.at_end: tuple[t.Any, ...] = (
            self.teardown,
            app.teardown_appcontext_funcs,
            kind.tearing_down.receivers,
            appcontext_tearing_down.receivers,
            appcontext_popped.receivers,
            self.replaced,
            self.own_contexts,
            self.asks_for_app_context,
        )
        #: Whether there is a WSGI middleware around the app: then http requests go through it.
        self.through_wsgi: bool = not is_default(app.wsgi_app) or hasattr(
            type(app).__call__, "for_wsgi"
        )
        #: The app's own class of connections, if it redefines anything.
        connection_class: t.Any = getattr(app, kind.connection, None)
        self.connection_class: t.Any | None = (
            None if getattr(connection_class, "direct", not connection_class) else connection_class
        )
        if (
            kind is WEBSOCKET
            and "buffer_class" in t.cast(t.Any, app).websocket_class.quartish_redefined
        ):
            self.connection_class = connection_class  # as it fills the buffer (Quart 0.23)
        #: *Quart:* whether each request is inside of an application context, as the app redefines
        #: `app_context`.
        self.in_app_context: bool = not self.plain and not is_default(
            t.cast(t.Any, app).app_context
        )
        #: Whether requests do not go straight to the flow.
        self.detour: bool = (
            self.through_wsgi or self.connection_class is not None or self.in_app_context
        )

        #: Whether a session may be opened as late as something reads it, and be saved without
        #: awaiting.
        self.lazy_session: bool = is_stock(app.session_interface) and (app.plain or not self.adapt)
        #: Whether `handle` has nothing to do before `full_dispatch`, which is not replaced.
        self.direct: bool = self.lazy_session and "full_dispatch" not in self.replaced

        #: The map if path and method may be looked up in its table, as no subdomains are matched
        #: and nothing redefines matching; else None.
        self.url_map: Map | None = None
        if not app.subdomain_matching and is_default(app.create_url_adapter):
            self.url_map = app.url_map if type(app.url_map) is Map else None
        #: Whether a host that is not `SERVER_NAME` has to go to Werkzeug's matcher: *Quart* matches
        #: subdomains without being asked to.
        self.minds_host: bool = not self.plain and self.url_map is not None
        #: Whether contexts leave matching to the flow.
        self.matches: bool = self.quartish_context_class.match_request is AppContext.match_request
        #: Whether a scope's path and method may be taken as they are, without making a request.
        self.takes_scope: bool = self.matches and self.url_map is not None
        if kind is WEBSOCKET:
            self.takes_scope = (
                self.takes_scope and not t.cast(t.Any, app).websocket_class.quartish_redefined
            )
        else:
            self.takes_scope = (
                self.takes_scope and self.late_request and self.request_class.trusted_hosts is None
            )

    def of_interface(self, func: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        """Return what is called for a method of the session interface. *Quart* adapts it as it
        adapts a function of the user's."""
        return func if self.plain or self.adapt is None else self.adapt(func)

    def saver(self, ctx: AppContext) -> t.Callable[..., t.Any]:
        """Return what saves a session. *Quart* does not adapt it for a websocket."""
        save = self.app.session_interface.save_session
        return self.of_interface(save) if ctx.kind == "request" else save

    def serves_file(self, ctx: AppContext) -> bool:
        """Say whether the view only sends a static file, which blocked views must not delay."""
        view = self._view(ctx) if ctx.view is None else ctx.view
        return getattr(view, "__name__", "") == "send_static_file"

    def may_read(self, ctx: AppContext) -> bool:
        """Say whether the body may be read before the view: not if the view's route says
        `stream_body`; without a view (a 404), only if a hook or an error handler may read it."""
        conn = ctx.made
        if conn.routing_exception is None:
            return not getattr(conn.url_rule, "stream_body", False)
        others = (self.before, self.after, self.teardown, self.app.error_handler_spec)
        return self.overridden or any(others) or any(self.at_end)

    def misses_on_loop(self, ctx: AppContext) -> bool:
        """Say whether a request that matches no view takes the loop lane: if its hooks are all
        async, and no body has to be read before them."""
        body = ctx.made.quartish_body if self.plain and ctx.kind == "request" else None
        if body is not None and can_pause() and self.may_read(ctx):
            return False
        hooks = (self.before, self.after, self.teardown)
        return not any(hooks) or all(
            is_async_callable(func)
            for registry in hooks
            for func in chain.from_iterable(registry.values())
        )

    def survives_disconnect(self, ctx: AppContext) -> bool:
        """Say whether the view may finish after the client has disconnected."""
        return getattr(self._view(ctx), "survives_disconnect", False) is True

    def describe(self, ctx: AppContext) -> str:
        """Name the view and the path, for the log."""
        conn = ctx.conn
        return f"view {conn.endpoint!r} [{conn.method} {conn.quartish_log_path}]"

    def _view(self, ctx: AppContext) -> t.Any:
        rule = (ctx if ctx.made is None else ctx.made).url_rule
        return None if rule is None else self.app.view_functions.get(rule.endpoint)

    # --- the session -------------------------------------------------------------------------

    def saves_session(self, ctx: AppContext) -> bool:
        """Say whether the session has to be saved: if it was read or written; or if the request has
        its cookie, as a permanent session is renewed with each response
        (`SESSION_REFRESH_EACH_REQUEST`)."""
        if ctx.session_opened:
            return True
        if ctx.made is not None:
            cookies = ctx.made.quartish_raw_cookie
        else:
            cookies = ctx.quartish_raw_headers.get(b"cookie", b"").decode("latin-1")
        if not cookies or not self.lazy_session:
            return False
        settings = self.settings
        return settings.SESSION_COOKIE_NAME in cookies and bool(
            settings.SESSION_REFRESH_EACH_REQUEST
        )
