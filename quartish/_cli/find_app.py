"""Finding the app that a command line names, and the environment files around it.

The rule: an app is an instance of `Core`. Where none or several are found, or a factory
cannot be called, `NoAppException` says which module was searched and what to write.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
import traceback
import typing as t
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from .._asgi_or_wsgi import is_for_asgi
from .._asgi_or_wsgi import name_of
from .._asgi_or_wsgi import put_inside
from ..helpers import get_debug_flag
from ..helpers import get_load_dotenv
from ..sansio.app import Core
from .commands import AppLoader

R = t.TypeVar("R")
P = t.ParamSpec("P")

# Read in this order; a later file has the last word, the process environment above all.
DOTENV_FILES = (".flaskenv", ".quartenv", ".quartishenv", ".env")


class NoAppException(click.UsageError):
    """An application cannot be found or loaded."""


class NotThere(NoAppException):
    """There is no module of that name at all."""


def find_best_app(module: ModuleType) -> Core:
    """Return the app that `module` holds or that its factory makes.

    Looks for `app` and `application`, then for the only app under any name, then calls
    `create_app` or `make_app`. Raises NoAppException.
    """
    for name in ("app", "application"):
        app = getattr(module, name, None)
        if isinstance(app, Core):
            return app

    apps = {id(value): value for value in vars(module).values() if isinstance(value, Core)}
    if len(apps) == 1:
        return apps.popitem()[1]
    if apps:
        names = [name for name, value in vars(module).items() if isinstance(value, Core)]
        raise NoAppException(
            f"Module '{module.__name__}' holds {len(apps)} applications ({', '.join(names)})."
            f" Say which one is meant with '{module.__name__}:name', such as"
            f" '{module.__name__}:{names[0]}'."
        )

    for name in ("create_app", "make_app"):
        factory = getattr(module, name, None)
        if not inspect.isfunction(factory):
            continue
        try:
            app = factory()
        except TypeError as error:
            if not _called_with_wrong_args(factory):
                raise
            raise NoAppException(
                f"The factory '{name}' in module '{module.__name__}' wants arguments."
                f" Pass them with '{module.__name__}:{name}(args)'."
            ) from error
        if isinstance(app, Core):
            return app

    for name, value in vars(module).items():
        _refuse_middleware(f"{module.__name__}:{name}", value)
    raise NoAppException(
        f"Module '{module.__name__}' holds no application or factory that could be found."
        f" Name one with '{module.__name__}:name'."
    )


def _refuse_middleware(place: str, value: object) -> None:
    """Raise NoAppException if `value` is a middleware around an app."""
    app = _find_inside(value)
    if app is not None:
        door = "asgi_app" if is_for_asgi(t.cast(t.Any, value)) else "wsgi_app"
        raise NoAppException(
            f"'{place}' is {name_of(value)} around {app!r}, and the app itself is wanted."
            f" Write '{put_inside(door, value)}' instead, and keep 'app'."
        )


def _find_inside(value: object, depth: int = 3) -> Core | None:
    """Return the app that a middleware, or one inside of it, holds."""
    if depth and callable(value) and not inspect.isroutine(value) and not inspect.isclass(value):
        for held in getattr(value, "__dict__", {}).values():
            held = getattr(held, "__self__", held)  # of `app.wsgi_app`
            app = held if isinstance(held, Core) else _find_inside(held, depth - 1)
            if app is not None:
                return app
    return None


def _called_with_wrong_args(f: t.Callable[..., t.Any]) -> bool:
    """Say whether the TypeError being handled came from the call of `f`, not from inside."""
    frames = traceback.walk_tb(sys.exc_info()[2])
    return all(frame.f_code is not f.__code__ for frame, _ in frames)


def find_app_by_string(module: ModuleType, app_name: str) -> Core:
    """Return the app that `app_name` means in `module`: a name, or a call with literals.

    Raises NoAppException.
    """
    name, args, kwargs = _parse_app_name(app_name)
    try:
        app = getattr(module, name)
    except AttributeError as error:
        raise NoAppException(
            f"Failed to find attribute {name!r} in {module.__name__!r}."
        ) from error

    if inspect.isfunction(app):
        factory = app
        try:
            app = factory(*args, **kwargs)
        except TypeError as error:
            if not _called_with_wrong_args(factory):
                raise
            raise NoAppException(
                f"The factory {app_name!r} in module {module.__name__!r} could not be"
                " called with these arguments."
            ) from error

    if isinstance(app, Core):
        return app
    _refuse_middleware(f"{module.__name__}:{app_name}", app)
    raise NoAppException(
        f"'{module.__name__}:{app_name}' is no application, it is of type {type(app).__name__!r}."
    )


def _parse_app_name(app_name: str) -> tuple[str, list[t.Any], dict[str, t.Any]]:
    try:
        expr = ast.parse(app_name.strip(), mode="eval").body
    except SyntaxError:
        expr = None

    match expr:
        case ast.Name(id=name):
            return name, [], {}
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            try:
                return (
                    name,
                    [ast.literal_eval(arg) for arg in args],
                    # `**mapping` has no name here, and is refused like any other non-literal.
                    {_named(kw.arg): ast.literal_eval(kw.value) for kw in keywords},
                )
            except (ValueError, TypeError):
                raise NoAppException(
                    f"Failed to parse arguments as literal values: {app_name!r}."
                ) from None
        case ast.Call():
            raise NoAppException(f"Function reference must be a simple name: {app_name!r}.")
        case _:
            raise NoAppException(
                f"Failed to parse {app_name!r} as an attribute name or function call."
            )


def _named(name: str | None) -> str:
    if name is None:
        raise ValueError("a keyword argument needs its name")
    return name


def prepare_import(path: str) -> str:
    """Return the module name of a file, package or dotted name, made importable.

    Climbs out of the package that holds it and puts the folder found first on `sys.path`.
    """
    place = Path(os.path.realpath(path))
    if place.suffix == ".py":
        place = place.with_suffix("")
    if place.name == "__init__":
        place = place.parent

    names = [place.name]
    for folder in place.parents:
        if not (folder / "__init__.py").exists():
            if sys.path[:1] != [str(folder)]:
                sys.path.insert(0, str(folder))
            break
        names.append(folder.name)
    return ".".join(reversed(names))


Load = t.Callable[[str], ModuleType]


@t.overload
def locate_app(
    module_name: str,
    app_name: str | None,
    raise_if_not_found: t.Literal[True] = True,
    load: Load = import_module,
) -> Core: ...
@t.overload
def locate_app(
    module_name: str, app_name: str | None, raise_if_not_found: bool, load: Load = import_module
) -> Core | None: ...
def locate_app(
    module_name: str,
    app_name: str | None,
    raise_if_not_found: bool = True,
    load: Load = import_module,
) -> Core | None:
    """Import `module_name` and return its app, or the one that `app_name` means there.

    Raises NoAppException; with `raise_if_not_found=False` a missing module gives None,
    while one that is there and fails to import still raises.
    """
    try:
        module = load(module_name)
    except ImportError as error:
        if not f"{module_name}.".startswith(f"{error.name}.") or not isinstance(
            error, ModuleNotFoundError
        ):
            raise NoAppException(
                f"While importing {module_name!r}, an ImportError was raised:"
                f"\n\n{traceback.format_exc()}"
            ) from None
        if raise_if_not_found:
            raise NotThere(f"Could not import {module_name!r}.") from None
        return None

    return find_best_app(module) if app_name is None else find_app_by_string(module, app_name)


class ScriptInfo(AppLoader):
    """What a command line knows of its app; the `obj` of the click context.

    `create_app` is called without arguments; where there is none, `app_import_path`
    ("module:name", a file, a factory call) is loaded, else `wsgi.py` or `app.py` here.
    """

    #: Where an app that is not named is looked for.
    quartish_files: t.ClassVar[tuple[str, ...]] = ("wsgi.py", "app.py")

    def __init__(
        self,
        app_import_path: str | None = None,
        create_app: t.Callable[..., Core] | None = None,
        set_debug_flag: bool = True,
        load_dotenv_defaults: bool = True,
    ) -> None:
        self.app_import_path = app_import_path
        self.create_app = create_app
        self.data: dict[t.Any, t.Any] = {}  # for users
        self.set_debug_flag = set_debug_flag
        # Read by the --env-file option; nothing is loaded here.
        self.load_dotenv_defaults: bool = get_load_dotenv(load_dotenv_defaults)
        self._loaded_app: Core | None = None

    def load_app(self) -> Core:
        """Return the app, found and given its debug flag the first time.

        Raises NoAppException.
        """
        if self._loaded_app is None:
            app = self._find_app()
            if self.set_debug_flag:
                app.debug = get_debug_flag()
            self._loaded_app = app
        return self._loaded_app

    def import_module(self, name: str) -> ModuleType:
        """Import the module that is to have the app."""
        return import_module(name)

    def _find_app(self) -> Core:
        if self.create_app is not None:
            return self.create_app()
        if self.app_import_path:
            # A colon before a slash belongs to a Windows drive.
            path, *name = re.split(r":(?![\\/])", self.app_import_path, maxsplit=1)
            name_in_it = name[0] if name else None
            return locate_app(prepare_import(path), name_in_it, load=self.import_module)
        for path in self.quartish_files:
            app = locate_app(prepare_import(path), None, False, self.import_module)
            if app is not None:
                return app
        raise NotThere(
            "Could not locate an application. Name it with the '--app' option or the"
            " 'QUARTISH_APP' or 'FLASK_APP' environment variable, or put it in a 'wsgi.py'"
            " or 'app.py' file in the current directory."
        )


_pass_script_info = click.make_pass_decorator(ScriptInfo, ensure=True)


def pass_script_info(f: t.Callable[t.Concatenate[ScriptInfo, P], R]) -> t.Callable[P, R]:
    """Give the command `f` the `ScriptInfo` of this run as its first argument."""
    return _pass_script_info(f)


AppLoader.default = ScriptInfo


def load_dotenv(path: str | os.PathLike[str] | None = None, load_defaults: bool = True) -> bool:
    """Set environment variables from `path` and the default files; say whether any was read.

    `path` comes before `.env`, that before `.quartishenv`, `.quartenv` and `.flaskenv`,
    each looked for here and in the folders above. What is set already stays. Does nothing
    without python-dotenv.
    """
    try:
        import dotenv
    except ImportError:
        if path or any(map(os.path.isfile, DOTENV_FILES)):
            click.secho(
                " * Tip: there are .env files here. Install python-dotenv to use them.",
                fg="yellow",
                err=True,
            )
        return False

    files = [dotenv.find_dotenv(name, usecwd=True) for name in DOTENV_FILES if load_defaults]
    if path is not None and os.path.isfile(path):
        files.append(os.fspath(path))
    values: dict[str, str | None] = {}
    for file in filter(None, files):
        values |= dotenv.dotenv_values(file, encoding="utf-8")

    for name, value in values.items():
        if value is not None:
            os.environ.setdefault(name, value)
    return bool(values)
