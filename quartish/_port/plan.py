"""From what was decided to what is changed in each file."""

from __future__ import annotations

import re
import typing as t
from collections import defaultdict
from dataclasses import dataclass

from .colours import is_awaitable
from .decide import Decision
from .extensions import needs_flask
from .records import Changes
from .records import Facts
from .records import Finding
from .records import Use
from .requests_calls import exception_for
from .requests_calls import method_of
from .resolve import normal
from .resolve import Project

FIRST = "import quartish.as_flask  # noqa: F401  isort: skip (extensions import flask)"
_HTTPX = "it asks by httpx now, which knows no proxies by environment but its own"
_NEEDED = "add httpx to the requirements, and look at what its tests replace"
_NAMED = re.compile(r"(.+)\.(flask|quart)(?=[.(\[]|$)")
#: What Quart awaits of a response.
_AWAITED_CALLS, _AWAITED_READS = ("get_data", "get_json"), ("data", "json")
#: What is given a module's name in a string.
_TAKES_NAMES = ("patch", "patched", "setattr", "delattr", "import_module", "importorskip",
                "__import__", "find_spec", "import_string", "reload", "resolve_name")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was asked for."""

    #: "keep": Flask's stays plain, Quart's awaitable; else the colour itself.
    colour: str = "keep"
    #: Whether views are turned at all.
    views: bool = True
    #: Whether all views are turned that can be, whatever they call.
    every: bool = False
    #: "sleep", "httpx".
    rewrite: frozenset[str] = frozenset()

    def module_for(self, root: str) -> str:
        """Return what `flask` or `quart` becomes."""
        return "quartish.quart" if root == "quart" and self.colour != "plain" else "quartish"

    def renamed(self, root: str) -> dict[str, str]:
        """Return the names of a module that are others in the colour that was asked for."""
        if root == "flask" and self.colour == "awaitable":
            return {"Flask": "Quart"}
        if root == "quart" and self.colour == "plain":
            return {"Quart": "Flask"}
        return {}


def plan(
    project: Project, decision: Decision, options: Options
) -> tuple[dict[str, Changes], list[Finding]]:
    """Return the changes of each file that has some, and what had to be left."""
    changes: dict[str, Changes] = defaultdict(Changes)
    findings: list[Finding] = []
    for fact in project.facts:
        _modules(project, fact, options, changes)
        findings += _strings(project, fact, options, changes)
    for name in _kept(project):
        changes[name].keep_alias = True
    for file in _first_imports(project):
        changes[file].first_import = FIRST
    for name in decision.turned:
        for function in project.twins[name]:
            changes[function.file].make_async.add(function.line)
    for function, use in decision.awaits:
        changes[function.file].make_await.add(use.span)
    for function, use, flag in decision.rewritten:
        if flag == "sleep":
            changes[function.file].make_await.add(use.span)
            changes[function.file].calls[use.span] = "asyncio.sleep"
            _import(changes[function.file], "import asyncio")
        else:
            changes[function.file].make_await.add(use.span)
            changes[function.file].requests[use.span] = method_of(use.paths[0]) or ""
            _import(changes[function.file], "import httpx")
            findings.append(Finding(function.file, use.span.line, "httpx", _HTTPX, _NEEDED))
    _exceptions(project, decision, changes)
    for function, use in decision.left:
        says = f"`{use.paths[0]}` is awaited in this colour, and cannot be here"
        cure = "make what it stands in `async def`, and await it where that is called"
        findings.append(Finding(function.file, use.span.line, "not-awaited", says, cure))
    if options.colour == "plain":
        findings += _drop_awaits(project, changes)
    return {file: change for file, change in changes.items() if change}, findings


def _import(changes: Changes, line: str) -> None:
    if line not in changes.add_imports:
        changes.add_imports.append(line)


def _exceptions(project: Project, decision: Decision, changes: dict[str, Changes]) -> None:
    """Let what is caught around a call that was rewritten be httpx's."""
    if not any(flag == "httpx" for _, _, flag in decision.rewritten):
        return
    for name in decision.turned:
        for function in project.twins[name]:
            for use in function.uses:
                to = exception_for(use.paths[0]) if len(use.paths) == 1 else None
                if to is not None and use.kind == "load":
                    changes[function.file].replace[use.span] = to
                    _import(changes[function.file], "import httpx")


def _modules(project: Project, fact: Facts, options: Options, changes: dict[str, Changes]) -> None:
    for one in fact.imports:
        root = one.dotted.partition(".")[0]
        if root in ("flask", "quart") and root not in project.modules:
            if not one.module.startswith(".") and not one.dotted.startswith("flask.ext"):
                changes[fact.file].modules[root] = options.module_for(root)
                changes[fact.file].rename |= options.renamed(root)


def _strings(
    project: Project, fact: Facts, options: Options, changes: dict[str, Changes]
) -> t.Iterator[Finding]:
    for text, span, context in fact.strings:
        root, _, rest = text.partition(".")
        called = context.partition("(")[0]
        if root not in ("flask", "quart") or root in project.modules:
            continue
        if called.rpartition(".")[2] in _TAKES_NAMES:
            to = options.module_for(root) + (f".{rest}" if rest else "")
            changes[fact.file].replace[span] = to
        elif called.endswith(("version", "distribution", "metadata")):
            says = f"it asks for the release of {root}"
            yield Finding(fact.file, span.line, "version", says, 'ask for "quartish"')


def _kept(project: Project) -> set[str]:
    """Return the files whose name `flask` others use: `from shop.views import flask`."""
    files = {fact.module: fact.file for fact in project.facts}
    found: set[str] = set()

    def look(path: str) -> None:
        match = _NAMED.match(path)
        if match:
            module = project.modules.get(match[1])
            if module is not None and module in files:
                found.add(files[module])

    for fact in project.facts:
        for text, _, _ in fact.strings:
            look(text)
        for one in fact.imports:
            look(one.dotted)
        for function in fact.functions:
            for use in function.uses:
                for path in use.paths:
                    if ".flask" in path or ".quart" in path:
                        look(path)
    return found


def _first_imports(project: Project) -> set[str]:
    """Return the files that have to make `flask` mean quartish before extensions are imported:
    the outermost package of each that imports one, or the module itself."""
    packages = {fact.module: fact for fact in project.facts if fact.package}
    found: set[str] = set()
    done = {
        fact.file
        for fact in project.facts
        if any(one.dotted.startswith("quartish.as_flask") for one in fact.imports)
    }
    for fact in project.facts:
        wants = any(
            needs_flask(one.dotted)
            and one.dotted.partition(".")[0] not in project.modules
            and not one.module.startswith(".")
            for one in fact.imports
        )
        if not wants:
            continue
        parts = fact.module.split(".")
        file = fact.file
        for length in range(len(parts), 0, -1):
            package = packages.get(".".join(parts[:length]))
            if package is not None:
                file = package.file
            elif length < len(parts):
                break
        found.add(file)
    return found - done


def _drop_awaits(project: Project, changes: dict[str, Changes]) -> t.Iterator[Finding]:
    """Take out what the plain colour does not await. Tests go on as they are, by the client that
    is awaited in either colour."""
    for fact, _, use in project.uses():
        if use.awaited and (
            _quart_awaits(project, use) or (fact.test and _of_response(project, use))
        ):
            changes[fact.file].drop_await.add(use.span)
        elif fact.test and use.kind == "call" and _makes_client(use):
            changes[fact.file].methods[use.span] = "async_test_client"
    for fact in project.facts:
        if fact.test and any(one.dotted.partition(".")[0] == "quart" for one in fact.imports):
            yield Finding(
                fact.file,
                1,
                "plain-tests",
                "its client is that of `app.async_test_client()`, and is awaited as before; what a"
                " response has is not",
                "look for an `await` before what a response has, for what it imports of quart, and"
                " give `test_request_context` its form as `data=`",
            )


def _of_response(project: Project, use: Use) -> bool:
    """Say whether this is what Quart's tests await of a response: its data, its JSON."""
    names = _AWAITED_CALLS if use.kind == "call" else _AWAITED_READS
    return all(
        end.rpartition(".")[2] in names and (end.startswith("?") or "test_client()" in end)
        for end in project.expand_all(use.paths)
    )


def _makes_client(use: Use) -> bool:
    """Say whether this makes a test client by an app; that of `test_app` is awaited anyway."""
    return all(path.endswith(".test_client") and "test_app()" not in path for path in use.paths)


def _quart_awaits(project: Project, use: Use) -> bool:
    ends = {normal(path) for path in use.paths} | set(project.expand_all(use.paths))
    return any(is_awaitable(end, use.kind) for end in ends)
