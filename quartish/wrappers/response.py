"""The Response of the plain colour: Werkzeug's with Flask's defaults."""

from __future__ import annotations

import typing as t
from collections.abc import AsyncIterable
from http import HTTPStatus
from types import EllipsisType

from werkzeug.wrappers import Response as WerkzeugResponse

from .. import json
from .._concurrency.coroutines import from_thread
from .._current import find_context
from .._http.headers import header_lines
from .._http.outgoing import as_bytes
from .._observed import PartType
from .._werkzeug import KNOWS_RESPONSES
from .._werkzeug import set_up
from .._werkzeug import STATUS_LINES

_WSGI_FACE = (
    *("__call__", "get_wsgi_response", "get_wsgi_headers", "get_app_iter"),
    *("iter_encoded", "close", "status", "status_code", "is_sequence"),
    "automatically_set_content_length",
)
#: Types of bodies for which a response is made without Werkzeug's `__init__`. None if this release
#: of Werkzeug may do something there that we do not know.
IN_MEMORY = (str, bytes) if KNOWS_RESPONSES else ()


def cookie_size(default: int) -> int:
    """Return `MAX_COOKIE_SIZE` of the current app, if any. It cannot be handed down, as users make
    responses."""
    ctx = find_context()
    return default if ctx is None else t.cast(int, ctx.app.quartish_settings.MAX_COOKIE_SIZE)


class Response(WerkzeugResponse, metaclass=PartType):
    """A response whose body attributes are plain values.

    Args:
        response: The body: str, bytes, or an iterable of them, which is streamed.
        status: The status, as a number, a phrase or an `HTTPStatus`; 200 by default.
        headers: A mapping or pairs.
        mimetype: The media type, to which text has its charset added; HTML by default.
        content_type: The whole Content-Type, in the place of `mimetype`.
        direct_passthrough: Whether the body is given to the server as it is.

    Flask:
        The body may also be an async iterable of str or bytes. It is streamed. In a
        thread without a running loop, such as a test's, `get_data` reads all of it.
    """

    default_mimetype: str | None = "text/html"
    json_module: t.Any = json
    autocorrect_location_header = False
    #: Seconds in which more of a streamed body has to be sent; `...` means `RESPONSE_TIMEOUT`.
    timeout: float | EllipsisType | None = ...
    #: Trailers, which are sent after the body: by name a value, or a function that is called when
    #: the body was sent. Nothing is sent unless `request.supports("trailers")`.
    trailers: t.Mapping[str, str | t.Callable[[], str]] | None = None
    response: t.Any
    #: Whether a class redefines how it is sent by WSGI.
    quartish_speaks_wsgi = False

    def __init__(
        self,
        response: t.Any = None,
        status: int | str | HTTPStatus | None = None,
        headers: t.Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        kind = type(response)
        if (
            kind in IN_MEMORY
            and content_type is None
            and (status is None or status in STATUS_LINES)
            and (headers is None or type(headers) is dict)
            and "set_data" not in type(self).quartish_redefined
        ):
            lines = header_lines(self, headers, mimetype)
            if lines is not None:
                data = response.encode() if kind is str else response
                lines.append(("Content-Length", str(len(data))))
                code = self.default_status if status is None else status
                set_up(self, lines, code, data, direct_passthrough)
                return
        super().__init__(response, status, headers, mimetype, content_type, direct_passthrough)

    @classmethod
    def _quartish_looked(cls) -> None:
        type.__setattr__(
            cls, "quartish_speaks_wsgi", not cls.quartish_redefined.isdisjoint(_WSGI_FACE)
        )

    @property
    def max_cookie_size(self) -> int:  # type: ignore[override]
        """Bytes above which `set_cookie` warns: `MAX_COOKIE_SIZE`, or Werkzeug's default."""
        return cookie_size(super().max_cookie_size)

    def make_conditional(
        self,
        request_or_environ: t.Any,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> t.Self:
        """Become a 206, 304 or 412 if a GET or HEAD has conditions that say so; return self. A date
        that does not exist is ignored.

        Args:
            request_or_environ: The request.
            accept_ranges: Whether ranges are sent, or the unit of ranges.
            complete_length: Bytes of the whole body, which ranges need.

        Raises:
            RequestedRangeNotSatisfiable (416): The range is beyond the body.

        Source:
            RFC 9110, sections 13 and 14.
        """
        try:
            super().make_conditional(request_or_environ, accept_ranges, complete_length)
        except OverflowError:
            pass
        return self

    def iter_encoded(self) -> t.Iterator[bytes]:
        if isinstance(self.response, AsyncIterable):
            return iterate_async(self.response)
        return super().iter_encoded()

    def make_sequence(self) -> None:
        if isinstance(self.response, AsyncIterable):
            # The parent would call the parts' `close`; here the generator closes them.
            self.response = list(self.iter_encoded())
        else:
            super().make_sequence()


def iterate_async(chunks: t.AsyncIterable[str | bytes]) -> t.Iterator[bytes]:
    """Iterate an async iterable from a thread without a running loop; closes it at the end."""
    iterator = aiter(chunks)
    try:
        while (chunk := from_thread(_next(iterator))) is not None:
            yield as_bytes(chunk)
    finally:
        aclose = getattr(iterator, "aclose", None)
        if aclose is not None:
            from_thread(aclose())


async def _next(iterator: t.AsyncIterator[str | bytes]) -> str | bytes | None:
    async for chunk in iterator:
        return chunk
    return None
