"""The cookies of a test client: a jar that decides where each is sent."""

from __future__ import annotations

import typing as t

from werkzeug.datastructures import Headers

from .._werkzeug import Cookie


class StoredCookie(Cookie):
    """A cookie of the jar."""

    @property
    def name(self) -> str:
        """The key, with the name that `http.cookiejar` uses."""
        return self.key


class CookieJar:
    """The cookies of a client, in the order in which they came. Domain and path decide where they
    are sent, as in Werkzeug's client, if the client asks for that."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], StoredCookie] = {}

    def __iter__(self) -> t.Iterator[StoredCookie]:
        return iter(self._cookies.values())

    def __len__(self) -> int:
        return len(self._cookies)

    def __bool__(self) -> bool:
        return True  # also when empty

    def clear(self) -> None:
        """Forget all cookies."""
        self._cookies.clear()

    def get(self, key: str, domain: str, path: str) -> StoredCookie | None:
        """Return one cookie, or None."""
        return self._cookies.get((domain, path, key))

    def store(self, host: str, path: str, header: str, origin_only: bool | None = None) -> None:
        """Store the cookie of a `Set-Cookie` header, or remove the one that it deletes."""
        cookie = StoredCookie.of(host, path, header)
        if origin_only is not None:
            cookie.origin_only = origin_only
        if cookie.deletes:
            self._cookies.pop(cookie.storage_key, None)
        else:
            self._cookies[cookie.storage_key] = cookie

    def store_all(self, host: str, path: str, headers: Headers) -> None:
        """Store the cookies of a response."""
        for header in headers.getlist("Set-Cookie"):
            self.store(host, path, header)

    def header(self, where: tuple[str, str] | None) -> str:
        """Return the `Cookie` header for a request to a host and path, "" for none. None is
        everywhere: all cookies, as the client of *Quart* sends them."""
        headers = (cookie.header_for(*(where or (cookie.domain, cookie.path))) for cookie in self)
        return "; ".join(filter(None, headers))
