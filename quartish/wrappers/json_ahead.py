"""Long JSON of a request, parsed before the view, off the loop."""

from __future__ import annotations

import io
import typing as t
from functools import partial

from werkzeug.exceptions import RequestEntityTooLarge

from ..json._long import begins_as_json

GUESSED = 16 << 20
"""The longest body that is parsed as JSON off the loop without a JSON mimetype, as the view may use
`get_json(force=True)`. After a view of a route has done so, longer ones are, too."""


def json_ahead(
    file: t.IO[bytes],
    said: bool,
    check: t.Callable[[bytes], None],
    loads: t.Callable[[bytes], t.Any],
) -> t.Callable[[bytes], t.Any] | None:
    """Parse the JSON of a body, which can still be read afterwards.

    Return a function for when the view asks for the JSON: it returns it, or raises the exception of
    parsing it here. If the headers do not say that it is JSON (`said`), it is parsed only if it
    begins like JSON; else None is returned.
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
