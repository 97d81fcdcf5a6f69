"""Long JSON of a request, read before the view, off the loop."""

from __future__ import annotations

import io
import typing as t
from functools import partial

from werkzeug.exceptions import RequestEntityTooLarge

from ..json._long import begins_as_json

GUESSED = 16 << 20
"""Bytes of a body up to which it is read as JSON off the loop although nothing says that it is
any: a view may ask for it by force. Where one did, the longer ones of its route are, too."""


def json_ahead(
    file: t.IO[bytes],
    said: bool,
    check: t.Callable[[bytes], None],
    loads: t.Callable[[bytes], t.Any],
) -> t.Callable[[bytes], t.Any] | None:
    """Read the JSON of a body, and leave the body to be read as well.

    Return what gives it where the view asks for it, or raises there what went wrong here. A body
    that is not `said` to be JSON may be asked for by force: it is read if it begins as JSON does,
    else None is returned.
    """
    file.seek(0)
    try:
        if not said and not begins_as_json(file.read(io.DEFAULT_BUFFER_SIZE)):
            return None
        file.seek(0)
        data = file.read()
    finally:
        file.seek(0)
    try:
        check(data)
        return partial(_give, loads(data))
    except (ValueError, RequestEntityTooLarge) as error:
        return partial(_give, error)


def _give(found: t.Any, data: bytes) -> t.Any:
    if isinstance(found, (ValueError, RequestEntityTooLarge)):
        raise found
    return found
