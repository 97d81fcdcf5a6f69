"""Every name that modules of Flask and Quart have, imported ones included, is to be had from ours.

The names are found by walking the real packages, in a process of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from quartish._names import PUBLIC
from quartish._names import SOURCES

WALK = """
import importlib, json, pkgutil, sys, warnings
warnings.simplefilter("ignore")
package, ours = sys.argv[1:3]
if ours:
    importlib.import_module(f"quartish.as_{package}")
    wanted = json.load(sys.stdin)
    missing = []
    for name, names in wanted.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            missing.append(name)
        else:
            missing += [f"{name}.{each}" for each in names if not hasattr(module, each)]
    print(json.dumps(missing))
else:
    real = importlib.import_module(package)
    names = [found.name for found in pkgutil.walk_packages(real.__path__, package + ".")]
    wanted = {}
    for name in [package, *names]:
        if not name.endswith("__main__"):
            found = vars(importlib.import_module(name))
            wanted[name] = [n for n in found if not (n.startswith("__") and n.endswith("__"))]
    print(json.dumps(wanted))
"""

PRIVATE = "a helper inside of a module, which does its work another way here"
FILES = "files are read by worker threads here, not by aiofiles"
#: What is not there, and why.
MISSING = {
    "flask": {
        "flask.cli._path_is_ancestor": PRIVATE,
        "flask.debughelpers._dump_loader_info": PRIVATE,
        "flask.helpers._prepare_send_file_kwargs": PRIVATE,
        "flask.testing._get_werkzeug_version": PRIVATE,
        "flask.testing._werkzeug_version": PRIVATE,
    },
    "quart": {
        **dict.fromkeys(
            [
                *("quart.ctx._BaseRequestWebsocketContext", "quart.globals._session_lookup"),
                *("quart.helpers.DEFAULT_MIMETYPE", "quart.helpers.locked_cached_property"),
                "quart.routing._normalise_host",
                *("quart.testing.client._TestCookieJarResponse", "quart.debug.TEMPLATE"),
                *("quart.testing.client._TestWrapper", "quart.wrappers.response._DataBodyGen"),
                "quart.wrappers.request.SERVER_PUSH_HEADERS_TO_COPY",
                "quart.wrappers.response._clean_accept_ranges",
                "quart.wrappers.response._raise_if_invalid_range",
            ],
            PRIVATE,
        ),
        **dict.fromkeys(
            [
                *("quart.app.AiofilesContextManager", "quart.app.async_open"),
                *("quart.blueprints.AiofilesContextManager", "quart.blueprints.async_open"),
                *("quart.datastructures.async_open", "quart.wrappers.response.async_open"),
                "quart.wrappers.response.AiofilesContextManager",
                "quart.wrappers.response.AsyncBufferedIOBase",
            ],
            FILES,
        ),
    },
}


def walk(package: str, ours: str = "", given: str = "") -> str:
    command = [sys.executable, "-c", WALK, package, ours]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("package", ["flask", "quart"])
def test_every_name_is_there(package: str) -> None:
    missing = set(json.loads(walk(package, "ours", walk(package))))
    assert missing == set(MISSING[package])


def test_a_name_that_its_own_module_lacks_is_told_from_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a test has removed it, or a circular import has not come so far."""
    modules = [sys.modules.get(f"quartish.{name}") for name in PUBLIC]
    served = [each for each in modules if each is not None and "__getattr__" in vars(each)]
    tried = 0
    for place, names in SOURCES.items():
        for name in names.split():
            home = sys.modules.get(place)
            if home not in served or name not in vars(home):
                continue
            tried += 1
            monkeypatch.delitem(vars(home), name)
            for module in (home, *(each for each in served if name not in vars(each))):
                with pytest.raises(AttributeError) as info:
                    getattr(module, name)
                assert f"{place!r} has no attribute {name!r}" in str(info.value)
            with pytest.raises(ImportError, match=f"cannot import name {name!r} from {place!r}"):
                exec(f"from {place} import {name}", {})
            monkeypatch.undo()
    assert tried > 80


@pytest.mark.parametrize(
    "line",
    [
        "from quartish.wrappers import ResponseBase, RequestBase, BadRequest",
        "from quartish.app import request, Response, session, g, Headers, InternalServerError",
        "from quartish.helpers import request, session, werkzeug",
        "from quartish.views import request, current_app",
        "from quartish.testing import Client, CliRunner",
        "from quartish.ctx import _cv_request",
        "import quartish; quartish.cli.FlaskGroup; quartish.sansio.app.App",
        "from quartish.cli import run_simple",
        "from quartish.quart.sessions import SecureCookieSessionInterface",
        "import quartish.quart.wrappers; quartish.quart.wrappers.Request",
        "import quartish.quart as quart; quart.asgi.ASGIHTTPConnection; quart.signals.Namespace",
        "import quartish.quart as quart; assert not hasattr(quart, 'nothing')",
        "from quartish.quart.utils import run_sync, cancel_tasks",
        "from quartish.quart.ctx import Token; from quartish.quart import websocket",
    ],
)
def test_by_a_line(line: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", line], check=True)


def test_what_is_nowhere_is_missed() -> None:
    code = "import quartish.app; quartish.app.nowhere"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "module 'quartish.app' has no attribute 'nowhere'" in done.stderr
