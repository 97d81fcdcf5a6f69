"""The limits of a request's body: set on the request, else on its route, else by the app. And what
the headers say of the body."""

from __future__ import annotations

import functools

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.http import parse_options_header

from .._http.body import Body
from .._http.codings import DecodedBody
from .._http.codings import Decoder
from .._http.forms import MULTIPART
from .._http.parts import Offload
from .._http.parts import PartReader
from .._http.parts import Pull
from .._lazy import lazy
from ..json._long import has_more_parts
from ..typing import ASGISend
from .asgi_extensions import is_supported
from .connection import Conn

PARTS_TAKEN = "The body is read by `request.parts`: take the fields of the form from there."


class Limits(Conn):
    """The limits of a request. Each may be set on the request, in the route, in the config."""

    #: The server's `send`. It has no default in the class, for the reason that `Conn` gives.
    asgi_send: ASGISend
    #: How many reads have raised.
    quartish_refusals = 0
    _max_content_length: int | None = None
    _max_form_memory_size: int | None = None
    _max_form_parts: int | None = None
    _max_json_parts: int | None = None
    _max_decoded_content_length: int | None = None
    _decode_body: bool | None = None

    @property
    def max_content_length(self) -> int | None:
        """The most bytes of body that are read; more is a 413. None: no limit."""
        limit = self._max_content_length
        if limit is None:
            try:
                limit = self.url_rule.max_content_length  # type: ignore[union-attr]
            except AttributeError:  # no rule, or a plain one of Werkzeug's
                pass
            if limit is None:
                limit = self.quartish_config_of_app["MAX_CONTENT_LENGTH"]
        return limit

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    @property
    def max_form_memory_size(self) -> int | None:
        """The most bytes that form fields without files may have; more is a 413."""
        limit = self._max_form_memory_size
        if limit is None:
            try:
                limit = self.url_rule.max_form_memory_size  # type: ignore[union-attr]
            except AttributeError:
                pass
            if limit is None:
                limit = self.quartish_config_of_app["MAX_FORM_MEMORY_SIZE"]
        return limit

    @max_form_memory_size.setter
    def max_form_memory_size(self, value: int | None) -> None:
        self._max_form_memory_size = value

    @property
    def max_form_parts(self) -> int | None:
        """The most fields and files that a form may have; more is a 413."""
        limit = self._max_form_parts
        if limit is None:
            try:
                limit = self.url_rule.max_form_parts  # type: ignore[union-attr]
            except AttributeError:
                pass
            if limit is None:
                limit = self.quartish_config_of_app["MAX_FORM_PARTS"]
        return limit

    @max_form_parts.setter
    def max_form_parts(self, value: int | None) -> None:
        self._max_form_parts = value

    @property
    def max_json_parts(self) -> int | None:
        """The most lists and objects that JSON of more than 128 kB may have; more is a 413."""
        limit = self._max_json_parts
        if limit is None:
            try:
                limit = self.url_rule.max_json_parts  # type: ignore[union-attr]
            except AttributeError:
                pass
            if limit is None:
                limit = self.quartish_config_of_app["MAX_JSON_PARTS"]
        return limit

    @max_json_parts.setter
    def max_json_parts(self, value: int | None) -> None:
        self._max_json_parts = value
        vars(self).pop("quartish_read_json", None)  # JSON that was read ahead under another limit

    @property
    def decode_body(self) -> bool:
        """Whether a compressed body (`Content-Encoding`) is decoded. Set it before the body is
        read; in the plain colour, in the route or the config (`DECODE_BODY`).

        *Flask:* bodies are read as they come.
        """
        decode = self._decode_body
        if decode is None:
            decode = getattr(self.url_rule, "decode_body", None)
            if decode is None:
                decode = bool(self.quartish_config_of_app["DECODE_BODY"])
        return decode

    @decode_body.setter
    def decode_body(self, value: bool | None) -> None:
        self._decode_body = value

    @property
    def max_decoded_content_length(self) -> int | None:
        """The most bytes that a decoded body may have; more is a 413. None: no limit."""
        limit = self._max_decoded_content_length
        if limit is None:
            limit = getattr(self.url_rule, "max_decoded_content_length", None)
            if limit is None:
                limit = self.quartish_config_of_app["MAX_DECODED_CONTENT_LENGTH"]
        return limit

    @max_decoded_content_length.setter
    def max_decoded_content_length(self, value: int | None) -> None:
        self._max_decoded_content_length = value

    def quartish_make_decoder(self) -> Decoder | None:
        """Return the decoder of the body; None if it is read as it comes."""
        if b"content-encoding" not in self.quartish_raw_headers or not self.decode_body:
            return None
        names = ",".join(self.headers.getlist("Content-Encoding")).split(",")
        applied = [name.strip() for name in names if name.strip().lower() not in ("", "identity")]
        if not applied:
            return None
        return Decoder(", ".join(applied), lambda: self.max_decoded_content_length)

    def quartish_decoded(self, body: Body) -> Body:
        """Return a body, decoded if it has to be."""
        decoder = self.quartish_make_decoder()
        return body if decoder is None else DecodedBody(body, decoder)

    def quartish_make_part_reader(self, pull: Pull, offload: Offload | None) -> PartReader:
        """Return the reader of the form's parts. UnsupportedMediaType (415) if the body is no
        multipart form."""
        if self.mimetype != MULTIPART:
            raise UnsupportedMediaType(f"The body has to be {MULTIPART}.")
        boundary = self.mimetype_params.get("boundary", "")
        return PartReader(pull, boundary, self.max_form_parts, self.max_form_memory_size, offload)

    def supports(self, feature: str) -> bool:
        """Say whether the server supports an extension for the response: `"early_hints"`,
        `"trailers"` (for which the client has to ask, too), `"push"` or `"path_send"`.

        Raises:
            ValueError: It is none of these.

        Source:
            ASGI specification, "Extensions".
        """
        return is_supported(self, feature)

    def quartish_check_json(self, data: bytes, most: int | None) -> None:
        """Raise RequestEntityTooLarge (413) if JSON has more than `most` lists and objects."""
        if most is not None and has_more_parts(data, most):
            raise RequestEntityTooLarge(
                f"The JSON has more than {most} lists and objects (MAX_JSON_PARTS)."
            )

    # PERF(1 us each): without a `Headers` object, for the headers that announce a body.

    @lazy
    def mimetype(self) -> str:
        """The media type of the body, in lower case, without its parameters."""
        if "headers" in self.__dict__:
            return super().mimetype
        return _mimetype(self.quartish_raw_headers.get(b"content-type", b""))

    @lazy
    def content_length(self) -> int | None:
        """Bytes of body that the headers announce; None where they do not say."""
        if "headers" not in self.__dict__ and b"transfer-encoding" not in self.quartish_raw_headers:
            length = self.quartish_raw_headers.get(b"content-length")
            if length is None:
                return None
            if length.isdigit() and len(length) < 20:
                return int(length)
        return super().content_length


@functools.lru_cache(maxsize=256)
def _mimetype(content_type: bytes) -> str:
    return parse_options_header(content_type.decode("latin-1"))[0].lower()
