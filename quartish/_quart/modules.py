"""The modules of Quart, and what those are made of that quartish divides in another way."""

from __future__ import annotations

MODULES = (
    *("app", "asgi", "blueprints", "cli", "config", "ctx", "datastructures", "debug", "formparser"),
    *("globals", "helpers", "json", "json.provider", "json.tag", "logging", "routing"),
    *("scaffold", "sessions", "signals", "templating", "testing", "testing.app", "testing.client"),
    *("testing.connections", "testing.utils", "typing", "utils", "views", "wrappers"),
    *("wrappers.base", "wrappers.request", "wrappers.response", "wrappers.websocket"),
)
_CONNECTIONS = "quartish.testing.connections"
_FUNCTIONS = {
    "cli": ("with_appcontext",),
    "ctx": ("after_this_request", "copy_current_request_context"),
    "helpers": (
        *("find_package", "flash", "make_response", "redirect", "send_file"),
        *("send_from_directory", "stream_with_context"),
    ),
    "json": ("dump", "dumps", "loads"),
    "templating": (
        *("render_template", "render_template_string", "stream_template"),
        *("stream_template_string", "stream_with_context"),
    ),
}


def _functions(module: str) -> tuple[str, ...]:
    """Return the functions of a module of Quart that are in `_quart.functions`."""
    return tuple(f"{name}=quartish._quart.functions:{name}" for name in _FUNCTIONS[module])


BUILT = {
    "asgi": (
        "quartish.asgi.connections",
        *(
            f"{name}=quartish.asgi.connections:{name}"
            for name in ("_convert_version", "_handle_exception", "_normalise_path")
        ),
    ),
    "blueprints": ("quartish.blueprints", "Blueprint=quartish._quart.files:Blueprint"),
    "cli": ("quartish._quart.cli",),
    "ctx": (
        *("quartish.ctx", *_functions("ctx")),
        *(
            f"{name}=quartish._quart.contexts:{name}"
            for name in ("AppContext", "RequestContext", "WebsocketContext")
        ),
    ),
    "debug": ("traceback_response=quartish.debugger:traceback_response",),
    "formparser": (
        "FormDataParser=quartish._http.forms:FormDataParser",
        "MultiPartParser=quartish._http.forms:MultiPartParser",
        "ParserFunc=quartish._http.forms:ParseFunc",
    ),
    "helpers": ("quartish.helpers", *_functions("helpers")),
    "json": ("quartish.json", *_functions("json")),
    "routing": (
        *("quartish.routing", "QuartMap=quartish.routing:Map", "QuartRule=quartish.routing:Rule"),
    ),
    "sessions": (
        "quartish.sessions",
        "SessionInterface=quartish.sessions:AwaitableSessionInterface",
        "SecureCookieSessionInterface=quartish.sessions:AwaitableCookieSessionInterface",
    ),
    "templating": ("quartish.templating", *_functions("templating")),
    "testing": (
        *("quartish.testing", "QuartClient=quartish.testing.client:QuartClient"),
        *("QuartCliRunner=quartish.testing:FlaskCliRunner", "TestApp=quartish.testing.app:TestApp"),
        f"WebsocketResponseError={_CONNECTIONS}:WebsocketResponseError",
        *(
            f"{name}=quartish.testing.utils:{name}"
            for name in (
                *("make_test_body_with_headers", "make_test_headers_path_and_query_string"),
                *("make_test_scope", "no_op_push"),
            )
        ),
    ),
    # Quart has no such module since 0.19. Agents patch its class, or without it that of Flask
    # itself, of which no app here is an instance.
    "scaffold": ("quartish.sansio.scaffold",),
    "typing": (
        *("quartish.typing", "FilePath=quartish.sansio.scaffold:PathLike"),
        "TestAppProtocol=quartish.testing.app:TestApp",
        "TestClientProtocol=quartish.testing.client:QuartClient",
        f"TestHTTPConnectionProtocol={_CONNECTIONS}:TestHTTPConnection",
        f"TestWebsocketConnectionProtocol={_CONNECTIONS}:TestWebsocketConnection",
    ),
    "utils": (
        *(
            "run_sync=quartish._quart.utils:run_sync",
            "file_path_to_path=quartish._quart.utils:join_paths",
        ),
        "run_sync_iterable=quartish.wrappers.response_bodies:iterate_in_thread",
        "decode_headers=quartish.testing.utils:decode_headers",
        "encode_headers=quartish.testing.utils:encode_headers",
    ),
    "views": (
        *("quartish.views", "View=quartish.views:AwaitableView"),
        "MethodView=quartish.views:AwaitableMethodView",
    ),
    "wrappers": (
        "BaseRequestWebsocket=quartish.wrappers.connection:Conn",
        "Request=quartish.wrappers.awaitable_request:Request",
        "Response=quartish.wrappers.awaitable_response:Response",
        "Websocket=quartish.wrappers.websocket:Websocket",
    ),
    "wrappers.base": ("BaseRequestWebsocket=quartish.wrappers.connection:Conn",),
    "wrappers.request": ("quartish.wrappers.awaitable_request",),
    "wrappers.response": ("quartish.wrappers.awaitable_response",),
}
