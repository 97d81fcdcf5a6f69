"""The Response of the plain colour: Werkzeug's with Flask's defaults."""

from __future__ import annotations

import typing as t
from collections.abc import AsyncIterable

from werkzeug.wrappers import Response as WerkzeugResponse

from .. import json
from .._bridge import from_thread
from .._current import find_context


class Response(WerkzeugResponse):
    """A response whose body attributes are plain values.

    *Flask:* the body may also be an async iterable of str or bytes. It is streamed; code
    that asks for all of it in a thread without a running loop (`get_data` in a test) gets
    it read to the end.
    """

    default_mimetype: str | None = "text/html"
    json_module: t.Any = json
    autocorrect_location_header = False

    @property
    def max_cookie_size(self) -> int:  # type: ignore[override]
        """Bytes above which `set_cookie` warns: `MAX_COOKIE_SIZE`, or Werkzeug's default."""
        ctx = find_context()
        if ctx is None:
            return super().max_cookie_size
        return t.cast(int, ctx.app.config["MAX_COOKIE_SIZE"])

    def iter_encoded(self) -> t.Iterator[bytes]:
        if isinstance(self.response, AsyncIterable):
            return iterate_async(self.response)
        return super().iter_encoded()

    def make_sequence(self) -> None:
        if isinstance(self.response, AsyncIterable):
            # The parent would look for the parts' `close`; here it is the generator's.
            self.response = list(self.iter_encoded())
        else:
            super().make_sequence()


def iterate_async(chunks: t.AsyncIterable[str | bytes]) -> t.Iterator[bytes]:
    """Iterate an async iterable from a thread without a running loop; closes it at the end."""
    iterator = aiter(chunks)
    try:
        while (chunk := from_thread(_next(iterator))) is not None:
            yield chunk.encode() if isinstance(chunk, str) else chunk
    finally:
        aclose = getattr(iterator, "aclose", None)
        if aclose is not None:
            from_thread(aclose())


async def _next(iterator: t.AsyncIterator[str | bytes]) -> str | bytes | None:
    async for chunk in iterator:
        return chunk
    return None
