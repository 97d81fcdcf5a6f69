"""Every public function, class and method of Flask and Quart may be called here as there.

The walk over the real package, and over what `as_flask` and
`as_quart` have under the same names, runs in
processes of their own. What is called by position or by name is found by the same position and
name; what has a default has one; what is a coroutine function, a property or a class is one.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import typing as t
from functools import cache

import pytest

WALK = """
import importlib, inspect, json, pkgutil, sys, warnings
warnings.simplefilter("ignore")
ENTERED = [f"__{n}__" for n in "call enter exit aenter aexit aiter anext iter next".split()]

def look(path):
    module, _, rest = path.partition(":")
    value, static = importlib.import_module(module), None
    for part in rest.split("."):
        static = inspect.getattr_static(value, part, None) if inspect.isclass(value) else None
        value = getattr(value, part)
    return value, static

def describe(value, static):
    if not callable(value):
        is_property = hasattr(type(static), "__get__") and not callable(static)
        return {"kind": "property" if is_property else "data"}
    try:
        parameters = inspect.signature(value).parameters.values()
    except (ValueError, TypeError):
        return {"kind": "class" if inspect.isclass(value) else "callable"}
    return {
        "kind": "class" if inspect.isclass(value) else "callable",
        "async": inspect.iscoroutinefunction(value),
        "generator": inspect.isasyncgenfunction(value),
        "parameters": [(p.name, p.kind.name, p.default is not p.empty) for p in parameters],
    }

def walk():
    real = importlib.import_module(package)
    names = [found.name for found in pkgutil.walk_packages(real.__path__, package + ".")]
    for name in [package, *names]:
        if name.endswith("__main__"):
            continue
        for n, value in vars(importlib.import_module(name)).items():
            home = getattr(value, "__module__", None) or ""
            if n.startswith("_") or not (home == name or name == package and package in home):
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                yield f"{name}:{n}"
            if inspect.isclass(value) and home == name:
                for member in dir(value):
                    owner = next((c for c in value.__mro__ if member in vars(c)), object)
                    if owner.__module__.startswith(("quart", "flask")) and (
                        not member.startswith("_") or member in ENTERED
                    ):
                        yield f"{name}:{n}.{member}"

package = sys.argv[1]
if sys.argv[2]:
    importlib.import_module(f"quartish.as_{package}")
    paths = json.load(sys.stdin)
else:
    paths = list(walk())
found = {}
for path in paths:
    try:
        found[path] = describe(*look(path))
    except (ImportError, AttributeError):
        found[path] = {"kind": "missing"}
print(json.dumps(found))
"""
Parameters = list[tuple[str, str, bool]]

SERVED = "of the development server's inside, which is another one here"
PARSER = "a step of a parser that goes other ways here"
#: What differs, and why nobody will miss it.
DIFFERENT = {
    **{
        f"flask.app:Flask.__call__: {difference}": "has ASGI's names for its arguments"
        for difference in ("environ at 0", "start_response at 1", "scope is new")
    },
    "flask.app:Flask.__call__: async": "serves ASGI too",
    "quart.formparser:MultiPartParser.fail: missing": PARSER,
    "quart.formparser:MultiPartParser.get_part_charset: missing": PARSER,
    "quart.formparser:MultiPartParser.start_file_streaming: missing": PARSER,
    "quart.typing:Event: takes no *": "is the class that Quart's protocol describes",
    "quart.typing:Event: takes no **": "is the class that Quart's protocol describes",
    "quart.wrappers.request:Request.lock_class: missing": PARSER,
    **{
        f"quart.{name}: _preserve_context at 2": "is for Quart's own client"
        for name in (
            "testing.client:QuartClient.http_connection_class",
            "testing.connections:TestHTTPConnection",
            "typing:TestHTTPConnectionProtocol",
        )
    },
}
#: Attributes that hold what nobody calls with the arguments of the one that Quart has there.
HELD = {"quart.sessions:SecureCookieSessionInterface.digest_method"}


#: What differs from 0.23, which takes the place of 0.22 on Python 3.13.
NEXT = {"quart.utils:run_reloader: missing": SERVED}
#: What a context is called where a method is given it: first in 0.23, last in 0.22. A signature can
#: show one of them; that both are accepted is played in `tests/quart/test_next_quart.py`.
CONTEXTS = {"ctx", "request_context", "websocket_context"}


@cache
def walk(package: str, ours: bool = False) -> dict[str, dict[str, t.Any]]:
    given = json.dumps(list(walk(package))) if ours else ""
    command = [sys.executable, "-c", WALK, package, "ours" if ours else ""]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def differences(package: str, path: str) -> t.Iterator[str]:
    theirs, ours = walk(package)[path], walk(package, True)[path]
    if theirs["kind"] != ours["kind"]:
        yield "missing" if ours["kind"] == "missing" else f"{theirs['kind']} is {ours['kind']}"
    elif "parameters" in theirs and path not in HELD:
        if theirs["async"] != ours["async"]:
            yield "async" if ours["async"] else "not async"
        if theirs["generator"] and not ours["generator"]:
            yield "no generator"
        given, taken = theirs["parameters"], ours["parameters"]
        if [name for name, *_ in given[:2]] == ["self", "ctx"]:
            given, taken = without_context(given), without_context(taken)
        yield from lost(given, taken)


def without_context(parameters: Parameters) -> Parameters:
    return [parameter for parameter in parameters if parameter[0] not in CONTEXTS]


def lost(theirs: Parameters, ours: Parameters) -> t.Iterator[str]:
    """Say which calls of `theirs` are none of `ours`."""
    if theirs[:1] and ours[:1] and theirs[0][0] in ("self", "cls"):  # whatever it is named
        theirs, ours = theirs[1:], ours[1:]
    own = {name: (kind, default) for name, kind, default in ours}
    kinds = {kind for _, kind, _ in ours}
    by_place = [name for name, kind, _ in ours if kind.startswith("POSITIONAL")]
    for place, (name, kind, default) in enumerate(theirs):
        if kind.startswith("VAR"):
            continue
        if kind.startswith("POSITIONAL") and "VAR_POSITIONAL" not in kinds:
            if place >= len(by_place) or by_place[place] != name:
                yield f"{name} at {place}"
                continue
        if kind != "POSITIONAL_ONLY":
            if own.get(name, ("POSITIONAL_ONLY", True))[0] == "POSITIONAL_ONLY":
                if "VAR_KEYWORD" not in kinds:
                    yield f"{name} by name"
        if default and not own.get(name, ("", True))[1]:
            yield f"{name} has to be given"
    known = {name for name, _, _ in theirs}
    for name, kind, default in ours:
        if name not in known and not default and not kind.startswith("VAR"):
            if not any(kind.startswith("VAR") for _, kind, _ in theirs):
                yield f"{name} is new"
    for kind, stars in (("VAR_POSITIONAL", "*"), ("VAR_KEYWORD", "**")):
        if kind in {kind for _, kind, _ in theirs} and kind not in kinds:
            if len(ours) < 2:  # else it only hands on what is written out here
                yield f"takes no {stars}"


@pytest.mark.parametrize("package", ["flask", "quart"])
def test_every_signature(package: str) -> None:
    real = pytest.importorskip(package)
    found = {f"{path}: {d}" for path in walk(package) for d in differences(package, path)}
    expected = {name for name in DIFFERENT if name.startswith(package)}
    if hasattr(real.wrappers, "ClientDisconnectedError"):
        expected = expected | set(NEXT)
    assert found == expected


def test_the_comparison_sees_what_is_lost() -> None:
    def of(code: str) -> Parameters:
        namespace: dict[str, t.Any] = {}
        exec(code, namespace)
        parameters = inspect.signature(namespace["f"]).parameters.values()
        return [(p.name, p.kind.name, p.default is not p.empty) for p in parameters]

    for theirs, ours, seen in (
        ("a, b", "a, b=1", []),
        ("a, b", "a, c", ["b at 1", "c is new"]),
        ("a, b", "b, a", ["a at 0", "b at 1"]),
        ("a, b=1", "a, b", ["b has to be given"]),
        ("a", "a, /", ["a by name"]),
        ("a, *, b", "a", ["b by name"]),
        ("a, *, b", "a, **c", []),
        ("a, **b", "a", ["takes no **"]),
    ):
        made = lost(of(f"def f({theirs}): pass"), of(f"def f({ours}): pass"))
        assert list(made) == seen
