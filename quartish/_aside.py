"""Files that are written beside their place, and put there when they are whole.

Who reads meanwhile finds what was there before; so does everybody if it comes to nothing.
"""

from __future__ import annotations

import os
import secrets
import stat
import typing as t
from contextlib import suppress

Path = t.Union[str, os.PathLike[str]]


class Aside:
    """A file that is to be written. `open` comes first, `keep` or `drop` last; `drop` also if that
    has failed, or was cancelled in another thread.

    A device, a pipe, and a file in a folder that takes no other one are written where they are.
    """

    #: What is written to.
    file: t.IO[bytes]

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = os.path.realpath(path)
        #: Where the file is until it is whole.
        self._aside: str | None = None

    def open(self) -> None:
        """Begin. Raises OSError as `open(path, "wb")` does."""
        try:
            mode = os.stat(self._place).st_mode
        except FileNotFoundError:
            mode = None
        if mode is None or (stat.S_ISREG(mode) and os.access(self._place, os.W_OK)):
            try:
                self._open_aside(mode)
                return
            except PermissionError:  # of the folder; or a file system that has no modes
                if mode is None:
                    raise
                self.drop()
            except OSError as error:
                error.filename = os.fspath(self._path)  # the other name says nothing to anybody
                raise
        self.file = open(self._path, "wb")  # noqa: SIM115  `keep` or `drop` closes it

    def _open_aside(self, mode: int | None) -> None:
        name = os.path.join(os.path.dirname(self._place), f".{secrets.token_hex(8)}.new")
        self.file = open(name, "xb")  # noqa: SIM115
        self._aside = name
        if mode is not None:
            os.chmod(name, stat.S_IMODE(mode))

    def keep(self) -> None:
        """Put the file where it belongs."""
        try:
            self.file.close()
            if self._aside is not None:
                os.replace(self._aside, self._place)
        except OSError:
            self.drop()
            raise

    def drop(self) -> None:
        """Remove what was written."""
        if hasattr(self, "file"):
            with suppress(OSError):  # it writes what is left, which nobody wants
                self.file.close()
        if self._aside is not None:
            aside, self._aside = self._aside, None
            os.unlink(aside)
