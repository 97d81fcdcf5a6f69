"""The Request of the plain colour: Werkzeug's, made from a WSGI environ or an ASGI scope."""

from __future__ import annotations

import asyncio
import io
import typing as t
from functools import partial

from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request as WerkzeugRequest

from .. import json
from .._concurrency.coroutines import from_thread
from .._http.body import AsyncInput
from .._http.body import Body
from .._http.body import LimitedInput
from .._http.codings import DecodedBody
from .._http.codings import DecodedFile
from .._http.environ import build_environ
from .._http.forms import BlockingFormDataParser
from .._http.forms import FORMS
from .._http.forms import MANY
from .._http.multipart import SLICE
from .._http.parts import Parts
from .._http.urlencoded import parse_urlencoded
from .._http.urlencoded import URLENCODED
from .._lazy import lazy
from .._werkzeug import BodyRequest
from .._werkzeug import form_class
from .._werkzeug import READING
from ..debughelpers import attach_enctype_error_multidict
from ..json._long import LONG
from ..json.provider import reads_long
from ..typing import BodyStream
from ..typing import Scope
from .asgi_extensions import hint
from .json_ahead import GUESSED
from .json_ahead import json_ahead
from .limits import Limits
from .limits import PARTS_TAKEN

Form = tuple[t.IO[bytes], ImmutableMultiDict[str, str], ImmutableMultiDict[str, t.Any]]


class Request(Limits, BodyRequest):  # type: ignore[misc]
    """A request whose body attributes are plain values.

    Everything of `werkzeug.wrappers.Request` works, and `isinstance` says so. By ASGI `environ` is
    built when it is first read; it is a real, mutable dict. `populate_request` puts the request
    into it, `shallow` makes reading the body an error.
    """

    json_module: t.Any = json
    scope: Scope
    quartish_raw_host: str
    quartish_raw_cookie: str
    quartish_read_json: t.Callable[[bytes], t.Any] | None
    form_data_parser_class: type[FormDataParser] = BlockingFormDataParser
    shallow = False

    #: The body that comes by ASGI, for routes with `stream_body=True` and for the thread lane.
    quartish_body: Body | None = None
    #: The body that was read ahead, as bytes (a file is made when something reads one), and
    #: whether the form or the data was made of these bytes.
    _quartish_whole: bytes | None = None
    _quartish_taken = False
    #: Whether no subclass redefines how the body is read, and how it is parsed.
    _quartish_reads_plainly = True
    _quartish_file: t.IO[bytes] | None = None
    _quartish_parsed: Form | HTTPException | None = None
    #: The limits under which the form was parsed ahead.
    _quartish_parsed_within: tuple[int | None, int | None] | None = None

    def __init__(
        self, environ: dict[str, t.Any], populate_request: bool = True, shallow: bool = False
    ) -> None:
        WerkzeugRequest.__init__(self, environ, populate_request, shallow)
        self.quartish_needs_close: bool = True
        self.scope: Scope = environ.get("asgi.scope") or {}
        self.quartish_raw_host: str = environ.get("HTTP_HOST", "")
        self.quartish_raw_cookie: str = environ.get("HTTP_COOKIE", "")

    @classmethod
    def _quartish_looked(cls) -> None:
        super()._quartish_looked()
        type.__setattr__(cls, "_quartish_reads_plainly", cls.quartish_redefined.isdisjoint(READING))

    @lazy
    def environ(self) -> dict[str, t.Any]:
        """The WSGI environ (PEP 3333), with the ASGI scope under `asgi.scope`."""
        file = self._quartish_open_input() or io.BytesIO()
        environ = build_environ(
            self.scope, self.root_path, self.quartish_path_info, self.query_string, file
        )
        environ["werkzeug.request"] = self
        self.quartish_needs_close = True
        return environ

    @property
    def quartish_path_info(self) -> str:
        """The path that rules are matched by: `path`, or "" if nothing came below
        `root_path`, which is redirected to the slash."""
        if self.path == "/" and "environ" in self.__dict__:
            return self.path if self.environ.get("PATH_INFO") else ""
        return super().quartish_path_info

    # --- body ---------------------------------------------------------------------------

    @property
    def want_form_data_parsed(self) -> bool:
        return bool(self.mimetype)

    @lazy
    def stream(self) -> BodyStream:
        """The body as a binary file, limited as `max_content_length` says.

        In a route with `stream_body=True` and an `async def` view it is the body itself:
        `async for chunk in request.stream`.
        """
        file = self._quartish_open_input()
        if file is None:
            if self.quartish_body is None:
                stream: t.Any = t.cast(t.Any, WerkzeugRequest.stream).__get__(self, type(self))
                limit = self.max_content_length
                if limit is not None and "wsgi.input_terminated" in self.environ:
                    stream = LimitedInput(self.environ["wsgi.input"], limit)
                decoder = self.quartish_make_decoder()
                if decoder is not None:
                    stream = io.BufferedReader(DecodedFile(t.cast("t.IO[bytes]", stream), decoder))
                streamed = getattr(self.url_rule, "stream_body", False)
                return t.cast(BodyStream, AsyncInput(stream) if streamed else stream)
            body = self.quartish_open_body()
            body.limit = self.max_content_length  # raised by who iterates, in his turn
            return t.cast(BodyStream, body)
        self._quartish_check_limit()
        return t.cast(BodyStream, file)

    def _quartish_check_limit(self) -> None:
        limit = self.max_content_length
        if self.quartish_body is not None:
            self.quartish_body.limit = limit
        if limit is None:
            return
        if self.quartish_body is not None:
            self.quartish_body.check_limit()
        if (self.content_length or 0) > limit:
            raise RequestEntityTooLarge()

    def quartish_read_at_once(self) -> bool:
        """Do what `read_ahead` does if that needs no waiting; return whether it was done."""
        body = self.quartish_body
        assert body is not None
        if self._quartish_whole is not None or self._quartish_file is not None:
            return True
        if self.max_content_length is not None or b"content-encoding" in self.quartish_raw_headers:
            return False  # there is more to be looked at
        whole = body.take_whole()
        if whole is None:
            return False
        self._quartish_keep(whole)
        return len(whole) <= MANY

    async def quartish_read_ahead(self, last: bool = False) -> bool:
        """Read the body before the view: into memory, or above 500 kB to disk. Return whether it
        was read.

        If it is too large, RequestEntityTooLarge (413) is raised only with `last`: before that, a
        before function may raise `max_content_length`, and reading goes on.
        """
        body = self.quartish_open_body()
        if self._quartish_whole is None and self._quartish_file is None:
            try:
                self._quartish_check_limit()
                read = await body.gather()
            except RequestEntityTooLarge:
                if last:
                    raise
                return False
            if isinstance(read, bytes):
                self._quartish_keep(read)
            else:
                self.quartish_receive_input(read)
        if body.received > MANY and self.mimetype in FORMS and self._quartish_parsed is None:
            self._quartish_open_input()
            await body.offload(self.quartish_parse_ahead)
        if (
            body.received > LONG
            and self.quartish_read_json is None
            and reads_long(self.json_module)
        ):
            said = self.is_json or getattr(self.url_rule, "forces_json", False)
            if said or body.received <= GUESSED:
                check = partial(super().quartish_check_json, most=self.max_json_parts)
                how = self._quartish_open_input(), said, check, self.json_module.loads
                self.quartish_read_json = await body.offload(json_ahead, *how)
        return True

    def quartish_check_json(self, data: bytes, most: int | None) -> None:
        """Do as `Limits` does. Also note that a view reads JSON which the headers do not announce:
        then such bodies are parsed ahead, off the loop, if they are long."""
        if self.url_rule is not None and not self.is_json:
            t.cast("t.Any", self.url_rule).forces_json = True
        super().quartish_check_json(data, most)

    def _quartish_keep(self, whole: bytes) -> None:
        """Keep the body that was read ahead; if there is an environ, put it there as a file."""
        self._quartish_whole = whole
        if "environ" in self.__dict__:
            self._quartish_open_input()

    def quartish_receive_body(self, body: Body) -> None:
        """Take the body that the server will send."""
        self.quartish_body = body

    def quartish_open_body(self) -> Body:
        """Return the body that comes from the server, decoded if it has to be."""
        body = self.quartish_body
        assert body is not None
        if b"content-encoding" in self.quartish_raw_headers and type(body) is not DecodedBody:
            body = self.quartish_body = self.quartish_decoded(body)
        return body

    def quartish_receive_input(self, stream: t.IO[bytes]) -> None:
        """Take the body that was read before the view (or a file that pulls it)."""
        self._quartish_file = stream
        self.quartish_needs_close = True
        if "environ" in self.__dict__:
            self.environ["wsgi.input"] = stream

    def _quartish_open_input(self) -> t.IO[bytes] | None:
        """Return the body that was read ahead as a file, at its end if it was read."""
        if self._quartish_whole is not None:
            file = io.BytesIO(self._quartish_whole)
            if self._quartish_taken:
                file.seek(0, io.SEEK_END)
            self._quartish_whole = None
            self.quartish_receive_input(file)
        return self._quartish_file

    def quartish_take_body(self) -> bytes | None:
        """Return the whole body, which then counts as read; None if it is not in memory, or if a
        subclass redefines how it is read.

        PERF(4 us): most bodies are small and need no file.
        """
        if (
            self._quartish_whole is None
            or self._quartish_taken
            or not self._quartish_reads_plainly
            or "stream" in self.__dict__
        ):
            return None
        if self._max_content_length is not None:  # it may have been set after the body was read
            self._quartish_check_limit()
        self._quartish_taken = True
        return self._quartish_whole

    @t.overload
    def get_data(
        self, cache: bool = True, as_text: t.Literal[False] = False, parse_form_data: bool = False
    ) -> bytes: ...
    @t.overload
    def get_data(
        self, cache: bool = True, as_text: t.Literal[True] = ..., parse_form_data: bool = False
    ) -> str: ...
    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> bytes | str:
        """Return the whole body, decoded with `as_text`, kept for the next time unless `cache` is
        false. With `parse_form_data` the form is parsed first, and only what it does not use is
        returned.

        Raises:
            RequestEntityTooLarge (413): It is longer than `max_content_length`.
        """
        if cache and not parse_form_data and (data := self.quartish_take_body()) is not None:
            self.quartish_keep_body(data)
            return data.decode(errors="replace") if as_text else data
        parent: t.Any = super()
        return t.cast("bytes | str", parent.get_data(cache, as_text, parse_form_data))

    @lazy
    def form(self) -> ImmutableMultiDict[str, str]:
        """The form's fields."""
        self.quartish_fill_form()
        form: ImmutableMultiDict[str, str] = self.__dict__["form"]
        return form

    @lazy
    def files(self) -> ImmutableMultiDict[str, t.Any]:
        """The uploaded files."""
        self.quartish_fill_form()
        state: t.Any = self.__dict__
        if "files" not in state:  # an urlencoded form has none
            state["files"] = form_class(self)()
        return state["files"]  # type: ignore[no-any-return]

    @lazy
    def parts(self) -> Parts:
        """The parts of a multipart form as they come, each to be read before the next: they are
        kept neither in memory nor on disk. `for part in request.parts` in a `def` view; in an
        `async def` view, of a route with `stream_body=True`, `async for part in request.parts`.

        Raises:
            BadRequest (400): The form is damaged; raised when that part is reached.
            RequestEntityTooLarge (413): It has more than `max_form_parts` parts, or the body is
                longer than `max_content_length`.
            UnsupportedMediaType (415): The body is no multipart form.
        """
        if "form" in self.__dict__:
            raise RuntimeError("The form was parsed already: its parts were not kept.")
        file, body = self.stream, self.quartish_body
        if body is not None:
            body.inbox.in_memory = True
        if isinstance(file, Body):
            return Parts(self.quartish_make_part_reader(file.next, file.offload))
        read_some = getattr(file, "read1", file.read)

        def read() -> bytes:
            return t.cast(bytes, read_some(SLICE))

        async def pull() -> bytes:
            return await body.offload(read) if body is not None else read()

        offload = None if body is None else body.offload
        return Parts(self.quartish_make_part_reader(pull, offload), read)

    def quartish_parse_ahead(self) -> None:
        """Parse the form ahead, in a thread. The raw body can still be read.

        An exception is raised when the view reads the form.
        """
        try:
            self.quartish_fill_form()
            taken = vars(self)
            self._quartish_parsed = (taken.pop("stream"), taken.pop("form"), taken.pop("files"))
        except HTTPException as error:
            self._quartish_parsed = error
        self._quartish_parsed_within = self.max_form_memory_size, self.max_form_parts
        assert self._quartish_file is not None
        vars(self).pop("stream", None)
        self._quartish_file.seek(0)

    def quartish_load_form_data(self) -> None:
        state: t.Any = self.__dict__
        if "form" in state:
            return
        if isinstance(state.get("parts"), Parts):
            raise RuntimeError(PARTS_TAKEN)
        if isinstance(
            self._quartish_parsed, RequestEntityTooLarge
        ) and self._quartish_parsed_within not in (
            None,
            (self.max_form_memory_size, self.max_form_parts),
        ):
            self._quartish_parsed = self._quartish_parsed_within = (
                None  # the view has raised a limit
            )
        if isinstance(self._quartish_parsed, HTTPException):
            raise self._quartish_parsed
        if self._quartish_parsed is not None:
            state["stream"], state["form"], state["files"] = self._quartish_parsed
        elif (fields := self._quartish_urlencoded()) is not None:
            state["form"] = fields
            return
        else:
            self.quartish_needs_close = True  # there may be files
            try:
                super().quartish_load_form_data()
            except BadRequest as error:
                self._quartish_parsed = error  # the body is used up: no second try
                raise
            except ValueError as error:
                raise BadRequest("The form could not be parsed.") from error
        if (
            self.quartish_is_debugged()
            and self.mimetype != "multipart/form-data"
            and not self.files
        ):
            attach_enctype_error_multidict(self)

    def _quartish_urlencoded(self) -> ImmutableMultiDict[str, str] | None:
        """Return the fields of an urlencoded form if the whole body is in memory; else None, and
        the parser is used.

        PERF(7 us): the same result without a file and a parser.
        """
        if (
            self.mimetype != URLENCODED
            or self.form_data_parser_class is not BlockingFormDataParser
            or self.quartish_is_debugged()  # the parser has more to do then
        ):
            return None
        data = self.quartish_take_body()
        if data is None:
            return None
        limit = self.max_form_memory_size
        try:
            if limit is not None and len(data) > limit:
                raise RequestEntityTooLarge()
            return parse_urlencoded(data, form_class(self), self.max_form_parts)  # type: ignore[return-value]
        except HTTPException as error:
            self._quartish_parsed = error
            raise

    def send_early_hints(self, links: t.Iterable[str]) -> t.Awaitable[None]:
        """Tell the client what the page will need while it is made: a 103 with these `Link`
        headers, `"</style.css>; rel=preload; as=style"`. An `async def` view has to await
        it. Nothing is sent if the server does not support it.

        Source:
            RFC 8297; ASGI specification, "Early hints".
        """
        if asyncio._get_running_loop() is not None:
            return hint(self, links)
        from_thread(hint(self, links), prepared=True)
        return _DONE

    def on_json_loading_failed(self, e: ValueError | None) -> t.Any:
        """Raise BadRequest (400); the reason is shown in debug mode only."""
        try:
            return super().on_json_loading_failed(e)
        except BadRequest as error:
            if self.quartish_is_debugged():
                raise
            raise BadRequest() from error

    def close(self) -> None:
        """Close uploaded files and the body's own file."""
        if self._quartish_parsed is not None and not isinstance(
            self._quartish_parsed, HTTPException
        ):
            for _, file in self._quartish_parsed[2].items(multi=True):
                file.close()
        super().close()
        if self._quartish_file is not None:
            self._quartish_file.close()


class _Done:
    """An awaitable that is done already."""

    def __await__(self) -> t.Generator[t.Any, t.Any, None]:
        return
        yield


_DONE = _Done()
