"""Blueprints: routes and hooks collected without an app, for one or more apps later.

What a blueprint records is done when it is registered, by functions that are handed the
`BlueprintSetupState`. The rule: registering adds to the app's own dicts, in place.
"""

from __future__ import annotations

import typing as t
from functools import update_wrapper

from ._digests import hashed_names
from .sansio.scaffold import _endpoint_from_view_func
from .sansio.scaffold import _sentinel
from .sansio.scaffold import F
from .sansio.scaffold import HOOKS
from .sansio.scaffold import named_decorator
from .sansio.scaffold import PathLike
from .sansio.scaffold import Scaffold
from .sansio.scaffold import setupmethod
from .sansio.scaffold import T
from .sansio.scaffold import T_after_request
from .sansio.scaffold import T_after_websocket
from .sansio.scaffold import T_before_request
from .sansio.scaffold import T_before_websocket
from .sansio.scaffold import T_error_handler
from .sansio.scaffold import T_teardown
from .sansio.scaffold import T_template_context_processor
from .sansio.scaffold import T_url_defaults
from .sansio.scaffold import T_url_value_preprocessor
from .typing import AfterServingCallable
from .typing import BeforeServingCallable
from .typing import RouteCallable
from .typing import TemplateFilterCallable
from .typing import TemplateGlobalCallable
from .typing import TemplateTestCallable
from .typing import WhileServingCallable

App = t.Any  # `sansio.app.Core`, which is above and imports this module
DeferredSetupFunction = t.Callable[["BlueprintSetupState"], None]

T_after_serving = t.TypeVar("T_after_serving", bound=AfterServingCallable)
T_before_serving = t.TypeVar("T_before_serving", bound=BeforeServingCallable)
T_template_filter = t.TypeVar("T_template_filter", bound=TemplateFilterCallable)
T_template_global = t.TypeVar("T_template_global", bound=TemplateGlobalCallable)
T_template_test = t.TypeVar("T_template_test", bound=TemplateTestCallable)
T_while_serving = t.TypeVar("T_while_serving", bound=WhileServingCallable)


def _given(*values: T | None) -> T | None:
    """Return the first of `values` that is not None."""
    return next((value for value in values if value is not None), None)


def _join(prefix: str, path: str) -> str:
    return f"{prefix.rstrip('/')}/{path.lstrip('/')}"


class BlueprintSetupState:
    """One registration of a blueprint on an app, as recorded functions see it.

    Args:
        blueprint: The blueprint.
        app: The app.
        options: Those of `register_blueprint`; they win over the blueprint's own.
        first_registration: Whether this is the first one of the blueprint on any app.
    """

    def __init__(
        self, blueprint: Blueprint, app: App, options: t.Any, first_registration: bool
    ) -> None:
        self.app = app
        self.blueprint = blueprint
        self.options = options
        self.first_registration = first_registration
        self.subdomain: t.Any | None = _given(options.get("subdomain"), blueprint.subdomain)
        self.url_prefix: t.Any | None = _given(options.get("url_prefix"), blueprint.url_prefix)
        self.name: t.Any = options.get("name", blueprint.name)
        self.name_prefix: t.Any = options.get("name_prefix", "")
        self.url_defaults: dict[str, t.Any] = {**blueprint.url_values_defaults}
        self.url_defaults.update(options.get("url_defaults", ()))

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | None = None,
        **options: t.Any,
    ) -> None:
        """Add `rule` to the app, with `endpoint` and `view_func`, under the prefix, subdomain and
        name of the blueprint."""
        if self.url_prefix is not None:
            rule = _join(self.url_prefix, rule) if rule else self.url_prefix
        if endpoint is None:
            endpoint = _endpoint_from_view_func(view_func)
        options.setdefault("subdomain", self.subdomain)
        defaults = {**self.url_defaults, **(options.pop("defaults", None) or {})}
        endpoint = f"{self.name_prefix}.{self.name}.{endpoint}".lstrip(".")
        self.app.add_url_rule(rule, endpoint, view_func, defaults=defaults, **options)

    def nested_options(self, child: Blueprint, options: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the options that a blueprint nested in this one is registered with."""
        subdomain = _given(options.get("subdomain"), child.subdomain)
        if subdomain is not None and self.subdomain is not None:
            subdomain = f"{subdomain}.{self.subdomain}"
        url_prefix = _given(options.get("url_prefix"), child.url_prefix)
        if url_prefix is not None and self.url_prefix is not None:
            url_prefix = _join(self.url_prefix, url_prefix)
        nested = {
            "subdomain": _given(subdomain, self.subdomain),
            "url_prefix": _given(url_prefix, self.url_prefix),
            "name_prefix": f"{self.name_prefix}.{self.name}".lstrip("."),
        }
        return {**options, **{key: value for key, value in nested.items() if value is not None}}


class Blueprint(Scaffold):
    """A part of an app, made before it, with the app's decorators.

    Hooks and error handlers act on the requests of this blueprint; those called `..._app_...` or
    `app_...` act on every request.

    Args:
        name: What goes before each endpoint: `name.endpoint`.
        import_name: The `__name__` of the module that calls this.
        static_folder: Where static files are, relative to `root_path`; None: there are none.
        static_url_path: Their URL prefix, below `url_prefix`.
        template_folder: Where templates are; those of the app come first.
        url_prefix: What goes before each rule.
        subdomain: The subdomain of each rule.
        url_defaults: Values for each rule's variables.
        root_path: The blueprint's folder, where it is not to be found by `import_name`.
        cli_group: The group of the blueprint's commands, by default named as it is; None puts them
            among the app's own.

    Raises:
        ValueError: The name is empty, or has a dot.
    """

    _got_registered_once = False

    def __init__(
        self,
        name: str,
        import_name: str,
        static_folder: PathLike | None = None,
        static_url_path: str | None = None,
        template_folder: PathLike | None = None,
        url_prefix: str | None = None,
        subdomain: str | None = None,
        url_defaults: dict[str, t.Any] | None = None,
        root_path: str | None = None,
        cli_group: str | None = _sentinel,
    ) -> None:
        super().__init__(import_name, static_folder, static_url_path, template_folder, root_path)
        if not name:
            raise ValueError("'name' may not be empty.")
        if "." in name:
            raise ValueError(f"'name' may not contain a dot '.' character: {name!r}.")
        self.name = self.cli.name = name
        self.url_prefix = url_prefix
        self.subdomain = subdomain
        self.deferred_functions: list[DeferredSetupFunction] = []
        self.url_values_defaults: dict[str, t.Any] = {} if url_defaults is None else url_defaults
        self.cli_group = cli_group
        self._blueprints: list[tuple[Blueprint, dict[str, t.Any]]] = []

    def _check_setup_finished(self, f_name: str) -> None:
        if self._got_registered_once:
            raise AssertionError(
                f"The setup method '{f_name}' can no longer be called on the blueprint"
                f" '{self.name}'. It has already been registered at least once, any changes"
                " will not be applied consistently.\n"
                "Set the blueprint up, and import the modules that do, before registering it."
            )

    # --- Recording and registering ------------------------------------------------------

    @setupmethod
    def record(self, func: DeferredSetupFunction) -> None:
        """Call `func(state)` each time that the blueprint is registered."""
        self.deferred_functions.append(func)

    @setupmethod
    def record_once(self, func: DeferredSetupFunction) -> None:
        """Call `func(state)` the first time that the blueprint is registered on an app."""

        def once(state: BlueprintSetupState) -> None:
            if state.first_registration:
                func(state)

        self.record(update_wrapper(once, func))

    def make_setup_state(
        self, app: App, options: dict[str, t.Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        """Make the state for `register`, of `app`, `options` and `first_registration`; a subclass
        may return a kind of its own."""
        return BlueprintSetupState(self, app, options, first_registration)

    @setupmethod
    def register_blueprint(self, blueprint: Blueprint, **options: t.Any) -> None:
        """Nest `blueprint` in this one; options as for the app's `register_blueprint`."""
        if blueprint is self:
            raise ValueError(f"Cannot register a blueprint on itself: {self!r}.")
        self._blueprints.append((blueprint, options))

    def register(self, app: App, options: dict[str, t.Any]) -> None:
        """Add all that the blueprint holds to `app`, which calls this.

        Raises ValueError if the name is taken; the option `name` gives another one.
        """
        name = options.get("name", self.name)
        full_name = f"{options.get('name_prefix', '')}.{name}".lstrip(".")
        registered = app.blueprints.get(full_name)
        if registered is not None:
            which = "this" if registered is self else "a different"
            where = f" '{full_name}'" if full_name != name else ""
            raise ValueError(
                f"The name '{name}' is already registered for {which} blueprint{where}."
                " Use 'name=' to provide a unique name."
            )
        first = not any(blueprint is self for blueprint in app.blueprints.values())
        app.blueprints[full_name] = self
        self._got_registered_once = True

        state = self.make_setup_state(app, options, first)
        if self.has_static_folder:
            state.add_url_rule(
                f"{self.static_url_path}/<path:filename>",
                endpoint="static",
                view_func=self.send_static_file,
            )
            hashed = hashed_names(app, self.static_folder, f"{full_name}.static")
            if hashed is not None:
                app.url_default_functions[full_name].append(hashed)
        self._merge_blueprint_funcs(app, full_name)
        for deferred in self.deferred_functions:
            deferred(state)
        self._quartish_merge_commands(app, full_name, options.get("cli_group", self.cli_group))
        for child, child_options in self._blueprints:
            child.register(app, state.nested_options(child, child_options))

    def _merge_blueprint_funcs(self, app: App, name: str) -> None:
        def scoped(key: str | None) -> str:
            return name if key is None else f"{name}.{key}"

        for hook in HOOKS:
            for key, funcs in getattr(self, hook).items():
                getattr(app, hook)[scoped(key)].extend(funcs)
        for key, by_code in self.error_handler_spec.items():
            for code, handlers in by_code.items():
                app.error_handler_spec[scoped(key)][code].update(handlers)
        app.view_functions.update(self.view_functions)

    def _quartish_merge_commands(self, app: App, name: str, group: str | None) -> None:
        if not self.cli.commands:
            return
        if group is None:
            app.cli.commands.update(self.cli.commands)
        else:
            self.cli.name = name if group is _sentinel else group
            app.cli.add_command(self.cli)

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
        """Record a rule for the app's `add_url_rule`, which says what `rule`, `endpoint`,
        `view_func` and `provide_automatic_options` are.

        Raises:
            ValueError: The endpoint, or the name of the view, has a dot.
        """
        if endpoint and "." in endpoint:
            raise ValueError(f"'endpoint' may not contain a dot '.' character: {endpoint!r}.")
        view_name = getattr(view_func, "__name__", "")
        if "." in view_name:
            raise ValueError(
                f"'view_func' name may not contain a dot '.' character: {view_name!r}."
            )
        options["provide_automatic_options"] = provide_automatic_options
        self.record(lambda state: state.add_url_rule(rule, endpoint, view_func, **options))

    # --- Templates of the whole app -----------------------------------------------------

    @t.overload
    def app_template_filter(self, name: T_template_filter) -> T_template_filter: ...
    @t.overload
    def app_template_filter(
        self, name: str | None = None
    ) -> t.Callable[[T_template_filter], T_template_filter]: ...
    @setupmethod
    def app_template_filter(self, name: t.Any = None) -> t.Any:
        """Register a template filter, named `name` or as the function, in the app."""
        return named_decorator(self.add_app_template_filter, name)

    @setupmethod
    def add_app_template_filter(self, f: TemplateFilterCallable, name: str | None = None) -> None:
        """Register a template filter in the app."""
        named = {name or f.__name__: f}
        self.record_once(lambda state: state.app.jinja_env.filters.update(named))

    @t.overload
    def app_template_test(self, name: T_template_test) -> T_template_test: ...
    @t.overload
    def app_template_test(
        self, name: str | None = None
    ) -> t.Callable[[T_template_test], T_template_test]: ...
    @setupmethod
    def app_template_test(self, name: t.Any = None) -> t.Any:
        """Register a template test, named `name` or as the function, in the app."""
        return named_decorator(self.add_app_template_test, name)

    @setupmethod
    def add_app_template_test(self, f: TemplateTestCallable, name: str | None = None) -> None:
        """Register a template test in the app."""
        named = {name or f.__name__: f}
        self.record_once(lambda state: state.app.jinja_env.tests.update(named))

    @t.overload
    def app_template_global(self, name: T_template_global) -> T_template_global: ...
    @t.overload
    def app_template_global(
        self, name: str | None = None
    ) -> t.Callable[[T_template_global], T_template_global]: ...
    @setupmethod
    def app_template_global(self, name: t.Any = None) -> t.Any:
        """Register a template global, named `name` or as the function, in the app."""
        return named_decorator(self.add_app_template_global, name)

    @setupmethod
    def add_app_template_global(self, f: TemplateGlobalCallable, name: str | None = None) -> None:
        """Register a template global in the app."""
        named = {name or f.__name__: f}
        self.record_once(lambda state: state.app.jinja_env.globals.update(named))

    # --- Hooks of the whole app ---------------------------------------------------------

    def _quartish_record_hook(self, hook: str, func: F) -> F:
        self.record_once(lambda state: getattr(state.app, hook).setdefault(None, []).append(func))
        return func

    @setupmethod
    def before_app_request(self, f: T_before_request) -> T_before_request:
        """Register `before_request` for every request to the app."""
        return self._quartish_record_hook("before_request_funcs", f)

    @setupmethod
    def after_app_request(self, f: T_after_request) -> T_after_request:
        """Register `after_request` for every request to the app."""
        return self._quartish_record_hook("after_request_funcs", f)

    @setupmethod
    def teardown_app_request(self, f: T_teardown) -> T_teardown:
        """Register `teardown_request` for every request to the app."""
        return self._quartish_record_hook("teardown_request_funcs", f)

    @setupmethod
    def before_app_websocket(self, func: T_before_websocket) -> T_before_websocket:
        """Register `before_websocket` for every websocket of the app."""
        return self._quartish_record_hook("before_websocket_funcs", func)

    @setupmethod
    def after_app_websocket(self, func: T_after_websocket) -> T_after_websocket:
        """Register `after_websocket` for every websocket of the app."""
        return self._quartish_record_hook("after_websocket_funcs", func)

    @setupmethod
    def teardown_app_websocket(self, func: T_teardown) -> T_teardown:
        """Register `teardown_websocket` for every websocket of the app."""
        return self._quartish_record_hook("teardown_websocket_funcs", func)

    @setupmethod
    def app_context_processor(
        self, f: T_template_context_processor
    ) -> T_template_context_processor:
        """Register `context_processor` for every template of the app."""
        return self._quartish_record_hook("template_context_processors", f)

    @setupmethod
    def app_url_value_preprocessor(self, f: T_url_value_preprocessor) -> T_url_value_preprocessor:
        """Register `url_value_preprocessor` for every request to the app."""
        return self._quartish_record_hook("url_value_preprocessors", f)

    @setupmethod
    def app_url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Register `url_defaults` for every URL of the app."""
        return self._quartish_record_hook("url_default_functions", f)

    @setupmethod
    def app_errorhandler(
        self, code: type[Exception] | int
    ) -> t.Callable[[T_error_handler], T_error_handler]:
        """Register `errorhandler` for every request to the app."""

        def decorator(f: T_error_handler) -> T_error_handler:
            self.record_once(lambda state: state.app.errorhandler(code)(f))
            return f

        return decorator

    @setupmethod
    def before_app_serving(self, func: T_before_serving) -> T_before_serving:
        """Register `before_serving` in the app."""
        self.record_once(lambda state: state.app.before_serving(func))
        return func

    @setupmethod
    def while_app_serving(self, func: T_while_serving) -> T_while_serving:
        """Register `while_serving` in the app."""
        self.record_once(lambda state: state.app.while_serving(func))
        return func

    @setupmethod
    def after_app_serving(self, func: T_after_serving) -> T_after_serving:
        """Register `after_serving` in the app."""
        self.record_once(lambda state: state.app.after_serving(func))
        return func
