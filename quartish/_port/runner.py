"""Port a tree: read all files, decide, rewrite each; many files by many processes."""

from __future__ import annotations

import difflib
import io
import os
import time
import tokenize
import typing as t
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from pathlib import Path

from .blocking import read_settings
from .blocking import read_table
from .blocking import Table
from .configs import port_config
from .decide import Decider
from .decide import Decision
from .findings import find
from .index import Index
from .plan import Options
from .plan import plan
from .read import read_file
from .read import read_text
from .records import Changes
from .records import Finding
from .records import View
from .resolve import Project
from .rewrite import rewrite
from .tree import read_tree

#: Of fewer files than this, to start processes takes longer than to read them here.
_FEW = 60
A = t.TypeVar("A")
B = t.TypeVar("B")
#: Is told what is being done, how much of it is done, and how much there is.
Progress: t.TypeAlias = t.Callable[[str, int, int], None]


@dataclass(slots=True)
class Edited:
    """A file that is another after the port."""

    file: str
    before: str
    after: str
    #: What was done, in words.
    done: list[str] = field(default_factory=list)

    def diff(self) -> str:
        """Return what changed, as `diff -u` has it."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"a/{self.file}",
            f"b/{self.file}",
        )
        ended = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
                 for line in lines)  # fmt: skip
        return "".join(ended)


@dataclass(slots=True)
class Report:
    """All that a run found and did."""

    root: Path
    files: int
    lines: int
    edited: list[Edited]
    views: list[View]
    findings: list[Finding]
    #: Files that could not be rewritten, and why.
    failed: dict[str, str]
    #: Views that more would be turned by: a flag or a setting -> how many.
    estimates: dict[str, int]
    seconds: float

    def counts(self) -> dict[str, int]:
        """Return the figures of the report."""
        views = [view for view in self.views if view.kind in ("view", "class view", "websocket")]
        rules = Counter(finding.rule for finding in self.findings)
        return {
            "files": self.files,
            "lines": self.lines,
            "files changed": len(self.edited),
            "views": len(views),
            "views turned to async def": sum(view.turned for view in views),
            "views that were async def": sum(view.is_async for view in views),
            "views left def": sum(not (view.is_async or view.turned) for view in views),
            "hooks and error handlers": len(self.views) - len(views),
            "findings": len(self.findings),
            **{f"findings: {rule}": number for rule, number in sorted(rules.items())},
        }


def port(path: Path, options: Options, progress: Progress | None = None) -> Report:
    """Read the project at `path` and return what the port changes and finds; nothing is written.

    Raises ValueError where the settings in its pyproject.toml are of another form.
    """
    start = time.perf_counter()
    say = progress or (lambda what, done, whole: None)
    root = path if path.is_dir() else path.parent
    settings, table = read_settings(root), read_table(root)
    tree = read_tree(path, settings.get("exclude", ()))
    jobs = partial(_each, processes=os.cpu_count() or 1)
    facts = jobs(partial(read_file, tree.root), tree.sources, partial(say, "reading"))
    project = Project(facts, tree.modules)
    say("deciding", 0, 1)
    decision, estimates = _decide(project, table, options)
    changes, findings = plan(project, decision, options)
    say("deciding", 1, 1)
    work = sorted(changes.items())
    results = jobs(partial(_rewrite, tree.root), work, partial(say, "rewriting"))
    edited: list[Edited] = []
    failed: dict[str, str] = {}
    for (file, change), (before, after, error) in zip(work, results, strict=True):
        if error:
            failed[file] = error
            findings.append(Finding(file, 1, "unread", error, "port this file by hand"))
        elif before != after:
            edited.append(Edited(file, before, after, _words(change)))
    for file in tree.configs:
        there = next((one for one in edited if one.file == file), None)
        changed, found = _config(tree.root, there or Edited(file, "", ""))
        findings += found
        if changed is not None and there is None:
            edited.append(changed)
    loop = {f.dotted for fact in facts for f in fact.functions if f.is_async} | decision.turned
    thread = {view.dotted for view in decision.views} - loop
    rewritten = {(function.file, use.span.line) for function, use, _ in decision.rewritten}
    findings += [
        one
        for one in find(project, table, loop, thread)
        if not (one.rule.startswith("blocks-") and (one.file, one.line) in rewritten)
    ]
    return Report(
        root=tree.root,
        files=len(facts),
        lines=sum(fact.lines for fact in facts),
        edited=sorted(edited, key=lambda one: one.file),
        views=decision.views,
        findings=sorted(set(findings)),
        failed=failed,
        estimates=estimates,
        seconds=time.perf_counter() - start,
    )


def _decide(project: Project, table: Table, options: Options) -> tuple[Decision, dict[str, int]]:
    index = Index(project)

    def count(flags: t.Collection[str], in_thread: bool) -> int:
        decider = Decider(index, table, flags)
        decider.hooks_in_thread |= in_thread
        return sum(view.turned for view in decider.decide().views)

    awaits = options.colour == "awaitable"
    decider = Decider(
        index, table, options.rewrite, options.every, awaits=awaits, views=options.views
    )
    decision = decider.decide()
    turned = sum(view.turned for view in decision.views)
    estimates = {}
    if options.views and not options.every and not awaits:
        every = ("sleep", "httpx")
        estimates = {
            "SYNC_HOOKS_IN_THREAD = True": count(options.rewrite, True) - turned,
            "--rewrite sleep --rewrite httpx": count(every, False) - turned,
        }
        both = count(every, True) - turned
        if both > max(estimates.values()):
            estimates["both of these"] = both
    return decision, {name: more for name, more in estimates.items() if more > 0}


def _each(
    job: t.Callable[[A], B], items: t.Sequence[A], say: t.Callable[[int, int], None], processes: int
) -> list[B]:
    """Return what a job makes of each item, in order."""
    found: list[B] = []
    if len(items) < _FEW or processes == 1:
        for number, item in enumerate(items):
            found.append(job(item))
            say(number + 1, len(items))
        return found
    with ProcessPoolExecutor(min(processes, 16)) as pool:
        size = max(1, min(50, len(items) // (processes * 4)))
        for number, one in enumerate(pool.map(job, items, chunksize=size)):
            found.append(one)
            say(number + 1, len(items))
    return found


def _rewrite(root: Path, work: tuple[str, Changes]) -> tuple[str, str, str]:
    """Return a file's text before and after, or why it could not be rewritten."""
    file, changes = work
    try:
        before = read_text(root / file)
        return before, rewrite(before, changes), ""
    except Exception as error:
        return "", "", f"{type(error).__name__}: {error}".partition("\n")[0]


def _config(root: Path, one: Edited) -> tuple[Edited | None, list[Finding]]:
    """Change a file that says how the project is installed; `setup.py` and its like are Python
    too, and `one` has what was changed in them already."""
    if not one.done:
        try:
            # Line ends stay as they are.
            one.before = one.after = (root / one.file).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            return None, []
    after, found = port_config(one.file, one.after)
    if after == one.after:
        return None, found
    one.after = after
    one.done.append("requirements and commands")
    return one, found


def _words(changes: Changes) -> list[str]:
    """Say what was done in a file."""
    done = [f"imports of {name}" for name in sorted(changes.modules)]
    if changes.first_import:
        done.append("`quartish.as_flask` for extensions")
    for number, what in (
        (len(changes.make_async), "`def` turned to `async def`"),
        (len(changes.make_await), "`await` put in"),
        (len(changes.drop_await), "`await` taken out"),
        (len(changes.calls) + len(changes.requests), "calls rewritten"),
        (len(changes.replace) + len(changes.methods), "names replaced"),
    ):
        if number:
            done.append(f"{number} {what}")
    return done


def write(report: Report) -> None:
    """Write the files that changed, with the encoding that they say they have."""
    for one in report.edited:
        path = report.root / one.file
        old = path.read_bytes()
        bom = b"\xef\xbb\xbf" if old.startswith(b"\xef\xbb\xbf") else b""
        encoding = "utf-8"
        if one.file.endswith(".py"):
            encoding = encoding_of(old)
        path.write_bytes(bom + one.after.removeprefix("\ufeff").encode(encoding))


def encoding_of(data: bytes) -> str:
    """Return the encoding that a Python file says that it has, without a mark."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return "utf-8" if encoding == "utf-8-sig" else encoding
