"""The Request of the plain colour: Werkzeug's, made from a WSGI environ or an ASGI scope."""

from __future__ import annotations

import io
import typing as t

from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request as WerkzeugRequest

from .. import json
from .._current import find_context
from .._environ import build_environ
from .._formparser import BlockingFormDataParser
from .._lazy import lazy
from .._streaming import AsyncInput
from .._streaming import Body
from .._streaming import LimitedInput
from .._streaming import SPOOL_SIZE
from ..debughelpers import attach_enctype_error_multidict
from ._limits import Limits

Form = tuple[t.IO[bytes], ImmutableMultiDict[str, str], ImmutableMultiDict[str, t.Any]]


class Request(Limits, WerkzeugRequest):  # type: ignore[misc]
    """A request whose body attributes are plain values.

    Everything of `werkzeug.wrappers.Request` works, and `isinstance` says so. Under ASGI
    `environ` is built when first touched; it is a real, mutable dict from then on.
    """

    json_module: t.Any = json
    form_data_parser_class = BlockingFormDataParser
    shallow = False

    #: The body as it comes in (ASGI), for routes with `stream_body=True` and the thread lane.
    body: Body | None = None
    _input: t.IO[bytes] | None = None
    _parsed: Form | HTTPException | None = None

    def __init__(
        self, environ: dict[str, t.Any], populate_request: bool = True, shallow: bool = False
    ) -> None:
        WerkzeugRequest.__init__(self, environ, populate_request, shallow)
        self.needs_close = True
        self.scope = environ.get("asgi.scope") or {}
        self.raw_host = environ.get("HTTP_HOST", "")
        self.raw_cookie = environ.get("HTTP_COOKIE", "")

    @lazy
    def environ(self) -> dict[str, t.Any]:
        """The WSGI environ (PEP 3333), with the ASGI scope under `asgi.scope`."""
        environ = build_environ(
            self.scope, self.root_path, self.path, self.query_string, self._input or io.BytesIO()
        )
        environ["werkzeug.request"] = self
        self.needs_close = True
        return environ

    # --- body ---------------------------------------------------------------------------

    @property
    def want_form_data_parsed(self) -> bool:
        return bool(self.mimetype)

    @lazy
    def stream(self) -> t.Any:
        """The body as a binary file, limited as `max_content_length` says.

        In a route with `stream_body=True` and an `async def` view it is the body itself:
        `async for chunk in request.stream`.
        """
        if self._input is None:
            if self.body is None:
                stream = t.cast(t.Any, WerkzeugRequest.stream).__get__(self, type(self))
                limit = self.max_content_length
                if limit is not None and "wsgi.input_terminated" in self.environ:
                    stream = LimitedInput(self.environ["wsgi.input"], limit)
                streamed = getattr(self.url_rule, "stream_body", False)
                return AsyncInput(stream) if streamed else stream
            self._check_limit()
            return self.body
        self._check_limit()
        return self._input

    def _check_limit(self) -> None:
        limit = self.max_content_length
        if self.body is not None:
            self.body.limit = limit
            self.body.check(limit)
        if limit is not None and (self.content_length or 0) > limit:
            raise RequestEntityTooLarge()

    async def read_ahead(self, last: bool = False) -> None:
        """Read the body so that the view finds it: in memory, past 500 kB on disk.

        Where it is too large, raise RequestEntityTooLarge (413) only the `last` time: until
        then a before function may raise `max_content_length`, and reading goes on.
        """
        if self._input is not None or self.body is None:
            return
        try:
            self._check_limit()
            self.receive_input(await self.body.spool())
        except RequestEntityTooLarge:
            if last:
                raise
            return
        if self.body.received > SPOOL_SIZE and self.mimetype == "multipart/form-data":
            await self.body.offload(self.parse_ahead)

    def receive_body(self, body: Body) -> None:
        """Take the body that the server is about to hand over."""
        self.body = body

    def receive_input(self, stream: t.IO[bytes]) -> None:
        """Take the body that was read before the view (or a file that pulls it)."""
        self._input = stream
        self.needs_close = True
        if "environ" in self.__dict__:
            self.environ["wsgi.input"] = stream

    def parse_ahead(self) -> None:
        """Parse the form now, in a thread, leaving the raw body to be read as well.

        What goes wrong is raised where the view touches the form.
        """
        try:
            self._load_form_data()
            taken = self.__dict__
            self._parsed = (taken.pop("stream"), taken.pop("form"), taken.pop("files"))
        except HTTPException as error:
            self._parsed = error
        assert self._input is not None
        self.__dict__.pop("stream", None)
        self._input.seek(0)

    def _load_form_data(self) -> None:
        if "form" in self.__dict__:
            return
        if self._parsed is None:
            try:
                super()._load_form_data()
            except (ValueError, UnicodeError) as error:
                raise BadRequest("The form could not be parsed.") from error
        elif isinstance(self._parsed, HTTPException):
            raise self._parsed
        else:
            taken = self.__dict__
            taken["stream"], taken["form"], taken["files"] = self._parsed
        ctx = find_context()
        if (
            ctx is not None
            and ctx.app.debug
            and self.mimetype != "multipart/form-data"
            and not self.files
        ):
            attach_enctype_error_multidict(self)

    def on_json_loading_failed(self, e: ValueError | None) -> t.Any:
        """Raise BadRequest (400); what was wrong is told in debug mode only."""
        try:
            return super().on_json_loading_failed(e)
        except BadRequest as error:
            ctx = find_context()
            if ctx is not None and ctx.app.debug:
                raise
            raise BadRequest() from error

    def close(self) -> None:
        """Close uploaded files and the body's own file."""
        if self._parsed is not None and not isinstance(self._parsed, HTTPException):
            for _, file in self._parsed[2].items(multi=True):
                file.close()
        super().close()
        if self._input is not None:
            self._input.close()
