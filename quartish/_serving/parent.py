"""The side of a process that runs others: one that is replaced when a file changes, or several
workers.

The rule: this process has the sockets, and keeps them open; it loads nothing of the app, so nothing
that is wrong with that ends it. While there is no app it responds itself, with the reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import socket
import sys
import time
import typing as t
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

import click

from .reloaded import Failure
from .reloaded import failure_for
from .reloaded import failure_of
from .reloaded import VARIABLE
from .signals import stop_on_signals
from .watch import State
from .watch import Watched
from .watch import Watcher

#: Exit status by which a child asks for a fresh process; Werkzeug's number.
RELOAD = 3
#: Seconds that a process which is to be replaced may take to end, before it is killed.
RELOAD_PATIENCE = 2.0
#: The same for one that is stopped by a signal.
STOP_PATIENCE = 1.0
#: The same for a worker, which waits for its requests.
WORKER_PATIENCE = 15.0
#: Exit status for an invalid command line.
USAGE = 2

Show = Callable[[Failure, Callable[[], Awaitable[object]]], Awaitable[None]]
"""Serves the reason why the app does not run, until the function that it is given returns."""


class Child:
    """A run of this program in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, sock: socket.socket) -> None:
        self.process = process
        self._sock = sock
        self.failure: Failure | None = None
        #: Whether it serves.
        self.is_up = False
        #: Called with the files that it has told of, whether those come in addition to others, and
        #: their state.
        self.heard: Callable[[Watched, bool, State], object] = lambda watched, also, seen: None
        self._hearing = asyncio.ensure_future(self._hear())
        self.ended = asyncio.ensure_future(self._end())

    @classmethod
    async def start(cls, **given: t.Any) -> Child:
        """Run this program again, which finds `given` as its `Parent`."""
        mine, others = socket.socketpair()
        with others:
            others.set_inheritable(True)
            mine.setblocking(False)
            given["socket"] = others.fileno()
            env = {**os.environ, VARIABLE: json.dumps(given)}
            if given["reloads"]:
                env["WERKZEUG_RUN_MAIN"] = "true"
            process = await asyncio.create_subprocess_exec(
                sys.executable, *sys.orig_argv[1:], env=env, close_fds=False
            )
        return cls(process, mine)

    async def _hear(self) -> None:
        reader, writer = await asyncio.open_connection(sock=self._sock, limit=2**26)
        with contextlib.suppress(ConnectionError):
            async for line in reader:
                said = json.loads(line)
                self.failure = said.get("failure", self.failure)
                self.is_up = self.is_up or "up" in said
                if "watched" in said:
                    watched = Watched(**{k: set(v) for k, v in said["watched"].items()})
                    seen = {path: (time, size) for path, (time, size) in said["seen"].items()}
                    self.heard(watched, said["also"], seen)
        writer.close()

    async def _end(self) -> int:
        status = await self.process.wait()
        # What it said last is read; its own children may have the socket, too.
        await asyncio.wait([self._hearing], timeout=0.2)
        return status

    def ask(self, command: str) -> None:
        """Ask for something, where it still listens."""
        with contextlib.suppress(OSError):
            self._sock.send(command.encode() + b"\n")

    def terminate(self) -> None:
        """Send SIGTERM, where it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    async def wait(self, patience: float) -> int:
        """Return its exit status; if it has not ended after `patience` seconds, kill it."""
        await asyncio.wait([self.ended], timeout=patience)
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        return await self.ended


async def _first(*waiting: Awaitable[object]) -> None:
    """Wait until one of these is done. Futures go on; coroutines are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in waiting]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, one in zip(tasks, waiting, strict=True):
        if task is not one:
            task.cancel()


class Reloader:
    """Runs the program, and runs it anew when one of its files changes."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        adhoc: tuple[str, str] | None,
        watched: Watched,
        interval: float,
        kind: str,
        show: Show,
    ) -> None:
        self._given = {
            "listeners": [sock.fileno() for sock in listeners],
            "adhoc": adhoc,
            "reloads": True,
        }
        for sock in listeners:
            sock.set_inheritable(True)
        self._watched = watched
        self._interval = interval
        self._kind = kind
        self._show = show
        self._child: Child | None = None
        self._changed = asyncio.Event()
        #: Files that have changed since the child began.
        self._paths: set[str] = set()

    async def run(self) -> int:
        """Run until the program ends by itself or a signal comes; return its exit status."""
        stop = stop_on_signals()
        loop = asyncio.get_running_loop()

        def tell(paths: list[str]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._see, paths)

        self._watcher = watcher = Watcher(self._watched, tell, self._interval, self._kind)
        watcher.start()
        is_first = True
        try:
            while True:
                self._changed.clear()
                _restore_echo()
                child = await self._start(is_first)
                await _first(child.ended, stop.wait(), self._changed.wait())
                if stop.is_set():
                    child.terminate()
                    await child.wait(STOP_PATIENCE)
                    return 0
                if self._changed.is_set():
                    child.ask("leave") if child.is_up else child.terminate()
                    await _first(child.wait(RELOAD_PATIENCE), stop.wait())
                    if stop.is_set():
                        child.terminate()
                        await child.wait(STOP_PATIENCE)
                        return 0
                elif (status := await child.ended) != RELOAD:
                    if not status or (is_first and status == USAGE and child.failure is None):
                        return status
                    await self._explain(child, status, stop)
                    if stop.is_set():
                        return 0
                click.echo(" * Restarting")
                is_first = False
        finally:
            watcher.end()

    async def _start(self, is_first: bool) -> Child:
        _forget_bytecode(self._paths)
        self._paths.clear()
        self._child = child = await Child.start(**self._given, first=is_first)
        child.heard = self._hear
        return child

    def _hear(self, watched: Watched, also: bool, seen: State) -> None:
        if also:
            watched = watched.with_also(self._watched)
        if watched != self._watched:
            self._watched = watched
            self._watcher.watch(watched, seen)

    def _see(self, paths: list[str]) -> None:
        """Take notice of changed files."""
        watched, child = self._watched, self._child
        self._paths.update(paths)
        only_pages = all(map(watched.is_page, paths)) and child is not None and child.is_up
        also = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        what = "pages show it" if only_pages else "reloading"
        click.echo(f" * Detected change in {paths[0]!r}{also}, {what}", err=True)
        if only_pages and child is not None:
            child.ask("pages")
        else:
            self._changed.set()

    async def _explain(self, child: Child, status: int, stop: asyncio.Event) -> None:
        """Respond with the reason why there is no app until a file changes."""
        failure = child.failure
        if failure is None and (error := _damage()) is not None:
            failure = failure_of(error)
        if failure is None:
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            failure = failure_for(f"The program ended {how}. The terminal says more.")
            click.echo(f" * The program ended {how}.", err=True)
        click.echo(" * Waiting for a file to change.", err=True)

        async def over() -> None:
            await _first(stop.wait(), self._changed.wait())

        if not self._changed.is_set():
            await self._show(failure, over)


def _damage() -> SyntaxError | None:
    """Return the SyntaxError of this program's main file, which no code of it can report."""
    path = getattr(sys.modules["__main__"], "__file__", None) or ""
    if path.endswith(".py"):
        try:
            compile(Path(path).read_bytes(), path, "exec")
        except SyntaxError as error:
            return error
        except (OSError, ValueError):
            pass
    return None


def _forget_bytecode(paths: Iterable[str]) -> None:
    """Delete what Python keeps of these modules: to it a file that is as long as before, and was
    changed in the same second, is the same file."""
    for path in paths:
        if path.endswith(".py"):
            with contextlib.suppress(OSError, NotImplementedError):  # none is kept, or never
                os.unlink(importlib.util.cache_from_source(path))


def _restore_echo() -> None:
    """Let the terminal show what is typed: a debugger that was killed may have switched that
    off."""
    try:
        import termios

        if sys.stdin.isatty():
            attributes = termios.tcgetattr(sys.stdin)
            if not attributes[3] & termios.ECHO:
                attributes[3] |= termios.ECHO
                termios.tcsetattr(sys.stdin, termios.TCSANOW, attributes)
    except (ImportError, AttributeError, ValueError, OSError):  # no terminal, or not ours
        pass


async def run_workers(listeners: Sequence[socket.socket], adhoc: t.Any, count: int) -> int:
    """Run `count` processes of this program, on the same sockets, until a signal comes; return the
    exit status. One that ends is replaced; one that ends without having served ends all."""
    stop = stop_on_signals()
    for sock in listeners:
        sock.set_inheritable(True)
    numbers = [sock.fileno() for sock in listeners]

    async def start() -> Child:
        return await Child.start(listeners=numbers, adhoc=adhoc, reloads=False, first=True)

    workers = [await start() for _ in range(count)]
    status = 0
    while not stop.is_set() and not status:
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait(
            [stopped, *(worker.ended for worker in workers)], return_when=asyncio.FIRST_COMPLETED
        )
        stopped.cancel()
        for worker in [w for w in workers if w.ended.done() and not stop.is_set()]:
            workers.remove(worker)
            if not worker.is_up:
                status = worker.ended.result() or 1
                break
            click.echo(f" * Worker {worker.process.pid} ended: another begins.", err=True)
            workers.append(await start())
    for worker in workers:
        worker.terminate()
    until = time.monotonic() + WORKER_PATIENCE
    for worker in workers:
        await worker.wait(max(0.0, until - time.monotonic()))
    return status if status >= 0 else 128 - status
