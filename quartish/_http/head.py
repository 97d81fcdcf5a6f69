"""Limits of a request's head: its headers and its URL, whatever the server accepts.

Parsing takes about a microsecond for a few bytes, so that without a limit one request could block
the loop for longer than 50 ms. A request above a limit is dispatched without what was too long, and
raises an exception, so that the app's error handlers make the response.

Source: RFC 6585, section 5; RFC 9110, section 15.5.15.
"""

from __future__ import annotations

import typing as t
from itertools import chain

from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestHeaderFieldsTooLarge
from werkzeug.exceptions import RequestURITooLarge

from ..typing import Scope

PASSES = 4096
"""Bytes of headers, of path and of query that are always accepted."""
_JOIN = b"".join
REFUSAL = "quartish.refusal"
"""Key of a scope that was cut: the exception that dispatching raises."""


def is_long(scope: Scope, raw: dict[bytes, bytes]) -> bool:
    """Say whether a scope, whose last headers of each name are `raw`, has to be measured by `cut`.
    PERF(0.4 us): all is measured in one go."""
    measured = [*raw, *raw.values(), scope.get("query_string") or b""]
    return len(_JOIN(measured)) + len(scope["path"]) > PASSES or len(raw) != len(scope["headers"])


def cut(scope: Scope, config: t.Mapping[str, t.Any]) -> Scope:
    """Return the scope; or, if it is too long, another one without headers, path and query, and
    with the exception as `REFUSAL`."""
    path, query = scope["path"], scope.get("query_string") or b""
    size, url_size = len(_JOIN(chain.from_iterable(scope["headers"]))), len(path) + len(query)
    if size <= PASSES and url_size <= PASSES:
        return scope
    refusal = _refusal(config, size, url_size)
    if refusal is None:
        return scope
    # The path is empty so that no rule matches.
    return {
        **scope,
        **dict(headers=[], path="", raw_path=b"", query_string=b""),
        REFUSAL: refusal,
    }


def check_head(conn: t.Any, config: t.Mapping[str, t.Any]) -> None:
    """Raise RequestHeaderFieldsTooLarge (431) or RequestURITooLarge (414) for a head that is too
    long."""
    refusal: HTTPException | None
    if conn.scope:
        refusal = conn.scope.get(REFUSAL)
    else:  # by WSGI
        environ: dict[str, t.Any] = conn.environ
        lines = [key + environ[key] for key in environ if key[:5] == "HTTP_"]
        size = sum(map(len, lines)) - 5 * len(lines)
        url = len(environ.get("PATH_INFO", "")) + len(environ.get("QUERY_STRING", ""))
        refusal = _refusal(config, size, url)
    if refusal is not None:
        raise refusal


def _refusal(
    config: t.Mapping[str, t.Any], header_size: int, url_size: int
) -> HTTPException | None:
    """Return RequestHeaderFieldsTooLarge (431), RequestURITooLarge (414) or None."""
    most = config["MAX_HEADER_SIZE"]
    if header_size > PASSES and most is not None and header_size > most:
        return RequestHeaderFieldsTooLarge()
    most = config["MAX_URL_SIZE"]
    if url_size > PASSES and most is not None and url_size > most:
        return RequestURITooLarge()
    return None
