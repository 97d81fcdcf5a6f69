"""What has one place in the house, and is looked for there."""

from __future__ import annotations

import ast
import typing as t

from tests.house.test_layers import ours
from tests.house.test_layers import trees

#: Where a room of `wrappers` looks for the active context, and why nothing was handed down.
ASKS = {
    "connection.__missing__",  # a request that a user has made goes by the current app, as in Flask
    "connection.quartish_is_debugged",  # whose class may redefine that, as in Flask
    "response.cookie_size",  # users make responses
    "response_bodies.to_file_thread",
    "response_bodies.view_pool",
    "unawaited._find_view",  # for a message that names the view
}
FINDERS = {"find_context", "current_context", "current_app", "_cv_app"}


def owners(tree: ast.Module) -> t.Iterator[tuple[str, ast.AST]]:
    """Pair each node with the function that it stands in."""

    def walk(node: ast.AST, owner: str) -> t.Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            name = child.name if inside else owner  # type: ignore[attr-defined]
            yield name, child
            yield from walk(child, name)

    return walk(tree, "")


def test_a_request_is_handed_its_settings() -> None:
    found = {
        f"{name.removeprefix('wrappers.')}.{owner}"
        for name, tree in trees().items()
        if name.startswith("wrappers.")
        for owner, node in owners(tree)
        if isinstance(node, ast.Name) and node.id in FINDERS
    }
    assert found == ASKS


def test_header_lines_are_made_in_one_room() -> None:
    """A line is a pair of bytes; one that is made of texts is made by `_http.headers`."""
    pairs = [
        f"{name}:{node.lineno}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ListComp | ast.GeneratorExp)
        and isinstance(node.elt, ast.Tuple)
        and len(node.elt.elts) == 2
        and all("encode" in ast.dump(part) for part in node.elt.elts)
        and name != "_http.headers"
    ]
    assert pairs == []


def test_what_a_view_returned_is_unpacked_in_one_place() -> None:
    """`len(rv) == 3`: body, status and headers."""
    found = {
        f"{name}.{owner}"
        for name, tree in trees().items()
        for owner, node in owners(tree)
        if isinstance(node, ast.Compare) and ast.unparse(node) == "len(rv) == 3"
    }
    assert found == {"_dispatch.response.unpacked"}


def test_an_app_has_a_type() -> None:
    """Rooms say by a Protocol (`quartish.typing`) what of the app they need. `AnyApp` is for what
    users override."""
    untyped = [
        f"{name}:{argument.lineno}"
        for name, tree in trees().items()
        for argument in ast.walk(tree)
        if isinstance(argument, ast.arg)
        and argument.arg == "app"
        and argument.annotation is not None
        and "t.Any" in ast.unparse(argument.annotation).split(" | ")
    ]
    assert untyped == []


def test_who_uses_the_proxies() -> None:
    """`globals` says so at its head; the other two are names for users."""
    users = {found.importer for found, target in ours() if target == "globals"}
    assert users == {"__init__", "quart", "_application"}


def test_who_writes_which_context_is_active() -> None:
    """`_current` says so at its head."""
    writers = {
        name
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
        and ast.unparse(node) in ("_cv_app.set", "_cv_app.reset", "activate")
    }
    assert writers == {
        "_current",
        "asgi.debug",
        "_dispatch.life",
        "_dispatch.own_contexts",
        "debugger",
        "helpers",
    }
