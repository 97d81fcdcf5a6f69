"""Which files a program is made of, and when one of them changed.

The rule: changes are found by comparing the files with their earlier state, whether the system (by
`watchfiles`, where that is installed) or a timer says when to look. So both find the same changes,
also files that were added or deleted.
"""

from __future__ import annotations

import fnmatch
import os
import site
import sys
import sysconfig
import threading
import time
import typing as t
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cache

#: Seconds without a change before a change is reported: editors write in steps.
SETTLES = 0.05
#: Seconds after which the files are looked at in any case, even if the system reports changes.
ANYWAY = 1.0
#: Looking takes at most this part of the time.
SHARE = 0.1
KINDS = ("auto", "stat", "watchfiles", "watchdog")
_TEMPORARY = ("~", ".swp", ".swx", ".tmp", "4913")

State = dict[str, tuple[int, int]]


@dataclass
class Watched:
    """What is watched: the Python files below `roots`; each of `files` and `extra`, with all files
    of a folder; `pages`, such as templates, which an app reads anew by itself. `exclude` are
    fnmatch patterns of whole paths."""

    roots: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)
    pages: set[str] = field(default_factory=set)
    exclude: set[str] = field(default_factory=set)

    def is_page(self, path: str) -> bool:
        """Say whether only pages are made of that file, and no code."""
        if path in self.files or path in self.extra:
            return False
        return any(path == page or path.startswith(page + os.sep) for page in self.pages)

    def with_also(self, other: Watched) -> Watched:
        """Return the union of both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Watched(*(mine | others for mine, others in pairs))

    def look_beside_roots(self) -> State:
        """Return time and size of each file but those in `roots`, of which there are many."""
        return replace(self, roots=set()).look()

    def folders(self) -> list[str]:
        """Return the folders that are there."""
        return [path for path in (*self.roots, *self.extra, *self.pages) if os.path.isdir(path)]

    def look(self) -> State:
        """Return time and size of each file."""
        found: State = {}
        for root in self.roots:
            _walk(root, found, python=True)
        for path in (*self.extra, *self.pages):
            _walk(path, found, python=False)
        for path in self.files:
            _note(path, found)
        for pattern in self.exclude:
            for path in fnmatch.filter(found, pattern):
                del found[path]
        return found


def of_program(
    extra: Iterable[str] = (), exclude: Iterable[str] = (), pages: Iterable[str] = ()
) -> Watched:
    """Return what this process is made of now: its folders of modules, but Python's own and those
    that packages are installed in, and the modules that it has loaded from there, too."""
    roots = {os.path.abspath(path) for path in (*sys.path, os.getcwd())}
    roots = {path for path in roots if os.path.isdir(path) and not path.startswith(_installed())}
    standard = sysconfig.get_path("stdlib") + os.sep
    files = set()
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and (not path.startswith(standard) or "site-packages" in path):
            files.add(os.path.abspath(path))
    return Watched(roots, files, _absolute(extra), _absolute(pages), set(exclude))


@cache
def _installed() -> tuple[str, ...]:
    """Return where Python and packages are installed."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (*map(sysconfig.get_path, names), *site.getsitepackages(), site.getusersitepackages())


def _absolute(paths: Iterable[str]) -> set[str]:
    return {os.path.abspath(path) for path in paths}


def _walk(path: str, found: State, *, python: bool, above: bool = True) -> None:
    if os.path.isfile(path):
        _note(path, found)
        return
    folders: list[str] = []
    here = False
    try:
        entries = list(os.scandir(path))
    except OSError:
        return
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return  # an environment's packages are no source of anybody's
    for entry in entries:
        name = entry.name
        if name[0] == "." or name.endswith(_TEMPORARY):
            continue
        try:
            if entry.is_dir():
                if name not in ("__pycache__", "node_modules"):
                    folders.append(entry.path)
            elif not python or name.endswith(".py"):
                here = True
                _note(entry.path, found, entry)
        except OSError:
            continue
    # Where neither a folder nor the one above has modules, there is no package further down.
    if here or above or not python:
        for folder in folders:
            _walk(folder, found, python=python, above=here)


def _note(path: str, found: State, entry: os.DirEntry[str] | None = None) -> None:
    try:
        seen = os.stat(path) if entry is None else entry.stat()
    except OSError:
        return
    found[path] = seen.st_mtime_ns, seen.st_size


class Watcher(threading.Thread):
    """Calls `tell(paths)`, in a thread of its own, when files have changed."""

    def __init__(
        self,
        watched: Watched,
        tell: Callable[[list[str]], object],
        interval: float,
        kind: str = "auto",
    ) -> None:
        super().__init__(name="quartish-watcher", daemon=True)
        if kind not in KINDS:
            raise ValueError(f"reloader_type is one of {', '.join(KINDS)}, not {kind!r}.")
        self.watched = watched
        self.tell = tell
        self.interval = interval
        #: What is watched from the next look on, and the state of its files when that was set.
        self._next: deque[tuple[Watched, State]] = deque()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._notifier = None if kind == "stat" else Notifier.of(self._wake)
        self._state = watched.look()

    def watch(self, watched: Watched, seen: State | None = None) -> None:
        """Watch these from now on. `seen` is an earlier state of files; those that differ from it
        have changed."""
        self._next.append((watched, seen or {}))
        self._wake.set()

    def end(self) -> None:
        """Watch no longer."""
        self._ended.set()
        self._wake.set()
        if self._notifier is not None:
            self._notifier.end()

    def run(self) -> None:
        if self._notifier is not None:
            self._notifier.watch(self.watched.folders())
        took = 0.0
        while True:
            slowly = self._notifier is not None and self._notifier.works
            pause = max(self.interval, ANYWAY) if slowly else self.interval
            self._wake.wait(max(pause, took / SHARE))
            self._wake.clear()
            if self._ended.is_set():
                return
            began = time.perf_counter()
            changed = self._look()
            while self._next:
                self._follow(*self._next.popleft())
            took = time.perf_counter() - began
            if changed:
                self.tell(changed)

    def _follow(self, watched: Watched, seen: State) -> None:
        self.watched = watched
        now = watched.look()
        before = {**seen, **self._state}
        deleted = {path for path in before.keys() - now.keys() if not os.path.exists(path)}
        # A file without an earlier state has not changed.
        self._state = {
            **now,
            **{path: before[path] for path in (before.keys() & now.keys()) | deleted},
        }
        if self._state != now:
            self._wake.set()
        if self._notifier is not None:
            self._notifier.watch(watched.folders())

    def _look(self) -> list[str]:
        seen = self.watched.look()
        if seen == self._state:
            return []
        while True:
            time.sleep(SETTLES)
            again = self.watched.look()
            if again == seen:
                break
            seen = again
        before, self._state = self._state, seen
        return sorted(p for p in before.keys() | seen.keys() if before.get(p) != seen.get(p))


class Notifier:
    """Sets an event when something in a folder changes, by `watchfiles`."""

    def __init__(self, watchfiles: t.Any, wake: threading.Event) -> None:
        self._watchfiles = watchfiles
        self._wake = wake
        self._folders: list[str] = []
        self._stop = threading.Event()
        #: Whether the system reports changes; otherwise the timer has to suffice.
        self.works = True

    @classmethod
    def of(cls, wake: threading.Event) -> Notifier | None:
        """Return one, or None where `watchfiles` is not installed."""
        try:
            import watchfiles
        except ImportError:
            return None
        return cls(watchfiles, wake)

    def watch(self, folders: list[str]) -> None:
        """Watch these folders, and what is in them, from now on."""
        if sorted(folders) == self._folders:
            return
        self.end()
        self._folders, self._stop = sorted(folders), threading.Event()
        threading.Thread(
            target=self._run, args=(folders, self._stop), name="quartish-notifier", daemon=True
        ).start()

    def end(self) -> None:
        """Watch no longer."""
        self._stop.set()

    def _run(self, folders: list[str], stop: threading.Event) -> None:
        try:
            if folders:
                for _ in self._watchfiles.watch(
                    *folders, debounce=100, step=20, stop_event=stop, rust_timeout=1000
                ):
                    self._wake.set()
        except Exception:  # the user has no more watches, or the folder was deleted
            self.works = False
            self._wake.set()
