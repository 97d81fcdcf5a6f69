"""Tables that are made of code and data: configuration values, commands, patterns."""

from __future__ import annotations

import os
import re
import tomllib
import typing as t
from datetime import timedelta
from pathlib import Path

import click
from checkout import DOCS
from checkout import mend
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from quartish._defaults import DEFAULTS
from quartish._defaults import QUART_DEFAULTS
from quartish.cli import cli

SETTINGS = Path(__file__).parents[1] / "settings.md"
PATTERNS = Path(__file__).parents[1] / "howto" / "patterns.toml"
#: Defaults that differ from machine to machine.
BY_MACHINE = {"FILE_THREADS": "4 more than there are processors, 32 at most"}
_ROW = re.compile(r"(?m)^\| `([A-Z_]+)` \| (.*) \|$")


def own_settings() -> dict[str, str]:
    """Return what docs/settings.md says of each setting that Flask does not have."""
    apps = SETTINGS.read_text().partition("## Of the server")[0]
    return {name: rest.split(" | ")[-1] for name, rest in _ROW.findall(apps)}


def default_of(name: str) -> str:
    if name in BY_MACHINE:
        return BY_MACHINE[name]
    shown = [shown_default(table[name]) for table in (DEFAULTS, QUART_DEFAULTS) if name in table]
    if name not in DEFAULTS:
        return f"{shown[0]} in `Quart`"
    return shown[0] if shown[0] == shown[1] else f"{shown[0]}; {shown[1]} in `Quart`"


def shown_default(value: t.Any) -> str:
    if isinstance(value, timedelta):
        unit, number = ("days", value.days) if value.days else ("hours", value.seconds // 3600)
        return f"`timedelta({unit}={number})`"
    return f"`{value!r}`"


class Settings(SphinxDirective):
    """The table of all configuration values; its lines say what Flask's own do."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        says = own_settings() | dict(line.split(": ", 1) for line in self.content if line.strip())
        self.env.note_dependency(str(SETTINGS))
        if says.keys() != QUART_DEFAULTS.keys():
            raise ExtensionError(f"settings: {sorted(says.keys() ^ QUART_DEFAULTS.keys())}")
        lines = ["| value | default | what it does |", "| --- | --- | --- |"]
        lines += [
            f"| `{name}` | {default_of(name)} | {text} |" for name, text in sorted(says.items())
        ]
        # Links were written for docs/settings.md.
        return self.parse_text_to_nodes(mend("\n".join(lines), DOCS, f"{self.env.docname}.md"))


class Commands(SphinxDirective):
    """Every command of the command line, with its options."""

    def run(self) -> list[nodes.Node]:
        lines = []
        top = click.Context(cli, info_name="quartish", auto_envvar_prefix="QUARTISH")
        commands = {"": cli, **cli.commands, **cli._own}  # noqa: SLF001
        for name, command in sorted(commands.items()):
            ctx = top if not name else click.Context(command, parent=top, info_name=name)
            lines += self.told(command, ctx)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)

    def told(self, command: click.Command, ctx: click.Context) -> list[str]:
        usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
        about = re.sub(r"'(-[^']*|[\w.]+)'", r"`\1`", (command.help or "").strip("\b\n"))
        lines = [f"## {ctx.command_path}", "", "```text", usage, "```", "", about, ""]
        lines += ["| option | what it does | environment |", "| --- | --- | --- |"]
        for parameter in command.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            option, says = (part.replace("|", "\\|") for part in record)
            variable = parameter.value_from_envvar and parameter.envvar
            if not variable and ctx.parent and parameter.name != "help":
                variable = f"{ctx.auto_envvar_prefix}_{str(parameter.name).upper()}"
            named = f"`{variable}`" if isinstance(variable, str) else ""
            lines.append(f"| `{option}` | {says} | {named} |")
        return [*lines, ""]


class Patterns(SphinxDirective):
    """The patterns of another framework's documentation, and the pages that they have here."""

    required_arguments = 1
    option_spec = {"title": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(PATTERNS))
        lines = [f"| {self.options['title']} | here |", "| --- | --- |"]
        for name, page in tomllib.loads(PATTERNS.read_text())[self.arguments[0]].items():
            if isinstance(page, str):
                docname = os.path.normpath(PATTERNS.parent / page)
                title = self.title_of(Path(f"{docname}.md"))
                lines.append(f"| `{name}` | [{title}]({page}.md) |")
        return self.parse_text_to_nodes("\n".join(lines))

    def title_of(self, path: Path) -> str:
        self.env.note_dependency(str(path))
        return path.read_text().partition("\n")[0].removeprefix("# ")


def setup(app: Sphinx) -> dict[str, t.Any]:
    app.add_directive("settings", Settings)
    app.add_directive("commands", Commands)
    app.add_directive("patterns", Patterns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
