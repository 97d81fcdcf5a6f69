"""The sockets that `run` listens on, which are bound before anything else happens.

The error for an address that is in use names the process that has it, and the next free port.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import socketserver
import stat
import sys
import typing as t
from collections.abc import Sequence
from pathlib import Path

import click
from werkzeug.serving import get_interface_ip

LOCAL = "127.0.0.1"
#: How many ports after one that is taken are looked at.
LOOKED_AT = 100
_LISTENS = "0A"  # TCP_LISTEN in the kernel's tables


def addresses(host: str, port: int, bind: Sequence[str] = ()) -> list[str]:
    """Return where to listen, as `host:port`, `unix:path` or `fd://number`: what `bind` has, else
    `host`, which may itself be one of the latter two."""
    found = []
    for address in bind or [host]:
        if address.startswith(("unix:", "fd:")):
            found.append(address.replace("unix://", "unix:"))
            continue
        name, given = split(address) if bind else (address.strip("[]"), None)
        found.append(f"{f'[{name}]' if ':' in name else name}:{port if given is None else given}")
    return found


def split(address: str) -> tuple[str, int | None]:
    """Return the host and the port of `host:port`, `[::1]:port`, `host` or `:port`."""
    name, colon, port = address.rpartition(":")
    if not colon or address.endswith("]") or ("]" not in address and address.count(":") > 1):
        return address.strip("[]") or LOCAL, None
    return name.strip("[]") or LOCAL, int(port)


def listen(wanted: Sequence[str], backlog: int, scheme: str = "http") -> list[socket.socket]:
    """Return listening sockets and say where they are, or raise SystemExit saying why not."""
    sockets: list[socket.socket] = []
    for address in wanted:
        try:
            sock = _bind(address)
            sockets.append(sock)
            sock.listen(backlog)
        except (OSError, ValueError) as error:
            for sock in sockets:
                sock.close()
            sys.exit(_why_not(address, error))
    for sock in sockets:
        for url in urls(sock, scheme):
            click.echo(f" * Running on {url}")
    click.echo(" * Press CTRL+C to quit")
    return sockets


def _bind(address: str) -> socket.socket:
    if address.startswith("fd:"):
        return socket.socket(fileno=int(address.removeprefix("fd:").removeprefix("//")))
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        sock = socket.socket(socket.AF_UNIX)
        try:
            if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
                _check_left(path)
                os.remove(path)
            sock.bind(path)
        except BaseException:
            sock.close()
            raise
        sock.setblocking(False)
        return sock
    host, port = split(address)
    return _Binder(host, port or 0).socket


def _check_left(path: str) -> None:
    """Raise OSError if a server listens on the socket of that path."""
    with socket.socket(socket.AF_UNIX) as sock:
        if sock.connect_ex(path) == 0:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


class _Binder(socketserver.TCPServer):
    """Binds the socket as Werkzeug's server does, where tools look for the port that the system
    chose: Flask-Testing puts its own function in the place of `TCPServer.server_bind`."""

    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), socketserver.BaseRequestHandler, bind_and_activate=False)
        try:
            self.server_bind()
        except BaseException:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)


def urls(sock: socket.socket, scheme: str) -> list[str]:
    """Return the addresses of a listening socket, as people type them."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return [f"unix:{sock.getsockname()}"]
    host, port = sock.getsockname()[:2]
    hosts = [host]
    if host in ("0.0.0.0", "::"):  # noqa: S104  every address: name one from inside, one from outside
        hosts = ["::1" if host == "::" else LOCAL, get_interface_ip(sock.family)]
    return [f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}" for name in hosts]


def _why_not(address: str, error: OSError | ValueError) -> str:
    reason = (isinstance(error, OSError) and error.strerror) or error
    is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    text = f"Cannot listen on {address}: {reason}."
    if address.startswith(("unix:", "fd:")):
        return f"{text}\nStop the program that holds this address, or choose another."
    host, port = split(address)
    holder = holder_of(port or 0) if is_taken else None
    if holder is not None:
        text += f"\nIt is held by process {holder[0]}: {holder[1]}."
    free = _next_free(host, port or 0) if is_taken else None
    if free is not None:
        return f"{text}\nStop that program, or take port {free}, which is free (--port {free})."
    return f"{text}\nStop the program that holds this address, or choose another host or port."


def _next_free(host: str, port: int) -> int | None:
    for other in range(port + 1, min(port + LOOKED_AT, 65536)):
        try:
            _Binder(host, other).socket.close()
        except OSError:
            continue
        return other
    return None


def holder_of(port: int) -> tuple[int, str] | None:
    """Return the number and the command of the process that listens on a TCP port; None if
    that is not known. *Source:* proc(5)."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not wanted:
        return None
    for folder in Path("/proc").glob("[0-9]*/fd"):
        if _links(folder) & wanted:
            pid = int(folder.parent.name)
            try:
                words = (folder.parent / "cmdline").read_bytes().split(b"\0")
            except OSError:
                return None
            return pid, b" ".join(words).decode(errors="replace").strip() or "(no name)"
    return None


def _links(folder: Path) -> set[str]:
    found = set()
    try:
        for file in folder.iterdir():
            with contextlib.suppress(OSError):  # it has been closed
                found.add(os.readlink(file))
    except OSError:  # another user's, or it has ended
        pass
    return found


def _inodes(port: int) -> t.Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *rest = line.split()
            if state == _LISTENS and int(local.rpartition(":")[2], 16) == port:
                yield rest[5]
