"""`import quartish.as_flask`, each time in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


def run(code: str) -> None:
    """Run `code` in a fresh interpreter; an exception there is a failure here."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_second_names_are_the_same_modules() -> None:
    run(
        """
        import sys
        import quartish.as_flask
        import flask, quartish

        assert flask is quartish
        assert flask.__version__ == "3.1.3"
        for name in ("app", "cli", "json.provider", "json.tag", "sansio.scaffold", "typing"):
            assert sys.modules[f"flask.{name}"] is sys.modules[f"quartish.{name}"]
            assert sys.modules[f"quartish.{name}"].__spec__.name == f"quartish.{name}"
        from flask.views import MethodView
        assert MethodView is quartish.views.MethodView
        """
    )


def test_a_patched_module_is_patched_under_both_names() -> None:
    run(
        """
        import quartish.as_flask
        import flask.cli
        from unittest import mock
        import quartish.cli

        with mock.patch("flask.cli.load_dotenv") as patched:
            assert quartish.cli.load_dotenv is patched
        """
    )


def test_a_module_is_found_when_first_asked_for() -> None:
    run(
        """
        import sys
        import quartish.as_flask

        assert "flask.as_quart" not in sys.modules
        import flask._lazy
        assert flask._lazy is sys.modules["quartish._lazy"]
        """
    )


def test_a_module_that_quartish_lacks_is_named() -> None:
    run(
        """
        import importlib
        import quartish.as_flask

        for name in ("flask.exthook", "flask.no.such", "flask.json.missing"):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                assert "'flask' means quartish" in str(error), error
            else:
                raise AssertionError(name)
        """
    )


def test_flask_imported_before_is_refused() -> None:
    pytest.importorskip("flask")
    run(
        """
        import flask
        try:
            import quartish.as_flask
        except ImportError as error:
            assert "'flask' was already imported" in str(error)
            assert "pytest -p quartish.as_flask" in str(error)
        else:
            raise AssertionError("it was not refused")
        """
    )


def test_version_of_a_flask_that_is_not_installed() -> None:
    run(
        """
        import sys
        from importlib import metadata
        import quartish.as_flask

        metadata.version("werkzeug")  # imports what it needs while it can
        # Hide an installed Flask: of the finders, only ours may answer.
        ours = "quartish._module_alias"
        sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ == ours]
        assert metadata.version("Flask") == metadata.version("flask") == "3.1.3"
        try:
            metadata.version("no-such-project")
        except metadata.PackageNotFoundError:
            pass
        else:
            raise AssertionError("it answered for another project")
        """
    )


def test_an_extension_that_nobody_edited() -> None:
    run(
        """
        import quartish.as_flask
        from flask import Flask, Blueprint, current_app, g, jsonify
        from flask.json.provider import DefaultJSONProvider
        from flask.sansio.app import App
        from flask.signals import request_started

        class Extension:
            def init_app(self, app):
                assert isinstance(app, App)
                app.extensions["ext"] = self
                app.before_request(self.open)

            def open(self):
                g.db = current_app.extensions["ext"]

        app = Flask("app")
        Extension().init_app(app)

        @app.get("/")
        async def index():
            return jsonify(db=type(g.db).__name__)

        assert app.test_client().get("/").json == {"db": "Extension"}
        """
    )


def test_the_pytest_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import flask, sys\ndef test_it():\n    assert flask.__name__ == 'quartish'\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "quartish.as_flask", "-c", "/dev/null", "--rootdir", tmp_path, tmp_path),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
