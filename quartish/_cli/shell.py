"""`quartish shell`: Python's console, or IPython's where it is installed, in the app's context."""

from __future__ import annotations

import ast
import code
import importlib
import importlib.util
import os
import sys
import types
import typing as t

import click

from .._concurrency.coroutines import from_thread
from .._current import current_app
from ..sansio.app import Core
from .commands import with_appcontext
from .options import Option


class Console(code.InteractiveConsole):
    """Python's console, in which `await` works; all awaits share one event loop."""

    def __init__(self, names: dict[str, t.Any]) -> None:
        super().__init__(names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    def runcode(self, code: types.CodeType) -> None:
        call = types.FunctionType(code, self.locals)
        try:
            result = call()
            if isinstance(result, types.CoroutineType):
                from_thread(result)
        except SystemExit:
            raise
        except BaseException:
            self.showtraceback()


@click.command("shell", short_help="Run a shell in the app context.")
@click.option(
    "--ipython/--no-ipython",
    default=None,
    help="Run IPython. By default so where it is installed and there is a terminal.",
    cls=Option,
)
@with_appcontext
def shell_command(ipython: bool | None) -> None:
    """Run an interactive Python shell, in which 'await' works, in the app's context.

    It starts with the names that the app's shell context processors give.
    """
    app = t.cast(Core, current_app())
    banner = (
        f"Python {sys.version} on {sys.platform}\n"
        f"App: {app.import_name}\n"
        f"Instance: {app.instance_path}"
    )
    if ipython is None:
        ipython = sys.stdin.isatty() and importlib.util.find_spec("IPython") is not None
    if ipython:
        _run_ipython(app.make_shell_context(), banner)
    else:
        _run_console(app, banner)


def _run_console(app: Core, banner: str) -> None:
    names: dict[str, t.Any] = {}
    startup = os.environ.get("PYTHONSTARTUP")
    if startup and os.path.isfile(startup):
        with open(startup, "rb") as file:
            exec(compile(file.read(), startup, "exec"), names)  # noqa: S102 (the user's own)
    names.update(app.make_shell_context())

    # Set by `site`, a sitecustomize or the start-up file; the usual one sets up readline.
    hook = getattr(sys, "__interactivehook__", None)
    if hook is not None:
        try:
            import readline
            from rlcompleter import Completer
        except ImportError:
            pass
        else:  # complete the names of this shell, not those of __main__
            readline.set_completer(Completer(names).complete)
        hook()

    Console(names).interact(banner, exitmsg="")


def _run_ipython(names: dict[str, t.Any], banner: str) -> None:
    """IPython awaits on a loop of its own, one for all of it, in this very Context."""
    try:
        ipython: t.Any = importlib.import_module("IPython")
    except ImportError as error:
        raise click.UsageError(
            f"IPython is not installed ({error}): pip install ipython, or leave out --ipython."
        ) from error
    config = importlib.import_module("traitlets.config").Config()
    config.TerminalInteractiveShell.banner1 = f"{banner}\nIPython {ipython.__version__}\n"
    ipython.start_ipython(argv=[], user_ns=names, config=config)
