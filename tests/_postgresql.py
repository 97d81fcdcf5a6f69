"""A PostgreSQL server of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests._processes import free_port


def programs() -> Path | None:
    """Return the folder of `initdb`, which Debian keeps off the PATH; the newest of several."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    places = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((place.parent for place in places), key=lambda p: int(p.parent.name), default=None)


@contextmanager
def postgresql_server() -> t.Iterator[dict[str, str]]:
    """Start one, and give the variables by which clients find it; skip the test where there is
    none."""
    home = programs()
    if home is None:
        pytest.skip("NOT TESTED with PostgreSQL: there is no initdb on the PATH")
    port = str(free_port())
    as_user: list[str | Path] = []
    # No folder of pytest's: those are for one user alone.
    with TemporaryDirectory(prefix="postgresql", ignore_cleanup_errors=True) as folder:
        if os.getuid() == 0:  # it refuses to run as root
            as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
            if shutil.which("setpriv") is None:
                pytest.skip("NOT TESTED with PostgreSQL: root cannot become another user here")
            shutil.chown(folder, "postgres", "postgres")
        data = f"{folder}/data"
        options = ["--auth", "trust", "--username", "postgres", "--no-sync", "--pgdata", data]
        call(*as_user, home / "initdb", *options)
        serve = f"-p {port} -h 127.0.0.1 -F -c unix_socket_directories="
        control = [*as_user, home / "pg_ctl", "--pgdata", data, "--wait"]
        call(*control, "--log", f"{folder}/log", "-o", serve, "start")
        try:
            yield {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "postgres"}
        finally:
            call(*control, "--mode", "immediate", "stop")


def call(*command: str | Path) -> None:
    # Its output goes nowhere: the server would hold a pipe open.
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)
