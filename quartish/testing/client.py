"""The asynchronous test client, with Quart's API: it calls an app of either colour as ASGI."""

from __future__ import annotations

import typing as t
from contextlib import asynccontextmanager
from contextlib import AsyncExitStack
from types import TracebackType
from urllib.parse import urljoin
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie
from werkzeug.test import ClientRedirectError
from werkzeug.test import TestResponse

from .._concurrency.coroutines import settled
from .._dispatch.life import PRESERVE
from .._http.outgoing import HEAD_BODY
from ..sessions.session import SessionMixin
from ..typing import AppLike
from ..typing import Scope
from ..wrappers.awaitable_response import Response
from ..wrappers.connection import hand_down
from .connections import TestHTTPConnection
from .connections import TestWebsocketConnection
from .cookies import CookieJar
from .cookies import StoredCookie
from .utils import Auth
from .utils import FilesLike
from .utils import FormLike
from .utils import HeadersLike
from .utils import make_test_body_with_headers
from .utils import make_test_headers_path_and_query_string
from .utils import make_test_scope
from .utils import sentinel

PLAIN_CLIENT = ("127.0.0.1", 50000)
"""The client's address for an app of the plain colour, as of *Flask's* client."""
_COOKIE = (
    *("server_name", "key", "value", "max_age", "expires", "path", "domain", "secure"),
    *("httponly", "samesite"),
)
R = t.TypeVar("R", Response, TestResponse)
REDIRECTS = {301, 302, 303, 305, 307, 308}


class AsyncClient(t.Generic[R]):
    """A client that calls the app in the test's own loop: `await client.get("/")`.

    Exceptions that the app raises (when TESTING) are raised here. In an `async with client:`
    block the context of the last request stays active after it.
    """

    http_connection_class: type[TestHTTPConnection] = TestHTTPConnection
    websocket_connection_class: type[TestWebsocketConnection] = TestWebsocketConnection

    def __init__(self, app: AppLike, use_cookies: bool = True) -> None:
        self.app = app
        self.cookie_jar: CookieJar | None = CookieJar() if use_cookies else None
        self.preserve_context: bool = False
        #: The pushes that the last `open` has received: paths, with the headers for requesting
        #: them.
        self.push_promises: list[tuple[str, Headers]] = []
        self._new_contexts: list[t.Any] = []
        self._stack = AsyncExitStack()

    # --- requests ---------------------------------------------------------------------------

    async def open(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: HeadersLike = None,
        data: str | bytes | None = None,
        form: FormLike | None = None,
        files: FilesLike | None = None,
        query_string: FormLike | str | None = None,
        json: t.Any = sentinel,
        scheme: str = "http",
        follow_redirects: bool = False,
        root_path: str = "",
        http_version: str = "1.1",
        scope_base: t.Mapping[str, t.Any] | None = None,
        auth: Auth = None,
        subdomain: str | None = None,
    ) -> R:
        """Make a request and return its whole response.

        Redirects are followed as browsers do: to GET without the body, except by 307 and
        308. Raises ClientRedirectError if they form a loop, RuntimeError if they lead to
        another site.
        """
        headers = Headers(headers)
        await self._stack.aclose()
        self.push_promises = []
        visited: set[tuple[str, int]] = set()
        history: list[t.Any] = []
        while True:
            response = await self._make_request(
                *(path, method, headers, data, form, files, query_string, json, scheme),
                *(root_path, http_version, scope_base, auth, subdomain),
            )
            told: t.Any = response
            if isinstance(told, TestResponse):
                told.history = tuple(history)
            if not follow_redirects or response.status_code not in REDIRECTS:
                break
            history.append(response)
            sent, sent_path, _ = make_test_headers_path_and_query_string(
                self.app, path, headers, query_string, auth, subdomain
            )
            target = urljoin(f"{scheme}://{sent['Host']}{sent_path}", response.location or "")
            if (target, response.status_code) in visited:
                raise ClientRedirectError(
                    f"Loop detected: a {response.status_code} redirect to {target} was already"
                    " made."
                )
            visited.add((target, response.status_code))
            url = urlsplit(target)
            if url.netloc != sent["Host"]:
                raise RuntimeError(f"Following external redirects is not supported: {target}")
            scheme, query_string = url.scheme, None
            path = f"{url.path}?{url.query}" if url.query else url.path
            if response.status_code not in (307, 308):
                method = "HEAD" if method == "HEAD" else "GET"
                data, form, files, json = None, None, None, sentinel
                for name in ("Content-Type", "Content-Length", "Transfer-Encoding"):
                    headers.pop(name, None)
        for context in self._new_contexts:
            await self._stack.enter_async_context(context)
        self._new_contexts.clear()
        return response

    async def _make_request(
        self,
        path: str,
        method: str,
        headers: HeadersLike,
        data: str | bytes | None,
        form: FormLike | None,
        files: FilesLike | None,
        query_string: FormLike | str | None,
        json: t.Any,
        scheme: str,
        root_path: str,
        http_version: str,
        scope_base: t.Mapping[str, t.Any] | None,
        auth: Auth = None,
        subdomain: str | None = None,
    ) -> R:
        """Make one request of `open`, which makes another for each redirect it follows."""
        body, body_headers = make_test_body_with_headers(
            data=data, form=form, files=files, json=json, app=self.app
        )
        headers = Headers(headers)
        for name, value in body_headers:  # headers that were given win
            headers.setdefault(name, value)
        if body and "Transfer-Encoding" not in headers:
            headers.setdefault("Content-Length", str(len(body)))
        headers, path, query = make_test_headers_path_and_query_string(
            self.app, path, headers, query_string, auth, subdomain
        )
        scope = self._make_scope(
            "http", path, method, headers, query, scheme, root_path, http_version, scope_base
        )
        response = await self._exchange(scope, body)
        if self.cookie_jar is not None:
            self.cookie_jar.store_all(_host(headers["Host"]), path, response.headers)
        return response

    async def _exchange(self, scope: Scope, body: bytes) -> R:
        async with self.http_connection_class(self.app, scope) as connection:
            if body:
                await connection.send(body)
            await connection.send_complete()
        response: R = await connection.as_response()
        self.push_promises += connection.push_promises
        return response

    def request(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: HeadersLike = None,
        query_string: FormLike | str | None = None,
        scheme: str = "http",
        root_path: str = "",
        http_version: str = "1.1",
        scope_base: t.Mapping[str, t.Any] | None = None,
        auth: Auth = None,
        subdomain: str | None = None,
    ) -> TestHTTPConnection:
        """Return a connection to send a request and receive its response piece by piece."""
        headers, path, query = make_test_headers_path_and_query_string(
            self.app, path, headers, query_string, auth, subdomain
        )
        if method not in ("GET", "HEAD") and "Content-Length" not in headers:
            headers.setdefault("Transfer-Encoding", "chunked")  # else the app would expect no body
        scope = self._make_scope(
            "http", path, method, headers, query, scheme, root_path, http_version, scope_base
        )
        return self.http_connection_class(self.app, scope)

    def websocket(
        self,
        path: str,
        *,
        headers: HeadersLike = None,
        query_string: FormLike | str | None = None,
        scheme: str = "ws",
        subprotocols: t.Sequence[str] | None = None,
        root_path: str = "",
        http_version: str = "1.1",
        scope_base: t.Mapping[str, t.Any] | None = None,
        auth: Auth = None,
        subdomain: str | None = None,
    ) -> TestWebsocketConnection:
        """Return a websocket connection."""
        headers, path, query = make_test_headers_path_and_query_string(
            self.app, path, headers, query_string, auth, subdomain
        )
        scope = self._make_scope(
            "websocket", path, "GET", headers, query, scheme, root_path, http_version, scope_base
        )
        if subprotocols:
            scope["subprotocols"] = list(subprotocols)
        return self.websocket_connection_class(self.app, scope)

    def _make_scope(
        self, type_: str, path: str, method: str, headers: Headers, *rest: t.Any
    ) -> Scope:
        headers = Headers(headers)
        if self.cookie_jar is not None:
            where = (_host(headers["Host"]), path) if self.app.plain else None
            if cookies := self.cookie_jar.header(where):
                headers.add("Cookie", cookies)
        scope = make_test_scope(type_, path, method, headers, *rest)
        if self.preserve_context:
            scope[PRESERVE] = self._keep
        if self.app.plain:
            scope.setdefault("client", PLAIN_CLIENT)
        elif method == "HEAD":
            scope[HEAD_BODY] = True
        return scope

    async def get(self, *args: t.Any, **kwargs: t.Any) -> R:
        """Make a GET request, as `open` does."""
        return await self.open(*args, method="GET", **kwargs)

    async def head(self, *args: t.Any, **kwargs: t.Any) -> R:
        """Make a HEAD request, as `open` does."""
        return await self.open(*args, method="HEAD", **kwargs)

    async def post(self, *args: t.Any, **kwargs: t.Any) -> R:
        """Make a POST request, as `open` does."""
        return await self.open(*args, method="POST", **kwargs)

    async def put(self, *args: t.Any, **kwargs: t.Any) -> R:
        """Make a PUT request, as `open` does."""
        return await self.open(*args, method="PUT", **kwargs)

    async def patch(self, *args: t.Any, **kwargs: t.Any) -> R:
        """Make a PATCH request, as `open` does."""
        return await self.open(*args, method="PATCH", **kwargs)

    async def delete(self, *args: t.Any, **kwargs: t.Any) -> R:
        """Make a DELETE request, as `open` does."""
        return await self.open(*args, method="DELETE", **kwargs)

    async def options(self, *args: t.Any, **kwargs: t.Any) -> R:
        """Make an OPTIONS request, as `open` does."""
        return await self.open(*args, method="OPTIONS", **kwargs)

    async def trace(self, *args: t.Any, **kwargs: t.Any) -> R:
        """Make a TRACE request, as `open` does."""
        return await self.open(*args, method="TRACE", **kwargs)

    # --- cookies ----------------------------------------------------------------------------

    def get_cookie(
        self, key: str, domain: str = "localhost", path: str = "/"
    ) -> StoredCookie | None:
        """Return a cookie that the client has, or None."""
        return self._jar().get(key, domain, path)

    @t.overload
    def set_cookie(
        self, server_name: str, key: str, value: str, *, path: str = "/", **kwargs: t.Any
    ) -> None: ...
    @t.overload
    def set_cookie(
        self,
        key: str,
        value: str = "",
        *,
        domain: str = "localhost",
        origin_only: bool = True,
        path: str = "/",
        **kwargs: t.Any,
    ) -> None: ...
    def set_cookie(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Set a cookie: Quart's `(server_name, key, value, max_age, ...)` or Werkzeug's
        `(key, value)`.

        `kwargs` are those of `werkzeug.http.dump_cookie`.
        """
        given = len(args) + len(kwargs.keys() & {"key", "value"})
        quarts = "server_name" in kwargs or given > 2
        kwargs.update(zip(_COOKIE if quarts else _COOKIE[1:], args, strict=False))
        server = kwargs.pop("server_name", None)
        key, value = kwargs.pop("key"), kwargs.pop("value", "")
        domain, path = kwargs.pop("domain", None), kwargs.pop("path", "/")
        if quarts:  # Quart's client sends all cookies to all servers
            if domain is not None and not f".{server}".endswith(f".{domain.lstrip('.')}"):
                return  # but ignores cookies of another domain
            server, domain = _host(self.app.config["SERVER_NAME"] or "localhost"), None
        origin_only = kwargs.pop("origin_only", server is None or domain is None)
        header = dump_cookie(key, value, domain=domain, path=path, **kwargs)
        self._jar().store(server or "localhost", path, header, origin_only)

    def delete_cookie(self, *args: str | None, **kwargs: t.Any) -> None:
        """Delete a cookie: Quart's `(server_name, key, path, domain)` or Werkzeug's `(key)`,
        with `path` and `domain` by name."""
        names = ("server_name", "key", "path", "domain")
        kwargs.update(zip(names if len(args) > 1 else names[1:], args, strict=False))
        server, path = kwargs.get("server_name"), kwargs.get("path", "/")
        if "server_name" in kwargs:  # as in Quart, in case a subclass redefines it
            domain = kwargs.get("domain")
            ended: dict[str, t.Any] = {"expires": 0, "max_age": 0, "path": path, "domain": domain}
            self.set_cookie(t.cast(str, server), kwargs["key"], "", **ended)
        for host in {server or "localhost", _host(self.app.config["SERVER_NAME"] or "localhost")}:
            header = dump_cookie(
                kwargs["key"], "", max_age=0, path=path, domain=kwargs.get("domain")
            )
            self._jar().store(host, path, header)

    def _jar(self) -> CookieJar:
        if self.cookie_jar is None:
            raise TypeError("Cookies are disabled. Create the client with 'use_cookies=True'.")
        return self.cookie_jar

    # --- sessions and contexts ----------------------------------------------------------------

    @asynccontextmanager
    async def session_transaction(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        headers: HeadersLike = None,
        query_string: FormLike | str | None = None,
        scheme: str = "http",
        data: str | bytes | None = None,
        form: FormLike | None = None,
        json: t.Any = sentinel,
        root_path: str = "",
        http_version: str = "1.1",
        scope_base: t.Mapping[str, t.Any] | None = None,
        auth: Auth = None,
        subdomain: str | None = None,
    ) -> t.AsyncIterator[SessionMixin]:
        """Open the session that such a request would have; save it at the end of the block."""
        app = self.app
        if self.cookie_jar is None and not app.plain:
            raise RuntimeError("Sessions need cookies. Create the client with 'use_cookies=True'.")
        jar = self._jar()
        interface = app.session_interface
        body, body_headers = make_test_body_with_headers(data=data, form=form, json=json, app=app)
        headers = Headers(headers)
        headers.update(body_headers)
        headers, path, query = make_test_headers_path_and_query_string(
            app, path, headers, query_string, auth, subdomain
        )
        scope = self._make_scope(
            "http", path, method, headers, query, scheme, root_path, http_version, scope_base
        )
        request = app.request_class.quartish_from_scope(scope)
        hand_down(app, request)
        if body and not app.plain:
            request.body = request.body_class(len(body), request.max_content_length)
            request.body.set_result(body)
        context = app.quartish_context_class(app, request=request)
        async with context:
            session = await settled(interface.open_session(app, request))
        if session is None:
            raise RuntimeError("The session could not be opened. Is `secret_key` set?")
        yield session
        if interface.is_null_session(session):
            return
        response = app.response_class()
        async with context:
            await settled(interface.save_session(app, session, response))
        jar.store_all(_host(headers["Host"]), path, response.headers)

    def _keep(self, context: t.Any) -> None:
        context.kept = True
        self._new_contexts.append(context)

    async def __aenter__(self) -> t.Self:
        if self.preserve_context:
            raise RuntimeError("Cannot nest client invocations")
        self.preserve_context = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.preserve_context = False
        await self._stack.aclose()


class QuartClient(AsyncClient[Response]):
    """The client of the awaitable colour: its responses are awaitable, too."""


class AsyncFlaskClient(AsyncClient[TestResponse]):
    """The same for the plain colour: its responses are like the synchronous client's."""


def _host(netloc: str) -> str:
    return netloc.partition(":")[0]
