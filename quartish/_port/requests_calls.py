"""From requests to httpx: which calls can be rewritten, and what takes their place.

The two are alike but not the same: redirects, timeouts, `response.ok`, TLS settings and streams
differ. Only what means the same is rewritten; what is not, is told.
"""

from __future__ import annotations

import re

from .records import Use

#: The function that is put into a file with such calls. It does as requests does: redirects are
#: followed, and nothing ends a wait.
HELPER = '''
async def _httpx_request(method, url, **options):
    """Ask as `requests.request` does."""
    async with httpx.AsyncClient(follow_redirects=True, timeout=None) as client:
        return await client.request(method, url, **options)
'''
NAME = "_httpx_request"
_CALL = re.compile(r"requests\.(get|post|put|patch|delete|head|options|request)")
_RESULT = re.compile(r"requests\.(?:get|post|put|patch|delete|head|options|request)\(\)\.(\w+)")
_ARGUMENTS = frozenset(
    ("params", "headers", "json", "data", "timeout", "allow_redirects", "cookies", "files")
)
_ATTRIBUTES = frozenset(
    ("json", "text", "content", "status_code", "headers", "raise_for_status", "encoding", "cookies")
)
#: requests' exceptions -> httpx's.
EXCEPTIONS = {
    "RequestException": "HTTPError",
    "ConnectionError": "ConnectError",
    "HTTPError": "HTTPStatusError",
    "Timeout": "TimeoutException",
    "ConnectTimeout": "ConnectTimeout",
    "ReadTimeout": "ReadTimeout",
    "TooManyRedirects": "TooManyRedirects",
}
_EXCEPTION = re.compile(r"requests\.(?:exceptions\.)?(\w+)")


def method_of(path: str) -> str | None:
    """Return the method of a call by this path, "" where it is an argument; None for others."""
    match = _CALL.fullmatch(path)
    if match is None:
        return None
    return "" if match[1] == "request" else match[1].upper()


def is_alike(use: Use) -> bool:
    """Say whether httpx takes the arguments of a call, and means the same by them."""
    positional = [name for name in use.arguments if name.isdigit()]
    named = use.arguments.keys() - set(positional)
    if len(positional) != 1 + (use.paths == ("requests.request",)) or not named <= _ARGUMENTS:
        return False
    return use.arguments.get("data", ("<dict>",)) == ("<dict>",)


def is_foreign(path: str) -> bool:
    """Say whether this is a part of requests' responses that httpx's do not have."""
    match = _RESULT.match(path)
    return match is not None and match[1] not in _ATTRIBUTES


def exception_for(path: str) -> str | None:
    """Return httpx's exception in place of one of requests, where there is one."""
    match = _EXCEPTION.fullmatch(path)
    name = EXCEPTIONS.get(match[1]) if match else None
    return f"httpx.{name}" if name else None
