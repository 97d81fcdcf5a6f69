"""What lies in the checkout beside docs/: pages that are included, folders of examples.

A link to a file of the checkout leads to the page of the site that shows it; a Markdown page is
written for the checkout, where its links lead to the files.
"""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Which page of the site shows what of the checkout.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "examples/blog": "project/examples.md",
    "examples/chat": "project/examples.md",
    "examples/early": "project/examples.md",
    "examples/feed": "project/examples.md",
    "examples/jobs": "project/examples.md",
    "examples/moving": "project/examples.md",
    "examples/orders": "project/examples.md",
    "examples/shop": "project/examples.md",
    "examples/uploads": "project/examples.md",
    "examples/deploy": "project/deploy-files.md",
}
LANGUAGES = {
    ".py": "python",
    ".html": "html+jinja",
    ".css": "css",
    ".js": "javascript",
    ".sql": "sql",
    ".toml": "toml",
    ".conf": "nginx",
    ".service": "ini",
    "": "docker",
}
_LINK = re.compile(r"(?<!\\)\]\((?!\w+:|#|<)([^)\s#]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def mend(text: str, folder: Path, page: str) -> str:
    """Return Markdown of `folder` with links that hold on `page` (a file of docs/)."""

    def lead(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        path = Path(os.path.normpath(folder / target))
        if path.is_relative_to(DOCS):
            return f"]({os.path.relpath(path, (DOCS / page).parent)}{anchor})"
        if not path.exists():
            raise ExtensionError(f"{page}: the link to {target} leads nowhere.")
        inside = path.relative_to(ROOT)
        for shown in (inside, *inside.parents):
            place = PAGES.get(str(shown))
            if place is not None:
                if path.is_dir():
                    anchor = "" if place.endswith("deploy-files.md") else f"#{path.name}"
                elif path.suffix != ".md":
                    anchor = "#" + re.sub(r"[^\w-]", "", path.name.lower())
                return f"]({os.path.relpath(DOCS / place, (DOCS / page).parent)}{anchor})"
        raise ExtensionError(f"{page}: no page shows {inside}; name one in {__name__}.PAGES.")

    code = [m.span() for m in _FENCE.finditer(text)]
    parts, last = [], 0
    for begin, end in [*code, (len(text), len(text))]:
        parts += [_LINK.sub(lead, text[last:begin]), text[begin:end]]
        last = end
    return "".join(parts)


class Folder(SphinxDirective):
    """Shows each text file of a folder of the checkout."""

    required_arguments = 1
    option_spec = {"level": directives.nonnegative_int}

    def run(self) -> list[nodes.Node]:
        folder = ROOT / self.arguments[0]
        level = "#" * self.options.get("level", 3)
        lines = []
        for path in sorted(folder.rglob("*")):
            language = LANGUAGES.get(path.suffix)
            hidden = any(part.startswith((".", "__pycache__")) for part in path.parts)
            if not path.is_file() or language is None or hidden:
                continue
            self.env.note_dependency(str(path))
            content = path.read_text()
            fence = "````" if "```" in content else "```"
            if content.strip():
                name = path.relative_to(folder)
                lines += [f"{level} {name}", "", f"{fence}{language}", content.rstrip(), fence, ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def name_as_in_checkout(app: Sphinx, document: nodes.document) -> None:
    """Take the place of the checkout out of the two lines that a difference begins with."""
    for block in document.findall(nodes.literal_block):
        if block.get("language") == "udiff":
            text = block.astext().replace(f"{ROOT}{os.sep}", "")
            block.rawsource = text
            block[:] = [nodes.Text(text)]


def mend_source(app: Sphinx, docname: str, content: list[str]) -> None:
    page = f"{docname}.md"
    content[0] = mend(content[0], (DOCS / page).parent, page)


def mend_included(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    if path.suffix == ".md":
        whole = path if path.is_absolute() else DOCS / path
        content[0] = mend(content[0], Path(os.path.normpath(whole)).parent, f"{app.env.docname}.md")


def setup(app: Sphinx) -> dict[str, t.Any]:
    app.add_directive("folder", Folder)
    app.connect("source-read", mend_source)
    app.connect("doctree-read", name_as_in_checkout)
    app.connect("include-read", mend_included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
