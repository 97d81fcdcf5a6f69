"""Types of what users hand to the app, and Protocols of what low rooms need of high ones.

Names of the first kind are Flask's, then Quart's. A Protocol here lists only what some
lower module really uses.
"""

from __future__ import annotations

import collections.abc as cabc
import typing as t

if t.TYPE_CHECKING:
    import logging

    from _typeshed.wsgi import WSGIApplication
    from jinja2 import BaseLoader
    from jinja2 import Environment as JinjaEnvironment
    from werkzeug.datastructures import Headers
    from werkzeug.exceptions import HTTPException
    from werkzeug.sansio.response import Response as SansioResponse
    from werkzeug.wrappers import Response as WerkzeugResponse

    ResponseClass = SansioResponse
else:
    ResponseClass = t.Any

# --- What a view may return -------------------------------------------------------------

ResponseValue = t.Union[
    "SansioResponse",
    str,
    bytes,
    list[t.Any],
    # Only dict is actually accepted, but Mapping allows for TypedDict.
    cabc.Mapping[str, t.Any],
    cabc.Iterator[str],
    cabc.Iterator[bytes],
    cabc.AsyncIterator[str],
    cabc.AsyncIterator[bytes],
    cabc.AsyncGenerator[str, None],
    cabc.AsyncGenerator[bytes, None],
]
HeaderValue = t.Union[str, list[str], tuple[str, ...]]
HeadersValue = t.Union[
    "Headers", cabc.Mapping[str, HeaderValue], cabc.Sequence[tuple[str, HeaderValue]]
]
StatusCode = int
ResponseReturnValue = t.Union[
    ResponseValue,
    tuple[ResponseValue, HeadersValue],
    tuple[ResponseValue, int],
    tuple[ResponseValue, int, HeadersValue],
    "WSGIApplication",
]
ResponseTypes = t.Union["SansioResponse", "WerkzeugResponse"]

#: What an error handler returns, or an HTTP exception that is the response itself.
Handled = t.Union["HTTPException", ResponseReturnValue]

# --- What users register ----------------------------------------------------------------

AppOrBlueprintKey = t.Optional[str]  # The App key is None, whereas blueprints are named
# They take the response of their app's colour, or of its own class.
AfterRequestCallable = t.Union[
    cabc.Callable[[t.Any], "SansioResponse"],
    cabc.Callable[[t.Any], cabc.Awaitable["SansioResponse"]],
]
BeforeFirstRequestCallable = t.Union[
    cabc.Callable[[], None], cabc.Callable[[], cabc.Awaitable[None]]
]
AfterServingCallable = t.Union[cabc.Callable[[], t.Any], cabc.Callable[[], cabc.Awaitable[t.Any]]]
AfterWebsocketCallable = t.Union[
    cabc.Callable[[t.Any], t.Any], cabc.Callable[[t.Any], cabc.Awaitable[t.Any]]
]
BeforeRequestCallable = t.Union[
    cabc.Callable[[], t.Optional[ResponseReturnValue]],
    cabc.Callable[[], cabc.Awaitable[t.Optional[ResponseReturnValue]]],
]
BeforeServingCallable = t.Union[cabc.Callable[[], t.Any], cabc.Callable[[], cabc.Awaitable[t.Any]]]
BeforeWebsocketCallable = BeforeRequestCallable
# Handlers take the exception that they are registered for, which has no one type.
ErrorHandlerCallable = t.Union[
    cabc.Callable[[t.Any], ResponseReturnValue],
    cabc.Callable[[t.Any], cabc.Awaitable[ResponseReturnValue]],
]
ShellContextProcessorCallable = cabc.Callable[[], dict[str, t.Any]]
TeardownCallable = t.Union[
    cabc.Callable[[t.Optional[BaseException]], t.Any],
    cabc.Callable[[t.Optional[BaseException]], cabc.Awaitable[t.Any]],
]
TemplateContextProcessorCallable = t.Union[
    cabc.Callable[[], dict[str, t.Any]],
    cabc.Callable[[], cabc.Awaitable[dict[str, t.Any]]],
]
TemplateFilterCallable = cabc.Callable[..., t.Any]
TemplateGlobalCallable = cabc.Callable[..., t.Any]
TemplateTestCallable = cabc.Callable[..., bool]
URLDefaultCallable = cabc.Callable[[str, dict[str, t.Any]], None]
URLValuePreprocessorCallable = cabc.Callable[[t.Optional[str], t.Optional[dict[str, t.Any]]], None]


class BodyStream(t.IO[bytes], cabc.AsyncIterator[bytes]):
    """What `request.stream` of a `Flask` app is: a file of bytes; in a route with
    `stream_body=True` and an `async def` view what `async for` iterates over. For annotations."""


class TypedRoute(t.Protocol):
    """A view that `quartish.typed.typed` decorates: what it returns is written by its type."""

    @property
    def typed_operation(self) -> object: ...
    def __call__(self, /, *args: t.Any, **kwargs: t.Any) -> t.Any: ...


# What has fields, which a typed view may return. Checkers cannot see whether a view is one.
class _Struct(t.Protocol):
    __struct_fields__: t.ClassVar[tuple[str, ...]]


class _Dataclass(t.Protocol):
    __dataclass_fields__: t.ClassVar[dict[str, t.Any]]


class _Attrs(t.Protocol):
    __attrs_attrs__: t.ClassVar[t.Any]


class _Model(t.Protocol):
    __pydantic_fields__: t.ClassVar[dict[str, t.Any]]


_RouteReturnValue = t.Union[ResponseReturnValue, _Struct, _Dataclass, _Attrs, _Model]
RouteCallable = t.Union[
    cabc.Callable[..., _RouteReturnValue],
    cabc.Callable[..., cabc.Awaitable[_RouteReturnValue]],
    TypedRoute,
]
WebsocketCallable = t.Union[cabc.Callable[..., t.Any], cabc.Callable[..., cabc.Awaitable[t.Any]]]
WhileServingCallable = cabc.Callable[[], t.Union[cabc.AsyncIterator[None], cabc.Iterator[None]]]

# --- ASGI (asgi.readthedocs.io, specs/www) ------------------------------------------------

Scope = cabc.MutableMapping[str, t.Any]
Message = cabc.MutableMapping[str, t.Any]
ASGIReceive = cabc.Callable[[], cabc.Awaitable[Message]]
ASGISend = cabc.Callable[[Message], cabc.Awaitable[None]]
ASGIApp = cabc.Callable[[Scope, ASGIReceive, ASGISend], cabc.Awaitable[None]]
#: Header names, in lower case, and values, as they are sent.
RawHeaders = list[tuple[bytes, bytes]]


# --- What low rooms need of high ones ---------------------------------------------------


#: The app where users override a method that takes it: theirs names the class that it is for, which
#: type checkers allow for no other type than this.
AnyApp = t.Any


class JSONApp(t.Protocol):
    """The app, as its JSON provider sees it."""

    response_class: t.Any

    @property
    def debug(self) -> bool: ...


class CommandApp(t.Protocol):
    """The app, as commands see it."""

    def app_context(self) -> t.Any: ...


class TemplateSource(t.Protocol):
    """The app, as its template loader sees it."""

    config: t.Any

    @property
    def name(self) -> str: ...
    @property
    def logger(self) -> logging.Logger: ...
    @property
    def jinja_loader(self) -> BaseLoader | None: ...
    def iter_blueprints(self) -> cabc.Iterable[t.Any]: ...


class AppLike(t.Protocol):
    """The app, as rooms below `app` see it."""

    config: t.Any
    secret_key: t.Any
    json: t.Any
    aborter: t.Any
    request_class: t.Any
    response_class: t.Any
    quartish_context_class: t.Any
    session_interface: t.Any
    blueprints: t.Any
    template_context_processors: t.Any
    view_functions: t.Any
    url_map: t.Any
    root_path: str
    plain: bool
    cli: t.Any

    @property
    def name(self) -> str: ...
    @property
    def debug(self) -> bool: ...
    @property
    def logger(self) -> logging.Logger: ...
    @property
    def jinja_env(self) -> JinjaEnvironment: ...
    @property
    def quartish_http_flow(self) -> t.Any: ...
    def __call__(self, scope: t.Any, receive: t.Any = ..., send: t.Any = ..., /) -> t.Any: ...
    def quartish_drive(self, coro: cabc.Coroutine[t.Any, t.Any, t.Any], /) -> t.Any: ...
    def ensure_sync(self, func: cabc.Callable[..., t.Any], /) -> cabc.Callable[..., t.Any]: ...
    def url_for(
        self,
        /,
        endpoint: str,
        *,
        _anchor: str | None = ...,
        _method: str | None = ...,
        _scheme: str | None = ...,
        _external: bool | None = ...,
        **values: t.Any,
    ) -> str: ...
    def redirect(self, location: str, code: int = ...) -> t.Any: ...
    def make_response(self, rv: t.Any, /) -> t.Any: ...
    def get_send_file_max_age(self, filename: str | None) -> int | None: ...
    def app_context(self) -> t.Any: ...
    def create_global_jinja_loader(self) -> BaseLoader: ...
    def update_template_context(self, context: dict[str, t.Any]) -> t.Any: ...


class LiveApp(AppLike, t.Protocol):
    """The app, as the flow and the doors see it."""

    websocket_class: t.Any
    websockets: set[t.Any]
    quartish_exchanges: set[t.Any]
    app_ctx_globals_class: t.Any
    error_handler_spec: t.Any
    teardown_appcontext_funcs: t.Any
    before_serving_funcs: t.Any
    after_serving_funcs: t.Any
    url_value_preprocessors: t.Any
    subdomain_matching: bool
    extensions: t.Any
    testing: t.Any

    @property
    def wsgi_app(self) -> t.Any: ...
    @property
    def quartish_settings(self) -> t.Any: ...
    @property
    def view_pool(self) -> t.Any: ...  # `Workers`, which users may put another Executor in place of
    @property
    def file_pool(self) -> t.Any: ...
    @property
    def hook_pool(self) -> t.Any: ...
    @property
    def shutdown_event(self) -> t.Any: ...
    @property
    def quartish_websocket_flow(self) -> t.Any: ...
    async def to_file_thread(self, func: cabc.Callable[..., t.Any], /, *args: t.Any) -> t.Any: ...
    def quartish_flow_of(self, ctx: t.Any, /) -> t.Any: ...
    def request_context(self, request: t.Any, /) -> t.Any: ...
    def create_url_adapter(self, request: t.Any, /) -> t.Any: ...
    def log_exception(self, exc_info: t.Any, /) -> t.Any: ...
    def ensure_async(self, func: cabc.Callable[..., t.Any], /) -> cabc.Callable[..., t.Any]: ...
    def sync_to_async(self, func: cabc.Callable[..., t.Any], /) -> cabc.Callable[..., t.Any]: ...
    def make_default_options_response(self) -> t.Any: ...
    def raise_routing_exception(self, request: t.Any, /) -> t.NoReturn: ...
    def make_shell_context(self) -> dict[str, t.Any]: ...
    def quartish_bind_without_host(self, conn: t.Any, /) -> t.Any: ...
    def inject_url_defaults(self, endpoint: str, values: dict[str, t.Any]) -> None: ...
    def handle_url_build_error(
        self, error: t.Any, endpoint: str, values: dict[str, t.Any]
    ) -> str: ...
    def handle_background_exception(self, error: t.Any, /) -> t.Any: ...
    def while_serving(self, func: t.Any, /) -> t.Any: ...
    async def startup(self) -> None: ...
    async def shutdown(self) -> None: ...


class ServedApp(LiveApp, t.Protocol):
    """The app, as what stands for a server sees it."""

    def async_test_client(self, use_cookies: bool = ..., **kwargs: t.Any) -> t.Any: ...


class AwaitableApp(LiveApp, t.Protocol):
    """An app of the awaitable colour, as what is that colour's alone sees it."""

    async def handle_request(self, request: t.Any, /) -> t.Any: ...
    async def handle_websocket(self, websocket: t.Any, /) -> t.Any: ...
    def websocket_context(self, websocket: t.Any, /) -> t.Any: ...


class ContextLike(t.Protocol):
    """The active context (`ctx.AppContext`), as rooms below `ctx` see it.

    `request`, `websocket` and `session` raise RuntimeError where there is none.
    """

    app: LiveApp
    flashes: list[tuple[str, str]] | None

    @property
    def app_ctx(self) -> t.Any: ...
    @property
    def conn_ctx(self) -> t.Any: ...
    @property
    def g(self) -> t.Any: ...
    @property
    def url_adapter(self) -> t.Any: ...
    @property
    def has_request(self) -> bool: ...
    @property
    def has_websocket(self) -> bool: ...
    @property
    def request(self) -> t.Any: ...
    @property
    def websocket(self) -> t.Any: ...
    @property
    def conn(self) -> t.Any: ...
    @property
    def session(self) -> t.Any: ...
    def push(self) -> t.Any: ...
    def pop(self, exc: t.Any = ...) -> t.Any: ...
