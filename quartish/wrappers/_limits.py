"""How much of a body a request takes: its own word, else its route's, else the app's."""

from __future__ import annotations

import typing as t

from werkzeug.wrappers import Request as WerkzeugRequest

from .._current import find_context
from ._conn import Conn

#: A limit's name on the request, on the rule and in the config.
_NAMES = {
    name: (f"_{name}", name, name.upper())
    for name in ("max_content_length", "max_form_memory_size", "max_form_parts", "body_timeout")
}


class Limits(Conn):
    """The limits of a request. Each may be set on the request, in the route, in the config."""

    _max_content_length: int | None = None
    _max_form_memory_size: int | None = None
    _max_form_parts: int | None = None

    def _limit(self, name: str, default: t.Any = None) -> t.Any:
        own, option, key = _NAMES[name]
        value = getattr(self, own)
        if value is None and self.url_rule is not None:
            value = getattr(self.url_rule, option, None)
        if value is not None:
            return value
        ctx = find_context()
        return default if ctx is None else ctx.app.config[key]

    @property
    def max_content_length(self) -> int | None:
        """Bytes of body that are read at most; more is answered 413. None: no limit."""
        return t.cast("int | None", self._limit("max_content_length"))

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    @property
    def max_form_memory_size(self) -> int | None:
        """Bytes that form fields which are no files may have; more is answered 413."""
        default = WerkzeugRequest.max_form_memory_size
        return t.cast("int | None", self._limit("max_form_memory_size", default))

    @max_form_memory_size.setter
    def max_form_memory_size(self, value: int | None) -> None:
        self._max_form_memory_size = value

    @property
    def max_form_parts(self) -> int | None:
        """Fields and files that a form may have; more is answered 413."""
        return t.cast("int | None", self._limit("max_form_parts", WerkzeugRequest.max_form_parts))

    @max_form_parts.setter
    def max_form_parts(self, value: int | None) -> None:
        self._max_form_parts = value
