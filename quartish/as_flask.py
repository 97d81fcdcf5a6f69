"""Make `import flask`, and every `flask.x`, mean quartish in this process.

    import quartish.as_flask  # before anything that imports flask

    pytest -p quartish.as_flask
    python -m quartish.as_flask run  # for what calls the `flask` command

For extensions and tests that nobody edited. Raises ImportError where Flask itself was
imported before. `importlib.metadata.version("flask")` is the release whose interface quartish
follows, unless Flask is installed.
"""

from __future__ import annotations

import sys

from ._module_alias import install
from .cli import main as _main
from .routing import map as routing

VERSION = "3.1.3"
MODULES = (
    *("app", "blueprints", "cli", "config", "ctx", "debughelpers", "globals", "helpers"),
    *("json", "json.provider", "json.tag", "logging", "sansio", "sansio.app"),
    *("sansio.blueprints", "sansio.scaffold", "sessions", "signals", "templating"),
    *("testing", "typing", "views", "wrappers"),
)

vars(sys.modules["quartish"])["__version__"] = VERSION  # which extensions still look at
routing.WARNS_AS = "flask.app"
install("flask", "quartish", VERSION, MODULES)


def main() -> None:
    """Be the `flask` command: `quartish`'s, in a process where `flask` means quartish.

    The extra `flask-command` installs it under that name.
    """
    _main()


if __name__ == "__main__":
    main()
