"""The app without a live request: configuration, URL map, templates, JSON, sessions.

`Core` is Flask's sansio `App`: what users set up before an app is served, and requests read.
"""

from __future__ import annotations

import logging
import os
import sys
import typing as t
from datetime import timedelta
from itertools import chain

from jinja2 import Environment as JinjaEnvironment
from werkzeug.exceptions import Aborter
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import BadRequestKeyError
from werkzeug.exceptions import SecurityError
from werkzeug.routing import BuildError
from werkzeug.routing import MapAdapter
from werkzeug.utils import cached_property
from werkzeug.utils import redirect as _redirect
from werkzeug.wrappers import Response as WerkzeugResponse

from .._concurrency.handover import handover
from .._defaults import DEFAULTS
from .._digests import hashed_names
from .._import_paths import find_package
from .._lazy import lazy
from .._mistakes.awaits import refuse_coroutine
from .._mistakes.places import overwrites
from .._settings import Settings
from .._view_makers import made_of
from .._view_makers import make_view
from ..blueprints import Blueprint
from ..config import Config
from ..config import ConfigAttribute
from ..helpers import _split_blueprint_path
from ..helpers import get_debug_flag
from ..json.provider import DefaultJSONProvider
from ..json.provider import JSONProvider
from ..logging import create_logger
from ..routing.map import AdapterCache
from ..routing.map import ELSEWHERE
from ..routing.map import is_valid_host
from ..routing.map import Map
from ..routing.map import NOWHERE
from ..routing.map import Rule
from ..sessions.interface import SecureCookieSessionInterface
from ..sessions.interface import SessionInterface
from ..templating.render import DispatchingJinjaLoader
from ..templating.render import Environment
from ..templating.render import select_jinja_autoescape
from ..typing import ErrorHandlerCallable
from ..typing import RouteCallable
from ..typing import ShellContextProcessorCallable
from ..typing import TeardownCallable
from ..wrappers.connection import Conn
from .components import Components
from .routes import _endpoint_from_view_func
from .routes import make_rule
from .routes import static_view
from .scaffold import Scaffold
from .scaffold import setupmethod
from .scaffold import T_teardown
from .templates import TemplateFunctions

if t.TYPE_CHECKING:  # methods that `_application` defines, above this module
    from ..typing import LiveApp
else:
    LiveApp = object

T_shell_context_processor = t.TypeVar(
    "T_shell_context_processor", bound=ShellContextProcessorCallable
)


def _make_timedelta(value: timedelta | int | None) -> timedelta | None:
    """Return seconds as a timedelta; None and a timedelta as they are."""
    return value if value is None or isinstance(value, timedelta) else timedelta(seconds=value)


class Core(TemplateFunctions, Components, Scaffold, LiveApp):
    """The base of both colours of the app, without what handles requests."""

    aborter_class: type[Aborter] = Aborter
    jinja_environment: type[JinjaEnvironment] = Environment
    config_class: type[Config] = Config
    json_provider_class: type[JSONProvider] = DefaultJSONProvider
    jinja_options: dict[str, t.Any] = {}
    url_rule_class: type[Rule] = Rule
    url_map_class: type[Map] = Map
    session_interface: SessionInterface = SecureCookieSessionInterface()
    request_class: t.Any
    response_class: t.Any

    testing: ConfigAttribute[bool] = ConfigAttribute[bool]("TESTING")
    secret_key: ConfigAttribute[str | bytes | None] = ConfigAttribute[t.Union[str, bytes, None]](
        "SECRET_KEY"
    )
    permanent_session_lifetime: ConfigAttribute[timedelta] = ConfigAttribute[timedelta](
        "PERMANENT_SESSION_LIFETIME",
        get_converter=_make_timedelta,  # type: ignore[arg-type]
    )

    default_config = DEFAULTS

    def __init__(
        self,
        import_name: str,
        static_url_path: str | None = None,
        static_folder: str | os.PathLike[str] | None = "static",
        static_host: str | None = None,
        host_matching: bool = False,
        subdomain_matching: bool = False,
        template_folder: str | os.PathLike[str] | None = "templates",
        instance_path: str | None = None,
        instance_relative_config: bool = False,
        root_path: str | None = None,
    ) -> None:
        """Make the app of a module or package.

        Args:
            import_name: The module's `__name__`, by which its folder is found.
            static_url_path: The URL prefix of static files; by default the name of their folder.
            static_folder: Where they are, relative to `root_path`; None: there are none.
            static_host: The host that they are served on, with `host_matching`.
            host_matching: Whether rules are matched by the host as well.
            subdomain_matching: Whether they are matched by the subdomain of `SERVER_NAME`.
            template_folder: Where templates are, relative to `root_path`.
            instance_path: The absolute path of the instance folder; by default
                `auto_find_instance_path()`.
            instance_relative_config: Whether configuration files are looked for in that folder.
            root_path: The folder of the app; by default found by `import_name`.

        Raises:
            ValueError: `instance_path` is not absolute.
        """
        super().__init__(
            import_name=import_name,
            static_folder=static_folder,
            static_url_path=static_url_path,
            template_folder=template_folder,
            root_path=root_path,
        )
        if instance_path is None:
            instance_path = self.auto_find_instance_path()
        elif not os.path.isabs(instance_path):
            raise ValueError(
                "If an instance path is provided it must be absolute."
                " A relative path was given instead."
            )
        handover.look(self.plain)
        self.instance_path = instance_path
        self.config: Config = self.make_config(instance_relative_config)
        self.aborter: Aborter = self.make_aborter()
        self.json: JSONProvider = self.json_provider_class(self)
        #: Called with `(error, endpoint, values)` when `url_for` cannot build a URL.
        self.url_build_error_handlers: list[
            t.Callable[[Exception, str, dict[str, t.Any]], str]
        ] = []
        self.teardown_appcontext_funcs: list[TeardownCallable] = []
        self.shell_context_processors: list[ShellContextProcessorCallable] = []
        self.blueprints: dict[str, Blueprint] = {}
        #: Where extensions keep their state, by their name.
        self.extensions: dict[str, t.Any] = {}
        self.url_map: Map = self.url_map_class(host_matching=host_matching)
        self.subdomain_matching = subdomain_matching
        self._quartish_adapters = AdapterCache(ELSEWHERE if self.plain else NOWHERE)
        self._got_first_request = False
        self.cli.name = self.name
        self._quartish_provide_nothing()
        self._quartish_add_live_parts()
        self._quartish_add_static_route(static_host, host_matching)

    def _quartish_add_live_parts(self) -> None:
        """Set the attributes that a subclass in quartish adds. `__init__` calls it, so that there
        is one `__init__`, whose signature editors and `inspect.signature` show."""

    def _quartish_add_static_route(self, static_host: str | None, host_matching: bool) -> None:
        if not self.has_static_folder:
            return
        assert bool(static_host) == host_matching, "Invalid static_host/host_matching combination"
        self.add_url_rule(
            f"{self.static_url_path}/<path:filename>",
            endpoint="static",
            host=static_host,
            view_func=self._quartish_static_view(),
        )
        hashed = hashed_names(self, self.static_folder, "static")
        if hashed is not None:
            self.url_default_functions[None].append(hashed)

    def _quartish_static_view(self) -> RouteCallable:
        return static_view(self)

    def _check_setup_finished(self, f_name: str) -> None:
        if self._got_first_request and self.plain:  # Quart allows it at any time
            raise AssertionError(
                f"The setup method '{f_name}' can no longer be called on the application. It"
                " has already handled its first request, any changes will not be applied"
                " consistently.\nMake sure all imports, decorators, functions, etc. needed to"
                " set up the application are done before running it."
            )

    # --- configuration ----------------------------------------------------------------------

    @cached_property
    def name(self) -> str:
        """The import name; for a script that is run, the name of its file without `.py`."""
        if self.import_name == "__main__":
            file: str | None = getattr(sys.modules["__main__"], "__file__", None)
            if file is None:
                return "__main__"
            return os.path.splitext(os.path.basename(file))[0]
        return self.import_name

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger named as the app."""
        return create_logger(self)

    @lazy
    def quartish_settings(self) -> Settings:
        """The settings that requests read often."""
        return Settings(self)

    @property
    def debug(self) -> bool:
        """Whether debug mode is on. Set it before the app runs."""
        debug: bool = self.config["DEBUG"]
        return debug

    @debug.setter
    def debug(self, value: bool) -> None:
        self.config["DEBUG"] = value
        if self.config["TEMPLATES_AUTO_RELOAD"] is None:
            self.jinja_env.auto_reload = value

    def make_config(self, instance_relative: bool = False) -> Config:
        """Make the config; `instance_relative`: its files are in the instance folder."""
        root_path = self.instance_path if instance_relative else self.root_path
        defaults = dict(self.default_config)
        defaults["DEBUG"] = get_debug_flag()
        return self.config_class(root_path, defaults)

    def make_aborter(self) -> Aborter:
        """Make the object that `abort` calls."""
        return self.aborter_class()

    def auto_find_instance_path(self) -> str:
        """Return the path of the instance folder: beside the package, or if that is installed, in
        `var` of the prefix that it is installed under."""
        prefix, package_path = find_package(self.import_name)
        if prefix is None:
            return os.path.join(package_path, "instance")
        return os.path.join(prefix, "var", f"{self.name}-instance")

    def open_instance_resource(
        self, resource: str, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> t.IO[t.Any]:
        """Open a file of the instance folder: `resource` is its path there, `mode` that of `open`;
        `encoding` is for text modes."""
        path = os.path.join(self.instance_path, resource)
        return open(path, mode) if "b" in mode else open(path, mode, encoding=encoding)

    # --- templates ----------------------------------------------------------------------------

    @cached_property
    def jinja_env(self) -> JinjaEnvironment:
        """The Jinja environment, made when first read."""
        return self.create_jinja_environment()

    def create_jinja_environment(self) -> JinjaEnvironment:
        """Make the Jinja environment of `jinja_options`."""
        options = dict(self.jinja_options)
        options.setdefault("autoescape", self.select_jinja_autoescape)
        if "auto_reload" not in options:
            reload = self.config["TEMPLATES_AUTO_RELOAD"]
            options["auto_reload"] = self.debug if reload is None else reload
        if self.debug and not options.get("enable_async"):
            options.setdefault("finalize", refuse_coroutine)
        env = self.jinja_environment(self, **options)  # type: ignore[arg-type]
        env.policies["json.dumps_function"] = self.json.dumps
        return env

    def create_global_jinja_loader(self) -> DispatchingJinjaLoader:
        """Make the loader that tries the loader of the app, then those of its blueprints."""
        return DispatchingJinjaLoader(self)

    select_jinja_autoescape = select_jinja_autoescape

    # --- what users register --------------------------------------------------------------------

    @setupmethod
    def register_blueprint(self, blueprint: Blueprint, **options: t.Any) -> None:
        """Register a blueprint; the `options` `name`, `url_prefix`, `subdomain`, `url_defaults` and
        `cli_group` override those of the blueprint."""
        blueprint.register(self, options)

    def iter_blueprints(self) -> t.ValuesView[Blueprint]:
        """Iterate over the blueprints in the order they were registered."""
        return self.blueprints.values()

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | None = None,
        provide_automatic_options: bool | None = None,
        **options: t.Any,
    ) -> None:
        """Route a URL rule to an endpoint and, if given, the endpoint to a view.

        Args:
            rule: The path, with its variables: `"/users/<int:id>"`.
            endpoint: What `url_for` calls it; by default the name of `view_func`.
            view_func: The view, `def` or `async def`.
            provide_automatic_options: Whether OPTIONS has a response without the view; by default
                where no rule says otherwise (`PROVIDE_AUTOMATIC_OPTIONS`).
            **options: Those of `Rule`. Without `methods` the view's own `methods`, else GET.

        Raises:
            AssertionError: The endpoint has another view already.
            TypeError: `methods` is a string.
        """
        if endpoint is None:
            endpoint = _endpoint_from_view_func(view_func)
        automatic = provide_automatic_options
        made = make_rule(
            self.url_rule_class, self.config, rule, endpoint, view_func, automatic, options
        )
        self.url_map.add(made)
        if view_func is not None:
            known = self.view_functions.get(endpoint)
            if known is None:
                self.view_functions[endpoint] = make_view(self, endpoint, view_func)
            elif made_of(known) != view_func:
                raise overwrites(endpoint, made_of(known), view_func)

    @setupmethod
    def teardown_appcontext(self, f: T_teardown) -> T_teardown:
        """Call `f(exc)` when an application context ends: after each request, and after
        each `with app.app_context()`."""
        self.teardown_appcontext_funcs.append(f)
        return f

    @setupmethod
    def shell_context_processor(self, f: T_shell_context_processor) -> T_shell_context_processor:
        """Add what `f()` returns to the names of the interactive shell."""
        self.shell_context_processors.append(f)
        return f

    # --- URLs -----------------------------------------------------------------------------------

    def create_url_adapter(self, request: Conn | None) -> MapAdapter | None:
        """Return what matches and builds URLs for a connection, or without one for `SERVER_NAME`;
        None if that is not set. The awaitable colour matches subdomains whenever `SERVER_NAME` is
        set, the plain one only with `subdomain_matching`.

        Raises:
            SecurityError (400): The host is malformed, or not in `TRUSTED_HOSTS`.
        """
        server_name: str | None = self.config["SERVER_NAME"]
        if request is None:
            if server_name is None:
                return None
            secure = self.config.get("PREFER_SECURE_URLS")  # Quart's
            return self.url_map.bind(
                server_name,
                script_name=self.config["APPLICATION_ROOT"],
                url_scheme="https" if secure else self.config["PREFERRED_URL_SCHEME"],
            )
        if (trusted_hosts := self.config["TRUSTED_HOSTS"]) is not None:
            request.trusted_hosts = trusted_hosts
        if not is_valid_host(request.quartish_raw_host):
            raise SecurityError(
                f"The Host header {request.quartish_raw_host[:100]!r} is malformed."
            )
        subdomain: str | None = None
        if self.url_map.host_matching:
            server_name = None  # else it would be matched instead of the request's host
        elif not self.subdomain_matching:
            subdomain = self.url_map.default_subdomain or ("" if self.plain else None)
        return self._quartish_adapters.bind(self.url_map, request, server_name, subdomain)

    def quartish_bind_without_host(self, conn: t.Any) -> MapAdapter:
        """Return what builds URLs for a connection whose host was refused."""
        return self.url_map.bind(
            self.config["SERVER_NAME"] or "", conn.root_path, url_scheme=conn.scheme
        )

    def inject_url_defaults(self, endpoint: str, values: dict[str, t.Any]) -> None:
        """Let the `url_defaults` functions add to the values that a URL is built of."""
        names: t.Iterable[str | None] = (None,)
        if "." in endpoint:
            names = chain(names, reversed(_split_blueprint_path(endpoint.rpartition(".")[0])))
        for name in names:
            for func in self.url_default_functions.get(name, ()):
                func(endpoint, values)

    def handle_url_build_error(
        self, error: BuildError, endpoint: str, values: dict[str, t.Any]
    ) -> str:
        """Return the first URL that a `url_build_error_handlers` function gives for `error`,
        `endpoint` and `values`, or raise the last BuildError."""
        for handler in self.url_build_error_handlers:
            try:
                url = handler(error, endpoint, values)
            except BuildError as another:
                error = another
            else:
                if url is not None:
                    return url
        raise error

    def redirect(self, location: str, code: int = 302) -> WerkzeugResponse:
        """Return a redirect response (RFC 9110, section 15.4)."""
        return _redirect(location, code, Response=t.cast(t.Any, self.response_class))

    # --- errors -----------------------------------------------------------------------------------

    def _find_error_handler(
        self, e: Exception, blueprints: t.Iterable[str]
    ) -> ErrorHandlerCallable | None:
        """Return the handler for an exception: by status before by class, the blueprints'
        before the app's, the nearest class first."""
        exc_class, code = self._get_exc_class_and_code(type(e))
        names = (*blueprints, None)
        for status in (code, None) if code is not None else (None,):
            for name in names:
                handlers = self.error_handler_spec.get(name, {}).get(status)
                if not handlers:
                    continue
                for cls in exc_class.__mro__:
                    if (handler := handlers.get(cls)) is not None:
                        return handler
        return None

    def trap_http_exception(self, e: Exception) -> bool:
        """Say whether an HTTP exception is treated as a fault of the code:
        `TRAP_HTTP_EXCEPTIONS`, `TRAP_BAD_REQUEST_ERRORS`, and in debug mode a missing key."""
        settings = self.quartish_settings
        if settings.TRAP_HTTP_EXCEPTIONS:
            return True
        trap = settings.TRAP_BAD_REQUEST_ERRORS
        if trap is None and self.debug and isinstance(e, BadRequestKeyError):
            return True
        return bool(trap) and isinstance(e, BadRequest)

    def should_ignore_error(self, error: BaseException | None) -> bool:
        """Say whether teardown functions get None in place of this error. To be overridden."""
        return False


#: Flask's name for it.
App = Core
