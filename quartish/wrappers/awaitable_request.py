"""The Request of the awaitable colour: its body is received while the view awaits it."""

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
from werkzeug.exceptions import RequestTimeout

from .. import json
from .._concurrency.coroutines import mark_async
from .._http.body import Body as IncomingBody
from .._http.forms import Form
from .._http.forms import FormDataParser
from .._http.forms import MANY
from .._http.inbox import give_way
from .._http.inbox import Inbox
from .._http.parts import Parts
from .._http.urlencoded import parse_urlencoded
from .._http.urlencoded import URLENCODED
from .._lazy import lazy
from .._werkzeug import form_class
from ..datastructures import FileStorage
from ..json._long import LONG
from ..json.provider import reads_long
from ..typing import Scope
from .asgi_extensions import headers_to_push
from .asgi_extensions import hint
from .asgi_extensions import push
from .connection import Conn
from .limits import Limits
from .limits import PARTS_TAKEN
from .request_body import Body as Body
from .request_body import fill
from .request_body import LazyLock
from .unawaited import Pending

T = t.TypeVar("T")
Coroutine = cabc.Coroutine[t.Any, t.Any, T]

_NO_FILES: MultiDict[str, t.Any] = ImmutableMultiDict()


class Request(Limits):
    """A request whose body attributes are awaited: `(await request.form)["name"]`.

    Each may be awaited again. Using one without `await` raises TypeError with the line.

    Args:
        method: The method, in capitals.
        scheme: `http` or `https`.
        path: The path, decoded.
        query_string: The query, as it came.
        headers: The headers.
        root_path: Where the app is mounted.
        http_version: `1.1`, `2`, ...
        scope: The ASGI scope.
        max_content_length: The most bytes of body that are read; None: as the app says.
        body_timeout: Seconds in which more of the body has to come; None: as the app says.
        send_push_promise: A function that pushes a path, in place of the ASGI message.
    """

    quartish_tells_client = True
    json_module: t.Any = json
    form_data_parser_class = FormDataParser
    #: The class of `body`. An object of another class than ours is filled while the body comes.
    body_class: t.Any = Body
    #: The inbox and the server's `send`, if the request came from a server.
    inbox: Inbox | None = None

    _incoming: IncomingBody | None = None
    _body: Body | None = None
    _body_timeout: float | None = None
    _form: Form | HTTPException | None = None
    _json: tuple[t.Any] | None = None
    #: Whether no subclass redefines how the body is read, and how a form is parsed.
    _quartish_reads_plainly = _quartish_parses_plainly = True
    #: The task that fills a body of another class.
    _filling: asyncio.Task[None] | None = None

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
            vars(self)["_send_push_promise"] = send_push_promise
        self._body = self.body_class(self.content_length, max_content_length)

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__init__ is not Request.__init__ and "quartish_from_scope" not in cls.__dict__:
            setattr(cls, "quartish_from_scope", cls._quartish_from_scope_by_init)  # noqa: B010

    @classmethod
    def _quartish_from_scope_by_init(
        cls, scope: Scope, raw_headers: dict[bytes, bytes] | None = None
    ) -> t.Self:
        """Make a request of an ASGI http scope by the `__init__` of a subclass, with *Quart's*
        arguments."""
        conn = Conn.quartish_from_scope(scope)

        async def promise(path: str, headers: Headers) -> None:
            await Request._send_push_promise(self, path, headers)

        self = cls(
            conn.method,
            conn.scheme,
            conn.path,
            conn.query_string,
            conn.headers,
            conn.root_path,
            conn.http_version,
            max_content_length=None,
            body_timeout=None,
            send_push_promise=promise,
            scope=scope,
        )
        self._body = None
        return self

    @classmethod
    def _quartish_looked(cls) -> None:
        super()._quartish_looked()
        type.__setattr__(cls, "_quartish_reads_plainly", "get_data" not in cls.quartish_redefined)
        type.__setattr__(
            cls, "_quartish_parses_plainly", "make_form_data_parser" not in cls.quartish_redefined
        )

    def quartish_receive_body(self, body: IncomingBody) -> None:
        """Take the body that the server will send."""
        self._incoming = body

    # --- the body ---------------------------------------------------------------------------

    @property
    def body(self) -> Body:
        """The body, unparsed: `await request.body`, or `async for chunk in request.body`."""
        body: t.Any = self._body
        if body is None:
            if b"content-encoding" in self.quartish_raw_headers and self._incoming is not None:
                self._incoming = self.quartish_decoded(self._incoming)
            plain = self.body_class is Body
            body = self._body = Body.of(self._incoming) if plain else self._fill_body()
        limit = self.max_content_length
        size = None if self._incoming is None else self._incoming.announced
        if size is None:
            size = self.content_length or 0
        body.too_large = limit is not None and size > limit  # raised by who awaits it, in his turn
        body.limit = limit
        body.timeout = self.body_timeout
        return body  # type: ignore[no-any-return]

    @body.setter
    def body(self, value: Body) -> None:
        self._body = value

    def _fill_body(self) -> t.Any:
        """Make a body of the app's own class, which is filled by hand."""
        body = self.body_class(self.content_length, self.max_content_length)
        if self._incoming is None:
            body.set_complete()
        else:
            self._filling = asyncio.create_task(fill(body, self._incoming))
            self.quartish_needs_close: bool = True
        return body

    async def _read_whole(self, limit: int | None = None) -> bytes:
        """Return the whole body; RequestEntityTooLarge (413) above `limit` bytes."""
        body = self.body
        if type(body) is Body:
            return await body.read(limit)
        if body.too_large:
            raise RequestEntityTooLarge()
        try:
            async with asyncio.timeout(self.body_timeout):
                data: bytes = await body
        except TimeoutError as error:
            raise RequestTimeout() from error
        if limit is not None and len(data) > limit:
            raise RequestEntityTooLarge()
        return data

    @property
    def body_timeout(self) -> float | None:
        """Seconds in which more of the body has to come (`BODY_TIMEOUT`), else 408."""
        timeout = self._body_timeout
        if timeout is None:
            timeout = self.quartish_config_of_app["BODY_TIMEOUT"]
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
    @mark_async
    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Coroutine[t.Any]:
        """Await the whole body, decoded with `as_text`. Without `cache` it is not kept for the next
        time; with `parse_form_data` the form is parsed first, and only what it does not use is
        returned.

        Raises:
            RequestEntityTooLarge (413): It is longer than `max_content_length`.
            RequestTimeout (408): Nothing more came for `body_timeout` seconds.
        """
        return Pending("request.get_data()", self._read_data, cache, as_text, parse_form_data)

    async def _read_data(self, cache: bool, as_text: bool, parse_form_data: bool) -> bytes | str:
        try:
            if parse_form_data:
                await self._read_form()
            data = await self._read_whole()
        except Exception:
            await give_way(self)
            raise
        if not cache:
            self.body.clear()
        return data.decode(errors="replace") if as_text else data

    @property
    def data(self) -> Coroutine[bytes]:
        """Await the body's bytes that are left after a multipart form was parsed."""
        return Pending("request.data", partial(self.get_data, parse_form_data=True))

    # --- forms ------------------------------------------------------------------------------

    @property
    def form(self) -> Coroutine[MultiDict[str, str]]:
        """Await the form's fields. BadRequest (400) if the form is damaged."""
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

    @lazy
    def parts(self) -> Parts:
        """The parts of a multipart form as they come, each to be read before the next: they are
        kept neither in memory nor on disk. `async for part in request.parts`.

        Raises:
            BadRequest (400): The form is damaged; raised when that part is reached.
            RequestEntityTooLarge (413): It has more than `max_form_parts` parts, or the body is
                longer than `max_content_length`.
            RequestTimeout (408): Nothing more came for `body_timeout` seconds.
            UnsupportedMediaType (415): The body is no multipart form.
        """
        if self._form is not None:
            raise RuntimeError("The form was parsed already: its parts were not kept.")
        chunks, incoming = aiter(self.body), self._incoming
        if incoming is not None:
            incoming.inbox.in_memory = True

        async def pull() -> bytes:
            return await anext(chunks, b"")

        return Parts(self.quartish_make_part_reader(pull, incoming.offload if incoming else None))

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser with this request's limits."""
        parser = self.form_data_parser_class(
            cls=form_class(self),
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
                    and self._quartish_parses_plainly
                ):
                    # PERF(3 us): the same as the parser does, without making one.
                    body, limit = self.body, self.max_form_memory_size
                    reading = body.read(limit) if type(body) is Body else self._read_whole(limit)
                    data = await reading
                    if self._form is None:
                        cls = form_class(self)
                        how = cls, self.max_form_parts
                        if len(data) > MANY and self._incoming is not None:
                            fields = await self._incoming.offload(parse_urlencoded, data, *how)
                        else:
                            fields = parse_urlencoded(data, *how)
                        self._form = fields, _NO_FILES if cls is ImmutableMultiDict else cls()
                else:
                    await self._parse_in_turn()
            except HTTPException as error:
                self._form = error  # half of the body is used up: no second try
        form: t.Any = self._form
        if isinstance(form, HTTPException):
            await give_way(self)
            raise form
        return form[part]

    @lazy
    def _parsing(self) -> LazyLock:
        return LazyLock()

    async def _parse_in_turn(self) -> None:
        if isinstance(self.__dict__.get("parts"), Parts):
            raise RuntimeError(PARTS_TAKEN)
        lock = self._parsing
        await lock.wait()  # two tasks may read it at the same time
        if self._form is None:
            lock.taken = True
            self.quartish_needs_close = True  # there may be files
            try:
                self._form = await self.make_form_data_parser().parse(
                    self.body, self.mimetype, self.content_length, self.mimetype_params
                )
            finally:
                lock.end()

    # --- JSON -------------------------------------------------------------------------------

    @property
    def json(self) -> Coroutine[t.Any]:
        """Await the body's JSON; None if the mimetype is not JSON."""
        return Pending("request.json", self.get_json)

    @mark_async
    def get_json(
        self, force: bool = False, silent: bool = False, cache: bool = True
    ) -> Coroutine[t.Any]:
        """Await the body's JSON. `force` ignores the mimetype; `silent` gives None, not
        BadRequest (400), for invalid JSON; `cache` keeps the body and the result."""
        return Pending("request.get_json()", self._read_json, force, silent, cache)

    async def _read_json(self, force: bool, silent: bool, cache: bool) -> t.Any:
        if cache and self._json is not None:
            return self._json[0]
        if not (force or self.is_json):
            return None
        if cache and self._quartish_reads_plainly:
            body = self.body  # PERF(1 us): not through `get_data`
            data = await (body.read() if type(body) is Body else self._read_whole())
        else:
            data = await self.get_data(cache=cache)
        try:
            if len(data) > LONG and self._incoming is not None and reads_long(self.json_module):
                value = await self._incoming.offload(self._load_long, data, self.max_json_parts)
            else:
                value = self.json_module.loads(data)
        except RequestEntityTooLarge:
            await give_way(self)
            raise
        except (ValueError, RecursionError) as error:
            if silent:
                return None
            await give_way(self)
            value = self.on_json_loading_failed(error)
        if cache:
            self._json = (value,)
        return value

    def _load_long(self, data: bytes, most: int | None) -> t.Any:
        self.quartish_check_json(data, most)
        return self.json_module.loads(data)

    def on_json_loading_failed(self, error: Exception | None) -> t.Any:
        """Raise BadRequest (400); the reason is shown in debug mode only. The value that
        an override returns is used as the JSON."""
        if self.quartish_is_debugged():
            raise BadRequest(f"Failed to decode JSON: {error}") from error
        raise BadRequest() from error

    # --- the client -------------------------------------------------------------------------

    async def is_disconnected(self) -> bool:
        """Say whether the client is known to have disconnected. For views that are not cancelled
        then."""
        await asyncio.sleep(0)  # lets the reader run
        return self.inbox is not None and self.inbox.disconnect is not None

    async def send_early_hints(self, links: t.Iterable[str]) -> None:
        """Tell the client what the page will need while it is made: a 103 with these `Link`
        headers, `"</style.css>; rel=preload; as=style"`. Nothing is sent if the server does not
        support it.

        Source:
            RFC 8297; ASGI specification, "Early hints".
        """
        await hint(self, links)

    async def send_push_promise(self, path: str) -> None:
        """Promise `path` to an HTTP/2 client, with the headers that say what it accepts."""
        await self._send_push_promise(path, headers_to_push(self.headers))

    async def _send_push_promise(self, path: str, headers: Headers) -> None:
        await push(self, path, headers)

    async def close(self) -> None:
        """Close uploaded files."""
        if self._filling is not None:
            self._filling.cancel()
        if isinstance(self._form, tuple):
            for _, file in self._form[1].items(multi=True):
                file.close()
