"""Werkzeug's Rule and Map with quartish's route options and a table of static paths."""

from __future__ import annotations

import re
import typing as t
import warnings
from copy import copy
from ipaddress import IPv6Address
from urllib.parse import quote

from werkzeug.datastructures import ImmutableDict
from werkzeug.routing import BaseConverter
from werkzeug.routing import IntegerConverter
from werkzeug.routing import Map as WerkzeugMap
from werkzeug.routing import MapAdapter
from werkzeug.routing import Rule as WerkzeugRule
from werkzeug.routing import RuleFactory
from werkzeug.routing import ValidationError

from .._lazy import lazy
from .._werkzeug import LazilyBuilt
from .table import NO_RULES as NO_RULES
from .table import RouteTable

__all__ = ["BaseConverter", "Map", "MapAdapter", "Rule", "is_valid_host"]

#: The module name of warnings about hosts, for filters; `as_flask` sets `flask.app`.
WARNS_AS = "quartish.app"
#: Characters that a query may have unquoted, beside letters and digits. *Source:* RFC 3986, section
#: 3.4.
QUERY_SAFE = "-._~!$&'()*+,;=:@/?%"


#: A subdomain that matches no rule, so that the result is a 404.
NOWHERE = "<invalid>"
#: The subdomain of hosts that are not below the name of the server, in Werkzeug's own adapters.
ELSEWHERE = None if hasattr(WerkzeugMap(), "subdomain_matching") else NOWHERE


class Rule(LazilyBuilt):
    """A URL rule with the options that `route` takes beyond Werkzeug's.

    `stream_body=True`: an `async def` view of the plain colour gets its body unread.
    `max_content_length`, `max_form_memory_size` (bytes), `max_form_parts` and `max_json_parts` are
    the limits of requests to this rule; they have priority over the app's, and a request's own over
    them. `decode_body` says whether compressed bodies are decoded, and `max_decoded_content_length`
    how many bytes they may have then.
    """

    provide_automatic_options: bool = False

    def __init__(
        self,
        string: str,
        *args: t.Any,
        stream_body: bool = False,
        max_content_length: int | None = None,
        max_form_memory_size: int | None = None,
        max_form_parts: int | None = None,
        max_json_parts: int | None = None,
        decode_body: bool | None = None,
        max_decoded_content_length: int | None = None,
        provide_automatic_options: bool | None = None,
        **options: t.Any,
    ) -> None:
        if provide_automatic_options is not None:
            self.provide_automatic_options = provide_automatic_options
        self.stream_body = stream_body
        self.max_content_length = max_content_length
        self.max_form_memory_size = max_form_memory_size
        self.max_form_parts = max_form_parts
        self.max_json_parts = max_json_parts
        self.decode_body = decode_body
        self.max_decoded_content_length = max_decoded_content_length
        super().__init__(string, *args, **options)

    def get_empty_kwargs(self) -> dict[str, t.Any]:
        return {
            **super().get_empty_kwargs(),
            "stream_body": self.stream_body,
            "max_content_length": self.max_content_length,
            "max_form_memory_size": self.max_form_memory_size,
            "max_form_parts": self.max_form_parts,
            "max_json_parts": self.max_json_parts,
            "decode_body": self.decode_body,
            "max_decoded_content_length": self.max_decoded_content_length,
        }


class _BoundedInteger(IntegerConverter):
    """An integer converter: more digits than Python converts match no rule, as in later
    releases."""

    def to_python(self, value: str) -> t.Any:
        try:
            return super().to_python(value)
        except ValueError as error:
            raise ValidationError from error


def _integer_converter() -> type[IntegerConverter]:
    """Return Werkzeug's converter. *Werkzeug:* before 3.1.9 too many digits raise ValueError."""
    try:
        IntegerConverter(WerkzeugMap()).to_python("9" * 5000)
    except ValidationError:
        return IntegerConverter
    except ValueError:
        return _BoundedInteger
    return IntegerConverter


class _Noting(RuleFactory):
    """Collects the rules of a factory."""

    def __init__(self, factory: RuleFactory, rules: list[WerkzeugRule]) -> None:
        self._factory = factory
        self._rules = rules

    def get_rules(self, map: WerkzeugMap) -> t.Iterator[WerkzeugRule]:
        for rule in self._factory.get_rules(map):
            yield rule
            self._rules.append(rule)  # not if the map refuses it


class Map(WerkzeugMap):
    """A URL map with a table in front of its matcher."""

    default_converters: ImmutableDict[str, type[BaseConverter]] = ImmutableDict(
        {**WerkzeugMap.default_converters, "int": _integer_converter()}
    )

    @lazy
    def _in_order(self) -> list[WerkzeugRule]:
        """The rules in the order in which they were added, which decides between equal ones;
        `iter_rules` is ordered by endpoint."""
        return []

    def add(self, rulefactory: RuleFactory) -> None:
        super().add(_Noting(rulefactory, self._in_order))
        vars(self).pop("table", None)

    def bind_to_request(
        self, request: t.Any, subdomain: str | None, server_name: str | None
    ) -> MapAdapter:
        """Return an adapter for a request or websocket, with *Quart's* interface. The default
        `subdomain` is the part of the host before `server_name`."""
        return AdapterCache().bind(self, request, server_name, subdomain)

    @lazy
    def table(self) -> RouteTable:
        """The rules that can be found without the matcher."""
        self.update()
        return RouteTable(self, self._in_order)

    @lazy
    def matcher(self) -> MapAdapter:
        """An adapter that matches paths on the default subdomain, whatever the host is."""
        return self.bind("", subdomain=self.default_subdomain)


class AdapterCache:
    """Caches map adapters by host, root path, scheme and subdomain.

    PERF(8 us): binding a map costs more than matching. An adapter is returned as a copy with the
    request's path, method and query.
    """

    SIZE = 512  # entries; it is bounded, as clients choose hosts

    def __init__(self, elsewhere: str | None = NOWHERE) -> None:
        """Make a cache. `elsewhere` is the subdomain for hosts that are not below the name of the
        server; None means the map's default."""
        self._elsewhere = elsewhere
        self._adapters: dict[tuple[t.Any, ...], MapAdapter] = {}

    def bind(
        self,
        url_map: WerkzeugMap,
        conn: t.Any,
        server_name: str | None = None,
        subdomain: str | None = None,
    ) -> MapAdapter:
        """Return an adapter for the connection, as `Map.bind_to_environ` does for an environ."""
        key = (
            id(url_map),
            conn.quartish_raw_host or conn.server,
            conn.root_path,
            conn.scheme,
            server_name,
            subdomain,
        )
        adapter = self._adapters.get(key)
        if adapter is None or adapter.map is not url_map:
            if len(self._adapters) >= self.SIZE:
                self._adapters.clear()
            host = conn.host.lower()
            name = host if server_name is None else _without_port(server_name, conn.scheme)
            if subdomain is None and not url_map.host_matching:
                subdomain = self._subdomain(host, name)
            adapter = self._adapters[key] = url_map.bind(
                name, conn.root_path, subdomain, conn.scheme
            )
        adapter = copy(adapter)
        adapter.default_method = conn.method
        adapter.path_info = conn.quartish_path_info
        adapter.query_args = quote(conn.query_string, safe=QUERY_SAFE)  # of redirects
        return adapter

    def _subdomain(self, host: str, server_name: str) -> str | None:
        """Return the part of `host` before `server_name`."""
        if host == server_name:
            return ""
        if host.endswith("." + server_name):
            return host.removesuffix("." + server_name)
        warnings.warn_explicit(
            f"Current server name {host!r} doesn't match configured server name {server_name!r}",
            *(UserWarning, __file__, 0, WARNS_AS, _warned),
        )
        return self._elsewhere


def _without_port(server_name: str, scheme: str) -> str:
    return server_name.lower().removesuffix(":80" if scheme in ("http", "ws") else ":443")


VALID_HOSTS: set[bytes] = set()
"""Host headers that were found well formed; bounded, as clients choose them."""
_warned: dict[t.Any, t.Any] = {}


def is_valid_host(host: str) -> bool:
    """Say whether a Host header is well formed (RFC 9110, section 7.2); empty counts as one."""
    raw = host.encode() if host.isascii() else None
    if raw in VALID_HOSTS:
        return True
    if host and not _is_host(_to_ascii(host)):
        return False
    if raw is not None:
        if len(VALID_HOSTS) >= AdapterCache.SIZE:
            VALID_HOSTS.clear()
        VALID_HOSTS.add(raw)
    return True


_HOST = re.compile(
    r"([a-z0-9.-]+|\[[a-f0-9]*:[a-f0-9.:]+\])(?::([1-9][0-9]{,4}))?", re.ASCII | re.IGNORECASE
)


def _is_host(host: str) -> bool:
    """Say whether ASCII text is a host, optionally with a port. *Werkzeug:* checks since 3.1.7."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name, port = match.groups()
    if name[0] == "[":
        try:
            IPv6Address(name[1:-1])
        except ValueError:
            return False
    return port is None or int(port) <= 65535


def _to_ascii(host: str) -> str:
    """Return `host` in ASCII (IDNA); "" if it is malformed.

    An underscore is allowed, as names of services in private networks have it.
    """
    name, colon, port = host.partition(":")
    if len(name) > 255:  # RFC 1035; and the codec is slow
        return ""
    try:
        ascii_name = name.encode("idna")
        ascii_name.decode("idna")  # "xn--" may be followed by anything
    except UnicodeError:
        return ""
    return ascii_name.decode("ascii").replace("_", "-") + colon + port
