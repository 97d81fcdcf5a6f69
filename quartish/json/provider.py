"""What an app does with JSON: the interface, and the default on the `json` module.

A provider holds its app weakly, so that the two do not keep each other alive.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing as t
import uuid
import weakref
from datetime import date
from types import MethodType

from werkzeug.http import http_date

from .._lazy import lazy
from .._observed import watch
from .._observed import Watched
from ._long import dumps_long
from ._long import loads_long
from ._long import LONG

if t.TYPE_CHECKING:
    from ..typing import JSONApp


class JSONProvider:
    """The JSON operations of an app; a subclass writes at least `dumps` and `loads`."""

    def __init__(self, app: JSONApp) -> None:
        self._app = t.cast("JSONApp", weakref.proxy(app))

    def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Serialize `obj` to text."""
        raise NotImplementedError

    def dump(self, obj: t.Any, fp: t.IO[str], **kwargs: t.Any) -> None:
        """Serialize `obj` into a file opened for text."""
        fp.write(self.dumps(obj, **kwargs))

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        """Deserialize text or UTF-8 bytes; ValueError says that they are bad (HTTP 400)."""
        raise NotImplementedError

    def load(self, fp: t.IO[t.AnyStr], **kwargs: t.Any) -> t.Any:
        """Deserialize what a file of text or UTF-8 bytes holds."""
        return self.loads(fp.read(), **kwargs)

    def _prepare_response_obj(self, args: tuple[t.Any, ...], kwargs: dict[str, t.Any]) -> t.Any:
        if args and kwargs:
            raise TypeError("app.json.response() takes either args or kwargs, not both")
        if len(args) == 1:
            return args[0]
        return args or kwargs or None

    def response(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return a response of the app: `jsonify` calls this."""
        obj = self._prepare_response_obj(args, kwargs)
        return self._app.response_class(self.dumps(obj), mimetype="application/json")


def _default(o: t.Any) -> t.Any:
    """Return what stands in JSON for an object that has no form there."""
    if isinstance(o, date):
        return http_date(o)
    if isinstance(o, uuid.UUID):
        return str(o)
    if dataclasses.is_dataclass(o) and not isinstance(o, type):
        return dataclasses.asdict(o)
    import decimal  # PERF(1.4 ms): of `import quartish`, and nothing else there imports it

    if isinstance(o, decimal.Decimal):
        return str(o)
    if (html := getattr(o, "__html__", None)) is not None:
        return str(html())
    raise TypeError(f"Object of type {type(o).__name__} is not JSON serializable")


@functools.lru_cache(maxsize=64)
def encode_with(
    default: t.Any, ensure_ascii: bool, sort_keys: bool, /, **settings: t.Any
) -> t.Callable[[t.Any], str]:
    """Return what serializes with these settings.

    PERF(1.9 of 17 us that a session takes): `json.dumps` makes an encoder for every call, and
    an encoder makes a function that walks through the object for every call.
    """
    own = {"default": default, "ensure_ascii": ensure_ascii, "sort_keys": sort_keys}
    encoder = json.JSONEncoder(**{**own, **settings})
    if encoder.indent is not None:
        return encoder.encode
    module = json.encoder
    make_walk: t.Any = getattr(module, "c_make_encoder", None)
    try:
        # It does not look for circles, and so keeps nothing between or during its calls.
        walk = make_walk(
            None,
            encoder.default,
            module.encode_basestring_ascii if encoder.ensure_ascii else module.encode_basestring,
            encoder.indent,
            encoder.key_separator,
            encoder.item_separator,
            encoder.sort_keys,
            encoder.skipkeys,
            encoder.allow_nan,
        )
    except TypeError:  # there is none, or it is made in another way by now
        return encoder.encode
    join = "".join

    def encode(obj: t.Any) -> str:
        try:
            return join(walk(obj, 0))
        except RecursionError:
            return encoder.encode(obj)  # says whether it was a circle

    return encode


_COMPACT = (",", ":")

_read: t.Any = t.cast(t.Any, json.JSONDecoder()).scan_once
_BEGINNINGS = ("{", "[")

# A backslash that is escaped itself begins nothing.
_ESCAPES = re.compile(
    r"\\u(?:(d[89ab]..)\\u(d[c-f]..)|(d[89a-f]..))|\\.", re.IGNORECASE | re.DOTALL
)


def _has_lone_surrogate(text: str) -> bool:
    return any(match[3] for match in _ESCAPES.finditer(text))


class DefaultJSONProvider(JSONProvider, Watched):
    """JSON by the standard library.

    Also serialized: dates (as HTTP dates), UUID and Decimal (as text), dataclasses, and
    whatever has `__html__`.
    """

    # For objects that `json` does not know: returns a JSON type or raises TypeError.
    default: t.Callable[[t.Any], t.Any] = staticmethod(_default)
    ensure_ascii = True
    # Keys of one dict must then be comparable with each other.
    sort_keys = True
    # Whether `response` saves white space; None means: not in debug mode.
    compact: bool | None = None
    mimetype = "application/json"

    def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Serialize `obj` to text; `kwargs` are those of `json.dumps`."""
        if "default" not in kwargs:  # one made for this call may hold a request: not kept
            try:
                encode = encode_with(self.default, self.ensure_ascii, self.sort_keys, **kwargs)
            except TypeError:
                pass  # `cls`, or something unhashable, which `json.dumps` may understand
            else:
                return encode(obj)
        kwargs.setdefault("default", self.default)
        kwargs.setdefault("ensure_ascii", self.ensure_ascii)
        kwargs.setdefault("sort_keys", self.sort_keys)
        return json.dumps(obj, **kwargs)

    def dumps_long(self, obj: t.Any) -> str:
        """Serialize a large value as `dumps` does, in steps that let other threads run."""
        try:
            encode = encode_with(self.default, self.ensure_ascii, self.sort_keys)
            return dumps_long(obj, encode, self.sort_keys)
        except (RecursionError, TypeError):
            return self.dumps(obj)  # says whether it was a circle, and what has no JSON

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        """Deserialize text or UTF-8 bytes; `kwargs` are those of `json.loads`.

        Raises ValueError when they are no JSON, or are nested deeper than Python can follow.
        Bytes, which come from others, may also not hold half of a surrogate pair: no
        response, file or database could take such text.
        """
        if isinstance(s, (bytes, bytearray)):
            # PERF(0.5 of 14 us that an echo takes): JSON of UTF-16 or 32 has a NUL or a mark there.
            utf8 = len(s) > 1 and 0 < s[0] < 128 and s[1]
            text = s.decode("utf-8" if utf8 else json.detect_encoding(s))
            # PERF(7 of 25 ms that 8 MB of wide text take): the mark is sought in the bytes first.
            if (not utf8 or b"\\" in s) and "\\u" in text and _has_lone_surrogate(text):
                raise ValueError("JSON has half of a surrogate pair")
            s = text
        try:
            if not kwargs and type(s) is str and len(s) > LONG:
                return loads_long(s)
            if not kwargs and type(s) is str and s[:1] in _BEGINNINGS:
                # PERF(0.5 us of 0.9; an echo takes 14): without a look for white space around it.
                value, end = _read(s, 0)
                if end == len(s):
                    return value
        except StopIteration:  # it is no JSON, as is said below
            pass
        except RecursionError:
            if len(s) > LONG:
                raise ValueError("JSON is nested too deeply") from None
        try:
            return json.loads(s, **kwargs)
        except RecursionError:
            raise ValueError("JSON is nested too deeply") from None

    def response(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return a response of the app with `mimetype`, compact or indented."""
        obj = self._prepare_response_obj(args, kwargs)
        text = self.quartish_response_text(obj, self._app.debug)
        return self._app.response_class(text, mimetype=self.mimetype)

    def quartish_response_text(self, obj: t.Any, debug: bool) -> str:
        """Return the body of the response to be, compact or indented, as `compact` says, or
        `debug` where it says nothing."""
        writer = None if debug else self.quartish_writer
        if writer is not None:
            encode, _ = writer
            return encode(obj) + "\n"
        if self.compact is False or (debug and self.compact is None):
            return self.dumps(obj, indent=2) + "\n"
        return self.dumps(obj, separators=_COMPACT) + "\n"

    @lazy
    def quartish_writer(self) -> tuple[t.Callable[[t.Any], str], str] | None:
        """What serializes for a compact response, and its mimetype, until a setting changes.
        None: it has to be found out for each response, as methods were overridden, or a
        setting is worked out when it is read.

        PERF(1.2 us of 16 under Hypercorn): settings are attributes of a class, which are slow
        to look up, and there are many.
        """
        watch(self)
        kind: t.Any = type(self)
        if (
            self.compact is False
            or not all(is_own(self, name) for name in _OWN)
            or any(hasattr(getattr(kind, name), "__set__") for name in _SETTINGS)
        ):
            return None
        settings = (self.default, self.ensure_ascii, self.sort_keys)
        try:
            return encode_with(*settings, separators=_COMPACT), self.mimetype
        except TypeError:  # something unhashable
            return None

    def _quartish_changed(self, name: str) -> None:
        vars(self).pop("quartish_writer", None)


#: What a user sets, and what a user overrides, of how a response is written.
_SETTINGS = ("default", "ensure_ascii", "sort_keys", "compact", "mimetype")
_OWN: dict[str, t.Any] = {
    name: vars(DefaultJSONProvider)[name]
    for name in ("response", "quartish_response_text", "dumps")
}


def reads_long(provider: t.Any) -> bool:
    """Say whether a provider reads long JSON in small steps, which is then done off the loop."""
    return getattr(getattr(provider, "loads", None), "__func__", None) is _LOADS


_LOADS = vars(DefaultJSONProvider)["loads"]


def writes_long(provider: t.Any) -> bool:
    """Say whether a provider can write long JSON in small steps, by its `dumps_long`."""
    return getattr(getattr(provider, "dumps", None), "__func__", None) is _OWN["dumps"]


def is_own(provider: JSONProvider, name: str) -> bool:
    """Say whether a provider's method is the one that was written here."""
    method = getattr(provider, name)  # a proxy around it would say the same of its function
    return type(method) is MethodType and method.__func__ is _OWN[name]
