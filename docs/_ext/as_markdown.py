"""A document as Markdown: headings, tables, code and links as they are on the page."""

from __future__ import annotations

import posixpath
import re
import typing as t

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError

#: What a reader of Markdown gains nothing by.
_LEFT_OUT = (
    nodes.comment,
    nodes.substitution_definition,
    nodes.target,
    nodes.system_message,
    nodes.meta,
    addnodes.highlightlang,
    addnodes.index,
    addnodes.tabular_col_spec,
    addnodes.toctree,
)
_THROUGH = (
    nodes.container,
    nodes.compound,
    nodes.document,
    nodes.figure,
    addnodes.compact_paragraph,
    addnodes.desc_content,
    addnodes.only,
)
_MARKS = re.compile(r"([\\`*\[\]<>]|(?<!\w)_|_(?!\w))")


class Writer:
    """Writes one document, whose links lead to the Markdown of other pages."""

    def __init__(self) -> None:
        self.level = 0

    def document(self, document: nodes.document) -> str:
        return "\n\n".join(self.blocks(document)) + "\n"

    def blocks(self, parent: nodes.Element) -> list[str]:
        """Return each block below a node, without the empty ones."""
        found: list[str] = []
        for node in parent.children:
            found += [text for text in self.block(node) if text.strip()]
        return found

    def block(self, node: nodes.Node) -> list[str]:
        if isinstance(node, _LEFT_OUT):
            return []
        for kind in type(node).__mro__:
            method = getattr(self, f"block_{kind.__name__}", None)
            if method is not None:
                return t.cast("list[str]", method(node))
        if isinstance(node, nodes.Inline | nodes.Text):
            return [self.inline(node)]
        if isinstance(node, _THROUGH):
            return self.blocks(node)
        if isinstance(node, nodes.Admonition):
            return [quoted(f"**{type(node).__name__.capitalize()}:**", self.blocks(node))]
        raise ExtensionError(f"Markdown of {type(node).__name__} is not known: {node}")

    def block_section(self, node: nodes.section) -> list[str]:
        self.level += 1
        found = self.blocks(node)
        self.level -= 1
        return found

    def block_title(self, node: nodes.title) -> list[str]:
        if isinstance(node.parent, nodes.table | nodes.Admonition):
            return [f"**{self.inlines(node)}**"]
        return [f"{'#' * min(self.level, 6)} {self.inlines(node)}"]

    def block_rubric(self, node: nodes.rubric) -> list[str]:
        return [f"**{self.inlines(node)}**"]

    block_caption = block_rubric

    def block_paragraph(self, node: nodes.paragraph) -> list[str]:
        return [self.inlines(node)]

    def block_transition(self, node: nodes.transition) -> list[str]:
        return ["---"]

    def block_literal_block(self, node: nodes.literal_block) -> list[str]:
        text = node.astext().rstrip("\n")
        marks = max((len(run) for run in re.findall(r"^`{3,}", text, re.MULTILINE)), default=2)
        fence = "`" * max(3, marks + 1)
        language = node.get("language", "")
        language = {"default": "", "none": "", "udiff": "diff"}.get(language, language)
        return [f"{fence}{language}\n{text}\n{fence}"]

    def block_doctest_block(self, node: nodes.doctest_block) -> list[str]:
        return [f"```pycon\n{node.astext()}\n```"]

    def block_block_quote(self, node: nodes.block_quote) -> list[str]:
        return [quoted("", self.blocks(node))]

    def block_bullet_list(self, node: nodes.bullet_list) -> list[str]:
        return [self.items(node, lambda number: "- ")]

    def block_enumerated_list(self, node: nodes.enumerated_list) -> list[str]:
        first = node.get("start", 1)
        return [self.items(node, lambda number: f"{first + number}. ")]

    def items(self, node: nodes.Element, mark: t.Callable[[int], str]) -> str:
        items = [
            hanging(mark(n), self.blocks(t.cast(nodes.Element, item)))
            for n, item in enumerate(node.children)
        ]
        between = "\n\n" if any("\n\n" in item for item in items) else "\n"
        return between.join(items)

    def block_definition_list(self, node: nodes.definition_list) -> list[str]:
        lines = []
        for item in node.findall(nodes.definition_list_item):
            if item.parent is node:
                lines.append(hanging("- ", self.defined(item)))
        return ["\n".join(lines)]

    def defined(self, item: nodes.definition_list_item) -> list[str]:
        terms = [self.inlines(each) for each in item.children if isinstance(each, nodes.term)]
        [body] = [each for each in item.children if isinstance(each, nodes.definition)]
        first, *others = self.blocks(body) or [""]
        return [f"**{', '.join(terms)}**: {first}".rstrip(": "), *others]

    def block_field_list(self, node: nodes.field_list) -> list[str]:
        found = []
        for field in node.children:
            name, body = t.cast(nodes.Element, field).children
            found.append(f"**{self.inlines(t.cast(nodes.Element, name))}:**")
            found += self.blocks(t.cast(nodes.Element, body))
        return found

    def block_line_block(self, node: nodes.line_block) -> list[str]:
        return ["\\\n".join(self.inlines(line) for line in node.findall(nodes.line))]

    def block_table(self, node: nodes.table) -> list[str]:
        titles = [text for each in node.findall(nodes.title) for text in self.block(each)]
        rows = [
            [self.cell(entry) for entry in row.children if isinstance(entry, nodes.entry)]
            for row in node.findall(nodes.row)
        ]
        if next(iter(node.findall(nodes.thead)), None) is None:
            rows.insert(0, [""] * len(rows[0]))
        rule = ["---"] * len(rows[0])
        lines = [f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]]]
        return [*titles, "\n".join(lines)]

    def cell(self, entry: nodes.entry) -> str:
        text = "<br>".join(self.blocks(entry))
        return re.sub(r"(?<!\\)\|", r"\\|", text.replace("\n", " "))

    def block_raw(self, node: nodes.raw) -> list[str]:
        return [node["markdown"]] if "markdown" in node else []  # a drawing's words

    def block_image(self, node: nodes.image) -> list[str]:
        return [f"![{node.get('alt', '')}]({node['uri']})"]

    def block_desc(self, node: addnodes.desc) -> list[str]:
        """Write a name of the reference: its signature, and what is said of it below."""
        signatures = [each for each in node.children if isinstance(each, addnodes.desc_signature)]
        words = [f"`{' '.join(each.astext().split())}`" for each in signatures]
        self.level += 1
        inside = [
            text
            for each in node.children
            if isinstance(each, addnodes.desc_content)
            for text in self.blocks(each)
        ]
        self.level -= 1
        return [f"{'#' * min(self.level + 1, 6)} {word}" for word in words] + inside

    def inlines(self, parent: nodes.Element) -> str:
        return "".join(self.inline(node) for node in parent.children).strip()

    def inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            return _MARKS.sub(r"\\\1", node.astext().replace("\n", " "))
        if isinstance(node, nodes.literal):
            text = node.astext().replace("\n", " ")
            marks = "``" if "`" in text else "`"
            return f"{marks} {text} {marks}" if len(marks) > 1 else f"`{text}`"
        if isinstance(node, (nodes.raw, *_LEFT_OUT)):
            return ""
        if isinstance(node, nodes.image):
            return self.block_image(node)[0]
        assert isinstance(node, nodes.Element)
        text = "".join(self.inline(child) for child in node.children)
        if isinstance(node, nodes.strong):
            return f"**{text}**"
        if isinstance(node, nodes.emphasis):
            return f"*{text}*"
        if isinstance(node, nodes.reference):
            return f"[{text}]({place_of(node)})"
        return text


def place_of(node: nodes.reference) -> str:
    """Return where a link leads, which is the Markdown where it was a page of the site."""
    if "refid" in node:
        return f"#{node['refid']}"
    path, mark, anchor = str(node["refuri"]).partition("#")
    if not re.match(r"\w+:", path) and posixpath.splitext(path)[1] == ".html":
        path = f"{path.removesuffix('.html')}.md"
    return f"{path}{mark}{anchor}"


def hanging(mark: str, blocks: list[str]) -> str:
    """Put a mark in front of blocks, and all their other lines below its text."""
    return mark + "\n\n".join(blocks).replace("\n", "\n" + " " * len(mark)).replace(
        "\n" + " " * len(mark) + "\n", "\n\n"
    )


def quoted(title: str, blocks: list[str]) -> str:
    lines = "\n\n".join([title, *blocks] if title else blocks).splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines)
