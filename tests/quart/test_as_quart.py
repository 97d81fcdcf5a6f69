"""`import quartish.as_quart`, in processes of their own, and the face `quartish.quart`."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
import textwrap
import typing as t
from pathlib import Path

import pytest

import quartish
import quartish.quart

CHECKOUT = Path(__file__).parents[2]
#: Options of a Python in which warnings are errors, but for what Quart uses of a later Werkzeug.
STRICTLY = ["-W", "error", "-W", "ignore::DeprecationWarning:quart.wrappers.response"]

# Public names of Quart 0.22 that are missing, and why nobody will miss them.
INSIDE = "is a part of how Quart is made, with another one in its place here"
MISSING = {
    "debug.TEMPLATE": INSIDE,
    "helpers.DEFAULT_MIMETYPE": "is a constant that only Quart's send_file uses",
    "helpers.locked_cached_property": "was deprecated; functools.cached_property is there",
    "wrappers.request.SERVER_PUSH_HEADERS_TO_COPY": INSIDE,
}


def run(code: str) -> str:
    """Run `code` in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, *STRICTLY, "-c", textwrap.dedent(code)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_second_names() -> None:
    run(
        """
        import sys
        import quartish.as_quart
        import quart, quart.wrappers.response, quart.testing.connections, quartish

        assert quart is sys.modules["quartish.quart"]
        for name in ("app", "globals", "json.tag", "testing.connections"):
            assert sys.modules[f"quart.{name}"] is sys.modules[f"quartish.{name}"]
        assert quart.Request is quart.wrappers.Request is quart.wrappers.request.Request
        assert quart.Request is not quartish.Request
        assert quart.wrappers.response.FileBody is not None
        assert issubclass(quart.Request, quart.wrappers.base.BaseRequestWebsocket)
        """
    )


def test_a_module_that_quartish_lacks_is_named() -> None:
    run(
        """
        import quartish.as_quart
        try:
            import quart.exthook
        except ModuleNotFoundError as error:
            assert "'quart' means quartish" in str(error)
        else:
            raise AssertionError
        """
    )


def test_quart_imported_before_is_refused() -> None:
    pytest.importorskip("quart")
    run(
        """
        import quart
        try:
            import quartish.as_quart
        except ImportError as error:
            assert "'quart' was already imported" in str(error)
        else:
            raise AssertionError("it was not refused")
        """
    )


def test_flask_and_quart_at_once() -> None:
    run(
        """
        import quartish.as_flask, quartish.as_quart
        import flask, quart

        assert flask.g is quart.g
        assert flask.Request is not quart.Request
        assert issubclass(quart.Quart, flask.sansio.app.App)
        """
    )


def test_an_extension_that_nobody_edited() -> None:
    printed = run(
        """
        import asyncio
        import quartish.as_quart
        from quart import Quart, render_template_string, request
        from quart.utils import run_sync
        from quart.wrappers import Response

        app = Quart("app")

        @app.post("/")
        async def index():
            form = await request.form
            upper = await run_sync(str.upper)(form["name"])
            return Response(await render_template_string("{{ name }}", name=upper))

        async def main():
            response = await app.test_client().post("/", form={"name": "quart"})
            print(response.status_code, await response.get_data(as_text=True))

        asyncio.run(main())
        """
    )
    assert printed.split() == ["200", "QUART"]


def test_an_agent_patches_the_base_of_apps_and_blueprints() -> None:
    """As sentry-sdk does, which looks for a module that Quart had until 0.18."""
    run(
        """
        import quartish.as_quart
        import quart
        from quart.scaffold import Scaffold

        assert issubclass(quart.Quart, Scaffold) and issubclass(quart.Blueprint, Scaffold)
        original, seen = Scaffold.route, []

        def route(*args, **kwargs):
            decorate = original(*args, **kwargs)

            def decorator(func):
                seen.append(func.__name__)
                return decorate(func)

            return decorator

        Scaffold.route = route
        app, blueprint = quart.Quart("app"), quart.Blueprint("blueprint", "blueprint")

        @app.route("/one")
        def one(): ...

        @blueprint.route("/two")
        async def two(): ...

        assert seen == ["one", "two"]
        """
    )


async def test_run_sync_steps_through_a_generator_in_threads() -> None:
    import threading

    from quartish._quart.utils import run_sync

    def numbers() -> t.Iterator[int]:
        yield threading.get_ident()
        yield threading.get_ident()

    threads = [n async for n in t.cast(t.Any, await run_sync(numbers)())]
    assert len(threads) == 2
    assert threading.get_ident() not in threads


def test_the_face_has_the_awaitable_colour() -> None:
    face = quartish.quart
    assert face.Quart is quartish.Quart
    assert face.Quart.request_class is face.Request
    assert face.Quart.response_class is face.Response
    assert inspect.iscoroutinefunction(face.render_template)
    assert not inspect.iscoroutinefunction(quartish.render_template)
    assert face.request is quartish.request


def defined(module: t.Any) -> t.Iterator[str]:
    """Name what the module defines and what it exports by `import x as x`."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (a.name for a in node.names if a.name == a.asname)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_every_public_name_of_quart() -> None:
    quart = pytest.importorskip("quart")
    wanted: dict[str, list[str]] = {}
    for name in ["", *(i.name[6:] for i in pkgutil.walk_packages(quart.__path__, "quart."))]:
        if name != "__main__":
            module = importlib.import_module(f"quart.{name}".rstrip("."))
            wanted[name] = [
                public
                for public in defined(module)
                if not public.startswith("_")
                and not isinstance(getattr(module, public, None), t.TypeVar)
            ]
    missing = run(
        f"""
        import importlib
        import quartish.as_quart

        for name, wanted in {wanted!r}.items():
            try:
                module = importlib.import_module(f"quart.{{name}}".rstrip("."))
            except ModuleNotFoundError:
                print(name)
                continue
            for public in wanted:
                if not hasattr(module, public):
                    print(f"{{name}}.{{public}}")
        """
    ).split()
    explained = {name for name in missing if {name, name.partition(".")[0]} & MISSING.keys()}
    assert set(missing) - explained == set()
    assert all(any(name.startswith(known) for name in missing) for known in MISSING)
