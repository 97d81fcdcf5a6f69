"""What `quartish check` says of an app that runs, by the same table: what holds the event loop.

Reads the source of the app's modules, those that were imported; nothing more of it is run.
"""

from __future__ import annotations

import inspect
import os
import sys
import typing as t
from pathlib import Path

from ..production import Finding
from ..sansio.app import Core
from .blocking import read_table
from .findings import blocking
from .read import read_file
from .resolve import Project
from .tree import tree_of


def check_views(app: Core) -> list[Finding]:
    """Return what the app's `async def` views and hooks wait for without awaiting it."""
    root = Path(app.root_path).resolve()
    while (root / "__init__.py").exists():  # to the folder of the outermost package
        root = root.parent
    tree = tree_of(root, sorted(_imported(root)))
    facts = [read_file(root, source) for source in tree.sources if not source.test]
    project = Project(facts, tree.modules)
    places = {
        (str(root / function.file), function.name): function.dotted
        for function in project.functions.values()
    }
    loop = {
        places[place]
        for function in _functions(app)
        if inspect.iscoroutinefunction(function) and (place := _place(function)) in places
    }
    try:
        table = read_table(root)
    except ValueError:
        table = read_table(Path(os.devnull))
    found = blocking(project, table, loop, ())
    return [Finding(one.rule, f"{one.file}:{one.line}: {one.says}", one.cure) for one in found]


def _imported(root: Path) -> t.Iterator[str]:
    """Yield the files below `root` of which modules were made, others' packages excepted."""
    own = Path(__file__).resolve().parents[1]
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py"):
            path = Path(file).resolve()
            if path.is_relative_to(root) and not path.is_relative_to(own):
                if "site-packages" not in path.parts:
                    yield path.relative_to(root).as_posix()


def _functions(app: Core) -> t.Iterator[t.Any]:
    """Yield the app's views, with the methods of class views, and its hooks."""
    for view in app.view_functions.values():
        klass = getattr(view, "view_class", None)
        if klass is None:
            yield inspect.unwrap(view)
        else:
            names = ("dispatch_request", *(name.lower() for name in klass.methods or ()))
            yield from (getattr(klass, name) for name in names if hasattr(klass, name))
    for hooks in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs):
        for each in hooks.values():
            yield from map(inspect.unwrap, each)


def _place(function: t.Any) -> tuple[str, str]:
    code = function.__code__
    return str(Path(code.co_filename).resolve()), code.co_name
