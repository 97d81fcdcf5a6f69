"""What an app and a blueprint have in common: folders, and all that users register.

Functions are kept as they were given, without a wrapper (but for typed views), in dicts that users
and extensions may read and edit at any time. The keys of hooks and error handlers are scopes: None
or, in an app, the name of a blueprint.
"""

from __future__ import annotations

import os
import typing as t
from collections import defaultdict
from datetime import timedelta
from functools import update_wrapper

from jinja2 import BaseLoader
from jinja2 import FileSystemLoader
from werkzeug.exceptions import default_exceptions
from werkzeug.exceptions import HTTPException
from werkzeug.utils import cached_property

from .._cli.commands import AppGroup
from .._current import current_app
from .._digests import how_to_send
from .._digests import YEAR
from .._files import then
from .._import_paths import _find_package_path as _find_package_path
from .._import_paths import find_package as find_package
from .._import_paths import get_root_path
from .._mistakes.places import place_of
from .._mistakes.properties import refuse_properties
from ..helpers import send_from_directory
from ..templating.render import _default_template_ctx_processor
from ..typing import AfterRequestCallable
from ..typing import AfterWebsocketCallable
from ..typing import AppOrBlueprintKey
from ..typing import BeforeRequestCallable
from ..typing import BeforeWebsocketCallable
from ..typing import ErrorHandlerCallable
from ..typing import RouteCallable
from ..typing import TeardownCallable
from ..typing import TemplateContextProcessorCallable
from ..typing import URLDefaultCallable
from ..typing import URLValuePreprocessorCallable
from ..typing import WebsocketCallable
from .routes import _endpoint_from_view_func as _endpoint_from_view_func

# The default of parameters in which None has a meaning of its own.
_sentinel: t.Any = object()

T = t.TypeVar("T")
F = t.TypeVar("F", bound=t.Callable[..., t.Any])
T_after_request = t.TypeVar("T_after_request", bound=AfterRequestCallable)
T_after_websocket = t.TypeVar("T_after_websocket", bound=AfterWebsocketCallable)
T_before_request = t.TypeVar("T_before_request", bound=BeforeRequestCallable)
T_before_websocket = t.TypeVar("T_before_websocket", bound=BeforeWebsocketCallable)
T_error_handler = t.TypeVar("T_error_handler", bound=ErrorHandlerCallable)
T_route = t.TypeVar("T_route", bound=RouteCallable)
T_teardown = t.TypeVar("T_teardown", bound=TeardownCallable)
T_template_context_processor = t.TypeVar(
    "T_template_context_processor", bound=TemplateContextProcessorCallable
)
T_url_defaults = t.TypeVar("T_url_defaults", bound=URLDefaultCallable)
T_url_value_preprocessor = t.TypeVar("T_url_value_preprocessor", bound=URLValuePreprocessorCallable)
T_websocket = t.TypeVar("T_websocket", bound=WebsocketCallable)

PathLike = t.Union[str, "os.PathLike[str]"]
Scoped = dict[AppOrBlueprintKey, T]
ErrorHandlers = dict[int | None, dict[type[Exception], ErrorHandlerCallable]]

# The dicts of the shape {scope: [function]}, which an app takes over from its blueprints.
HOOKS = (
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "before_websocket_funcs",
    "after_websocket_funcs",
    "teardown_websocket_funcs",
    "template_context_processors",
    "url_value_preprocessors",
    "url_default_functions",
)


def setupmethod(method: F) -> F:
    """Let a method run only while its object is being set up (`_check_setup_finished`)."""
    name = method.__name__

    def checked(self: Scaffold, *args: t.Any, **kwargs: t.Any) -> t.Any:
        self._check_setup_finished(name)
        return method(self, *args, **kwargs)

    return t.cast(F, update_wrapper(checked, method))


def named_decorator(add: t.Callable[[F, str | None], object], name: F | str | None) -> t.Any:
    """Do the work of `@decorator`, `@decorator()` and `@decorator("name")`.

    `name` is the decorator's argument; `add(func, name)` registers a function.
    """
    if name is not None and not isinstance(name, str):
        add(name, None)
        return name

    def decorator(func: F) -> F:
        add(func, name)
        return func

    return decorator


def as_seconds(value: timedelta | int | None) -> int | None:
    """Return a period of time in whole seconds."""
    return int(value.total_seconds()) if isinstance(value, timedelta) else value


def _forever(response: t.Any) -> t.Any:
    """Mark a response's content as one that never changes. *Source:* RFC 8246, 2."""
    response.cache_control.immutable = True
    return response


class Scaffold:
    """The base of the app and of `Blueprint`.

    Folders are relative to `root_path`, which is found by `import_name` if not given.
    """

    name: str
    _static_folder: str | None = None
    _static_url_path: str | None = None

    #: Attributes that instances are given, and Flask's are not.
    quartish_sets: t.ClassVar[tuple[str, ...]] = (
        *("before_websocket_funcs", "after_websocket_funcs", "teardown_websocket_funcs"),
    )

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_properties(cls, cls.quartish_sets)

    def __init__(
        self,
        import_name: str,
        static_folder: PathLike | None = None,
        static_url_path: str | None = None,
        template_folder: PathLike | None = None,
        root_path: str | None = None,
    ) -> None:
        self.import_name = import_name
        self.static_folder = static_folder
        self.static_url_path = static_url_path
        self.template_folder = template_folder
        self.root_path: str = get_root_path(import_name) if root_path is None else root_path
        self.cli: AppGroup = AppGroup()

        self.view_functions: dict[str, RouteCallable] = {}
        # {scope: {HTTP status, or None: {class: handler}}}
        self.error_handler_spec: Scoped[ErrorHandlers]
        self.error_handler_spec = defaultdict(lambda: defaultdict(dict))
        self.before_request_funcs: Scoped[list[BeforeRequestCallable]] = defaultdict(list)
        self.after_request_funcs: Scoped[list[AfterRequestCallable]] = defaultdict(list)
        self.teardown_request_funcs: Scoped[list[TeardownCallable]] = defaultdict(list)
        self.before_websocket_funcs: Scoped[list[BeforeWebsocketCallable]] = defaultdict(list)
        self.after_websocket_funcs: Scoped[list[AfterWebsocketCallable]] = defaultdict(list)
        self.teardown_websocket_funcs: Scoped[list[TeardownCallable]] = defaultdict(list)
        self.template_context_processors: Scoped[list[TemplateContextProcessorCallable]]
        self.template_context_processors = defaultdict(
            list, {None: [_default_template_ctx_processor]}
        )
        self.url_value_preprocessors: Scoped[list[URLValuePreprocessorCallable]]
        self.url_value_preprocessors = defaultdict(list)
        self.url_default_functions: Scoped[list[URLDefaultCallable]] = defaultdict(list)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def _check_setup_finished(self, f_name: str) -> None:
        """Raise AssertionError if it is too late to call the setup method `f_name`."""
        raise NotImplementedError

    # --- Folders and files --------------------------------------------------------------

    @property
    def static_folder(self) -> str | None:
        """The absolute path of the folder of static files, if one is set."""
        if self._static_folder is None:
            return None
        return os.path.join(self.root_path, self._static_folder)

    @static_folder.setter
    def static_folder(self, value: PathLike | None) -> None:
        self._static_folder = None if value is None else os.fspath(value).rstrip(r"\/")

    @property
    def has_static_folder(self) -> bool:
        """Whether `static_folder` is set."""
        return self.static_folder is not None

    @property
    def static_url_path(self) -> str | None:
        """The URL prefix of static files: the name of their folder, unless it was given."""
        if self._static_url_path is not None:
            return self._static_url_path
        if self.static_folder is None:
            return None
        return f"/{os.path.basename(self.static_folder)}".rstrip("/")

    @static_url_path.setter
    def static_url_path(self, value: str | None) -> None:
        self._static_url_path = None if value is None else value.rstrip("/")

    @cached_property
    def jinja_loader(self) -> BaseLoader | None:
        """The loader of the templates in `template_folder`, if one is set."""
        if self.template_folder is None:
            return None
        return FileSystemLoader(os.path.join(self.root_path, self.template_folder))

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Return for how many seconds a client may cache `filename`; None: it has to ask.

        Reads `SEND_FILE_MAX_AGE_DEFAULT` of the current app.
        """
        return as_seconds(current_app().config["SEND_FILE_MAX_AGE_DEFAULT"])

    def send_static_file(self, filename: str) -> t.Any:
        """Return a response with a file of `static_folder`; the view of the endpoint `static`.

        Awaitable in the awaitable colour.

        Raises:
            NotFound (404): There is no such file.
            RuntimeError: `static_folder` is not set.
        """
        if not self.has_static_folder or self.static_folder is None:
            raise RuntimeError(
                f"{self!r} has no static files to send: 'static_folder' must be set."
            )
        options: dict[str, t.Any] = {"max_age": self.get_send_file_max_age(filename)}
        made, precompressed = how_to_send(self.static_folder, filename)
        if precompressed:
            options["precompressed"] = True
        if not made:
            return send_from_directory(self.static_folder, filename, **options)
        options["max_age"] = YEAR
        return then(send_from_directory(self.static_folder, filename, **options), _forever)

    def open_resource(
        self, resource: str, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> t.IO[t.Any]:
        """Open the file `resource` under `root_path` for reading, in `mode` "r", "rt" or "rb";
        `encoding` is for text modes.

        Raises:
            ValueError: Another `mode` is given.
        """
        if mode not in {"r", "rt", "rb"}:
            raise ValueError(
                f"Resources can only be opened for reading, not with mode {mode!r}."
                " Use 'rb', 'r' or 'rt'."
            )
        path = os.path.join(self.root_path, resource)
        return open(path, mode, encoding=None if mode == "rb" else encoding)

    # --- Routes -------------------------------------------------------------------------

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | None = None,
        provide_automatic_options: bool | None = None,
        **options: t.Any,
    ) -> None:
        """Route `rule` to `endpoint`, and the endpoint to `view_func`.

        Options are those of `Rule`. `methods` defaults to `view_func.methods`, then GET;
        HEAD comes with GET, and OPTIONS unless `provide_automatic_options` is false.
        """
        raise NotImplementedError

    @setupmethod
    def route(self, rule: str, **options: t.Any) -> t.Callable[[T_route], T_route]:
        """Register the decorated view with `add_url_rule`."""
        if callable(rule):  # `@app.route` without a rule: Flask registers nothing, and says nothing
            name = getattr(rule, "__name__", "index")
            raise TypeError(
                f"The decorator of {place_of(rule)} lacks its rule: write `.route('/{name}')`, with"
                " the URL's path."
            )
        endpoint = options.pop("endpoint", None)

        def decorator(func: T_route) -> T_route:
            self.add_url_rule(rule, endpoint, func, **options)
            return func

        return decorator

    def _method_route(
        self, method: str, rule: str, options: dict[str, t.Any]
    ) -> t.Callable[[T_route], T_route]:
        if "methods" in options:
            raise TypeError(
                f"'{method.lower()}' routes {method} alone: use the 'route' decorator to"
                " pass 'methods'."
            )
        return self.route(rule, methods=[method], **options)

    @setupmethod
    def get(self, rule: str, **options: t.Any) -> t.Callable[[T_route], T_route]:
        """Register the decorated view for GET (and HEAD)."""
        return self._method_route("GET", rule, options)

    @setupmethod
    def post(self, rule: str, **options: t.Any) -> t.Callable[[T_route], T_route]:
        """Register the decorated view for POST."""
        return self._method_route("POST", rule, options)

    @setupmethod
    def put(self, rule: str, **options: t.Any) -> t.Callable[[T_route], T_route]:
        """Register the decorated view for PUT."""
        return self._method_route("PUT", rule, options)

    @setupmethod
    def delete(self, rule: str, **options: t.Any) -> t.Callable[[T_route], T_route]:
        """Register the decorated view for DELETE."""
        return self._method_route("DELETE", rule, options)

    @setupmethod
    def patch(self, rule: str, **options: t.Any) -> t.Callable[[T_route], T_route]:
        """Register the decorated view for PATCH."""
        return self._method_route("PATCH", rule, options)

    @setupmethod
    def websocket(self, rule: str, **options: t.Any) -> t.Callable[[T_websocket], T_websocket]:
        """Register the decorated view with `add_websocket`."""
        endpoint = options.pop("endpoint", None)

        def decorator(func: T_websocket) -> T_websocket:
            self.add_websocket(rule, endpoint, func, **options)
            return func

        return decorator

    @setupmethod
    def add_websocket(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: WebsocketCallable | None = None,
        **options: t.Any,
    ) -> None:
        """Route websockets at `rule` to `endpoint`, and the endpoint to `view_func`."""
        self.add_url_rule(rule, endpoint, view_func, methods={"GET"}, websocket=True, **options)

    @setupmethod
    def endpoint(self, endpoint: str) -> t.Callable[[F], F]:
        """Register the decorated view for an endpoint whose rules are added without one."""

        def decorator(func: F) -> F:
            self.view_functions[endpoint] = func
            return func

        return decorator

    # --- Hooks: in an app for every request, in a blueprint for its own -----------------

    @setupmethod
    def before_request(self, f: T_before_request) -> T_before_request:
        """Call `f()` before the view; what it returns, if not None, is the response."""
        self.before_request_funcs.setdefault(None, []).append(f)
        return f

    @setupmethod
    def after_request(self, f: T_after_request) -> T_after_request:
        """Call `f(response)` after the view; it returns the response to send."""
        self.after_request_funcs.setdefault(None, []).append(f)
        return f

    @setupmethod
    def teardown_request(self, f: T_teardown) -> T_teardown:
        """Call `f(exc)` when the request ends; `exc` is the unhandled exception or None."""
        self.teardown_request_funcs.setdefault(None, []).append(f)
        return f

    @setupmethod
    def before_websocket(self, func: T_before_websocket) -> T_before_websocket:
        """Call `func()` before a websocket view; what it returns, if not None, is the response."""
        self.before_websocket_funcs.setdefault(None, []).append(func)
        return func

    @setupmethod
    def after_websocket(self, func: T_after_websocket) -> T_after_websocket:
        """Call `func(response)` after a websocket view; `response` is None if nothing returned
        one."""
        self.after_websocket_funcs.setdefault(None, []).append(func)
        return func

    @setupmethod
    def teardown_websocket(self, func: T_teardown) -> T_teardown:
        """Call `func(exc)` when a websocket ends; `exc` is the unhandled exception or None."""
        self.teardown_websocket_funcs.setdefault(None, []).append(func)
        return func

    @setupmethod
    def context_processor(self, f: T_template_context_processor) -> T_template_context_processor:
        """Give templates the variables in the dict that `f()` returns."""
        self.template_context_processors.setdefault(None, []).append(f)
        return f

    @setupmethod
    def url_value_preprocessor(self, f: T_url_value_preprocessor) -> T_url_value_preprocessor:
        """Call `f(endpoint, values)` before `before_request`; it may edit the URL's values."""
        self.url_value_preprocessors.setdefault(None, []).append(f)
        return f

    @setupmethod
    def url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Call `f(endpoint, values)` when a URL is built; it may edit the values."""
        self.url_default_functions.setdefault(None, []).append(f)
        return f

    # --- Error handlers -----------------------------------------------------------------

    @setupmethod
    def errorhandler(
        self, code_or_exception: type[Exception] | int
    ) -> t.Callable[[T_error_handler], T_error_handler]:
        """Handle an HTTP status or an exception class by the decorated `f(exc)`."""

        def decorator(f: T_error_handler) -> T_error_handler:
            self.register_error_handler(code_or_exception, f)
            return f

        return decorator

    @setupmethod
    def register_error_handler(
        self, code_or_exception: type[Exception] | int, f: ErrorHandlerCallable
    ) -> None:
        """Handle an HTTP status or an exception class by `f(exc)`."""
        exc_class, code = self._get_exc_class_and_code(code_or_exception)
        self.error_handler_spec[None][code][exc_class] = f

    @staticmethod
    def _get_exc_class_and_code(
        exc_class_or_code: type[Exception] | int,
    ) -> tuple[type[Exception], int | None]:
        """Return the class that an error handler is for, and its status if it is an HTTPException.

        Raises TypeError for an instance, ValueError for another class or an unknown status.
        """
        exc_class: t.Any = exc_class_or_code
        if isinstance(exc_class, int):
            if exc_class not in default_exceptions:
                raise ValueError(
                    f"'{exc_class}' is not a recognized HTTP error code. Use a subclass of"
                    " HTTPException with that code instead."
                )
            exc_class = default_exceptions[exc_class]
        cure = "Handlers can only be registered for Exception classes or HTTP error codes."
        if not isinstance(exc_class, type):
            raise TypeError(f"{exc_class!r} is an instance, not a class. {cure}")
        if not issubclass(exc_class, Exception):
            raise ValueError(f"'{exc_class.__name__}' is not a subclass of Exception. {cure}")
        return exc_class, exc_class.code if issubclass(exc_class, HTTPException) else None
