"""`quartish port`, whatever the code: what comes out parses, untouched lines are the same, and to
port twice changes nothing."""

from __future__ import annotations

import ast
import difflib
import typing as t
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from quartish._port.plan import Options
from quartish._port.records import Changes
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


def untouched(before: str, after: str) -> t.Iterator[str]:
    """Yield the lines that were taken out or changed."""
    for line in difflib.ndiff(before.splitlines(True), after.splitlines(True)):
        if line.startswith("- "):
            yield line[2:]


@settings(max_examples=40, deadline=None)
@given(FILES, OPTIONS)
def test_any_file(text: str, options: Options) -> None:
    if not parses(text):
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "app.py"
        path.write_bytes(text.encode())
        report = port(Path(folder), options)
        assert not report.failed
        write(report)
        after = path.read_bytes().decode()
        assert parses(after)
        # Only lines with a name of a framework, a `def` or something awaited change.
        for line in untouched(text, after):
            assert any(word in line for word in ("flask", "quart", "def", "sleep", "await", "("))
        assert not port(Path(folder), options).edited


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_what_is_not_changed_is_the_same(text: str) -> None:
    if parses(text):
        assert rewrite(text, Changes(modules={"nothing": "else"})) == text
