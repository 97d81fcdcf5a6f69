"""The Request of the awaitable colour: its body is pulled while the view awaits it."""

from __future__ import annotations

import asyncio
import collections.abc as cabc
import typing as t
from functools import partial

from werkzeug.datastructures import CombinedMultiDict
from werkzeug.datastructures import Headers
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge

from .. import json
from .._current import find_context
from .._formparser import Form
from .._formparser import FormDataParser
from .._formparser import parse_urlencoded
from .._formparser import URLENCODED
from .._inbox import Inbox
from .._lazy import lazy
from .._streaming import Body as IncomingBody
from ..datastructures import FileStorage
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope
from ._conn import Conn
from ._limits import Limits
from ._pending import Pending

T = t.TypeVar("T")
Coroutine = cabc.Coroutine[t.Any, t.Any, T]

_NO_FILES: MultiDict[str, t.Any] = ImmutableMultiDict()
_PUSHED_HEADERS = ("accept", "accept-encoding", "accept-language", "cache-control", "user-agent")


class _Turn:
    """Lets one task at a time do what others then find done.

    PERF(1.2 us): an `asyncio.Lock`, which is made when a second task comes while it is taken.
    """

    taken = False
    _freed: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait until it may be taken."""
        while self.taken:
            if self._freed is None:
                self._freed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._freed)

    def end(self) -> None:
        self.taken = False
        if self._freed is not None:
            self._freed.set_result(None)
            self._freed = None


class Body(_Turn):
    """A request's body: await it for all of it, or iterate over it for its chunks.

    What was awaited is kept and can be awaited, iterated and parsed again. What was iterated
    is gone: awaiting then gives the rest.
    """

    #: Bytes that may be received in all; RequestEntityTooLarge (413) past it.
    limit: int | None = None
    #: Seconds to wait for more; RequestTimeout (408) then.
    timeout: float | None = None

    def __init__(
        self,
        source: IncomingBody | None = None,
        feed: t.Callable[[Message], None] | None = None,
    ) -> None:
        self._source = source
        self._feed = feed
        self._chunks: list[bytes] = []
        self._data: bytes | None = b"" if source is None else None

    @classmethod
    def by_hand(cls) -> Body:
        """Return a body that is filled by `append` and `set_complete`, as *Quart's* is."""
        messages: asyncio.Queue[Message] = asyncio.Queue()
        return cls(IncomingBody(Inbox(messages.get)), messages.put_nowait)

    def append(self, data: bytes, more: bool = True) -> None:
        """Add to a body made `by_hand`."""
        if self._feed is None:
            raise RuntimeError("This body comes from a client; it cannot be filled by hand.")
        self._feed({"type": "http.request", "body": data, "more_body": more})

    def set_complete(self) -> None:
        """End a body made `by_hand`."""
        self.append(b"", more=False)

    def set_result(self, data: bytes) -> None:
        """Make `data` all of a body made `by_hand`."""
        self.append(data, more=False)

    def clear(self) -> None:
        """Drop what was read and kept."""
        self._chunks.clear()
        if self._data is not None:
            self._data = b""

    async def read(self, limit: int | None = None) -> bytes:
        """Return the whole body. Raises RequestEntityTooLarge (413) past `limit` bytes."""
        if self._data is None:
            source = self._source
            assert source is not None
            if limit is not None and source.received > limit:
                raise RequestEntityTooLarge()
            chunk = None
            if not self.taken:
                source.limit = self.limit
                chunk = source.pull()
            if chunk is not None and source.complete and not self._chunks:
                self._data = bytes(chunk)  # PERF(0.5 us): the usual case
            else:
                if chunk:
                    self._chunks.append(chunk)
                await self._read_on(source, limit)
        data: t.Any = self._data
        if limit is not None and len(data) > limit:
            raise RequestEntityTooLarge()
        return data  # type: ignore[no-any-return]

    async def _read_on(self, source: IncomingBody, limit: int | None) -> None:
        """Read the rest of the body, unless another task does."""
        await self.wait()
        if self._data is None:
            chunks = self._chunks
            self.taken = True
            try:
                source.check(limit)
                while not source.complete and (chunk := await self._pull()):
                    chunks.append(chunk)
                    source.check(limit)
            finally:
                self.end()
            self._data = b"".join(chunks)
            chunks.clear()

    def __await__(self) -> t.Generator[t.Any, t.Any, bytes]:
        return self.read().__await__()

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        if self._data is None:
            while chunk := self._chunks.pop(0) if self._chunks else await self._pull():
                yield chunk
        elif self._data:
            yield self._data

    async def _pull(self) -> bytes:
        """Return the next chunk, b"" at the end."""
        source = self._source
        assert source is not None
        source.limit, source.timeout = self.limit, self.timeout
        return await source.next()


class Request(Limits):
    """A request whose body attributes are awaited: `(await request.form)["name"]`.

    Each may be awaited again. To use one without `await` is an error that says where.
    """

    json_module: t.Any = json
    form_data_parser_class = FormDataParser
    #: Where the client's messages come in and the server's go out, if it has a client.
    inbox: Inbox | None = None
    #: ASGI's, of the server; no default in the class, as `Conn` says.
    asgi_send: ASGISend

    _incoming: IncomingBody | None = None
    _body: Body | None = None
    _body_timeout: float | None = None
    _form: Form | HTTPException | None = None
    _json: tuple[t.Any] | None = None

    def __init__(
        self,
        method: str,
        scheme: str,
        path: str,
        query_string: bytes,
        headers: Headers,
        root_path: str,
        http_version: str,
        scope: Scope,
        *,
        max_content_length: int | None = None,
        body_timeout: float | None = None,
        send_push_promise: t.Callable[[str, Headers], t.Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(
            method, scheme, path, query_string, headers, root_path, http_version, scope
        )
        self._max_content_length = max_content_length
        self._body_timeout = body_timeout
        if send_push_promise is not None:
            self.__dict__["_send_push_promise"] = send_push_promise
        self._body = Body.by_hand()

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        # PERF(0.2 us): settled now, not for each request.
        if cls.__init__ is not Request.__init__ and "from_scope" not in cls.__dict__:
            cls.from_scope = cls._from_scope_by_init  # type: ignore[method-assign]

    @classmethod
    def _from_scope_by_init(
        cls, scope: Scope, raw_headers: dict[bytes, bytes] | None = None
    ) -> t.Self:
        """Make a request of an ASGI http scope by the `__init__` that a subclass has."""
        conn = Conn.from_scope(scope)
        self = cls(
            conn.method,
            conn.scheme,
            conn.path,
            conn.query_string,
            conn.headers,
            conn.root_path,
            conn.http_version,
            scope,
        )
        self._body = None
        return self

    def receive_body(self, body: IncomingBody) -> None:
        """Take the body that the server is about to hand over."""
        self._incoming = body

    # --- the body ---------------------------------------------------------------------------

    @property
    def body(self) -> Body:
        """The body, unparsed: `await request.body`, or `async for chunk in request.body`."""
        if self._body is None:
            self._body = Body(self._incoming)
        body, limit = self._body, self.max_content_length
        if limit is not None and (self.content_length or 0) > limit:
            raise RequestEntityTooLarge()
        body.limit = limit
        body.timeout = self.body_timeout
        return body

    @property
    def body_timeout(self) -> float | None:
        """Seconds in which more of the body has to come (`BODY_TIMEOUT`); 408 past it."""
        timeout = self._body_timeout
        if timeout is None:
            timeout = self._limit("body_timeout", "BODY_TIMEOUT")
        return timeout

    @body_timeout.setter
    def body_timeout(self, value: float | None) -> None:
        self._body_timeout = value

    @property
    def stream(self) -> t.NoReturn:
        raise NotImplementedError(
            "`request.stream` is a blocking file. In a Quart app iterate over the body:"
            " `async for chunk in request.body`."
        )

    @t.overload
    def get_data(
        self, cache: bool, as_text: t.Literal[False], parse_form_data: bool = False
    ) -> Coroutine[bytes]: ...
    @t.overload
    def get_data(
        self, cache: bool, as_text: t.Literal[True], parse_form_data: bool = False
    ) -> Coroutine[str]: ...
    @t.overload
    def get_data(
        self, cache: bool = True, *, as_text: t.Literal[True], parse_form_data: bool = False
    ) -> Coroutine[str]: ...
    @t.overload
    def get_data(
        self,
        cache: bool = True,
        as_text: t.Literal[False] = False,
        parse_form_data: bool = False,
    ) -> Coroutine[bytes]: ...
    @t.overload
    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Coroutine[str | bytes]: ...
    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Coroutine[t.Any]:
        """Await the whole body. Without `cache` it is not kept for the next time; with
        `parse_form_data` the form is parsed first, and only what that leaves is returned."""
        return Pending("request.get_data()", self._read_data, cache, as_text, parse_form_data)

    async def _read_data(self, cache: bool, as_text: bool, parse_form_data: bool) -> bytes | str:
        if parse_form_data:
            await self._read_form()
        body = self.body
        data = await body.read()
        if not cache:
            body.clear()
        return data.decode(errors="replace") if as_text else data

    @property
    def data(self) -> Coroutine[bytes]:
        """Await the body's bytes, after a multipart form was parsed off it."""
        return Pending("request.data", partial(self.get_data, parse_form_data=True))

    # --- forms ------------------------------------------------------------------------------

    @property
    def form(self) -> Coroutine[MultiDict[str, str]]:
        """Await the form's fields. BadRequest (400) where the form is damaged."""
        return Pending("request.form", self._read_form, 0)

    @property
    def files(self) -> Coroutine[MultiDict[str, FileStorage]]:
        """Await the uploaded files of a `multipart/form-data` form."""
        return Pending("request.files", self._read_form, 1)

    @property
    def values(self) -> Coroutine[CombinedMultiDict[str, str]]:
        """Await the query arguments and, unless the method is GET, the form's fields."""
        return Pending("request.values", self._read_values)

    async def _read_values(self) -> CombinedMultiDict[str, str]:
        sources = [self.args]
        if self.method != "GET":
            sources.append(await self.form)
        return CombinedMultiDict(sources)

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser with this request's limits."""
        parser = self.form_data_parser_class(
            cls=self.parameter_storage_class,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
        )
        if self._incoming is not None:
            parser.offload = self._incoming.offload
        return parser

    async def _read_form(self, part: int = 0) -> t.Any:
        """Return the fields (`part` 0) or the files (1) of the form."""
        if self._form is None:
            try:
                if (
                    self.mimetype == URLENCODED
                    and self.form_data_parser_class is FormDataParser
                    and type(self).make_form_data_parser is Request.make_form_data_parser
                ):
                    # PERF(3 us): what the parser does.
                    data = await self.body.read(self.max_form_memory_size)
                    if self._form is None:
                        cls = self.parameter_storage_class
                        fields = parse_urlencoded(data, cls, self.max_form_parts)
                        self._form = fields, _NO_FILES if cls is ImmutableMultiDict else cls()
                else:
                    await self._parse_in_turn()
            except HTTPException as error:
                self._form = error  # half of the body is gone: no second try
        form: t.Any = self._form
        if isinstance(form, HTTPException):
            raise form
        return form[part]

    @lazy
    def _parsing(self) -> _Turn:
        return _Turn()

    async def _parse_in_turn(self) -> None:
        turn = self._parsing
        await turn.wait()  # two tasks may want it at once
        if self._form is None:
            turn.taken = True
            self.needs_close = True  # there may be files
            try:
                self._form = await self.make_form_data_parser().parse(
                    self.body, self.mimetype, self.content_length, self.mimetype_params
                )
            finally:
                turn.end()

    # --- JSON -------------------------------------------------------------------------------

    @property
    def json(self) -> Coroutine[t.Any]:
        """Await the body's JSON; None where the mimetype does not say that it is JSON."""
        return Pending("request.json", self.get_json)

    def get_json(
        self, force: bool = False, silent: bool = False, cache: bool = True
    ) -> Coroutine[t.Any]:
        """Await the body's JSON. `force` ignores the mimetype; `silent` gives None, not
        BadRequest (400), for what is no JSON; `cache` keeps the body and the result."""
        return Pending("request.get_json()", self._read_json, force, silent, cache)

    async def _read_json(self, force: bool, silent: bool, cache: bool) -> t.Any:
        if cache and self._json is not None:
            return self._json[0]
        if not (force or self.is_json):
            return None
        if cache and type(self).get_data is Request.get_data:
            data = await self.body.read()  # PERF(1 us): by no detour
        else:
            data = await self.get_data(cache=cache)
        try:
            value = self.json_module.loads(data)
        except (ValueError, RecursionError) as error:
            if silent:
                return None
            value = self.on_json_loading_failed(error)
        if cache:
            self._json = (value,)
        return value

    def on_json_loading_failed(self, error: Exception | None) -> t.Any:
        """Raise BadRequest (400); what was wrong is told in debug mode only. What an
        override returns is taken for the JSON."""
        ctx = find_context()
        if ctx is not None and ctx.app.debug:
            raise BadRequest(f"Failed to decode JSON object: {error}") from error
        raise BadRequest() from error

    # --- the client -------------------------------------------------------------------------

    async def is_disconnected(self) -> bool:
        """Say whether the client is known to have left. For views that it does not cancel."""
        await asyncio.sleep(0)  # lets the reader look
        return self.inbox is not None and self.inbox.gone is not None

    async def send_push_promise(self, path: str) -> None:
        """Promise `path` to an HTTP/2 client, with the headers that say what it accepts."""
        headers = Headers()
        for name in _PUSHED_HEADERS:
            for value in self.headers.getlist(name):
                headers.add(name, value)
        await self._send_push_promise(path, headers)

    async def _send_push_promise(self, path: str, headers: Headers) -> None:
        extensions = self.scope.get("extensions") or {}
        if hasattr(self, "asgi_send") and "http.response.push" in extensions:
            raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            await self.asgi_send({"type": "http.response.push", "path": path, "headers": raw})

    async def close(self) -> None:
        """Close uploaded files."""
        if isinstance(self._form, tuple):
            for _, file in self._form[1].items(multi=True):
                file.close()
