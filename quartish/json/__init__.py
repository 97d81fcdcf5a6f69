"""JSON by way of the current app's provider; outside of a context, by the `json` module."""

from __future__ import annotations

import json as _json
import typing as t

from .._current import current_app
from .._current import find_context
from .provider import _default

if t.TYPE_CHECKING:
    from werkzeug.wrappers import Response


def dumps(obj: t.Any, **kwargs: t.Any) -> str:
    """Serialize `obj` to text."""
    if (ctx := find_context()) is not None:
        return t.cast(str, ctx.app.json.dumps(obj, **kwargs))
    kwargs.setdefault("default", _default)
    return _json.dumps(obj, **kwargs)


def dump(obj: t.Any, fp: t.IO[str], **kwargs: t.Any) -> None:
    """Serialize `obj` into a file opened for text."""
    if (ctx := find_context()) is not None:
        ctx.app.json.dump(obj, fp, **kwargs)
    else:
        kwargs.setdefault("default", _default)
        _json.dump(obj, fp, **kwargs)


def loads(s: str | bytes, **kwargs: t.Any) -> t.Any:
    """Deserialize text or UTF-8 bytes. Raises ValueError when they are not JSON."""
    if (ctx := find_context()) is not None:
        return ctx.app.json.loads(s, **kwargs)
    return _json.loads(s, **kwargs)


def load(fp: t.IO[t.AnyStr], **kwargs: t.Any) -> t.Any:
    """Deserialize what a file of text or UTF-8 bytes holds."""
    if (ctx := find_context()) is not None:
        return ctx.app.json.load(fp, **kwargs)
    return _json.load(fp, **kwargs)


def jsonify(*args: t.Any, **kwargs: t.Any) -> Response:
    """Return a JSON response of the current app.

    One argument is serialized as it is, several as a list, keywords as a dict, none as null.
    Raises TypeError when given both kinds.
    """
    return t.cast("Response", current_app().json.response(*args, **kwargs))
