"""The registry: folders, routes, hooks and error handlers as users register them."""

from __future__ import annotations

import datetime
import functools
import os
import sys
import types
import typing as t
from collections import defaultdict
from http import HTTPStatus
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader
from werkzeug.exceptions import Forbidden
from werkzeug.exceptions import HTTPException

from quartish._current import _cv_app
from quartish._import_paths import find_package
from quartish._import_paths import get_root_path
from quartish.sansio.scaffold import _endpoint_from_view_func
from quartish.sansio.scaffold import HOOKS
from quartish.sansio.scaffold import named_decorator
from quartish.sansio.scaffold import Scaffold
from quartish.sansio.scaffold import setupmethod


class Recorder(Scaffold):
    """A registry that notes its rules, and that can be finished."""

    finished = False

    def __init__(self, import_name: str = __name__, **options: t.Any) -> None:
        super().__init__(import_name, **options)
        self.name = "recorder"
        self.rules: list[tuple[t.Any, ...]] = []

    def _check_setup_finished(self, f_name: str) -> None:
        if self.finished:
            raise AssertionError(f_name)

    def add_url_rule(  # type: ignore[override]
        self, rule: str, endpoint: t.Any = None, view_func: t.Any = None, **options: t.Any
    ) -> None:
        self.rules.append((rule, endpoint, view_func, options))


@pytest.fixture
def registry(tmp_path: Path) -> Recorder:
    return Recorder(root_path=os.fspath(tmp_path))


@pytest.fixture
def config() -> t.Iterator[dict[str, t.Any]]:
    """The config of an app that is current during the test."""
    config: dict[str, t.Any] = {"SEND_FILE_MAX_AGE_DEFAULT": None}
    app = types.SimpleNamespace(config=config)
    token = _cv_app.set(t.cast(t.Any, types.SimpleNamespace(app=app)))
    yield config
    _cv_app.reset(token)


def view(*args: t.Any) -> str:
    return "view"


async def async_view(*args: t.Any) -> str:
    return "async"


# --- Folders and files ------------------------------------------------------------------


def test_root_path_is_the_folder_of_the_import_name() -> None:
    assert Recorder().root_path == os.path.dirname(os.path.abspath(__file__))
    assert Recorder("json").root_path == os.path.dirname(sys.modules["json"].__file__ or "")


def test_root_path_may_be_given() -> None:
    assert Recorder("no.such.module", root_path="/elsewhere").root_path == "/elsewhere"


def test_scaffold_is_flasks_name() -> None:
    assert Scaffold is Scaffold


def test_repr(registry: Recorder) -> None:
    assert repr(registry) == "<Recorder 'recorder'>"


def test_no_folders(registry: Recorder) -> None:
    assert registry.static_folder is None
    assert registry.static_url_path is None
    assert not registry.has_static_folder
    assert registry.jinja_loader is None


@pytest.mark.parametrize(
    ("folder", "url_path", "path", "url"),
    [
        ("static", None, "static", "/static"),
        ("static/", None, "static", "/static"),
        (Path("files") / "css", None, "files/css", "/css"),
        ("static", "/assets/", "static", "/assets"),
        ("static", "", "static", ""),
        ("", None, "", ""),
    ],
)
def test_static_folder(
    tmp_path: Path, folder: t.Any, url_path: str | None, path: str, url: str
) -> None:
    # The slash after the root makes the basename of an empty folder empty too.
    root = os.path.join(tmp_path, "")
    registry = Recorder(root_path=root, static_folder=folder, static_url_path=url_path)
    assert registry.has_static_folder
    assert registry.static_folder == os.path.join(root, path)
    assert registry.static_url_path == url


def test_static_folder_may_be_absolute_and_may_be_taken_back(registry: Recorder) -> None:
    registry.static_folder = "/srv/static"
    assert registry.static_folder == "/srv/static"
    registry.static_folder = None
    assert not registry.has_static_folder


def test_jinja_loader_looks_in_the_template_folder(tmp_path: Path) -> None:
    registry = Recorder(root_path=os.fspath(tmp_path), template_folder="pages")
    loader = registry.jinja_loader
    assert isinstance(loader, FileSystemLoader)
    assert loader.searchpath == [os.fspath(tmp_path / "pages")]
    assert registry.jinja_loader is loader


def test_jinja_loader_may_be_set(registry: Recorder, tmp_path: Path) -> None:
    loader = FileSystemLoader(tmp_path)
    registry.jinja_loader = loader  # type: ignore[misc]
    assert registry.jinja_loader is loader


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, None), (60, 60), (datetime.timedelta(minutes=2), 120)]
)
def test_max_age_comes_from_the_current_app(
    registry: Recorder, config: dict[str, t.Any], value: t.Any, seconds: int | None
) -> None:
    config["SEND_FILE_MAX_AGE_DEFAULT"] = value
    assert registry.get_send_file_max_age("x.css") == seconds


def test_static_files_need_a_folder(registry: Recorder) -> None:
    with pytest.raises(RuntimeError, match="'recorder'.*'static_folder' must be set"):
        registry.send_static_file("x.css")


def test_static_files_ask_their_own_registry_for_the_max_age(
    registry: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[t.Any] = []
    monkeypatch.setattr(
        "quartish.sansio.scaffold.send_from_directory",
        lambda *args, **kwargs: calls.append((args, kwargs)) or "response",
    )
    monkeypatch.setattr(registry, "get_send_file_max_age", {"x.css": 7}.get)
    registry.static_folder = "static"
    assert registry.send_static_file("x.css") == "response"
    assert calls == [((registry.static_folder, "x.css"), {"max_age": 7})]


def test_open_resource(registry: Recorder, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_bytes("Übung".encode("latin-1"))
    with registry.open_resource("note.txt") as file:
        assert file.read() == b"\xdcbung"
    for mode in ("r", "rt"):
        with registry.open_resource("note.txt", mode, encoding="latin-1") as file:
            assert file.read() == "Übung"
    with pytest.raises(UnicodeDecodeError), registry.open_resource("note.txt", "r") as file:
        file.read()


@pytest.mark.parametrize("mode", ["w", "x", "a", "r+", "wb"])
def test_resources_are_only_read(registry: Recorder, mode: str) -> None:
    with pytest.raises(ValueError, match="only be opened for reading"):
        registry.open_resource("note.txt", mode)


# --- Setup methods ----------------------------------------------------------------------


def test_setup_methods_are_checked_when_called(registry: Recorder) -> None:
    registry.finished = True
    for name, args in {
        "route": ("/",),
        "get": ("/",),
        "post": ("/",),
        "put": ("/",),
        "delete": ("/",),
        "patch": ("/",),
        "websocket": ("/",),
        "add_websocket": ("/",),
        "endpoint": ("x",),
        "before_request": (view,),
        "after_request": (view,),
        "teardown_request": (view,),
        "before_websocket": (view,),
        "after_websocket": (view,),
        "teardown_websocket": (view,),
        "context_processor": (view,),
        "url_value_preprocessor": (view,),
        "url_defaults": (view,),
        "errorhandler": (404,),
        "register_error_handler": (404, view),
    }.items():
        with pytest.raises(AssertionError, match=f"^{name}$"):
            getattr(registry, name)(*args)


def test_setupmethod_keeps_what_a_function_is_called() -> None:
    assert Scaffold.route.__name__ == "route"
    assert Scaffold.route.__doc__
    assert Scaffold.route.__module__ == Scaffold.__module__


def test_setupmethod_on_an_extension_of_the_class() -> None:
    class Extended(Recorder):
        @setupmethod
        def add(self, a: int, *, b: int) -> int:
            return a + b

    extended = Extended()
    assert extended.add(1, b=2) == 3
    extended.finished = True
    with pytest.raises(AssertionError, match="^add$"):
        extended.add(1, b=2)


# --- Routes -----------------------------------------------------------------------------


def test_route(registry: Recorder) -> None:
    assert registry.route("/a", endpoint="e", methods=["POST"], strict_slashes=False)(view) is view
    assert registry.rules == [("/a", "e", view, {"methods": ["POST"], "strict_slashes": False})]


def test_one_route_may_decorate_many_views(registry: Recorder) -> None:
    decorator = registry.route("/a", endpoint="e")
    decorator(view)
    decorator(async_view)
    assert [rule[1] for rule in registry.rules] == ["e", "e"]


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch"])
def test_method_routes(registry: Recorder, method: str) -> None:
    decorator = getattr(registry, method)
    assert decorator("/a", endpoint="e")(async_view) is async_view
    assert registry.rules == [("/a", "e", async_view, {"methods": [method.upper()]})]
    with pytest.raises(TypeError, match=f"'{method}' .*use the 'route' decorator"):
        decorator("/a", methods=["GET"])


def test_websockets(registry: Recorder) -> None:
    assert registry.websocket("/ws", endpoint="e", defaults={"page": 1})(async_view) is async_view
    registry.add_websocket("/feed", view_func=view)
    options = {"methods": {"GET"}, "websocket": True}
    assert registry.rules == [
        ("/ws", "e", async_view, {**options, "defaults": {"page": 1}}),
        ("/feed", None, view, options),
    ]


def test_endpoint_registers_the_very_function(registry: Recorder) -> None:
    assert registry.endpoint("late")(async_view) is async_view
    assert registry.view_functions == {"late": async_view}


def test_add_url_rule_is_for_subclasses() -> None:
    registry = Scaffold(__name__)
    with pytest.raises(NotImplementedError):
        registry.add_url_rule("/")


def test_endpoint_is_the_name_of_the_view() -> None:
    assert _endpoint_from_view_func(view) == "view"
    with pytest.raises(AssertionError, match="expected view func"):
        _endpoint_from_view_func(None)
    with pytest.raises(AttributeError, match="Pass 'endpoint='"):
        _endpoint_from_view_func(functools.partial(view))


# --- Hooks and error handlers -----------------------------------------------------------


@pytest.mark.parametrize(
    ("decorator", "attribute"),
    [
        ("before_request", "before_request_funcs"),
        ("after_request", "after_request_funcs"),
        ("teardown_request", "teardown_request_funcs"),
        ("before_websocket", "before_websocket_funcs"),
        ("after_websocket", "after_websocket_funcs"),
        ("teardown_websocket", "teardown_websocket_funcs"),
        ("context_processor", "template_context_processors"),
        ("url_value_preprocessor", "url_value_preprocessors"),
        ("url_defaults", "url_default_functions"),
    ],
)
def test_hooks_hold_the_very_functions(registry: Recorder, decorator: str, attribute: str) -> None:
    assert attribute in HOOKS
    hooks = getattr(registry, attribute)
    assert isinstance(hooks, defaultdict)
    before = list(hooks[None])
    for func in (view, async_view):
        assert getattr(registry, decorator)(func) is func
    assert hooks[None] == [*before, view, async_view]
    assert hooks["another"] == []


def test_only_templates_have_a_context_to_begin_with(registry: Recorder) -> None:
    assert {hook for hook in HOOKS if getattr(registry, hook)} == {"template_context_processors"}
    (processor,) = registry.template_context_processors[None]
    assert processor.__name__ == "_default_template_ctx_processor"


class NoEntry(Forbidden):
    pass


class Unclear(Exception):
    pass


@pytest.mark.parametrize(
    ("key", "code", "exc_class"),
    [
        (403, 403, Forbidden),
        (HTTPStatus.FORBIDDEN, 403, Forbidden),
        (NoEntry, 403, NoEntry),
        (HTTPException, None, HTTPException),
        (Unclear, None, Unclear),
        (Exception, None, Exception),
    ],
)
def test_error_handlers_are_held_by_code_and_class(
    registry: Recorder, key: t.Any, code: int | None, exc_class: type[Exception]
) -> None:
    def handler(exc: Exception) -> str:
        return str(exc)

    assert registry.errorhandler(key)(handler) is handler
    assert registry.error_handler_spec == {None: {code: {exc_class: handler}}}
    assert registry.error_handler_spec["another"][404] == {}


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (999, ValueError, "'999' is not a recognized HTTP error code"),
        (Unclear(), TypeError, r"Unclear\(\) is an instance, not a class"),
        ("404", TypeError, "'404' is an instance, not a class"),
        (list, ValueError, "'list' is not a subclass of Exception"),
        (KeyboardInterrupt, ValueError, "'KeyboardInterrupt' is not a subclass of Exception"),
    ],
)
def test_what_no_error_handler_is_for(
    registry: Recorder, key: t.Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        registry.register_error_handler(key, view)
    assert not registry.error_handler_spec


def test_named_decorator_takes_three_forms() -> None:
    added: list[t.Any] = []

    def add(func: t.Any, name: str | None) -> None:
        added.append((func, name))

    def decorate(name: t.Any = None) -> t.Any:
        return named_decorator(add, name)

    assert decorate(view) is view
    assert decorate()(view) is view
    assert decorate("other")(view) is view
    assert added == [(view, None), (view, None), (view, "other")]


# --- Packages ---------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Path]:
    """A folder on sys.path; what is imported from it is forgotten after the test."""
    monkeypatch.setattr(sys, "prefix", os.fspath(tmp_path / "no-prefix"))
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    loaded = set(sys.modules)
    yield folder
    for name in set(sys.modules) - loaded:
        del sys.modules[name]


def test_root_path_of_a_module_that_is_not_loaded(folder: Path) -> None:
    (folder / "quiet_module.py").write_text("raise ImportError('this ran')")
    assert get_root_path("quiet_module") == os.fspath(folder)


def test_root_path_of_a_package(folder: Path) -> None:
    (folder / "some_package").mkdir()
    (folder / "some_package" / "__init__.py").touch()
    assert get_root_path("some_package") == os.fspath(folder / "some_package")


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "", "__main__"])
def test_root_path_without_a_file_is_the_working_directory(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    monkeypatch.chdir(folder)
    assert get_root_path(name) == os.fspath(folder)


def test_a_namespace_package_has_no_root_path(folder: Path) -> None:
    (folder / "some_namespace").mkdir()
    __import__("some_namespace")
    with pytest.raises(RuntimeError, match="'some_namespace' has no root path.*'root_path='"):
        get_root_path("some_namespace")


def test_loader_without_file_names(folder: Path) -> None:
    (folder / "odd_module.py").touch()

    class Finder:
        """Hides that the loader can tell a file name, and can load all the same."""

        @staticmethod
        def find_spec(name: str, path: t.Any, target: t.Any = None) -> t.Any:
            if name != "odd_module":
                return None
            loader = types.SimpleNamespace(
                create_module=lambda spec: None,
                exec_module=lambda module: setattr(module, "__file__", str(folder / "odd.py")),
            )
            return types.SimpleNamespace(
                name=name,
                loader=loader,
                origin=None,
                submodule_search_locations=None,
                parent="",
                has_location=False,
                cached=None,
                _initializing=False,
            )

    sys.meta_path.insert(0, t.cast(t.Any, Finder))
    try:
        assert get_root_path("odd_module") == os.fspath(folder)
    finally:
        sys.meta_path.remove(t.cast(t.Any, Finder))


def test_packages_that_are_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "one_module.py").touch()
    (folder / "one_package").mkdir()
    (folder / "one_package" / "__init__.py").touch()
    for name in ("one_module", "one_package", "one_package.part"):
        assert find_package(name) == (None, os.fspath(folder))
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    for name in ("no_such_module", "__main__"):
        assert find_package(name) == (None, os.fspath(folder))


def test_namespace_package_in_two_folders(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    monkeypatch.syspath_prepend(other)
    for root, part in ((folder, "first"), (other, "second")):
        (root / "shared" / part).mkdir(parents=True)
        (root / "shared" / part / "__init__.py").touch()
    assert find_package("shared.first") == (None, os.fspath(folder))
    assert find_package("shared.second") == (None, os.fspath(other))
    assert find_package("shared")[1] in {os.fspath(folder), os.fspath(other)}


@pytest.mark.parametrize(
    "path", ["lib/python3.11/site-packages", "Lib/site-packages", "site-packages"]
)
def test_packages_in_a_virtual_environment(
    path: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site_packages = tmp_path / "venv" / path
    site_packages.mkdir(parents=True)
    (site_packages / "there.py").touch()
    monkeypatch.syspath_prepend(site_packages)
    assert find_package("there") == (os.fspath(tmp_path / "venv"), os.fspath(site_packages))


def test_packages_of_the_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", os.fspath(folder.parent))
    (folder / "there.py").touch()
    assert find_package("there") == (os.fspath(folder.parent), os.fspath(folder))
