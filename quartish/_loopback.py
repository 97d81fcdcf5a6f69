"""Who is on this machine alone, and what is said where debug mode reaches further."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address

import click

PROXIES = (b"forwarded", b"x-forwarded-for", b"x-real-ip")
"""Headers by which a proxy tells its client."""


def is_loopback(address: str) -> bool:
    """Say whether an address is of this machine alone; what is no IP address is."""
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True


def warn_of_debug_mode(listener: socket.socket) -> None:
    """Say loudly, if so, that a socket lets other machines in."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = listener.getsockname()[0]
    if not is_loopback(host):
        click.secho(
            f" * WARNING: DEBUG MODE ON {host}, WHICH OTHER MACHINES CAN REACH: they are shown"
            " source code with each error, and who has the debugger's PIN runs any code here."
            " Leave out --host, or --debug.",
            err=True,
            fg="red",
            bold=True,
            color=False if os.environ.get("NO_COLOR") else None,
        )
