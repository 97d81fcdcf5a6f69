"""The report of a port, for people to read and for programs."""

from __future__ import annotations

import json
import typing as t
from collections import defaultdict
from dataclasses import asdict

from .records import Finding
from .runner import Report

#: What each rule is about; those of the first group stop something.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Needs a person",
        (
            *("unread", "no-such-name", "internals", "flask-ext", "before-first-request"),
            *("json-encoder", "green-threads", "thread-local", "version", "plain-tests"),
            *("blocks-loop", "httpx", "flask-env", "locked", "plugin", "not-awaited"),
        ),
    ),
    ("Works, and may be done better", ("wsgi-app", "wsgi-middleware", "asgi-bridge", "server",
                                       "wsgi-server", "app-run", "blocks-thread")),
    ("Extensions", ("extension",)),
    ("Production", ("production",)),
)  # fmt: skip
_SHOWN = 40  # findings of a group in the text


def counted(number: int, thing: str) -> str:
    """Return so many of a thing, in words."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def as_text(report: Report, diff: bool = True) -> str:
    """Return the report as text, after the diff."""
    parts = [one.diff() for one in report.edited] if diff else []
    counts = report.counts()
    changed = counts["files changed"]
    parts.append(
        f"{counted(counts['files'], 'Python file')}, {counted(counts['lines'], 'line')};"
        f" {counted(changed, 'file')} {'changes' if changed == 1 else 'change'}.\n"
    )
    parts.append(_files(report))
    parts.append(_views(report))
    for title, rules in GROUPS:
        found = [finding for finding in report.findings if finding.rule in rules]
        parts.append(_group(title, found))
    return "\n".join(part for part in parts if part)


def _files(report: Report) -> str:
    if not report.edited:
        return "Nothing to change.\n"
    return "Changed\n" + "".join(f"  {one.file}: {', '.join(one.done)}\n" for one in report.edited)


def _views(report: Report) -> str:
    counts = report.counts()
    if not report.views:
        return "No views were found.\n"
    already, left = counts["views that were async def"], counts["views left def"]
    others = counts["hooks and error handlers"]
    lines = [
        f"Views: {counts['views']}; {counts['views turned to async def']} turned to async def,"
        f" {already} {'was' if already == 1 else 'were'} it already,"
        f" {left} {'stays' if left == 1 else 'stay'} def (each has a worker thread);"
        f" {others} {'hook or error handler' if others == 1 else 'hooks and error handlers'}"
    ]
    by_file: dict[str, list[str]] = defaultdict(list)
    for view in report.views:
        if view.kind in ("hook", "error handler") and not view.turned:
            continue
        word = "async def" if view.turned or view.is_async else "def"
        by_file[view.file].append(f"    {view.line}: {view.name}: {word}: {view.why}")
    for file, found in by_file.items():
        lines += [f"  {file}", *found]
    for way, more in report.estimates.items():
        lines.append(f"  With {way}: {more} more would be turned.")
    return "\n".join(lines) + "\n"


def _group(title: str, found: list[Finding]) -> str:
    if not found:
        return ""
    lines = [f"{title}: {len(found)}"]
    lines += [f"  {finding}" for finding in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"  ... and {len(found) - _SHOWN} more (--format json has all)")
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    """Return the report as JSON: counts, files with their diffs, views, findings."""
    data: dict[str, t.Any] = {
        "counts": report.counts(),
        "estimates": report.estimates,
        "seconds": round(report.seconds, 2),
        "files": [
            {"file": one.file, "done": one.done, "diff": one.diff()} for one in report.edited
        ],
        "failed": report.failed,
        "views": [asdict(view) for view in report.views],
        "findings": [asdict(finding) for finding in report.findings],
    }
    return json.dumps(data, indent=2)
