"""`quartish port`, whatever the code: what comes out parses, untouched lines are the same, and to
port twice changes nothing."""

from __future__ import annotations

import ast
import re
import typing as t
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from quartish._port import runner
from quartish._port.places import parse
from quartish._port.plan import Options
from quartish._port.records import Changes
from quartish._port.requests_calls import HELPER
from quartish._port.rewrite import rewrite
from quartish._port.runner import port
from quartish._port.runner import write

NAMES = st.sampled_from(["flask", "quart", "app", "request", "time", "x", "view", "quartish"])
IMPORTS = st.sampled_from(
    [
        "import flask",
        "import flask as f, os",
        "import flask.json",
        "from flask import (Flask, request,\n    g)  # all",
        "from flask import *",
        "import quart",
        "from quart import Quart as Q",
        "import time",
        "from time import sleep",
        "import flask_login",
        "if 1:\n    import flask",
        "try:\n    from flask import g\nexcept ImportError: pass",
    ]
)
EXPRESSIONS = st.recursive(
    st.one_of(NAMES, st.sampled_from(["1", "'flask.g'", "f'{x}'", "time.sleep(1)", "sleep(x)"])),
    lambda inner: st.one_of(
        st.builds("{}.form".format, NAMES),
        st.builds("({})".format, inner),
        st.builds("{}({}, k={})".format, NAMES, inner, inner),
        st.builds("[{} for x in {}]".format, inner, inner),
        st.builds("(lambda flask: {})".format, inner),
        st.builds("{} +\\\n  {}".format, NAMES, inner),
        st.builds("({}\n\n  , {})  # c".format, NAMES, NAMES),
    ),
    max_leaves=6,
)
BODIES = st.one_of(
    st.builds("return {}".format, NAMES),
    st.builds("x = {}; return x".format, NAMES),
    st.builds("with {} as flask: pass".format, NAMES),
    st.builds("time.sleep(1)  # {}".format, NAMES),
    st.just('"""flask"""'),
)
STATEMENTS = st.one_of(
    IMPORTS,
    st.builds("x = {}".format, EXPRESSIONS),
    st.builds("@app.route('/')\ndef view(x):\n  {}".format, BODIES),
    st.builds("@app.get('/{}')  # flask\ndef   other ( ) :\n\t{}".format, NAMES, BODIES),
    st.builds("class C({}.View):\n  def get(self): {}".format, NAMES, BODIES),
    st.builds("async def co():\n    await {}".format, NAMES),
    st.sampled_from(["# import flask", "", "app = flask.Flask(__name__)", "app = Flask('x')", ";"]),
)
FILES = st.builds(
    lambda head, lines, end: head + end.join("\n".join(lines).split("\n")) + end,
    st.sampled_from(
        ["", '"""Doc."""\n', "#!/bin/python\n", "from __future__ import annotations\n"]
    ),
    st.lists(STATEMENTS, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
)
OPTIONS = st.builds(
    Options,
    colour=st.sampled_from(["keep", "plain", "awaitable"]),
    every=st.booleans(),
    rewrite=st.frozensets(st.sampled_from(["sleep", "httpx"])),
)


def parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


Call: t.TypeAlias = tuple[str, Changes]


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines, as Python counts them, each with its end."""
    return re.findall(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", data)


def may_change(text: str, changes: Changes) -> set[int]:
    """Return the lines, counted from 1, that a change names, and those with an import or a name
    of the module that is another now."""
    found = set(changes.make_async)
    for span in changes.spans():
        found |= set(range(span.line, span.end_line + 1))
    modules = changes.modules.keys()
    for node in ast.walk(parse(text)[0]):
        roots: list[str] = []
        match node:
            case ast.Import(names=aliases):
                roots = [alias.name.partition(".")[0] for alias in aliases]
            case ast.ImportFrom(module=str(name), level=0):
                roots = [name.partition(".")[0]]
            case ast.Attribute(value=ast.Name(id=name)) | ast.Name(id=name):
                roots = [name]
        if modules & set(roots):
            where: t.Any = node
            found |= set(range(where.lineno, where.end_lineno + 1))
    return found


def without_what_was_added(old: list[bytes], new: list[bytes], changes: Changes) -> list[bytes]:
    """Return the new lines without the imports and the function that were put in."""
    new = list(new)
    for line in (*changes.add_imports, changes.first_import):
        found = [number for number, one in enumerate(new) if one.strip() == line.encode()]
        already = [one for one in old if one.strip() == line.encode()]
        if line and len(found) > len(already):
            del new[found[0]]
    if changes.requests:
        helper = HELPER.strip("\n").encode().splitlines()
        bare = [line.rstrip(b"\r\n") for line in new]
        [at] = [n for n in range(len(bare)) if bare[n : n + len(helper)] == helper]
        del new[at : at + len(helper)]
        while len(new) > len(old):  # empty lines around it
            at -= at == len(new) or bool(new[at].strip())
            assert not new.pop(at).strip()
    if old and not old[-1].endswith((b"\n", b"\r")) and (changes.first_import or changes.requests):
        new[-1] = new[-1].rstrip(b"\r\n")  # what was put after it has a line of its own
    return new


def check_lines(before: bytes, after: bytes, text: str, changes: Changes) -> None:
    """Each line of what came out is one that was there, byte by byte and in order, or one that a
    change names, in its place."""
    mark = b"\xef\xbb\xbf"
    assert before.startswith(mark) is after.startswith(mark)
    old = lines_of(before.removeprefix(mark))
    new = without_what_was_added(old, lines_of(after.removeprefix(mark)), changes)
    assert len(old) == len(new)
    allowed = may_change(text, changes)
    for number, (one, other) in enumerate(zip(old, new, strict=True), 1):
        assert one == other or number in allowed, (number, one, other)
        # No change makes another end of a line.
        assert one[len(one.rstrip(b"\r\n")) :] == other[len(other.rstrip(b"\r\n")) :]


def port_bytes(data: bytes, options: Options) -> tuple[bytes, list[Call]]:
    """Port a file, write it, and return what it is then, and what was to be changed."""
    calls: list[Call] = []

    def spy(text: str, changes: Changes) -> str:
        calls.append((text, changes))
        return rewrite(text, changes)

    with TemporaryDirectory() as folder, patch.object(runner, "rewrite", spy):
        path = Path(folder) / "app.py"
        path.write_bytes(data)
        report = port(Path(folder), options)
        assert not report.failed
        write(report)
        after = path.read_bytes()
        assert not port(Path(folder), options).edited, "to port twice changes something"
    return after, calls[:1]


def check(data: bytes, options: Options) -> None:
    """Port a file, and look at each line of it."""
    after, calls = port_bytes(data, options)
    ast.parse(after)
    if calls:
        check_lines(data, after, *calls[0])
    else:
        assert after == data


@settings(max_examples=40, deadline=None)
@given(FILES, OPTIONS)
def test_any_file(text: str, options: Options) -> None:
    if parses(text):
        check(text.encode(), options)


#: Modules that say flask, quart and what blocks often, and others with odd forms; as text.
REAL = ("flask.app", "flask.ctx", "quart.app", "quart.helpers", "flask.views", "werkzeug.utils",
        "subprocess", "dataclasses", "jinja2.nodes", "tempfile", "werkzeug.test")  # fmt: skip


@cache
def real_pieces() -> list[str]:
    """Return statements of real modules, imports and definitions with their comments."""
    found: list[str] = []
    for name in REAL:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None
        lines = Path(spec.origin).read_text("utf-8").splitlines(keepends=True)
        start = 0
        for node in ast.parse("".join(lines)).body:
            end = node.end_lineno or 0
            if end - start < 90 and "__future__" not in "".join(lines[start:end]):
                found.append("".join(lines[start:end]))
            start = end
    return found


VIEWS = (
    "import flask\nfrom flask import Flask, request\n",
    "import time, requests\nfrom flask import request\n",
    "from quart import Quart, request, render_template\nimport quart\n",
    "import flask_login\n",
    "app = flask.Flask(__name__)\n",
    "app = Quart('x')\n",
    "@app.get('/')  # é\ndef view():\n    x = f'ü{flask.g.x}' + f'''\n{flask.request}\n'''\n"
    "    return (request  # c\n        .form[ 'a' ]  , )\n",
    "@app.post(\n  '/x')\nasync   def other(): return (  await   request.get_json( ) )['é']\n",
    "@app.route('/s')\ndef slow ( a = flask . g ) :\n    '''D.'''; time.sleep(\n    1)  # w\n"
    "    return requests.get('x' , timeout = 3).text\n",
    "if flask.g: pass\nwith (flask.app() as a,\n      b): print( flask , end = '')\n",
)
ENDS = ("\n", "\r\n", "\r")


@st.composite
def real_files(draw: st.DrawFn) -> bytes:
    """Draw the bytes of a file that is made of pieces of real ones: with tabs or spaces, form
    feeds, marks, other encodings, other ends of lines, and without an end."""
    pieces = draw(st.lists(st.sampled_from(real_pieces()) | st.sampled_from(VIEWS), max_size=7))
    between = draw(st.sampled_from(["", "\n", "\n\n\f\n", "# flask, é\n\n", "\\\n\n"]))
    text = between.join(piece if piece.endswith("\n") else f"{piece}\n" for piece in pieces)
    if draw(st.booleans()):
        text = re.sub(r"(?m)^(?: {4})+", lambda match: "\t" * (len(match[0]) // 4), text)
    if draw(st.booleans()):
        text = text.rstrip("\n")
    mark, encoding = b"", draw(st.sampled_from(["utf-8", "utf-8", "latin-1"]))
    if encoding == "latin-1":
        text = "# -*- coding: latin-1 -*-\n" + text
    elif draw(st.booleans()):
        mark = b"\xef\xbb\xbf"
    if draw(st.booleans()):
        text = text.replace("\n", draw(st.sampled_from(ENDS)))
    return mark + text.encode(encoding, errors="replace")


def check_real(data: bytes, options: Options) -> None:
    try:
        ast.parse(data)
    except (SyntaxError, ValueError):
        return
    check(data, options)


REAL_CODE = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(REAL_CODE, max_examples=25)
@given(real_files(), OPTIONS)
def test_untouched_lines_of_real_code(data: bytes, options: Options) -> None:
    check_real(data, options)


@pytest.mark.slow
@settings(REAL_CODE, max_examples=1500)
@given(real_files(), OPTIONS)
def test_untouched_lines_of_much_real_code(data: bytes, options: Options) -> None:
    check_real(data, options)


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_what_is_not_changed_is_the_same(text: str) -> None:
    if parses(text):
        assert rewrite(text, Changes(modules={"nothing": "else"})) == text
