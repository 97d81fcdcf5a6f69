"""Pages that reload themselves: a script is added to them, which a websocket tells when to do so.

The rule: a response that is no page passes unchanged, and a page as it comes, without waiting for
its end; the script stands behind it. Only pages that this machine's browser asks for have it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from .._loopback import is_loopback
from .._loopback import PROXIES
from ..debugger import kind_of
from ..typing import ASGIApp
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import Message
from ..typing import Scope
from .reloaded import Failure

PATH = "/_quartish/live"
#: Prefix of the versions of pages that say why the app does not run.
BROKEN = "broken-"
SCRIPT = """\
(() => {
  const {src, dataset} = document.currentScript;
  const here = new URL(src || dataset.source, location.href);
  const version = here.searchParams.get("v");
  if (window.quartishLive) return;
  window.quartishLive = version;
  // The server may be starting, or have been stopped: the page stays until there is another.
  const reload = () => fetch(location.href, {method: "HEAD", cache: "no-store"}).then(
    () => location.reload(), () => setTimeout(reload, 500));
  const connect = () => {
    const socket = new WebSocket(here.href.replace(/^http/, "ws").replace(".js", ""));
    let told = false;
    socket.onmessage = ({data}) => {
      told = true;
      if (data !== version) location.reload();
    };
    socket.onclose = () => {
      if (version.startsWith("broken-")) reload();
      else setTimeout(connect, told ? 50 : 1000);
    };
  };
  connect();
})();
"""
#: A response with one of these is left as it is: it is partial, compressed, or has a digest.
_CLOSED = (b"content-encoding", b"content-range", b"content-md5", b"digest", b"repr-digest")
_CACHING = (b"etag", b"last-modified", b"cache-control", b"expires")
_CONDITIONAL = (b"if-none-match", b"if-modified-since")


class LiveReload:
    """Adds a script to the HTML of `app`, which reloads the page when the app was replaced."""

    def __init__(self, app: ASGIApp, version: str) -> None:
        self.app = app
        self.version = version
        self._changed = asyncio.Event()

    def change(self, version: str) -> None:
        """Reload the open pages; called on the loop."""
        self.version = version
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket") or not _is_ours(scope):
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path") or "")
        if kind == "websocket":
            if path == PATH:
                return await self._tell(receive, send)
        elif path == f"{PATH}.js":
            return await _respond(scope, send, 200, b"text/javascript; charset=utf-8", SCRIPT)
        elif _is_for_a_page(scope):
            headers = [line for line in scope["headers"] if line[0] not in _CONDITIONAL]
            source = f"{scope.get('root_path') or ''}{PATH}.js?v={self.version}"
            adding = _Adding(send, source, inline=self.version.startswith(BROKEN))
            return await self.app({**scope, "headers": headers}, receive, adding.send)
        await self.app(scope, receive, send)

    async def _tell(self, receive: ASGIReceive, send: ASGISend) -> None:
        """Send an open page the current version, and each later one."""
        await receive()
        await send({"type": "websocket.accept"})
        leaving = asyncio.ensure_future(_leave(receive))
        try:
            while not leaving.done():
                await send({"type": "websocket.send", "text": self.version})
                changed = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait((leaving, changed), return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            leaving.cancel()


async def _leave(receive: ASGIReceive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


def _is_ours(scope: Scope) -> bool:
    """Say whether a connection comes from this machine, and through no proxy."""
    client = (scope.get("client") or ("",))[0]
    return is_loopback(client) and not any(name in PROXIES for name, _ in scope["headers"])


def _is_for_a_page(scope: Scope) -> bool:
    """Say whether a browser may show the response as a page: it says so where it can.

    *Source:* Fetch Metadata Request Headers, `Sec-Fetch-Dest`.
    """
    headers = dict(scope["headers"])
    wanted = headers.get(b"sec-fetch-dest")
    shown = wanted in (b"document", b"iframe", b"frame")
    if wanted is None:
        shown = b"text/html" in headers.get(b"accept", b"")
    return shown and scope["method"] != "HEAD" and b"range" not in headers


class _Adding:
    """Sends a response on, with a script behind the last piece if it is a page."""

    def __init__(self, send: ASGISend, source: str, *, inline: bool) -> None:
        self._send = send
        self._source = source
        self._inline = inline
        self._script = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = self._begin(message)
        elif message["type"] == "http.response.body":
            if self._script and not message.get("more_body"):
                message = {**message, "body": bytes(message.get("body") or b"") + self._script}
        await self._send(message)

    def _begin(self, message: Message) -> Message:
        lines = [(name.lower(), value) for name, value in message.get("headers") or ()]
        headers = dict(lines)
        is_page = headers.get(b"content-type", b"").lower().startswith(b"text/html")
        if not is_page or message["status"] in (204, 205, 206, 304) or message["status"] < 200:
            return message
        if message.get("trailers") or any(name in headers for name in _CLOSED):
            return message
        if self._inline:  # the next app may not have the script
            self._script = f'\n<script data-source="{self._source}">{SCRIPT}</script>\n'.encode()
        else:
            policies = [value for name, value in lines if name.endswith(b"security-policy")]
            self._script = _tag(self._source, policies)
        # A cached page would have the script of an earlier version, and reload for ever.
        kept = [line for line in lines if line[0] not in (*_CACHING, b"content-length")]
        if b"content-length" in headers:
            length = int(headers[b"content-length"]) + len(self._script)
            kept.append((b"content-length", b"%d" % length))
        return {**message, "headers": [*kept, (b"cache-control", b"no-store")]}


def _tag(source: str, policies: Iterable[bytes]) -> bytes:
    """Return the element, with the nonce of a policy that lets no others run.

    *Source:* Content Security Policy Level 3, section 6.7.
    """
    found = [m for policy in policies if (m := re.search(rb"'nonce-([\w+/=-]+)'", policy))]
    nonce = f' nonce="{found[0][1].decode()}"' if found else ""
    return f'\n<script src="{source}"{nonce}></script>\n'.encode()


class Broken:
    """Responds 500 with the reason why the real app does not run."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        if scope["type"] == "http":
            accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
            kind = kind_of(accept)
            media = {"html": b"text/html", "json": b"application/problem+json"}
            content_type = media.get(kind, b"text/plain") + b"; charset=utf-8" * (kind != "json")
            await _respond(scope, send, 500, content_type, self.failure[kind])
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1011})
        else:
            for _ in ("startup", "shutdown"):
                message = await receive()
                await send({"type": f"{message['type']}.complete"})


async def _respond(
    scope: Scope, send: ASGISend, status: int, content_type: bytes, text: str
) -> None:
    body = text.encode("utf-8", "backslashreplace")
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
