"""The side of a process that another one runs: what it was handed, and what it has to say.

`quartish run --reload` and `--workers` run the program again in a process of its own. The two talk
by lines of JSON over a socket pair. The rule: a child whose parent has ended ends as well, and one
that fails says why before it does.
"""

from __future__ import annotations

import html
import json
import os
import socket
import sys
import threading
import typing as t
from collections.abc import Callable

from .._tracebacks import is_full
from .._tracebacks import text_of
from ..debugger import render_problem
from ..debugger import render_traceback
from .watch import of_program
from .watch import Watched

#: What the parent hands over, as JSON.
VARIABLE = "QUARTISH_PARENT"
#: Seconds between two looks at which modules are loaded.
LOOKS = 0.5
#: Seconds that a child without a parent may take to end.
ORPHANED = 3.0

Failure = dict[str, str]
"""Why an app does not run, as "html", "json" and "text"."""


class Parent:
    """The process that runs this one."""

    def __init__(self, sock: socket.socket, given: dict[str, t.Any]) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        #: The descriptors of the sockets to serve on.
        self.listeners: list[int] = given["listeners"]
        #: Whether it looks for changes; else this is one of several workers.
        self.reloads: bool = given["reloads"]
        #: Whether this is the first child.
        self.is_first: bool = given["first"]
        #: A certificate that was made for this run, and its key.
        self.adhoc: tuple[str, str] | None = given["adhoc"] and tuple(given["adhoc"])
        self._watch: Callable[[], Watched] = of_program
        self._watching = False

    def listen(self) -> list[socket.socket]:
        """Return the sockets to serve on."""
        return [socket.socket(fileno=number) for number in self.listeners]

    def tell(self, **said: t.Any) -> None:
        """Say something, unless the parent has ended."""
        line = json.dumps(said).encode() + b"\n"
        with self._lock:
            try:
                self._sock.sendall(line)
            except OSError:
                pass

    def fail(self, error: BaseException) -> None:
        """Say why this process is about to end."""
        self._tell_watched(also=True, error=error)
        self.tell(failure=failure_of(error))

    def fail_for(self, reason: str) -> None:
        """Say in words why this process is about to end."""
        self._tell_watched(also=True)
        self.tell(failure=failure_for(reason))

    def _tell_watched(self, *, also: bool = False, error: BaseException | None = None) -> None:
        """Say what this process is made of: all of it, or `also` what failed to load."""
        watched = self._watch()
        if isinstance(error, SyntaxError) and error.filename and os.path.isfile(error.filename):
            watched.files.add(os.path.abspath(error.filename))
        told = {name: sorted(paths) for name, paths in vars(watched).items()}
        # Looked at here, before this process serves: so a change right after that is one.
        self.tell(watched=told, also=also, seen=watched.look_beside_roots())

    def keep_telling(self, watch: Callable[[], Watched]) -> None:
        """Say now what this process is made of, and later what is loaded besides."""
        self._watch = watch
        self._tell_watched()
        if not self._watching:
            self._watching = True
            threading.Thread(target=self._look, name="quartish-modules", daemon=True).start()

    def _look(self) -> None:
        known = len(sys.modules)
        pause = threading.Event()
        while not pause.wait(LOOKS):
            if len(sys.modules) != known:
                known = len(sys.modules)
                self._tell_watched()

    def listen_to(self, commands: dict[str, Callable[[], object]]) -> None:
        """Do what the parent asks for, in a thread; call what "ended" names when it has ended."""
        name = "quartish-parent"
        threading.Thread(target=self._obey, args=[commands], name=name, daemon=True).start()

    def _obey(self, commands: dict[str, Callable[[], object]]) -> None:
        try:
            with self._sock.makefile() as lines:
                for line in lines:
                    commands[line.strip()]()
        except OSError:
            pass
        # A thread that waits would keep the interpreter from ending.
        impatience = threading.Timer(ORPHANED, os._exit, [1])
        impatience.daemon = True
        impatience.start()
        commands["ended"]()


def failure_of(error: BaseException) -> Failure:
    """Return the traceback of an error in all forms."""
    if isinstance(error, SyntaxError) and error.__traceback__ is not None:
        error = error.with_traceback(None)  # no code of the module has run: its place is in itself
    full = is_full()
    return {
        "html": render_traceback(error, html=True, full=full),
        "json": render_problem(error, full=full),
        "text": text_of(error, full=full),
    }


def failure_for(reason: str) -> Failure:
    """Return a reason that is no error in all forms."""
    problem = {"title": "Internal Server Error", "status": 500, "detail": reason}
    escaped = html.escape(reason)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>The app does not run</title>"
        f"<h1>The app does not run</h1><pre>{escaped}</pre></html>"
    )
    return {"html": page, "json": json.dumps(problem, indent=2), "text": reason}


def _find_parent() -> Parent | None:
    # It is for this process alone, and not for those that it starts.
    given = os.environ.pop(VARIABLE, None)
    if given is None:
        return None
    told = json.loads(given)
    try:
        sock = socket.socket(fileno=told["socket"])
    except OSError:
        return None
    sock.set_inheritable(False)
    parent = Parent(sock, told)
    usual = sys.excepthook

    def tell(kind: type[BaseException], error: BaseException, traceback: t.Any) -> None:
        usual(kind, error, traceback)
        if not isinstance(error, KeyboardInterrupt):
            parent.fail(error)

    sys.excepthook = tell
    return parent


#: What runs this process; None where a person or a service does.
PARENT: Parent | None = _find_parent()


def is_child() -> bool:
    """Say whether this process has a parent, which has printed the start-up messages."""
    return PARENT is not None
