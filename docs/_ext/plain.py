"""Each page as plain Markdown beside its HTML, and llms.txt, which lists them."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from as_markdown import Writer
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx


class Plain:
    """What is kept of each page while it is written."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        self.told: dict[str, str] = {}

    def keep(self, app: Sphinx, document: nodes.document, docname: str) -> None:
        if app.builder.format == "html":
            self.told[docname] = first_sentence(document)
            self.made[docname] = Writer().document(document)

    def write(self, app: Sphinx, error: Exception | None) -> None:
        if error is not None or app.builder.format != "html":
            return
        out = Path(app.outdir)
        for docname, text in self.made.items():
            (out / f"{docname}.md").write_text(text)
        pages = {out / f"{docname}.md" for docname in app.env.found_docs}
        for path in {*out.rglob("*.md")} - pages:  # of pages that were there before
            path.unlink()
        lines = ["# quartish", "", f"> {self.sentence(app, 'index')}", ""]
        for tree in app.env.get_doctree("index").findall(addnodes.toctree):
            lines += [f"## {tree['caption']}", ""]
            for docname in with_children(app, [entry for _, entry in tree["entries"]]):
                title = app.env.titles[docname].astext()
                lines.append(f"- [{title}]({docname}.md): {self.sentence(app, docname)}")
            lines.append("")
        (out / "llms.txt").write_text("\n".join(lines))

    def sentence(self, app: Sphinx, docname: str) -> str:
        """Return the first sentence of a page, also of one that was built before."""
        if docname not in self.told:
            self.told[docname] = first_sentence(app.env.get_doctree(docname))
        return self.told[docname]


def first_sentence(document: nodes.document) -> str:
    for node in document.findall(nodes.paragraph):
        text = " ".join(node.astext().split())
        return re.split(r"(?<=[.!?:]) (?=[A-Z`])", text)[0]
    return ""


def with_children(app: Sphinx, docnames: list[str]) -> t.Iterator[str]:
    for docname in docnames:
        yield docname
        yield from with_children(app, app.env.toctree_includes.get(docname, []))


def setup(app: Sphinx) -> dict[str, t.Any]:
    plain = Plain()
    app.connect("doctree-resolved", plain.keep, priority=900)
    app.connect("build-finished", plain.write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
