"""What quartish does where Werkzeug, Jinja or MarkupSafe have lost a private name that it uses.

Each name is hidden from the rooms that ask for it (`_werkzeug`, `_jinja`), in a process of its
own; then the same requests are played. Their answers are the same, or say what is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from functools import cache

import pytest
from werkzeug.sansio.response import Response

from quartish._werkzeug import STATUS_LINES

PLAY = r"""
import asyncio, builtins, io, json, os, sys
import asyncio.events, click, jinja2, jinja2.async_utils, werkzeug.routing, werkzeug.test

gone = set()
for name in sys.argv[1:]:
    if not os.fork():
        gone.add(name)
        break
    os.wait()
has, get, names = hasattr, getattr, vars
MISSING = object()

def hidden_vars(thing):
    found = names(thing)
    hidden = gone & found.keys()
    return {name: found[name] for name in found if name not in hidden} if hidden else found

def hidden_get(thing, name, *default):
    return default[0] if name in gone and default else get(thing, name, *default)

def hide():
    builtins.hasattr = lambda thing, name: name not in gone and has(thing, name)
    builtins.getattr = hidden_get
    builtins.vars = hidden_vars
    sys.modules.update((name, None) for name in gone if "." in name)

def show():
    builtins.hasattr, builtins.getattr, builtins.vars = has, get, names

hide()
import quartish._jinja, quartish._werkzeug
from quartish import Flask, Quart, Response, render_template_string, request, session, url_for

app = Flask("app")
app.secret_key = "x"
app.config["PROPAGATE_EXCEPTIONS"] = True

@app.get("/rule/<int:number>/<text>")
def rule(number, text):
    return f"{number} {text} {url_for('rule', number=3, text='a b')} {url_for('path', path='a/b')}"

@app.get("/path/<path:path>")
def path(path):
    return Response(path, 201, {"X-Name": "value"})

@app.post("/form")
async def form():
    return {"form": request.form, "file": request.files["file"].read().decode()}

@app.post("/both")
def both():
    return [request.get_data(cache=True).decode(), request.form["a"], request.get_data().decode()]

@app.post("/json")
def loads():
    return [request.get_json(), request.get_json(), request.mimetype]

@app.get("/page")
def page():
    session["seen"] = session.get("seen", 0) + 1
    return render_template_string("{{ name }} {{ seen }}", name="<b>", seen=session["seen"])

quart = Quart("quart")

@quart.get("/")
async def index():
    response = Response("body", 202)
    response.set_cookie("a", "b")
    return response

@quart.get("/cookies")
async def cookies():
    return request.headers.get("Cookie", "none")

def told(response):
    return [response.status, sorted(response.headers.items()), response.text]

def lend():
    with app.test_client() as client:
        client.get("/page")
        with client.session_transaction() as session:
            session["seen"] += 10
        return told(client.get("/page"))[::2]

async def jar():
    client = quart.test_client()
    first = await client.get("/")
    second = await client.get("/cookies")
    return [first.status, str(first.headers), await second.get_data(as_text=True)]

client = app.test_client
steps = {
    "rule": lambda: told(client().get("/rule/7/x%20y")),
    "no rule": lambda: told(client().get("/rule/x/y")),
    "path": lambda: told(client().get("/path/a/b/c")),
    "form": lambda: told(client().post("/form", data={
        "a": "b", "file": (io.BytesIO(b"\r\n-\r" * 30000), "name")})),
    "both": lambda: told(client().post("/both", data={"a": "b"})),
    "json": lambda: told(client().post("/json", json={"a": [1]})),
    "page": lambda: told(client().get("/page"))[::2],
    "lend": lend,
    "jar": lambda: asyncio.run(jar()),
}
room, rule = quartish._werkzeug, next(app.url_map.iter_rules("rule"))
used = {
    "_list": room.headers_of is not room.Headers,
    "_parts": room.parts_of(rule) is not None,
    "_cached_json": room._NO_JSON is not None,
    "_trace": rule._build.__func__ is room._build,
    "_escape_inner": quartish._jinja.quote is not quartish._jinja.markupsafe.escape,
    "HTTP_STATUS_CODES": room._PHRASES is not None,
}
used["_converters"] = used["_parts"]
used.update(dict.fromkeys(("_status", "_status_code", "_on_close"), room.KNOWS_RESPONSES))
answers = {"used": used}
for name, step in steps.items():
    try:
        answers[name] = step()
    except RuntimeError as error:
        answers[name] = str(error)
show()
print(json.dumps([*gone]), json.dumps(answers), sep="\t", flush=True)
os._exit(0)
"""

#: What stands in for a name does the same.
REPLACED = [
    *("_list", "_status", "_status_code", "_on_close", "HTTP_STATUS_CODES"),
    *("_parts", "_converters", "_trace", "_cached_json", "_escape_inner"),
]
#: Nothing does; the step that needs it says so.
NEEDED = {
    "_load_form_data": ("werkzeug.wrappers.request.Request", ["form", "both"]),
    "_add_cookies_to_wsgi": ("werkzeug.test.Client", ["lend"]),
    "_update_cookies_from_response": ("werkzeug.test.Client", ["lend"]),
    "_from_response_header": ("werkzeug.test.Cookie", ["jar"]),
    "_should_delete": ("werkzeug.test.Cookie", ["jar"]),
    "_storage_key": ("werkzeug.test.Cookie", ["jar"]),
    "_to_request_header": ("werkzeug.test.Cookie", ["jar"]),
    "_matches_request": ("werkzeug.test.Cookie", ["jar"]),
}


@cache
def played() -> dict[str, dict[str, t.Any]]:
    """Return the answers of all steps by the name that was gone; "" for none."""
    done = subprocess.run(
        [sys.executable, "-c", PLAY, *REPLACED, *NEEDED],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    answers = {}
    for line in done.stdout.splitlines():
        gone, told = line.split("\t")
        answers["".join(json.loads(gone))] = json.loads(told)
    assert answers.keys() == {"", *REPLACED, *NEEDED}, done.stderr
    return answers


def play(gone: str = "") -> dict[str, t.Any]:
    return played()[gone]


def test_all_is_played() -> None:
    answers = play()
    assert answers["rule"][::2] == ["200 OK", "7 x y /rule/3/a%20b /path/a/b"]
    assert answers["lend"] == ["200 OK", "&lt;b&gt; 12"]
    assert answers["jar"][2] == "a=b"
    assert answers["json"][2] == '[{"a":[1]},{"a":[1]},"application/json"]\n'
    assert answers["both"][2] == '["a=b","b","a=b"]\n'
    assert not [answer for answer in answers.values() if "This needs" in str(answer)]


@pytest.mark.parametrize("name", REPLACED)
def test_something_stands_in(name: str) -> None:
    answers, usual = dict(play(name)), dict(play())
    was_used, is_used = usual.pop("used"), answers.pop("used")
    if was_used.get(name):
        assert not is_used[name]
    if name == "HTTP_STATUS_CODES":  # the phrases of later releases
        answers, usual = ({k: str(v).upper() for k, v in a.items()} for a in (answers, usual))
    assert answers == usual


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_missing_is_said(name: str) -> None:
    owner, steps = NEEDED[name]
    whole = f"{owner}.{name}" if owner else name
    answers, usual = play(name), play()
    for step in steps:
        assert f"This needs {whole}, which Werkzeug" in str(answers[step]), step
    others = {step: answers[step] for step in usual if step not in steps}
    assert others == {step: usual[step] for step in others}


def test_status_lines_are_werkzeugs() -> None:
    assert STATUS_LINES.keys() >= {*range(200, 206), *range(400, 418), *range(500, 506)}
    assert {code: Response(code).status for code in STATUS_LINES} == STATUS_LINES
