"""Those who watch imports, as agents do, find Flask and Quart where quartish is in their place.

Each test is a process of its own, on the real framework and on quartish.
"""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

import pytest

from quartish._early import pre_instrument

CHECKOUT = Path(__file__).parent.parent
#: Options of a Python in which warnings are errors, but for what Quart uses of a later Werkzeug.
STRICTLY = ["-W", "error", "-W", "ignore::DeprecationWarning:quart.wrappers.response"]
FACES = ["flask", "quart"]

# What agents watch imports with, all at once as where there are several: a finder that asks
# `find_spec`, one that goes through `sys.meta_path` itself, and what `wrapt` has for everybody.
WATCHERS = """
import importlib.util, json, sys, wrapt

noted = {}

def note(watcher, module):
    assert sys.modules[module.__name__] is module
    key = f"{watcher}: {module.__name__}"
    noted[key] = noted.get(key, 0) + 1

class Loader:
    def __init__(self, watcher, loader):
        self.watcher = watcher
        self.loader = loader
    def create_module(self, spec):
        return self.loader.create_module(spec)
    def exec_module(self, module):
        self.loader.exec_module(module)
        note(self.watcher, module)

class Finder:
    def __init__(self):
        self.asking = set()
    def find_spec(self, name, path=None, target=None):
        if name not in wanted or name in self.asking:
            return None
        self.asking.add(name)
        try:
            spec = self.ask(name, path, target)
        finally:
            self.asking.discard(name)
        spec.loader = Loader(type(self).__name__, spec.loader)
        return spec

class Asks(Finder):
    def ask(self, name, path, target):
        return importlib.util.find_spec(name)

class Walks(Finder):
    def ask(self, name, path, target):
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                return spec

sys.meta_path[:0] = [Walks(), Asks()]
for name in wanted:
    wrapt.register_post_import_hook(lambda module: note("wrapt", module), name)
"""


def run(code: str) -> t.Any:
    """Run `code` in a fresh interpreter and return what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, *STRICTLY, "-c", code], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def modules_of(face: str) -> set[str]:
    """Return the names of the modules that the real `face` has."""
    spec = find_spec(face)
    assert spec is not None and spec.origin is not None
    home = Path(spec.origin).parent
    found = {path.relative_to(home.parent).with_suffix("") for path in home.rglob("*.py")}
    return {".".join(path.parts).removesuffix(".__init__") for path in found}


@pytest.mark.parametrize("face", FACES)
def test_all_modules_are_announced(face: str) -> None:
    pytest.importorskip(face)
    wanted = f"wanted = {modules_of(face)!r}\n{WATCHERS}\n"
    finish = f"import {face}\nprint(json.dumps(noted))"
    there = run(f"{wanted}\n{finish}")
    here = run(f"{wanted}\nimport quartish.as_{face}\n{finish}")
    assert len(there) > 3 * 15
    assert there.keys() - here.keys() == set()
    assert {*there.values(), *here.values()} == {1}


@pytest.mark.parametrize("face", FACES)
def test_hooks_that_come_later_find_modules_with_their_own_names(face: str) -> None:
    called, misnamed = run(
        f"""
import json, sys, wrapt
import quartish.as_{face}
called = []
wrapt.when_imported("{face}")(lambda module: called.append(module is sys.modules["{face}"]))
wrapt.when_imported("{face}.app")(lambda module: called.append(module.__name__))
print(json.dumps([called, [
    name for name, module in sys.modules.items()
    if name.startswith("quartish")
    and not name == module.__name__ == module.__spec__.name
]]))
"""
    )
    assert called == [True, "quartish.app"]
    assert misnamed == []


@pytest.mark.parametrize(("face", "app"), [("flask", "Flask"), ("quart", "Quart")])
def test_what_a_hook_patches_is_patched_for_everybody(face: str, app: str) -> None:
    found = run(
        f"""
import json, wrapt

@wrapt.when_imported("{face}")
def patch(module):
    import {face}.views  # hooks import more of it
    class Watched(module.{app}):
        pass
    module.{app} = Watched

@wrapt.when_imported("{face}.app")
def patch_method(module):
    wrapt.wrap_function_wrapper(
        module, "{app}.add_url_rule", lambda wrapped, app, args, kwargs: wrapped(*args, **kwargs)
    )

import quartish.as_{face}
from {face} import {app}
app = {app}("app")
app.add_url_rule("/", "index", lambda: "")
print(json.dumps([{app}.__name__, type(app.add_url_rule).__name__]))
"""
    )
    assert found == ["Watched", "BoundFunctionWrapper"]


def test_a_hook_that_fails_says_so() -> None:
    found = run(
        """
import json, wrapt

@wrapt.when_imported("flask.views")
def fail(module):
    raise ZeroDivisionError("in a hook")

try:
    import quartish.as_flask
except ZeroDivisionError as error:
    import quartish.views
    print(json.dumps([str(error), quartish.views.__name__]))
"""
    )
    assert found == ["in a hook", "quartish.views"]


@pytest.mark.parametrize("face", FACES)
def test_a_finder_that_asks_nobody_is_passed_by(face: str) -> None:
    """As pytest's does, of a project whose `python_files` is "*.py"."""
    pytest.importorskip(face)
    found = run(
        f"""
import json, sys
from importlib.machinery import PathFinder

class Finder:
    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, path, target)

sys.meta_path.insert(0, Finder())
import quartish.as_{face}
import {face}.views
print(json.dumps({face}.views.View.__module__))
"""
    )
    assert found == "quartish.views"


def test_a_hook_that_puts_another_module_in_its_place_is_told_of() -> None:
    found = run(
        """
import json, sys, types, wrapt

@wrapt.when_imported("flask")
def replace(module):
    other = sys.modules["flask"] = types.ModuleType("flask")
    other.__path__ = []

try:
    import quartish.as_flask
except ImportError as error:
    print(json.dumps(str(error)))
"""
    )
    assert found.startswith("'flask' was already imported, from an unknown place")


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("variable", [None, "0", "1"])
def test_flask_means_quartish_before_the_program_begins(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, installed: bool
) -> None:
    """`opentelemetry-instrument` calls it; the other face of it is in `tests/extensions`."""
    found = PathFinder.find_spec("json") if installed else None
    imported: list[str] = []
    monkeypatch.delenv("QUARTISH_AS_FLASK", raising=False)
    if variable is not None:
        monkeypatch.setenv("QUARTISH_AS_FLASK", variable)
    monkeypatch.setattr("quartish._early.find_spec", lambda name: found)
    monkeypatch.setattr("importlib.import_module", imported.append)
    pre_instrument()
    wanted = variable == "1" or (variable is None and not installed)
    assert imported == ["quartish.as_flask"] * wanted
