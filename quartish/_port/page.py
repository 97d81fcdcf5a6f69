"""The report of a port as one page of HTML, with each diff side by side; it loads nothing."""

from __future__ import annotations

import difflib
import typing as t

from markupsafe import escape
from markupsafe import Markup

from .report import GROUPS
from .runner import Edited
from .runner import Report

_CONTEXT = 3  # lines around a change
_STYLE = Markup(
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:90rem;padding:0 1rem;"
    "color:#1c1c1c;background:#fff}h1,h2{line-height:1.2}table{border-collapse:collapse;width:100%}"
    "th{text-align:left}td,th{padding:.15rem .5rem;vertical-align:top;border-top:1px solid #ddd}"
    "code,.diff td{font:13px/1.4 ui-monospace,monospace}.diff{table-layout:fixed;margin:0 0 1.5rem}"
    ".diff td{white-space:pre-wrap;overflow-wrap:anywhere;border:0}.diff .n{width:3.5rem;"
    "text-align:right;color:#666}.old{background:#fde8e8}.new{background:#e3f5e5}"
    ".gap td{color:#666;background:#f2f2f2}summary{cursor:pointer;font-weight:600}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td,th{border-color:#444}"
    ".old{background:#4a2222}.new{background:#1f4024}.gap td{background:#262626}}"
)


def as_page(report: Report) -> str:
    """Return the report as HTML."""
    counts = Markup("").join(
        Markup("<tr><th>{}</th><td>{}</td></tr>").format(name, number)
        for name, number in report.counts().items()
    )
    parts = [
        Markup(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>{0}</title>'
            '<meta name="viewport" content="width=device-width"><style>{1}</style><h1>{0}</h1>'
        ).format(f"quartish port {report.root.name}", _STYLE),
        Markup("<table>{}</table>").format(counts),
        _views(report),
        *_findings(report),
        Markup("<h2>Changes</h2>"),
        *(_diff(one) for one in report.edited),
        Markup("</html>\n"),
    ]
    return str(Markup("").join(parts))


def _views(report: Report) -> Markup:
    rows = Markup("").join(
        Markup("<tr><td>{}:{}</td><td><code>{}</code></td><td>{}</td><td>{}</td></tr>").format(
            view.file,
            view.line,
            view.name,
            "turned" if view.turned else "async def" if view.is_async else "def",
            view.why,
        )
        for view in report.views
    )
    ways = Markup("").join(
        Markup("<p>With <code>{}</code>: {} more would be turned.</p>").format(way, more)
        for way, more in report.estimates.items()
    )
    head = Markup("<tr><th>where</th><th>view</th><th></th><th>why</th></tr>")
    return Markup("<h2>Views</h2><table>{}{}</table>{}").format(head, rows, ways)


def _findings(report: Report) -> t.Iterator[Markup]:
    for title, rules in GROUPS:
        found = [finding for finding in report.findings if finding.rule in rules]
        if not found:
            continue
        rows = Markup("").join(
            Markup("<tr><td>{}:{}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(*row)
            for row in ((one.file, one.line, one.rule, one.says, one.cure) for one in found)
        )
        head = Markup("<tr><th>where</th><th>rule</th><th>what</th><th>cure</th></tr>")
        yield Markup("<h2>{} ({})</h2><table>{}{}</table>").format(title, len(found), head, rows)


def _diff(one: Edited) -> Markup:
    before, after = one.before.splitlines(), one.after.splitlines()
    rows: list[Markup] = []
    groups = difflib.SequenceMatcher(None, before, after, False).get_grouped_opcodes(_CONTEXT)
    for number, group in enumerate(groups):
        if number:
            rows.append(Markup('<tr class="gap"><td colspan="4">⋯</td></tr>'))
        for tag, left, left_end, right, right_end in group:
            for step in range(max(left_end - left, right_end - right)):
                rows.append(
                    _row(
                        before,
                        left + step if left + step < left_end else None,
                        after,
                        right + step if right + step < right_end else None,
                        tag != "equal",
                    )
                )
    body = Markup("").join(rows)
    return Markup(
        '<details open><summary>{}: {}</summary><table class="diff"><colgroup><col class="n"><col>'
        '<col class="n"><col></colgroup>{}</table></details>'
    ).format(one.file, ", ".join(one.done), body)


def _row(
    before: list[str], left: int | None, after: list[str], right: int | None, changed: bool
) -> Markup:
    cells = []
    for lines, number, kind in ((before, left, "old"), (after, right, "new")):
        mark = kind if changed and number is not None else ""
        text = escape(lines[number]) if number is not None else ""
        shown = number + 1 if number is not None else ""
        cells.append(
            Markup('<td class="n">{}</td><td class="{}">{}</td>').format(shown, mark, text)
        )
    return Markup("<tr>{}{}</tr>").format(*cells)
