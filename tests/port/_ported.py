"""Port a small project that a test writes down, and ask what became of it."""

from __future__ import annotations

import typing as t
from pathlib import Path
from textwrap import dedent

from quartish._port.plan import Options
from quartish._port.records import View
from quartish._port.runner import port
from quartish._port.runner import Report
from quartish._port.runner import write


class Ported:
    """A project in a folder, after `quartish port`."""

    def __init__(self, root: Path, files: str | dict[str, str], **options: t.Any) -> None:
        self.root = root
        files = {"app.py": files} if isinstance(files, str) else files
        self.files = {name: dedent(text).lstrip("\n") for name, text in files.items()}
        for name, text in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        rewrite = frozenset(options.pop("rewrite", ()))
        self.options = Options(rewrite=rewrite, **options)
        self.report: Report = port(root, self.options)
        self.after = self.files | {one.file: one.after for one in self.report.edited}

    def changed(self, file: str = "app.py") -> list[str]:
        """Return the lines that are new in a file."""
        before = self.files[file].splitlines()
        return [line for line in self.after[file].splitlines() if line not in before]

    def view(self, name: str) -> View:
        """Return the one view of that name."""
        [view] = [view for view in self.report.views if view.name == name]
        return view

    def turned(self) -> list[str]:
        """Return the names of the views that were turned."""
        return [view.name for view in self.report.views if view.turned]

    def found(self, rule: str) -> list[int]:
        """Return the lines of a rule's findings."""
        return [finding.line for finding in self.report.findings if finding.rule == rule]

    def again(self) -> list[str]:
        """Write what was changed, port once more, and return the files that change again."""
        write(self.report)
        return [one.file for one in port(self.root, self.options).edited]


class Porting(t.Protocol):
    """The fixture `ported`."""

    def __call__(self, files: str | dict[str, str], **options: t.Any) -> Ported: ...
