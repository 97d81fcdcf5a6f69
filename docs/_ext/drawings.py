"""Drawings of the pages under "Understand", and bars of measured figures, as SVG.

They take their colours from the theme, so that one drawing is right in light and dark.
"""

from __future__ import annotations

import html
import json
import typing as t
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from benchmarks.apps import OURS
from benchmarks.report import cell
from benchmarks.report import IDLE

RESULTS = Path(__file__).parents[1] / "benchmarks"


class Drawing:
    """Boxes, arrows and words on a plane of `width` by `height`."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.size = width, height
        self.title = title
        self.parts: list[str] = []

    def box(self, x: int, y: int, w: int, h: int, text: str = "", kind: str = "") -> None:
        self.parts.append(
            f'<rect class="box {kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>'
        )
        lines = text.split("\n") if text else []
        top = y + h / 2 - 9 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            self.word(x + w // 2, int(top + 18 * number), line, "middle")

    def frame(self, x: int, y: int, w: int, h: int, text: str) -> None:
        """Draw a box with its words at its upper left."""
        self.box(x, y, w, h, kind="frame")
        self.word(x + 10, y + 20, text, kind="small")

    def word(self, x: int, y: int, text: str, anchor: str = "start", kind: str = "") -> None:
        said = html.escape(text)
        self.parts.append(
            f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{said}</text>'
        )

    def line(self, x1: int, y1: int, x2: int, y2: int, kind: str = "") -> None:
        self.parts.append(f'<path class="line {kind}" d="M{x1} {y1} L{x2} {y2}"/>')

    def arrow(self, x1: int, y1: int, x2: int, y2: int, text: str = "", kind: str = "") -> None:
        self.parts.append(
            f'<path class="line {kind}" d="M{x1} {y1} L{x2} {y2}" marker-end="url(#tip)"/>'
        )
        if text:
            self.word((x1 + x2) // 2, (y1 + y2) // 2 - 6, text, "middle", "small")

    def svg(self) -> str:
        width, height = self.size
        tip = (
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
            ' markerHeight="7" orient="auto-start-reverse"><path class="tip" d="M0 0L10 5L0 10z"/>'
            "</marker></defs>"
        )
        return (
            f'<div class="drawing"><svg viewBox="0 0 {width} {height}" role="img"'
            f' style="min-width:{min(width, 520)}px" aria-label="{html.escape(self.title)}">'
            f"<title>{html.escape(self.title)}</title>{tip}{''.join(self.parts)}</svg></div>"
        )


def colours() -> Drawing:
    d = Drawing(680, 250, "Two application classes over one core")
    d.box(20, 20, 300, 110, "Flask(...): plain\nrequest.form[...]\nrender_template(...)", "one")
    d.box(
        360,
        20,
        300,
        110,
        "Quart(...): awaitable\n(await request.form)[...]\nawait render_template(...)",
        "two",
    )
    d.arrow(170, 130, 170, 178)
    d.arrow(510, 130, 510, 178)
    d.box(20, 180, 640, 50, "one flow: routing, hooks, views, error handlers, sessions, teardown")
    return d


def lanes() -> Drawing:
    d = Drawing(760, 380, "The loop lane and the thread lane")
    d.word(20, 24, "The loop lane: an async def view")
    d.frame(20, 36, 720, 92, "event loop, the request's task")
    for number, text in enumerate(["hooks", "async def view", "after functions", "teardown"]):
        d.box(40 + 178 * number, 70, 146, 40, text, "one")
        if number:
            d.arrow(40 + 178 * number - 32, 90, 40 + 178 * number, 90)
    d.word(20, 164, "The thread lane: a def view, or a def decorator around an async def one")
    d.frame(20, 176, 720, 82, "event loop")
    d.box(20, 276, 720, 92, kind="frame")
    d.word(100, 296, "one worker thread, one Context", kind="small")
    d.box(40, 206, 90, 40, "request")
    d.arrow(85, 246, 85, 310)
    d.box(40, 312, 120, 40, "hooks", "two")
    d.box(200, 312, 120, 40, "def view", "two")
    d.box(300, 206, 160, 40, "an async def hook", "one")
    d.box(430, 312, 120, 40, "after", "two")
    d.box(590, 312, 120, 40, "teardown", "two")
    d.arrow(160, 332, 200, 332)
    d.arrow(320, 312, 350, 248)
    d.arrow(410, 248, 440, 310)
    d.arrow(550, 332, 590, 332)
    d.box(620, 206, 100, 40, "response")
    d.arrow(660, 312, 668, 248)
    return d


def doors() -> Drawing:
    d = Drawing(760, 300, "The ASGI door and the WSGI door lead to one flow")
    d.box(20, 30, 170, 60, "Hypercorn, uvicorn,\ngranian", "")
    d.box(20, 200, 170, 60, "gunicorn, the plain\ntest client", "")
    d.box(250, 30, 170, 60, "ASGI\napp.asgi_app", "one")
    d.box(250, 200, 170, 60, "WSGI\napp.wsgi_app", "two")
    d.arrow(190, 60, 250, 60)
    d.arrow(190, 230, 250, 230)
    d.box(500, 60, 240, 40, "loop lane: async def views", "one")
    d.box(500, 190, 240, 40, "thread lane: def views", "two")
    d.box(500, 125, 240, 40, "one flow")
    d.arrow(420, 60, 500, 138)
    d.arrow(420, 230, 500, 152)
    d.arrow(620, 125, 620, 102)
    d.arrow(620, 165, 620, 188)
    d.arrow(335, 90, 335, 198)
    d.word(345, 140, "where wsgi_app", kind="small")
    d.word(345, 158, "was wrapped", kind="small")
    return d


def contexts() -> Drawing:
    d = Drawing(720, 290, "An application context inside of a request's context")
    d.frame(
        20, 20, 680, 250, "a request's context: pushed before the first hook, popped after teardown"
    )
    d.box(40, 60, 150, 44, "request, session", "one")
    d.box(40, 118, 150, 44, "g", "one")
    d.box(40, 176, 150, 44, "current_app", "one")
    d.frame(230, 60, 440, 180, "with other.app_context():")
    d.box(250, 110, 180, 44, "g: a fresh one", "two")
    d.box(250, 170, 180, 44, "current_app: other", "two")
    d.box(460, 110, 190, 104, "request, session,\nurl_for: as before", "one")
    return d


def cancellation() -> Drawing:
    d = Drawing(760, 230, "A client disconnects while its view waits")
    d.word(20, 44, "client")
    d.line(100, 40, 330, 40)
    d.box(330, 24, 110, 32, "disconnects", "two")
    d.word(20, 124, "view")
    d.box(100, 100, 130, 40, "runs", "one")
    d.box(230, 100, 155, 40, "await ...", "one")
    d.arrow(385, 56, 385, 98, "")
    d.word(395, 82, "CancelledError", kind="small")
    d.box(385, 100, 130, 40, "finally", "two")
    d.box(515, 100, 130, 40, "teardown", "two")
    d.line(385, 170, 645, 170)
    d.line(385, 162, 385, 178)
    d.line(645, 162, 645, 178)
    d.word(515, 192, "DISCONNECT_GRACE at most: 5 s", "middle", "small")
    d.word(515, 212, "then it is given up, and logged", "middle", "small")
    return d


def trip(title: str, columns: list[str], steps: list[tuple[int, int, str]]) -> Drawing:
    """Draw who calls whom, from above to below; a step from a column to itself is work there."""
    width, top = 760 // len(columns), 56
    d = Drawing(760, top + 34 * len(steps) + 20, title)
    centres = [width // 2 + width * number for number in range(len(columns))]
    for number, (x, name) in enumerate(zip(centres, columns, strict=True)):
        d.line(x, top - 12, x, top + 34 * len(steps) + 8, "life")
        d.box(x - width // 2 + 6, 8, width - 12, 36, name, "one" if number % 2 else "")
    for number, (here, there, text) in enumerate(steps):
        y = top + 34 * number + 20
        if here == there:
            wide = max(40, 7 * len(text) + 16)
            d.box(centres[here] - wide // 2, y - 14, wide, 26, text, "two")
        else:
            side = 1 if there > here else -1
            d.arrow(centres[here] + 3 * side, y, centres[there] - 3 * side, y, text)
    return d


def trip_request() -> Drawing:
    return trip(
        "A request whose async def view nobody else looks at",
        ["server", "asgi/http", "lane, match", "flow", "your view"],
        [
            (0, 1, "app(scope, ...)"),
            (1, 2, "enter"),
            (2, 2, "which route, which lane"),
            (1, 3, "straight"),
            (3, 4, "view()"),
            (4, 3, "a value"),
            (3, 3, "direct_outgoing"),
            (3, 1, "status, headers, body"),
            (1, 0, "send, twice"),
        ],
    )


def trip_def() -> Drawing:
    return trip(
        "A def view: its request in one worker thread",
        ["server", "event loop", "worker thread", "your code"],
        [
            (0, 1, "app(scope, ...)"),
            (1, 2, "exchange.in_thread"),
            (2, 3, "hooks, the view"),
            (3, 1, "an async piece on the way"),
            (1, 3, "its value: the thread waited"),
            (3, 2, "a response"),
            (2, 3, "teardown"),
            (2, 1, "what is to be sent"),
            (1, 0, "send"),
        ],
    )


def trip_websocket() -> Drawing:
    return trip(
        "A websocket",
        ["client", "server", "asgi/websocket", "your handler"],
        [
            (0, 1, "handshake"),
            (1, 2, "app(scope, ...)"),
            (2, 2, "match, origins, hooks"),
            (2, 3, "handler()"),
            (3, 1, "receive or send: accept first"),
            (0, 3, "messages, pulled one by one"),
            (3, 0, "messages"),
            (0, 1, "disconnects"),
            (2, 3, "cancelled where it waits"),
            (2, 1, "close, teardown"),
        ],
    )


def trip_wsgi() -> Drawing:
    return trip(
        "A request by WSGI",
        ["WSGI server", "wsgi", "flow", "your code"],
        [
            (0, 1, "app(environ, ...)"),
            (1, 2, "run, in this thread"),
            (2, 3, "hooks, a def view"),
            (2, 3, "async def: this thread's loop"),
            (3, 2, "a response"),
            (2, 1, "outcome"),
            (1, 0, "start_response, pieces"),
            (0, 1, "close: teardown"),
        ],
    )


DRAWINGS: dict[str, t.Callable[[], Drawing]] = {
    "colours": colours,
    "lanes": lanes,
    "doors": doors,
    "contexts": contexts,
    "cancellation": cancellation,
    "trip-request": trip_request,
    "trip-def": trip_def,
    "trip-websocket": trip_websocket,
    "trip-wsgi": trip_wsgi,
}


def table_of(title: str) -> tuple[Path, dict[str, t.Any], dict[str, t.Any]]:
    """Return the file, the result and the table in it that has this title."""
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        for table in result["tables"]:
            if table["title"] == title:
                return path, result, table
    raise ExtensionError(f"docs/benchmarks has no table {title!r}.")


def figures(table: dict[str, t.Any], column: str) -> list[tuple[str, str, float]]:
    """Return name, words and figure of each row that has one in this column."""
    place = table["columns"].index(column)
    found = []
    for name, row in table["rows"]:
        if row[place] is not None:
            words = cell(row[place])
            found.append((name, words, float(words.split(" ")[0].replace(",", ""))))
    return found


def bars(title: str, column: str, shown: list[tuple[str, str, float]]) -> Drawing:
    """Draw figures, a bar each."""
    left = 24 + 7 * max(len(name) for name, _, _ in shown)
    unit = (670 - left) / max(value for _, _, value in shown)
    d = Drawing(760, 16 + 30 * len(shown), f"{title}: {column}")
    for number, (name, text, value) in enumerate(shown):
        y = 8 + 30 * number
        d.word(left - 10, y + 17, name, "end", "small")
        kind = "one bar" if name.partition(",")[0] in OURS else "bar"
        place = f'x="{left}" y="{y}" width="{max(2, value * unit):.1f}" height="22"'
        d.parts.append(f'<rect class="{kind}" {place}/>')
        d.word(int(left + value * unit) + 8, y + 17, text, kind="small")
    return d


class Draw(SphinxDirective):
    """A drawing by its name; in Markdown its title stands for it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        made = DRAWINGS[self.arguments[0]]()
        told = f"*(Drawing: {made.title}.)*"
        return [nodes.raw("", made.svg(), format="html", markdown=told)]


class Bars(SphinxDirective):
    """One column of a measured table as bars, and by which command it was measured."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"column": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        title, column = self.arguments[0], self.options["column"]
        path, result, table = table_of(title)
        self.env.note_dependency(str(path))
        shown = figures(table, column)
        lines = [f"| | {column} |", "| --- | ---: |"]
        lines += [f"| {name} | {words} |" for name, words, _ in shown]
        busy = "" if (result["load"] or 0) <= IDLE else ", on a busy machine: roughly"
        told = self.parse_text_to_nodes(
            f"{table['unit'][:1].upper()}{table['unit'][1:]}. Measured on {result['day']}{busy} by"
            f" `{result['command']}`: {result['machine']}, {result['python']}."
        )
        svg = bars(title, column, shown).svg()
        return [nodes.raw("", svg, format="html", markdown="\n".join(lines)), *told]


def setup(app: Sphinx) -> dict[str, t.Any]:
    app.add_directive("drawing", Draw)
    app.add_directive("bars", Bars)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
