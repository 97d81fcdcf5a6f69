"""Compiling templates: the code that Jinja generates, with its slow parts replaced.

Jinja translates a template to Python source; `compile_template` rewrites the syntax tree of
that source before Python compiles it. Code of a form that is not known here stays as Jinja wrote
it: slower, never wrong. Line numbers stay, so that a traceback shows the template's lines.

In both colours:
- `row.name` and `row["name"]` of a dict that has the key are looked up without a
  call. Jinja tries the attribute first, which costs an exception each time.
- A str, int or Markup is escaped without making a Markup, as the result is only joined.

Where templates are async:
- `await auto_await(x)` makes a coroutine for each attribute, call, filter and test. Here `x` is
  awaited only if its type is awaitable.
- `async for x in auto_aiter(y)` makes two for each item. Here it is checked once what `y` is: a
  plain iterable is iterated over plainly, an async one with an `await` for each item.
- The root and the blocks are async generators, which suspend for each piece of output. Each of them
  gets an attribute `whole`, a coroutine function that adds the pieces to a list. Rendering to one
  string uses that, streaming uses the generator.

A difference for templates: `loop` over a plain iterable is Jinja's synchronous LoopContext, so
Python code that is given `loop` finds its `length` or `last` without awaiting it.
"""

from __future__ import annotations

import ast
import copy
import re
import threading
import types
import typing as t
from functools import cache

import markupsafe
from jinja2 import Environment
from jinja2.async_utils import auto_await
from jinja2.bccache import Bucket
from jinja2.bccache import BytecodeCache
from jinja2.runtime import AsyncLoopContext
from jinja2.runtime import LoopContext

from .._jinja import quote as quote  # called by the generated code

FORMAT = "quartish1"
"""The version in bytecode caches. Change it whenever the generated code changes."""

# --- called by generated code --------------------------------------------------------------------

settled_types: set[type] = {bool, dict, float, int, list, markupsafe.Markup, str, type(None)}
"""Types whose instances are not awaitable. Types that templates use are added."""

MOST_SETTLED = 1000  # so that classes made at run time are not all kept


def awaitable(value: t.Any) -> t.Awaitable[t.Any]:
    """Return an awaitable for a value that may be one. If it is not, its type is remembered."""
    kind = type(value)
    if kind is types.CoroutineType:
        return t.cast("t.Awaitable[t.Any]", value)
    if (
        kind is not types.GeneratorType  # may be a coroutine (`types.coroutine`)
        and not hasattr(kind, "__await__")
        and len(settled_types) < MOST_SETTLED
    ):
        settled_types.add(kind)
    return auto_await(value)


def text(value: t.Any) -> str:
    """Return the text of an escaped value that is not a str."""
    kind = type(value)
    if kind is markupsafe.Markup:
        return t.cast(str, value)
    return str(value) if kind is int else markupsafe.escape(value)


def steps(iterable: t.AsyncIterable[t.Any]) -> t.Iterator[t.Awaitable[t.Any]]:
    """Iterate over the awaitables of the items of an async iterable."""
    iterator = aiter(iterable.__aiter__())  # looked up on the instance, as Jinja does: proxies
    while True:
        try:
            step = anext(iterator)
        except StopAsyncIteration:  # raised by an iterator that is not a generator
            return
        yield step


def loop_context(iterable: t.Any, *args: t.Any) -> LoopContext:
    """Make the `loop` for an iterable of either kind."""
    return (AsyncLoopContext if hasattr(iterable, "__aiter__") else LoopContext)(iterable, *args)


def whole_of(func: t.Any) -> t.Callable[[t.Any], t.Any]:
    """Return a decorator that sets `whole` on `func`, a root or a block."""

    def attach(whole: t.Any) -> t.Any:
        func.whole = whole
        return func

    return attach


def whole(func: t.Any) -> t.Callable[[t.Any, list[str]], t.Awaitable[None]]:
    """Return the function that renders a root or a block into a list, also of one that was compiled
    elsewhere."""
    found: t.Callable[[t.Any, list[str]], t.Awaitable[None]] | None
    found = getattr(func, "whole", None)
    return _Collect(func) if found is None else found


class _Collect:
    def __init__(self, func: t.Any) -> None:
        self.func = func

    async def __call__(self, context: t.Any, pieces: list[str]) -> None:
        generator = self.func(context)
        try:
            async for piece in generator:
                pieces.append(piece)
        finally:
            await generator.aclose()


# --- generating code ------------------------------------------------------------------------


NODE = re.compile(r"\b([A-Z]\w+)\(")
PART = re.compile(r"Name\(id='([A-Z])', ctx=\w+\(\)\)")


def _maker(source: str) -> t.Callable[..., t.Any]:
    """Return a function that makes the syntax tree of `source`, one statement or expression.

    It is given the node whose place the tree takes, and the trees for capital letters in `source`.

    PERF(2x compiling): each tree is made by one expression, not by copying another.
    """
    statement = ast.parse(source).body[0]
    tree = ast.dump(statement.value if isinstance(statement, ast.Expr) else statement)
    parts = ", ".join(sorted(set(PART.findall(tree))))
    tree = NODE.sub(_located, PART.sub(r"\1", tree))
    made = eval(f"lambda at, {parts}: {tree}", dict(vars(ast)))  # noqa: S307 (of code of ours)
    return t.cast("t.Callable[..., t.Any]", made)


def _located(node: re.Match[str]) -> str:
    stands_somewhere = "lineno" in getattr(ast, node[1])._attributes
    return f"{node[1]}(**at, " if stands_somewhere else node[0]


def _at(node: t.Any) -> dict[str, int]:
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno,
        "end_col_offset": node.end_col_offset,
    }


# Each expression assigns `_q` again, after the expressions within it. PERF(a page of 50 rows, 203
# us and 151 us in the two colours: 45 us and 43 us): a lookup saves 500 ns, escaping 350 ns, an
# await 200 ns, a step of a loop 300 ns.
make_lookup: dict[str, t.Callable[..., t.Any]] = {
    method: _maker(f"_q[K] if type(_q := X) is dict and K in _q else environment.{method}(_q, K)")
    for method in ("getattr", "getitem")
}
make_escape: t.Callable[..., t.Any] = _maker("quote(_q) if type(_q := X) is str else text(_q)")
make_await: t.Callable[..., t.Any] = _maker(
    "_q if type(_q := X) in settled_types else await awaitable(_q)"
)
make_collect: t.Callable[..., t.Any] = _maker("await whole(F)(C, B)")
make_add: t.Callable[..., t.Any] = _maker("_out += (V,)")
make_decorator: t.Callable[..., t.Any] = _maker("whole_of(F)")
SYNC_IMPORTS = "quote, text"
ASYNC_IMPORTS = "awaitable, loop_context, quote, settled_types, steps, text, whole, whole_of"

DICT_ATTRIBUTES = frozenset(dir(dict))  # attributes have priority over keys
LEAVES = frozenset({ast.Constant, ast.Load, ast.Name, ast.Pass, ast.Store, ast.arguments})


@cache
def _loop_maker(depth: int) -> t.Callable[..., ast.For]:
    return _maker(
        f"""
for _item{depth} in steps(_q) if (_async{depth} := hasattr(_q := X, "__aiter__")) else _q:
    if _async{depth}:
        try:
            _item{depth} = await _item{depth}
        except StopAsyncIteration:
            break
    T = _item{depth}
"""
    )


def _calls(node: ast.AST, name: str) -> t.TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


class _Rewriter(ast.NodeTransformer):
    """Replaces lookups, escaping, awaits and loops by faster code, in place."""

    def __init__(self, environment: Environment) -> None:
        # What a subclass, such as a sandbox, redefines is still called.
        self.lookups = {
            method
            for method in make_lookup
            if getattr(type(environment), method) is getattr(Environment, method)
            and method not in vars(environment)
        }
        self.depth = 0  # of loops

    def visit(self, node: ast.AST) -> t.Any:
        return node if type(node) in LEAVES else super().visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Name("escape"), [value]):
                return t.cast(ast.AST, make_escape(_at(node), value))
            case ast.Call(ast.Name(), [ast.Call(ast.Name("auto_aiter"), [iterable]), *_]):
                node.args[0] = iterable  # of a recursive loop or of a loop's filter
            case ast.Call(
                ast.Attribute(ast.Name("environment"), method),
                [value, ast.Constant(str(name)) as key],
            ) if method in self.lookups and (method == "getitem" or name not in DICT_ATTRIBUTES):
                return t.cast(ast.AST, make_lookup[method](_at(node), key, value))
        return node

    def visit_Await(self, node: ast.Await) -> ast.AST:
        self.generic_visit(node)
        if _calls(node.value, "auto_await"):
            return t.cast(ast.AST, make_await(_at(node), node.value.args[0]))
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1
        iterable: ast.expr
        if _calls(node.iter, "auto_aiter"):
            iterable = node.iter.args[0]
        elif _calls(node.iter, "AsyncLoopContext"):
            iterable = node.iter
            iterable.func = ast.copy_location(ast.Name("loop_context", ast.Load()), iterable)
        else:
            return node
        loop = _loop_maker(self.depth)(_at(node), node.target, iterable)
        loop.body += node.body
        return loop


def _generates(node: ast.AST) -> t.TypeGuard[ast.AsyncFunctionDef]:
    return isinstance(node, ast.AsyncFunctionDef) and (
        node.name == "root" or node.name.startswith("block_")
    )


def _collected(body: list[ast.stmt], whole: bool) -> list[ast.stmt]:
    """Rewrite statements that yield the pieces of a block, an include or a parent: they add them to
    a list.

    In a `whole`, other yielded pieces are added to the list, too.
    """
    done: list[ast.stmt] = []
    for node in body:
        match node, done[-1] if done else None:
            case (
                ast.Expr(ast.Yield(ast.expr() as piece)),
                ast.AugAssign(ast.Name("_out"), value=ast.Tuple(elts=pieces)),
            ) if whole:
                pieces.append(piece)
                continue
            case ast.Expr(ast.Yield(ast.expr() as piece)), _ if whole:
                done.append(make_add(_at(node), piece))
                continue
            case (
                ast.Try([ast.AsyncFor(iter=ast.Name(name)) as loop]),
                ast.Assign([ast.Name(generator)], ast.Call() as call),
            ) if name == generator and (collect := _collect(loop, call, whole)) is not None:
                done[-1] = collect
                continue
            case (ast.AsyncFor(iter=ast.Call() as call) as loop, _) if (
                collect := _collect(loop, call, whole)
            ) is not None:  # the parent template, until Jinja 3.1.5
                done.append(collect)
                continue
        done.append(_with_bodies(node, whole))
    return done


def _collect(loop: ast.AsyncFor, call: ast.Call, whole: bool) -> ast.stmt | None:
    """Rewrite a loop that only yields the pieces of `call`, such that they are collected."""
    match call, loop.target, loop.body:
        case (
            ast.Call(func, [context], []),
            ast.Name(event),
            [ast.Expr(ast.Yield(ast.Name(same)))],
        ) if whole and event == same:
            buffer: ast.expr = ast.copy_location(ast.Name("_out", ast.Load()), loop)
        case (
            ast.Call(func, [context], []),
            ast.Name(event),
            [ast.Expr(ast.Call(ast.Attribute(ast.Name() as buffer, "append"), [ast.Name(same)]))],
        ) if event == same:
            pass
        case _:
            return None
    at = _at(loop)
    return ast.Expr(make_collect(at, buffer, context, func), **at)


def _with_bodies(node: ast.stmt, whole: bool) -> ast.stmt:
    """Return a copy of a statement with the statements in it rewritten."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        whole = False  # macros and loop filters have their own output
    fields = [f for f in ("body", "orelse", "finalbody") if getattr(node, f, None)]
    if fields:
        node = copy.copy(node)
        for field in fields:
            setattr(node, field, _collected(getattr(node, field), whole))
    return node


def _whole(generator: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
    """Make the coroutine function that renders into a list of the generator function."""
    node = copy.copy(generator)
    node.args = copy.copy(node.args)
    node.args.args = list(node.args.args)
    node.args.args.insert(1, ast.copy_location(ast.arg("_out"), node))
    node.body = _collected(node.body, True)
    name = ast.copy_location(ast.Name(node.name, ast.Load()), node)
    node.decorator_list = [make_decorator(_at(node), name)]
    return node


# Python counts the recursion depth of syntax trees for all threads together, and raises SystemError
# if two threads make trees at the same time (CPython's issue 106905).
_one_at_a_time = threading.Lock()


def compile_template(environment: Environment, source: str, filename: str) -> types.CodeType:
    """Compile the source that Jinja has generated for a template of `environment`."""
    try:
        with _one_at_a_time:
            return _compile(environment, source, filename)
    except (RecursionError, SystemError):  # hundreds of levels or elifs; trees of other threads
        return compile(source, filename, "exec", dont_inherit=True)


def _compile(environment: Environment, source: str, filename: str) -> types.CodeType:
    tree = _Rewriter(environment).visit(ast.parse(source))
    names = SYNC_IMPORTS
    if environment.is_async:
        names = ASYNC_IMPORTS
        body: list[ast.stmt] = []
        for node in tree.body:
            body.append(_with_bodies(node, False))
            if _generates(node):
                body.append(_whole(node))
        tree.body = body
    tree.body[1:1] = ast.parse(f"from {__name__} import {names}").body
    return compile(tree, filename, "exec", dont_inherit=True)


class Shelf(BytecodeCache):
    """A bytecode cache that keeps code compiled here apart, for each colour."""

    def __init__(self, cache: BytecodeCache) -> None:
        self.cache = cache

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self.cache, name)

    def get_bucket(
        self, environment: Environment, name: str, filename: str | None, source: str
    ) -> Bucket:
        name = f"{name}.{FORMAT}{'-async' if environment.is_async else ''}"
        return self.cache.get_bucket(environment, name, filename, source)

    def set_bucket(self, bucket: Bucket) -> None:
        self.cache.set_bucket(bucket)

    def clear(self) -> None:
        self.cache.clear()
