"""Names that Flask's and Quart's modules have because they import them, for code that takes them
from there (`from flask.wrappers import ResponseBase`, `from quart.ctx import Token`).

One table says where each comes from; the modules of quartish, and their second names, look up in
it what they do not have themselves. To take a name from here is slower the first time only.
"""

from __future__ import annotations

import importlib
import sys
import typing as t
from types import ModuleType

#: Where names come from; `name=other` where they have another name there.
SOURCES = {
    "asyncio": "Event iscoroutinefunction",
    "abc": "ABC abstractmethod",
    "click": "ParameterSource=core.ParameterSource",
    "click.testing": "CliRunner Result",
    "collections": "defaultdict",
    "collections.abc": "AsyncGenerator AsyncIterable AsyncIterator Awaitable Callable Collection"
    " Coroutine Generator Iterable Iterator Mapping MutableMapping Sequence",
    "contextlib": "AbstractAsyncContextManager ExitStack contextmanager",
    "contextvars": "ContextVar Token copy_context",
    "copy": "copy",
    "datetime": "UTC datetime timedelta timezone",
    "functools": "cache partial update_wrapper wraps",
    "hashlib": "md5",
    "http.cookiejar": "CookieJar",
    "hypercorn.config": "HyperConfig=Config",
    "hypercorn.typing": "ASGIReceiveCallable ASGIReceiveEvent ASGISendCallable ASGISendEvent"
    " HTTPResponseBodyEvent HTTPResponseStartEvent HTTPScope LifespanScope"
    " LifespanShutdownCompleteEvent LifespanShutdownFailedEvent LifespanStartupCompleteEvent"
    " LifespanStartupFailedEvent Scope WWWScope WebsocketAcceptEvent WebsocketCloseEvent"
    " WebsocketResponseBodyEvent WebsocketResponseStartEvent WebsocketScope",
    "importlib": "import_module",
    "importlib.metadata": "entry_points version",
    "inspect": "_inspect_iscoroutinefunction=iscoroutinefunction isasyncgen isgenerator",
    "io": "BytesIO",
    "itertools": "chain",
    "itsdangerous": "BadSignature URLSafeTimedSerializer",
    "jinja2": "BaseEnvironment=Environment BaseLoader Template TemplateNotFound",
    "logging": "DEBUG Formatter Handler LogRecord Logger NOTSET StreamHandler getLogger",
    "logging.handlers": "QueueHandler QueueListener",
    "operator": "attrgetter itemgetter",
    "os": "PathLike",
    "pathlib": "Path",
    "queue": "Queue=SimpleQueue",
    "types": "ModuleType TracebackType",
    "typing": "Any ClassVar HeaderName=Text IO Literal NoReturn ParamSpec Protocol TYPE_CHECKING"
    " TypeVar Union cast overload",
    "urllib.parse": "_url_quote=quote parse_qsl quote urlparse urlsplit",
    "urllib.request": "U2Request=Request",
    "werkzeug.datastructures": "Authorization CallbackDict FileStorage Headers ImmutableDict"
    " MultiDict iter_multi_items",
    "werkzeug.exceptions": "Aborter BadRequest BadRequestKeyError HTTPException"
    " InternalServerError NotFound RequestEntityTooLarge RequestTimeout _wz_abort=abort"
    " werkzeug_abort=abort",
    "werkzeug.formparser": "MultiPartParser default_stream_factory",
    "werkzeug.http": "parse_options_header",
    "werkzeug.routing": "BuildError MapAdapter RequestRedirect RoutingException",
    "werkzeug.sansio.multipart": "Data Epilogue Field File MultipartDecoder NeedData",
    "werkzeug.sansio.request": "SansIORequest=Request",
    "werkzeug.sansio.response": "SansIOResponse=Response",
    "werkzeug.security": "safe_join",
    "werkzeug.serving": "is_running_from_reloader run_simple",
    "werkzeug.test": "Client",
    "werkzeug.utils": "_wz_redirect=redirect import_string werkzeug_redirect=redirect",
    "werkzeug.wrappers": "BaseRequest=Request BaseResponse=Response RequestBase=Request"
    " ResponseBase=Response WerkzeugResponse=Response",
    "werkzeug.wsgi": "get_host",
    "zlib": "adler32",
    "quartish._cli.commands": "AppGroup",
    "quartish._context": "_AppCtxGlobals _sentinel",
    "quartish._current": "_no_app_msg=NO_APP _no_req_msg=NO_REQUEST _no_websocket_msg=NO_WEBSOCKET",
    "quartish._files": "send_from_directory",
    "quartish._http.forms": "StreamFactory",
    "quartish._cli.find_app": "ScriptInfo _called_with_wrong_args",
    "quartish._cli.options": "_app_option _debug_option _env_file_callback _env_file_option"
    " _set_app _set_debug",
    "quartish.sansio.scaffold": "F AppOrBlueprintKey FilePath=PathLike T_after_websocket"
    " T_before_websocket T_teardown T_websocket _default_template_ctx_processor setupmethod",
    "quartish._quart.utils": "P T cancel_tasks file_path_to_path=join_paths raise_task_exceptions"
    " run_sync",
    "quartish._quart.reload": "MustReloadError observe_changes restart"
    " _cancel_all_tasks=cancel_all_tasks",
    "quartish._application": "T_after_serving T_before_serving T_while_serving",
    "quartish.app": "TestApp",
    "quartish.asgi.connections": "ASGIHTTPConnection ASGILifespan ASGIWebsocketConnection"
    " ASGIHTTPProtocol=ASGIHTTPConnection ASGILifespanProtocol=ASGILifespan"
    " ASGIWebsocketProtocol=ASGIWebsocketConnection",
    "quartish.debugger": "traceback_response",
    "quartish.testing": "QuartCliRunner=FlaskCliRunner",
    "quartish.blueprints": "Blueprint SansioBlueprint=Blueprint T_template_filter"
    " T_template_global T_template_test",
    "quartish.sansio.app": "App=Core",
    "quartish.config": "Config FlaskConfig=Config",
    "quartish.ctx": "RequestContext WebsocketContext after_this_request has_app_context"
    " has_request_context has_websocket_context",
    "quartish.globals": "_cv_app _cv_request _cv_websocket app_ctx current_app g request"
    " request_ctx session websocket websocket_ctx",
    "quartish.helpers": "_split_blueprint_path get_debug_flag get_flashed_messages get_load_dotenv"
    " stream_with_context",
    "quartish.json": "dumps loads",
    "quartish.routing": "QuartMap=Map QuartRule=Rule",
    "quartish.serving": "serve",
    "quartish.sessions": "SecureCookieSessionInterface SessionInterface SessionMixin",
    "quartish.sessions.signing": "_lazy_sha1=lazy_sha1",
    "quartish.signals": "appcontext_popped appcontext_pushed appcontext_tearing_down"
    " before_render_template template_rendered"
    " got_background_exception got_request_exception got_serving_exception"
    " got_websocket_exception request_finished request_started request_tearing_down"
    " websocket_finished websocket_received websocket_sent websocket_started"
    " websocket_tearing_down",
    "quartish.templating": "Environment _render _stream",
    "quartish.testing.app": "TestAppProtocol=TestApp",
    "quartish.testing.client": "QuartClient TestClientProtocol=QuartClient",
    "quartish.testing.connections": "TestHTTPConnectionProtocol=TestHTTPConnection"
    " TestWebsocketConnectionProtocol=TestWebsocketConnection",
    "quartish.testing.utils": "encode_headers make_test_body_with_headers"
    " make_test_headers_path_and_query_string make_test_scope no_op_push sentinel",
    "quartish.typing": "AfterRequestCallable AfterServingCallable AfterWebsocketCallable"
    " BeforeServingCallable BeforeWebsocketCallable HeadersValue ResponseReturnValue"
    " ResponseTypes ShellContextProcessorCallable StatusCode TeardownCallable"
    " TemplateFilterCallable TemplateGlobalCallable TemplateTestCallable WebsocketCallable"
    " WhileServingCallable T_shell_context_processor=ShellContextProcessorCallable",
    "quartish.wrappers": "Request Response Websocket",
    "quartish.wrappers.response_bodies": "ResponseBody run_sync_iterable=iterate_in_thread",
    "quartish.wrappers.connection": "BaseRequestWebsocket=Conn ClientDisconnectedError",
    "quartish.wrappers.awaitable_request": "Body",
}
#: Modules that are taken from modules.
MODULES = {
    **{name: name for name in "asyncio click contextvars decimal functools hashlib".split()},
    **{name: name for name in "ast code importlib inspect json mimetypes os pkgutil".split()},
    **{name: name for name in "platform re signal sys traceback warnings weakref werkzeug".split()},
    "t": "typing",
    "c": "collections.abc",
    "cabc": "collections.abc",
    "cli": "quartish.cli",
    "ft": "quartish.typing",
    "sansio": "quartish.sansio",
    "annotations": "__future__",
}
#: The awaitable colour's, which Quart's modules have under the same names.
QUARTS = {
    "Request": "quartish.wrappers.awaitable_request:Request",
    "Response": "quartish.wrappers.awaitable_response:Response",
    "Blueprint": "quartish._quart.files:Blueprint",
    "RequestContext": "quartish._quart.contexts:RequestContext",
    "WebsocketContext": "quartish._quart.contexts:WebsocketContext",
    "send_from_directory": "quartish._quart.functions:send_from_directory",
}


def _places() -> dict[str, str]:
    places = {}
    for source, names in SOURCES.items():
        for name in names.split():
            name, _, other = name.partition("=")
            path, _, attribute = (other or name).rpartition(".")
            places[name] = f"{source}{path and '.' + path}:{attribute}"
    return places


_PLACES = _places()


def serve(module: ModuleType, quarts: bool = False) -> None:
    """Let a module give the names of the table that it does not have itself."""
    own = vars(module).get("__getattr__")

    def __getattr__(name: str) -> t.Any:
        if own is not None:
            try:
                return own(name)
            except AttributeError:
                pass
        place = (quarts and QUARTS.get(name)) or _PLACES.get(name)
        if place is not None:
            source, _, attribute = place.partition(":")
            found = importlib.import_module(source)
            if found is not module or attribute != name:
                return getattr(found, attribute)
        if name in MODULES:
            return importlib.import_module(MODULES[name])
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

    vars(module)["__getattr__"] = __getattr__


#: The public modules that Flask or Quart have.
PUBLIC = (
    *("app", "asgi", "blueprints", "cli", "config", "ctx", "datastructures", "debughelpers"),
    *("globals", "helpers", "json", "json.provider", "json.tag", "logging", "routing"),
    *("sansio.app", "sansio.blueprints", "sansio.scaffold", "sessions", "signals"),
    *("templating", "testing", "testing.app", "testing.client", "testing.connections"),
    *("testing.utils", "typing", "views", "wrappers"),
    "wrappers.awaitable_request",
    *("wrappers.awaitable_response", "wrappers.request", "wrappers.response"),
    "wrappers.websocket",
)
#: Those that are imported when they are first asked for.
LATE = {
    "cli": ("cli",),
    "sansio": ("sansio.app", "sansio.blueprints", "sansio.scaffold", "sansio"),
}


def serve_all(package: str) -> None:
    """Serve the public modules that were imported, and import the late ones when they are asked
    for, so that the package has every module that `import flask` gives."""

    def __getattr__(name: str) -> t.Any:
        if name in LATE:
            return [importlib.import_module(f"{package}.{late}") for late in LATE[name]][-1]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    vars(sys.modules[package])["__getattr__"] = __getattr__
    for name in PUBLIC:
        module = sys.modules.get(f"{package}.{name}")
        if module is not None:
            serve(module)
