"""The Response of the awaitable colour: its body may come from async iterables."""

from __future__ import annotations

import collections.abc as cabc
import io
import typing as t
from contextvars import copy_context
from functools import partial
from http import HTTPStatus
from types import AsyncGeneratorType
from types import EllipsisType
from types import GeneratorType

from werkzeug.datastructures import ContentRange
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import generate_etag
from werkzeug.sansio.http import is_resource_modified
from werkzeug.sansio.response import Response as SansioResponse
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response as WerkzeugResponse

from .. import json
from .._concurrency.coroutines import is_awaitable
from .._concurrency.coroutines import mark_async
from .._concurrency.threads import to_thread
from .._http.headers import header_lines
from .._http.outgoing import as_bytes
from .._observed import PartType
from .._werkzeug import headers_of
from .._werkzeug import parse_etags
from .._werkzeug import parse_range_header
from .._werkzeug import set_status
from .._werkzeug import STATUS_LINES
from .response import cookie_size
from .response import IN_MEMORY
from .response_bodies import DataBody
from .response_bodies import FileBody
from .response_bodies import IOBody
from .response_bodies import IterableBody
from .response_bodies import RangeBody
from .response_bodies import ResponseBody
from .response_bodies import view_pool
from .unawaited import Pending

T = t.TypeVar("T")
Coroutine = cabc.Coroutine[t.Any, t.Any, T]
Headersish = t.Union[
    t.Mapping[str, t.Union[str, t.Iterable[str]]], t.Iterable[tuple[str, str]], None
]
BodySource = t.Union[
    ResponseBody,
    str,
    bytes,
    bytearray,
    memoryview,
    t.IO[bytes],
    t.Iterable[str | bytes],
    t.AsyncIterable[str | bytes],
    None,
]

__all__ = ["DataBody", "FileBody", "IOBody", "IterableBody", "Response", "ResponseBody"]


class Response(SansioResponse, metaclass=PartType):
    """A response whose body is awaited: `await response.get_data()`.

    The body is given as str or bytes, as an open binary file, or as an iterable of either,
    async or plain, which is streamed. Awaiting the response itself gives the response.

    Args:
        response: The body.
        status: The status, as a number, a phrase or an `HTTPStatus`; 200 by default.
        headers: A mapping or pairs.
        mimetype: The media type, to which text has its charset added; HTML by default.
        content_type: The whole Content-Type, in the place of `mimetype`.
    """

    default_mimetype: str | None = "text/html"
    automatically_set_content_length = True
    #: Whether `get_data` keeps a stream that it has read, for the next call.
    implicit_sequence_conversion = True
    json_module: t.Any = json

    data_body_class: type[DataBody] = DataBody
    file_body_class: type[FileBody] = FileBody
    io_body_class: type[IOBody] = IOBody
    iterable_body_class: type[IterableBody] = IterableBody

    #: Seconds in which more of the body has to be sent; `...` means `RESPONSE_TIMEOUT`.
    timeout: float | EllipsisType | None = ...
    #: Trailers, which are sent after the body: by name a value, or a function that is called when
    #: the body was sent. Nothing is sent unless `request.supports("trailers")`.
    trailers: t.Mapping[str, str | t.Callable[[], str]] | None = None

    # PERF(0.5 of 10 us with an after function): a body in memory stays bytes until `response` is
    # read.
    _body: bytes | ResponseBody
    headers: Headers
    _on_close: tuple[t.Callable[[], t.Any], ...] = ()

    def __init__(
        self,
        response: BodySource = None,
        status: int | str | HTTPStatus | None = None,
        headers: Headersish = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        data: t.Any = response
        code: t.Any = self.default_status if status is None else status
        if (
            type(data) in IN_MEMORY
            and content_type is None
            and code in STATUS_LINES
            and (headers is None or type(headers) is dict)
            and self.automatically_set_content_length
            and "set_data" not in type(self).quartish_redefined
        ):
            lines = header_lines(self, headers, mimetype)
            if lines is not None:
                # PERF(2.3 us): as in the plain colour, without searching the headers.
                data = data.encode() if type(data) is str else data
                lines.append(("Content-Length", str(len(data))))
                self.headers = headers_of(lines)
                set_status(self, code)
                self._body = data
                return
        super().__init__(status, headers, mimetype, content_type)
        if isinstance(response, (str, bytes)):
            self.set_data(response)
        elif response is None:
            self._body = b""
        else:
            self._take(response)

    def _take(self, source: t.Any) -> None:
        # PERF(0.9 us): the checks below use abstract classes, which are slow.
        if type(source) is AsyncGeneratorType or type(source) is GeneratorType:
            self._body = self.iterable_body_class(source)
        elif isinstance(source, ResponseBody):
            self._body = source
        elif isinstance(source, (bytearray, memoryview)):
            self.set_data(bytes(source))
        elif isinstance(source, (list, tuple)):
            self.set_data(b"".join(map(as_bytes, source)))
        elif isinstance(source, (io.RawIOBase, io.BufferedIOBase)):
            if source.seekable():
                self._body = self.io_body_class(source)  # type: ignore[arg-type]
            else:
                self._body = self.iterable_body_class(iter(partial(source.read, 65536), b""))
        else:
            self._body = self.iterable_body_class(source)

    def __await__(self) -> t.Generator[t.Any, t.Any, t.Self]:
        return self
        yield  # makes this a generator; it never suspends

    @classmethod
    def force_type(cls, response: t.Any, environ: dict[str, t.Any] | None = None) -> t.Self:
        """Return a response of any class as one of this class.

        With an `environ` it may also be a WSGI app, which is called at once; `from_app`
        does that in a thread.
        """
        if isinstance(response, Response):
            if not isinstance(response, cls):
                response.__class__ = cls
            return t.cast(t.Self, response)
        if isinstance(response, Pending):
            response.refuse()
        if not isinstance(response, WerkzeugResponse):
            if environ is None:
                raise TypeError(
                    f"{type(response).__name__} is no response; to call it as a WSGI app takes"
                    " an environ: `await Response.from_app(app, environ)`."
                )
            response = WerkzeugResponse.from_app(response, environ)
        self = cls(status=response.status)
        self.headers = response.headers
        if response.is_sequence:
            self._body = response.get_data()
        else:
            is_async = hasattr(response.response, "__aiter__")
            self._take(response.response if is_async else response.iter_encoded())
            self.call_on_close(response.close)
        return self

    @classmethod
    async def from_app(
        cls,
        app: t.Callable[..., t.Iterable[bytes]],
        environ: dict[str, t.Any],
        buffered: bool = False,
    ) -> t.Self:
        """Call the WSGI app `app` with `environ` in a worker thread and return its response; with
        `buffered` it is run to its end."""
        parts = await to_thread(view_pool(), copy_context(), run_wsgi_app, app, environ, buffered)
        return cls.force_type(WerkzeugResponse(*parts))

    # --- the body ---------------------------------------------------------------------------

    @property
    def response(self) -> ResponseBody:
        """The body: `async with response.response as body: async for chunk in body`."""
        if isinstance(self._body, bytes):
            self._body = self.data_body_class(self._body)
        return self._body

    @response.setter
    def response(self, value: BodySource) -> None:
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            self._body = value
        else:
            self._take(value)

    def in_memory(self) -> bytes | None:
        """Return the body if it is in memory, None if it has to be read."""
        body = self._body
        if isinstance(body, bytes):
            return body
        if type(body) is IterableBody:  # faster than an abstract class
            return None
        return body.selected() if isinstance(body, DataBody) else None

    @property
    def is_streamed(self) -> bool:
        """Whether the body is not in memory."""
        return not isinstance(self._body, (bytes, DataBody))

    @property
    def is_sequence(self) -> bool:
        """Whether the body is in memory."""
        return not self.is_streamed

    def set_data(self, data: str | bytes) -> None:
        """Replace the body, and the Content-Length with it."""
        self._body = data = data.encode() if isinstance(data, str) else data
        if self.automatically_set_content_length:
            self.headers["Content-Length"] = str(len(data))

    @t.overload
    def get_data(self, as_text: t.Literal[False] = False) -> Coroutine[bytes]: ...
    @t.overload
    def get_data(self, as_text: t.Literal[True]) -> Coroutine[str]: ...
    @t.overload
    def get_data(self, as_text: bool) -> Coroutine[str | bytes]: ...
    @mark_async
    def get_data(self, as_text: bool = False) -> Coroutine[t.Any]:
        """Await the whole body, as bytes or as text."""
        return Pending("response.get_data()", partial(self._read_data, as_text))

    async def _read_data(self, as_text: bool) -> bytes | str:
        if self.implicit_sequence_conversion:
            await self.make_sequence()
        data = self.in_memory()
        if data is None:
            data = await self._read_stream()
        return data.decode() if as_text else data

    @property
    def data(self) -> Coroutine[bytes]:
        """Await the whole body; assign str or bytes to replace it."""
        return Pending("response.data", self.get_data)

    @data.setter
    def data(self, value: str | bytes) -> None:
        self.set_data(value)

    @property
    def json(self) -> Coroutine[t.Any]:
        """Await the body's JSON; None if the mimetype is not JSON."""
        return Pending("response.json", self.get_json)

    @mark_async
    def get_json(self, force: bool = False, silent: bool = False) -> Coroutine[t.Any]:
        """Await the body's JSON. `force` ignores the mimetype; `silent` gives None, not
        ValueError, for what is no JSON."""
        return Pending("response.get_json()", partial(self._read_json, force, silent))

    async def _read_json(self, force: bool, silent: bool) -> t.Any:
        if not (force or self.is_json):
            return None
        try:
            return self.json_module.loads(await self.get_data())
        except ValueError:
            if not silent:
                raise
            return None

    async def make_sequence(self) -> None:
        """Read a stream into memory."""
        if self.is_streamed:
            body = self.response
            self._body = await self._read_stream()
            await body.close()

    async def _read_stream(self) -> bytes:
        return b"".join([chunk async for chunk in self.iter_encode()])

    async def iter_encode(self) -> t.AsyncGenerator[bytes, None]:
        """Iterate over the body as bytes."""
        async with self.response as body:
            async for chunk in body:
                yield as_bytes(chunk)

    async def freeze(self) -> None:
        """Read the body into memory, so that the response can be pickled."""
        self.set_data(await self.get_data())

    # --- the end ----------------------------------------------------------------------------

    def call_on_close(self, func: t.Callable[[], T]) -> t.Callable[[], T]:
        """Call (or await) `func()` when the response was sent, or when it will not be sent."""
        self._on_close += (func,)
        return func

    async def close(self) -> None:
        """Close the body and call what `call_on_close` registered."""
        try:
            if not isinstance(self._body, bytes):
                await self._body.close()
        finally:
            for func in self._on_close:
                rv = func()
                if is_awaitable(rv):
                    await rv

    # --- conditional requests ---------------------------------------------------------------

    @property
    def max_cookie_size(self) -> int:  # type: ignore[override]
        """Bytes above which `set_cookie` warns: `MAX_COOKIE_SIZE`, or Werkzeug's default."""
        return cookie_size(SansioResponse.max_cookie_size)

    async def add_etag(self, overwrite: bool = False, weak: bool = False) -> None:
        """Add the ETag of the body, unless there is one."""
        if overwrite or "etag" not in self.headers:
            self.set_etag(generate_etag(await self.get_data()), weak)

    async def make_conditional(
        self,
        request: t.Any,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> t.Self:
        """Become a 206, 304 or 412 if a GET or HEAD has conditions that say so; return self.

        Args:
            request: The request.
            accept_ranges: Whether the response says that ranges are supported.
            complete_length: Bytes of the whole body; ranges need it.

        Raises:
            RequestedRangeNotSatisfiable (416): The range is beyond the body.

        Source:
            RFC 9110, sections 13 and 14.
        """
        if request.method not in ("GET", "HEAD"):
            return self
        if accept_ranges:
            self.accept_ranges: str = "bytes" if accept_ranges is True else accept_ranges
        if complete_length and await self._take_range(request, complete_length):
            return self
        if not self._is_modified(request, ignore_if_range=True):
            if parse_etags(request.headers.get("If-Match")):
                self.status_code = 412
            else:
                self.status_code = 304
                if isinstance(self._body, ResponseBody):
                    self.call_on_close(self._body.close)
                self._body = b""
                self.headers.pop("Content-Length", None)
        return self

    async def _take_range(self, request: t.Any, length: int) -> bool:
        """Select the range that the request asks for; return whether it asks for one."""
        headers: Headers = request.headers
        if "Range" not in headers or (
            "If-Range" in headers and self._is_modified(request, ignore_if_range=False)
        ):
            return False
        wanted = parse_range_header(headers["Range"])
        if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
            raise RequestedRangeNotSatisfiable(length)
        if not hasattr(self.response, "make_conditional"):
            await self.make_sequence()
        body = t.cast(RangeBody, self.response)
        size = await body.make_conditional(*wanted.ranges[0])
        self.content_length: int = body.end - body.begin
        self.content_range = ContentRange("bytes", body.begin, body.end, size)
        self.status_code = 206
        return True

    def _is_modified(self, request: t.Any, ignore_if_range: bool) -> bool:
        headers: Headers = request.headers
        try:
            return is_resource_modified(
                http_range=headers.get("Range"),
                http_if_range=headers.get("If-Range"),
                http_if_modified_since=headers.get("If-Modified-Since"),
                http_if_none_match=headers.get("If-None-Match"),
                http_if_match=headers.get("If-Match"),
                etag=self.headers.get("ETag"),
                last_modified=self.headers.get("Last-Modified"),
                ignore_if_range=ignore_if_range,
            )
        except OverflowError:  # a date that does not exist
            return True
