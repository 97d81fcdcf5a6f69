"""What Request and Websocket have in common: attributes computed from the ASGI scope when they are
first read, and the result of routing."""

from __future__ import annotations

import asyncio
import functools
import typing as t
from contextlib import contextmanager
from datetime import datetime
from datetime import UTC

from werkzeug.datastructures import Authorization
from werkzeug.datastructures import Headers
from werkzeug.datastructures import IfRange
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.routing import Rule
from werkzeug.sansio.http import parse_cookie
from werkzeug.sansio.request import Request as SansioRequest
from werkzeug.sansio.utils import get_content_length
from werkzeug.wrappers import Request as WerkzeugRequest

from .._current import find_context
from .._http.urlencoded import parse_urlencoded
from .._lazy import lazy
from .._lazy import look_for_covers
from .._mistakes.properties import refuse_properties
from .._observed import PartType
from .._werkzeug import form_class
from .._werkzeug import headers_of
from ..typing import AppLike
from ..typing import ASGISend
from ..typing import Scope


class ClientDisconnectedError(asyncio.CancelledError):
    """The client disconnected: a cancellation. *Quart:* 0.23 raises one that is an `Exception`."""


class _CurrentConfig(dict[str, t.Any]):
    """The config of requests that a user has made: the current app's, as in *Flask*; without an
    app, Werkzeug's limits."""

    def __missing__(self, key: str) -> t.Any:
        ctx = find_context()
        return _WERKZEUGS.get(key) if ctx is None else ctx.app.config[key]


_WERKZEUGS = {
    "MAX_FORM_MEMORY_SIZE": WerkzeugRequest.max_form_memory_size,
    "MAX_FORM_PARTS": WerkzeugRequest.max_form_parts,
}


class Conn(SansioRequest, metaclass=PartType):
    """A connection made from an ASGI scope (`from_scope`) or as its subclass was made.

    Source: ASGI specification, "HTTP & WebSocket", connection scopes.
    """

    scope: Scope
    # What is read of every request has no default in the class, which would keep the interpreter
    # from its fast way of reading an attribute.
    #: "GET" for a websocket.
    method: str
    #: The path below `root_path`. It begins with one slash, however many came, so that rules and
    #: security checks see the same path.
    path: str
    #: The Host header as it came, or "". One that came twice is malformed (RFC 9112, section
    #: 3.2), and so are two of them joined.
    quartish_raw_host: str
    #: The Cookie headers as they came, joined, or "".
    quartish_raw_cookie: str
    #: The URL rule that matched, or None.
    url_rule: Rule | None = None
    #: The arguments that the rule's converters made of the path; None if matching failed.
    view_args: dict[str, t.Any] | None = None
    #: The exception if matching failed; dispatching raises it.
    routing_exception: HTTPException | None = None
    #: The app's JSON provider and its config, which `hand_down` sets on connections of an app.
    json_module: t.Any = None
    quartish_config_of_app: t.Mapping[str, t.Any] = _CurrentConfig()
    #: Whether `close` has anything to do: files may be open, or a subclass redefines it.
    quartish_needs_close = False

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_properties(cls, ("scope",))

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
    ) -> None:
        """Make a connection with *Quart's* arguments; `scope` has the rest."""
        client = scope.get("client")
        super().__init__(
            method,
            scheme,
            scope.get("server"),
            root_path,
            path,
            query_string,
            headers,
            client[0] if client else headers.get("Remote-Addr"),
        )
        self.quartish_raw_host = ", ".join(headers.getlist("Host"))
        self.quartish_raw_cookie = "; ".join(headers.getlist("Cookie"))
        # The same dict, as an app's own class of connections may put something into it later.
        same = scope.get("http_version") == http_version
        self.scope = scope if same else {**scope, "http_version": http_version}

    @classmethod
    def _quartish_looked(cls) -> None:
        type.__setattr__(cls, "quartish_needs_close", "close" in cls.quartish_redefined)
        look_for_covers(cls)

    @classmethod
    def quartish_from_scope(
        cls, scope: Scope, raw_headers: dict[bytes, bytes] | None = None
    ) -> t.Self:
        """Make a connection of an ASGI scope, without calling `__init__`.

        PERF(3 us): what is read of every request is set at once. The attributes below compute the
        rest, and are for connections that were made in another way.
        """
        self = cls.__new__(cls)
        self.scope = scope
        lines = scope["headers"]
        self.quartish_raw_headers = raw = dict(lines) if raw_headers is None else raw_headers
        if len(raw) == len(lines):
            self.quartish_raw_host = raw[b"host"].decode("latin-1") if b"host" in raw else ""
            self.quartish_raw_cookie = raw[b"cookie"].decode("latin-1") if b"cookie" in raw else ""
        else:  # some name came twice
            self.quartish_raw_host = ", ".join(_values(lines, b"host"))
            self.quartish_raw_cookie = "; ".join(_values(lines, b"cookie"))
        self.method = scope.get("method", "GET")
        path = scope["path"]
        if path[:1] == "/" and "//" not in path and path.isascii() and not scope.get("root_path"):
            self.path = path
        else:
            self.path = self._quartish_path()
        return self

    def quartish_is_debugged(self) -> bool:
        """Say whether the current app is in debug mode. The app is asked, as it may redefine
        `debug`."""
        ctx = find_context()
        return ctx is not None and bool(ctx.app.debug)

    @lazy
    def quartish_raw_headers(self) -> dict[bytes, bytes]:
        """Header values by lower-case name, the last of each. For look-ups that need no
        `Headers` object."""
        if "headers" in self.__dict__:  # made from headers
            return {
                name.lower().encode("latin-1"): value.encode("latin-1")
                for name, value in self.headers
            }
        return dict(self.scope["headers"])

    @lazy
    def scheme(self) -> str:
        return str(self.scope.get("scheme", "http"))

    @lazy
    def server(self) -> tuple[str, int | None] | None:
        server = self.scope.get("server")
        return None if server is None else (server[0], server[1])

    @lazy
    def root_path(self) -> str:
        return str(self.scope.get("root_path") or "").rstrip("/")

    def _quartish_path(self) -> str:
        return "/" + self.quartish_below_root().lstrip("/")

    def quartish_below_root(self) -> str:
        """Return the scope's path below `root_path`. Not all servers include `root_path` in the
        path; if it is there, it is removed, by whole segments."""
        path: str = self.scope["path"]
        if not path.isascii():  # a lone surrogate could not be encoded again
            path = path.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        if path[:1] != "/":
            path = _origin_form(path)
        root = self.root_path
        if root and (path == root or path.startswith(root + "/")):
            path = path[len(root) :]
        return path

    @property
    def quartish_path_info(self) -> str:
        """The path that rules are matched by: `path`, or "" if nothing came below
        `root_path`, which is redirected to the slash."""
        return self.path if self.path != "/" or self.quartish_below_root() else ""

    @property
    def quartish_log_path(self) -> str:
        """The path for logs: characters that could begin a new line or move a cursor are
        escaped."""
        path: str = self.path
        if path.isprintable():
            return path
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)

    def quartish_is_outside_root(self) -> bool:
        """Say whether the scope's path is not below its `root_path`, by whole segments."""
        root, path = self.root_path, self.scope["path"]
        return bool(root) and not f"{_origin_form(path)}/".startswith(root + "/")

    @lazy
    def query_string(self) -> bytes:
        query = self.scope.get("query_string") or b""
        return query if isinstance(query, bytes) else str(query).encode("latin-1")

    @lazy
    def args(self) -> MultiDict[str, str]:
        """The query's parameters. BadRequest (400) if it is not UTF-8."""
        # PERF(4 us of 18 with four parameters): the parser of forms gives the same as Werkzeug's.
        try:
            return parse_urlencoded(self.query_string, form_class(self), None)
        except BadRequest as error:
            raise BadRequest(_NO_TEXT) from error

    @lazy
    def full_path(self) -> str:
        """Path and query. BadRequest (400) if the query is not UTF-8."""
        with _as_utf8():
            return super().full_path

    #: Whether the first header is the client's address, as in *Quart*: "<local>" if it is unknown.
    quartish_tells_client: t.ClassVar[bool] = False

    @lazy
    def headers(self) -> Headers:
        lines = [("Remote-Addr", str(self.remote_addr))] if self.quartish_tells_client else []
        lines += [(_TITLES[name], value.decode("latin-1")) for name, value in self.scope["headers"]]
        values = "".join([value for _, value in lines])
        if "\n" in values or "\r" in values:  # RFC 9110, section 5.5 has a line break replaced
            lines = [(name, " ".join(value.splitlines())) for name, value in lines]
        return headers_of(lines)

    # PERF(7 us each): the headers below are read most often, and need no `Headers` object.

    def _quartish_one_header(self, name: bytes) -> str | None:
        value = self.quartish_raw_headers.get(name)
        return None if value is None else value.decode("latin-1")

    @lazy
    def content_length(self) -> int | None:
        """Bytes of body that the headers announce; None if they do not."""
        if "headers" in self.__dict__:
            get: t.Callable[[str], str | None] = self.headers.get
            return get_content_length(get("Content-Length"), get("Transfer-Encoding"))
        return get_content_length(
            self._quartish_one_header(b"content-length"),
            self._quartish_one_header(b"transfer-encoding"),
        )

    @lazy
    def cookies(self) -> t.Any:
        """The cookies, as an immutable multi dict."""
        if "headers" in self.__dict__:
            value = "; ".join(self.headers.getlist("Cookie"))
        else:
            value = self.quartish_raw_cookie
        kind = self.dict_storage_class
        # *Werkzeug:* None stands for the usual class since 3.2, which warns of others.
        return parse_cookie(value) if kind is None else parse_cookie(value, cls=kind)

    def _quartish_content_type(self) -> tuple[str, dict[str, str]]:
        if "headers" in self.__dict__:
            return _parse_options(self.headers.get("Content-Type") or "")
        return _parse_options(self._quartish_one_header(b"content-type") or "")

    @lazy
    def mimetype(self) -> str:
        """The Content-Type without its parameters, in lower case; "" for none."""
        return self._quartish_content_type()[0].lower()

    @lazy
    def mimetype_params(self) -> dict[str, str]:
        """The parameters of the Content-Type."""
        return dict(self._quartish_content_type()[1])

    @lazy
    def authorization(self) -> Authorization | None:
        """The credentials of the Authorization header; None if it is malformed."""
        try:
            return super().authorization
        except ValueError:
            return None

    @lazy
    def if_range(self) -> IfRange:
        """The If-Range header; empty if its tag is malformed (RFC 9110, section 8.8.3)."""
        try:
            if_range = super().if_range
        except OverflowError:
            return IfRange()
        if if_range.date is not None and not _is_date(if_range.date):
            return IfRange()
        return IfRange() if '"' in (if_range.etag or "") else if_range

    @lazy
    def date(self) -> datetime | None:
        """When the message was sent, if it says so."""
        return self._quartish_date("date")

    @lazy
    def if_modified_since(self) -> datetime | None:
        """The If-Modified-Since header."""
        return self._quartish_date("if_modified_since")

    @lazy
    def if_unmodified_since(self) -> datetime | None:
        """The If-Unmodified-Since header."""
        return self._quartish_date("if_unmodified_since")

    def _quartish_date(self, name: str) -> datetime | None:
        """Return a header's date; None if it is malformed or does not exist."""
        try:
            date: datetime | None = getattr(super(), name)
        except OverflowError:
            return None
        return date if date is not None and _is_date(date) else None

    @lazy
    def remote_addr(self) -> str | None:
        client = self.scope.get("client")
        return client[0] if client else "<local>" if self.quartish_tells_client else None

    @lazy
    def http_version(self) -> str:
        """The version that the client speaks: "1.0", "1.1", "2" or "3"."""
        return str(self.scope.get("http_version", "1.1"))

    @property
    def script_root(self) -> str:
        """Another name of `root_path`."""
        return self.root_path

    @property
    def url_root(self) -> str:
        """Another name of `root_url`."""
        return self.root_url

    @property
    def endpoint(self) -> str | None:
        """The endpoint that matched, or None."""
        rule: t.Any = self.url_rule
        endpoint: str | None = None if rule is None else rule.endpoint
        return endpoint

    @property
    def blueprint(self) -> str | None:
        """The dotted name of the blueprint that the endpoint belongs to, or None."""
        endpoint = self.endpoint
        if endpoint is None or "." not in endpoint:
            return None
        return endpoint.rpartition(".")[0]

    @property
    def blueprints(self) -> list[str]:
        """Names of the blueprint and of those around it, the innermost first."""
        name = self.blueprint
        return [] if name is None else split_blueprint_path(name)


def hand_down(app: AppLike, conn: t.Any, send: ASGISend | None = None) -> None:
    """Set on a connection what it needs of its app; and on a request the server's `send`, for
    messages such as early hints."""
    conn.json_module, conn.quartish_config_of_app = app.json, app.config
    if send is not None:
        conn.asgi_send = send


class _Titles(dict[bytes, str]):
    """Names of headers as Flask shows them. Only some are cached, as clients choose them."""

    def __missing__(self, name: bytes) -> str:
        title = name.decode("latin-1").title()
        if len(self) < 512:
            self[name] = title
        return title


def _is_date(date: datetime) -> bool:
    """Say whether a date can be converted to UTC."""
    try:
        date.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _origin_form(path: str) -> str:
    """Return the path of a URL in absolute form (RFC 9112, section 3.2.2); a path as it is."""
    if path[:1] != "/" and "://" in path:
        return "/" + path.partition("://")[2].partition("/")[2]
    return path


def _values(lines: t.Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in lines if key == name]


_TITLES = _Titles()
_parse_options = functools.lru_cache(maxsize=256)(parse_options_header)


_NO_TEXT = "The query string is no UTF-8."


@contextmanager
def _as_utf8() -> t.Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise BadRequest(_NO_TEXT) from error


@functools.lru_cache(maxsize=1024)
def split_blueprint_path(name: str) -> list[str]:
    """Return `"a.b.c"` as `["a.b.c", "a.b", "a"]`."""
    parts = [name]
    while "." in name:
        name = name.rpartition(".")[0]
        parts.append(name)
    return parts
