"""The private names of Werkzeug that quartish needs: no other room uses any.

Each has its reason. Where a release does not have one, public means are used in its place; if there
are none, `require` says which name is missing.
"""

from __future__ import annotations

import ast
import re
import typing as t
from codeop import CommandCompiler
from collections.abc import Callable
from http import HTTPStatus
from keyword import iskeyword
from operator import attrgetter
from types import CodeType
from types import FunctionType

from werkzeug import http
from werkzeug.datastructures import ETags
from werkzeug.datastructures import Headers
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.datastructures import Range
from werkzeug.routing import Rule as WerkzeugRule
from werkzeug.sansio.multipart import MultipartDecoder
from werkzeug.sansio.multipart import State
from werkzeug.test import Client as WerkzeugClient
from werkzeug.test import Cookie as WerkzeugCookie
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse

from .json._long import LONG

Lines = list[tuple[str, str]]


def require(owner: t.Any, *names: str) -> None:
    """Raise a RuntimeError for the first of `names` that `owner` does not have."""
    for name in names:
        if not hasattr(owner, name):
            raise _lacks(f"{owner.__module__}.{owner.__qualname__}.{name}")


def _lacks(name: str) -> RuntimeError:
    from importlib.metadata import version

    return RuntimeError(
        f"This needs {name}, which Werkzeug {version('werkzeug')} does not have."
        " Install a release that quartish was made for."
    )


# --- headers and responses ------------------------------------------------------------------

_KNOWS_HEADERS = vars(Headers()) == {"_list": []}
#: Whether it is known what `Response.__init__` sets, so that it need not be called.
KNOWS_RESPONSES = _KNOWS_HEADERS and vars(WerkzeugResponse()).keys() == {
    *("headers", "response", "direct_passthrough"),
    *("_status", "_status_code", "_on_close"),
}
_PHRASES: dict[int, str] | None = vars(http).get("HTTP_STATUS_CODES")
#: The status line of each code, as a Response says it. *Werkzeug:* before 3.2 it is upper case
#: and comes of a table, for which 3.2 warns.
STATUS_LINES = (
    {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
    if _PHRASES is None
    else {code: f"{code} {phrase}".upper() for code, phrase in _PHRASES.items()}
)


def _headers_of(lines: Lines) -> Headers:
    headers = object.__new__(Headers)
    headers._list = lines
    return headers


def _append_line(headers: Headers, name: str, value: str) -> None:
    headers._list.append((name, value))


# PERF(7 us a request): Werkzeug looks at each value for line breaks, and for each header that it
# adds or sets through all of them.
#: Return headers that hold `lines` themselves, in which no value has a line break.
headers_of: Callable[[Lines], Headers] = _headers_of if _KNOWS_HEADERS else Headers
#: Add a header whose value has no line break.
append_line: Callable[[Headers, str, str], None] = _append_line if _KNOWS_HEADERS else Headers.add


def set_status(response: t.Any, code: int) -> None:
    """Set a response's status by `STATUS_LINES`: the setter of Werkzeug would parse the text."""
    response._status, response._status_code = STATUS_LINES[code], code


def set_up(response: t.Any, lines: Lines, code: int, data: bytes, passes: bool) -> None:
    """Do what `Response.__init__` does with a body in memory, where `KNOWS_RESPONSES`."""
    response.headers = headers_of(lines)
    response._status, response._status_code = STATUS_LINES[code], code
    response.response = [data]
    response.direct_passthrough = passes
    response._on_close = []


def _unknown_on_close(response: t.Any) -> t.Any:
    return getattr(response, "_on_close", (response.close,))


#: Return the functions that a response's `call_on_close` was given. No public way tells whether
#: there are any.
on_close_functions: Callable[[t.Any], t.Any] = (
    attrgetter("_on_close") if KNOWS_RESPONSES else _unknown_on_close
)


#: *Werkzeug:* methods since 3.2, which warns of the functions.
parse_etags: Callable[[str | None], ETags] = getattr(ETags, "from_header", None) or http.parse_etags
parse_range_header: Callable[[str | None], Range | None] = (
    getattr(Range, "from_header", None) or http.parse_range_header
)


# --- rules ----------------------------------------------------------------------------------


def parts_of(rule: WerkzeugRule) -> t.Sequence[t.Any] | None:
    """Return the parts of a bound rule between its slashes: the `content` of each, whether it is
    `static`, and whether it is `final` or `suffixed`, as those with slashes are. None where a
    release has no parts: then the matcher has to be asked.
    """
    if not hasattr(rule, "_parts") or not hasattr(rule, "_converters"):
        return None
    return rule._parts[1:]  # the first is the domain's


def converters_of(rule: WerkzeugRule) -> dict[str, t.Any]:
    """Return the converters by their arguments, of a rule that has `parts_of`."""
    return rule._converters


_GROUP = re.compile(r"\(\?P<__werkzeug_\d+>")


def pattern_of(parts: t.Sequence[t.Any], names: t.Iterable[str]) -> str:
    """Return one regular expression for the parts, its groups called `names`."""
    rest = iter(names)
    segments = [
        re.escape(part.content)
        if part.static
        else _GROUP.sub(lambda _: f"(?P<{next(rest)}>", part.content.removesuffix(r"\Z"))
        for part in parts
    ]
    return "/".join(segments) + r"\Z"


class LazilyBuilt(WerkzeugRule):
    """A rule whose functions that build URLs are compiled when first called.

    PERF(2 kB, 0.2 ms a rule): most rules are matched and never built.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        trace = getattr(self, "_trace", None)
        if trace is None or self.defaults:
            return super()._compile_builder(append_unknown)
        # What Werkzeug would refuse, or work out once, here and now, it may.
        names = [name for is_variable, name in trace if is_variable]
        if len(names) != len(set(names)) or any(map(_is_reserved, names)):
            return super()._compile_builder(append_unknown)
        return _build_unknown if append_unknown else _build


def _build(rule: WerkzeugRule, /, **values: t.Any) -> tuple[str, str]:
    rule._build = WerkzeugRule._compile_builder(rule, False).__get__(rule, None)
    return rule._build(**values)


def _build_unknown(rule: WerkzeugRule, /, **values: t.Any) -> tuple[str, str]:
    rule._build_unknown = WerkzeugRule._compile_builder(rule, True).__get__(rule, None)
    return rule._build_unknown(**values)


def _is_reserved(name: str) -> bool:
    return iskeyword(name) or name == "__debug__"


# --- requests -------------------------------------------------------------------------------

#: What, overridden, changes how a body is read and parsed.
READING = (
    *("stream", "max_content_length", "want_form_data_parsed"),
    *("make_form_data_parser", "_get_stream_for_parsing"),
)


def form_class(request: t.Any) -> type[t.Any]:
    """Return the class of a request's form and files. *Werkzeug:* since 3.2 None stands for the
    usual one, and it warns of others."""
    return request.parameter_storage_class or ImmutableMultiDict


_NO_JSON: t.Any = getattr(WerkzeugRequest, "_cached_json", None)


class BodyRequest(WerkzeugRequest):
    """A request that reads its body with less ado, and lets `load_form_data` be extended."""

    json_module: t.Any
    #: What takes the place of the JSON module's `loads` for the body, as that was read ahead.
    quartish_read_json: Callable[[bytes], t.Any] | None = None
    max_json_parts: t.Any
    quartish_check_json: t.Any

    def quartish_keep_body(self, data: bytes) -> None:
        """Keep the body where `get_data` and the form's parser look for it."""
        self._cached_data = data

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> t.Any:
        """Return the body's JSON. `force` ignores the mimetype; `silent` gives None, where
        else `on_json_loading_failed` is called; `cache` keeps the body and the result."""
        kept = self._cached_json if cache else _NO_JSON
        if _NO_JSON is not None and kept is _NO_JSON and (force or self.is_json):
            # PERF(0.7 us): the usual case.
            try:
                data = self.get_data(cache=cache)
                loads = self.quartish_read_json
                if loads is None:
                    loads = self.json_module.loads
                    if len(data) > LONG:
                        self.quartish_check_json(data, self.max_json_parts)
                value = loads(data)
            except ValueError as error:
                value = None if silent else self.on_json_loading_failed(error)
                if cache:
                    both = [*kept]
                    both[silent] = value
                    self._cached_json = (both[0], both[1])
            else:
                if cache:
                    self._cached_json = (value, value)
            return value
        return super().get_json(force, silent, cache)

    def quartish_fill_form(self) -> None:
        """Parse the form, unless that was done, by what a subclass makes of it."""
        self._load_form_data()

    def _load_form_data(self) -> None:
        self.quartish_load_form_data()

    def quartish_load_form_data(self) -> None:
        """Parse the form into `form`, `files` and `stream`, unless that was done."""
        require(WerkzeugRequest, "_load_form_data")
        super()._load_form_data()


class Decoder(MultipartDecoder):
    """A decoder of multipart forms whose search for the start of a boundary is its own, and which
    may refuse the headers of a part before they are parsed."""

    def check_headers(self, size: int) -> None:
        """Raise where the headers of a part, which have `size` bytes, are too long."""
        raise NotImplementedError

    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        self.check_headers(len(data))
        return super()._parse_headers(data)

    def look_back(self, size: int) -> None:
        """Let the next search begin so many bytes before where it would."""
        self._search_position = max(0, self._search_position - size)

    def boundary_start(self, data: bytes | bytearray) -> int:
        """Return the index in `data` from which on it may be a boundary; its length if none."""
        raise NotImplementedError

    def _last_partial_boundary_index(self, data: bytes | bytearray) -> int:
        begin = 0
        if data is self.buffer and self.state is State.DATA_START:
            # Releases before 3.1.8 hand over the line break that ends the headers, too; one that
            # begins a boundary they take for the part's.
            begin = 2 if data[:2] == b"\r\n" else 1
        return begin + self.boundary_start(data[begin:])


# --- the test client ------------------------------------------------------------------------


class CookieClient(WerkzeugClient):
    """A test client whose cookies may be lent to a request that it does not send itself."""

    def has_cookies(self) -> bool:
        """Say whether the client keeps cookies at all."""
        require(WerkzeugClient, "_add_cookies_to_wsgi", "_update_cookies_from_response")
        return getattr(self, "_cookies", True) is not None

    def lend_cookies(self, environ: dict[str, t.Any]) -> None:
        """Set the environ's cookies to those that the client would send."""
        self._add_cookies_to_wsgi(environ)

    def take_cookies(self, host: str, path: str, headers: list[str]) -> None:
        """Keep, or delete, what the `Set-Cookie` lines `headers` say, from `host` and `path`."""
        self._update_cookies_from_response(host, path, headers)


class Cookie(WerkzeugCookie):
    """A cookie of a client, as `Set-Cookie` gave it."""

    @classmethod
    def of(cls, host: str, path: str, header: str) -> t.Self:
        """Read a `Set-Cookie` header that `host` sent in its response to a request for `path`."""
        require(WerkzeugCookie, "_from_response_header", "_should_delete", "_storage_key")
        require(WerkzeugCookie, "_to_request_header", "_matches_request")
        return cls._from_response_header(host, path, header)

    @property
    def storage_key(self) -> tuple[str, str, str]:
        """What a later cookie has to have in common to replace this one."""
        return self._storage_key

    @property
    def deletes(self) -> bool:
        """Whether it says that the cookie is over."""
        return self._should_delete

    def header_for(self, host: str, path: str) -> str | None:
        """Return what a request's `Cookie` header has of it; None where it is not sent."""
        return self._to_request_header() if self._matches_request(host, path) else None


# --- the debugger -----------------------------------------------------------------------------


def let_console_await(console: t.Any, run: Callable[[FunctionType], BaseException | None]) -> None:
    """Let `await` work in a console of `werkzeug.debug`, and `run` execute its code, which returns
    what that raised. In a release that has another inside, the console stays what it is."""
    inside: t.Any = getattr(console, "_ipy", None)
    if inside is None or not hasattr(inside, "loader"):
        return
    compiler = CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    def compile_awaiting(source: str, filename: str, symbol: str) -> CodeType | None:
        code = compiler(source, filename, symbol)
        if code is not None:
            inside.loader.register(code, source)
        return code

    def run_code(code: CodeType) -> None:
        error = run(FunctionType(code, inside.locals))
        if error is None:
            return
        found = error.__traceback__
        while found is not None and found.tb_frame.f_code is not code:
            found = found.tb_next
        try:
            raise error.with_traceback(found or error.__traceback__)
        except BaseException:  # it is shown, also SystemExit
            inside.showtraceback()

    show_syntax_error = inside.showsyntaxerror
    inside.compile = compile_awaiting
    inside.runcode = run_code
    # Python 3.13 gives the source as well.
    inside.showsyntaxerror = lambda filename=None, **source: show_syntax_error(filename)
