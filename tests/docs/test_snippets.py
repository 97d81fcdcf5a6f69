"""Every code block of the site is run, or checked, or says why not."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import typing as t
from contextlib import redirect_stdout
from pathlib import Path

import click
import jinja2
import pytest

from quartish.cli import cli
from tests.docs._snippets import Block
from tests.docs._snippets import blocks_of
from tests.docs._snippets import DOCS
from tests.docs._snippets import ELSEWHERE
from tests.docs._snippets import pages
from tests.docs._snippets import ROOT

PATIENCE = 20  # seconds, for one test of a snippet
#: Commands of others, of which only the name is known here.
FOREIGN = frozenset(
    ". pip hypercorn uvicorn granian gunicorn pytest python curl nginx docker systemctl eval kill"
    " opentelemetry-instrument pre-commit mkdir cd source cat ab psql redis-server openssl".split()
)
SCOPE = "asyncio_default_fixture_loop_scope=function"
#: Blocks that other tests run, beside servers or in an environment with more packages, and what
#: is said behind the word.
PLAYED = {"packages": ("", "postgresql"), "redis": ("",)}
PAGES = [path for path in pages() if blocks_of(path)]


class Page:
    """Runs the blocks of a page, one after the other, in one namespace and one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.printed = ""
        self.names: dict[str, t.Any] = {"__name__": self.name}

    def fresh(self) -> None:
        """Run the tests that there are by now, and forget all names."""
        tests = [value for name, value in self.names.items() if name.startswith("test_")]
        for test in tests:
            outcome = test()
            if inspect.iscoroutine(outcome):
                asyncio.run(asyncio.wait_for(outcome, PATIENCE))
        self.names = {"__name__": self.name}

    def run(self, block: Block) -> None:
        if "file" in block.marks:
            self.write(block)
        if block.skipped:
            return
        word = block.marks.get("test", "")
        if word == "fresh":
            self.fresh()
        if word == "output":
            assert block.source == self.printed, block.place
        elif word == "process":
            self.in_process(block)
        elif word == "pytest":
            self.in_process(block, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        elif word == "pytest asyncio":
            plugin = ("-p", "pytest_asyncio.plugin", "-o", SCOPE)
            self.in_process(block, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin)
        elif block.word in PLAYED or (block.language == "python" and "file" in block.marks):
            compile(block.source, block.place, "exec")
        else:
            CHECKS[block.language](self, block)

    def write(self, block: Block) -> None:
        path = self.folder / block.marks["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.source)

    def in_process(self, block: Block, *options: str) -> None:
        path = self.folder / block.marks.get("file", f"test_line_{block.line}.py")
        path.write_text(block.source)
        done = subprocess.run(
            [sys.executable, *options, path],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.folder)]),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"
        self.printed = done.stdout

    def python(self, block: Block) -> None:
        # Empty lines in front make a traceback point into the page.
        source = (block.line - 1) * "\n" + block.source
        printed = io.StringIO()
        with redirect_stdout(printed):
            code = compile(source, ROOT / block.page, "exec", dont_inherit=True)
            exec(code, self.names)
        self.printed = printed.getvalue()

    def shell(self, block: Block) -> None:
        """Look at what is typed: commands of ours and their options are known."""
        source = re.sub(r"\\\n\s*", " ", block.source)
        for line in source.splitlines():
            typed = line.removeprefix("$ ").partition("  #")[0].strip()
            if (
                line.startswith("#")
                or not typed
                or (block.language == "console" and "$ " not in line)
            ):
                continue
            for part in re.split(r"\s(?:&&|\|)\s", typed):
                check_command(part, block)

    def template(self, block: Block) -> None:
        jinja2.Environment().parse(block.source)

    def toml(self, block: Block) -> None:
        tomllib.loads(block.source)

    def json(self, block: Block) -> None:
        json.loads(block.source)

    def diff(self, block: Block) -> None:
        """What is there afterwards has to be Python."""
        lines = [line[1:] for line in block.source.splitlines() if line[:1] in " +"]
        compile("\n".join(lines), block.place, "exec")


CHECKS: dict[str, t.Callable[[Page, Block], None]] = {
    "python": Page.python,
    "sh": Page.shell,
    "console": Page.shell,
    "html+jinja": Page.template,
    "html": Page.template,
    "toml": Page.toml,
    "json": Page.json,
    "diff": Page.diff,
}


def check_command(typed: str, block: Block) -> None:
    words = shlex.split(typed.removesuffix("&"), comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    if not words:
        return
    name, *rest = words
    if name.startswith("scripts/"):
        assert (ROOT / name).exists(), f"{block.place}: there is no {name}"
    elif name == "quartish":
        check_quartish(rest, block)
    else:
        assert name in FOREIGN, f"{block.place}: what is {name}?"
    if words[:2] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for extra in re.findall(r"quartish\[([\w,-]+)\]", typed):
            assert {*extra.split(",")} <= extras["optional-dependencies"].keys(), block.place


def check_quartish(words: list[str], block: Block) -> None:
    """Let click read the options, of the group and of the command."""
    try:
        ctx = cli.make_context("quartish", words, resilient_parsing=True)
        known = vars(ctx)  # by the one name since click 8.2, by the other before
        protected = known.get("_protected_args", known.get("protected_args", []))
        name, *rest = [*protected, *ctx.args] or [""]
        command = {**cli.commands, **cli._own}.get(name)
        if command is None:
            assert name in ("", "init-db") or name.startswith("<"), (
                f"{block.place}: what is {name}?"
            )
            return
        parser = command.make_parser(click.Context(command, parent=ctx))
        parser.parse_args([word for word in rest if word != "--help"])
    except click.UsageError as error:
        raise AssertionError(f"{block.place}: {error.format_message()}") from error


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(DOCS)) for path in PAGES])
def test_blocks(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = {*sys.modules}
    page = Page(tmp_path, f"page_{path.stem}")
    try:
        for block in blocks_of(path):
            assert block.language in CHECKS or block.skipped or "test" in block.marks, block.place
            page.run(block)
        page.fresh()
    finally:
        for name in {*sys.modules} - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(tmp_path)):
                del sys.modules[name]
    assert not [r.getMessage() for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")]


def test_pages_that_are_run_elsewhere_are_there() -> None:
    for page, test in ELSEWHERE.items():
        assert (ROOT / page).exists() and (ROOT / test).exists(), (page, test)


def test_marks_are_known() -> None:
    for path in pages():
        for block in blocks_of(path):
            rest = block.marks.get("test", "").partition(" ")[2]
            if block.word == "skip":
                assert rest, block.place
                continue
            known = {"": ("",), "fresh": ("",), "output": ("",), "process": ("",), **PLAYED}
            assert rest in {**known, "pytest": ("", "asyncio")}[block.word], block.place
