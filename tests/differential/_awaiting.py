"""Scripts played on the real Quart and on the awaitable colour."""

from __future__ import annotations

import asyncio
import re
import typing as t

import quart

import quartish
import quartish.quart
from tests.differential._beside import Client
from tests.differential._beside import differing
from tests.differential._beside import play
from tests.differential._beside import Script
from tests.differential._beside import Side
from tests.differential._beside import TIMES

#: What both say in other words.
TEXTS = [
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in [
        (r"External must be True for scheme usage", "scheme"),
        (r"When specifying '_scheme', '_external' must be True\.", "scheme"),
        (r"Not within an? (app|request)( nor websocket)? context", "context"),
        (r"Working outside of \w+ context[^']*", "context"),
        (r"Unable to create a url adapter[^\"']*config variable\.", "adapter"),
        (r"Unable to build URLs outside.*as needed\.", "adapter"),
        (
            r"Exception on (request )?(/\S*( \S+)? \[\w+\]|([A-Z]+|websocket) /[^']*)",
            "failed",
        ),
        (r"The mime type cannot be inferred.*the mimetype argument\.", "no mimetype"),
        (r"Nothing tells the mimetype of a file.*or 'download_name'\.", "no mimetype"),
        (r"Error opening the session\. Check the secret_key\?", "no session"),
        (r"The session could not be opened\. Is `secret_key` set\?", "no session"),
        (r"Session transactions only make sense with cookies enabled\.", "no cookies"),
        (r"Sessions need cookies\. Create the client with 'use_cookies=True'\.", "no cookies"),
        (r"flask test args .* are mutually exclusive", "one body"),
        (r"A body is made of 'data', of 'json', or of 'form' and 'files'\.", "one body"),
        (r"Query string is defined in the path and as an argument", "one query"),
        (r"The query is given twice: in the path and as query_string\.", "one query"),
        (r"jsonify\(\) behavior undefined when passed both args and kwargs", "both"),
        (r"`websocket.send_json` takes arguments or keywords, not both\.", "both"),
        (r"Secure Cookie Session modified during websocket.*cannot be set\.", "a lost session"),
        (r"The session was modified while a websocket.*be set there\.", "a lost session"),
        (r"Request finalizing errored", "finalizing failed"),
        (r"\w+ (finalizing failed) with an error while handling an error", r"\1"),
    ]
]


class AwaitingClient(Client):
    def open(self, path: str = "/", **options: t.Any) -> t.Any:
        async def ask() -> t.Any:
            response = await self.real.open(path, **options)
            return response, await response.get_data()

        try:
            response, body = asyncio.run(ask())
        except Exception as error:
            self._side.tell(path, error)
            return error
        self._side.tell(path, response.status, sorted(self.lines(response)), body)
        return response


class AwaitingSide(Side):
    client_class = AwaitingClient


def told(line: t.Any) -> str:
    text = repr(line).replace('"', "'")
    for pattern, replacement in TEXTS:
        text = pattern.sub(replacement, text)
    if "teardown" in text or "tearing_down" in text:
        text = text.partition("{'exc'")[0].partition(", [")[0]
    return text


def assert_same(
    script: Script, cases: int, departs: t.Callable[[list[t.Any]], list[t.Any]] = list
) -> None:
    """Play so many scripts on Quart and on ours, as `_beside.assert_same` does."""
    shown: list[str] = []
    for number in range(cases * TIMES):
        views = ("async", "def")[number % 2]
        real = AwaitingSide(quart, quart.Quart, views)
        ours = AwaitingSide(quartish.quart, quartish.Quart, views)
        expected, got = [
            [told(x) for x in departs(play(script, side, number))] for side in (real, ours)
        ]
        if got != expected and len(shown) < 5:
            shown.append(differing(f"script {number}, {views}", expected, got))
    assert not shown, "\n\n".join(shown)
