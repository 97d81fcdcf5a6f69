"""`quartish port --colour`: awaits put in and taken out; and requests that become httpx's."""

from __future__ import annotations

import asyncio
import sys
import types
import typing as t
from textwrap import dedent

import pytest

from tests.port._ported import Porting

FLASK = dedent(
    """
    import flask
    from flask import Flask, render_template, request, redirect

    app = Flask(__name__)


    def name():
        return request.form["name"]


    @app.post("/")
    def view():
        name()
        if request.json:
            return render_template("x", n=name())
        return flask.render_template_string(request.get_json()["x"])


    @app.get("/other")
    def other():
        return redirect(request.args["to"])
    """
)


def test_from_plain_to_awaitable(ported: Porting) -> None:
    project = ported(FLASK, colour="awaitable")
    assert project.changed() == [
        "import quartish",
        "from quartish import Quart as Flask, render_template, request, redirect",
        "async def name():",
        '    return (await request.form)["name"]',
        "async def view():",
        "    await name()",
        "    if await request.json:",
        '        return await render_template("x", n=await name())',
        '    return await quartish.render_template_string((await request.get_json())["x"])',
    ]
    assert not project.found("not-awaited")
    assert not project.again()


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("x = lambda: request.form", 1),
        ("rows = lambda: (request.form for _ in 'a')", 1),
        ("def hook(sender):\n    return request.form\n\nsignal.connect(hook)", 2),
    ],
)
def test_what_cannot_be_awaited_is_told(ported: Porting, code: str, line: int) -> None:
    project = ported(f"from flask import request\n{code}\n", colour="awaitable")
    assert project.found("not-awaited") == [line + 1]
    assert "await" not in project.after["app.py"]


QUART = dedent(
    """
    from quart import Quart, make_response, render_template, request, websocket

    app = Quart(__name__)


    @app.post("/")
    async def view():
        form = await request.form
        name = (await request.form)["name"]
        await other()
        return await make_response(await render_template("x", name=name))


    async def other():
        await websocket.send("x")
        return await (await client.get("x")).json()
    """
)


def test_quart_stays_awaitable(ported: Porting) -> None:
    project = ported(QUART)
    assert project.changed() == [
        "from quartish.quart import Quart, make_response, render_template, request, websocket"
    ]
    assert not project.again()


def test_from_quart_to_plain(ported: Porting) -> None:
    project = ported(QUART, colour="plain")
    assert project.changed() == [
        "from quartish import Flask as Quart, make_response, render_template, request, websocket",
        "    form = request.form",
        '    name = request.form["name"]',
        '    return make_response(render_template("x", name=name))',
    ]
    assert not project.again()


def test_the_class_of_a_module_that_was_imported_whole(ported: Porting) -> None:
    code = "import quart\napp = quart.Quart(1)\nx.Quart\n"
    assert ported(code, colour="plain").after["app.py"] == (
        "import quartish\napp = quartish.Flask(1)\nx.Quart\n"
    )
    code = "import flask\napp = flask.Flask(1)\n"
    assert ported(code, colour="awaitable").after["app.py"] == (
        "import quartish\napp = quartish.Quart(1)\n"
    )


TESTS = dedent(
    """
    import asyncio

    from quart import Quart, request
    from quart.testing import *

    from app import app


    def make_client(app):
        return app.test_client()


    async def test_form():
        async with app.test_client() as client:
            response = await client.post("/", form={"name": "Ann"})
            assert (await response.get_data(as_text=True)) == "Ann Ann"
            assert await response.data == b"Ann Ann"


    async def test_json():
        client = make_client(app)
        response = await client.post("/json", json=[1])
        assert await response.get_json() == [1]
        assert (await response.json)[0] == 1
        async with app.test_app() as test_app:
            again = await test_app.test_client().post("/json", json=[2])
            assert (await again.get_json()) == [2]
        async with app.test_request_context("/?a=b"):
            assert (await request.values)["a"] == "b"
        assert await other(client) == [3]


    async def other(client):
        answer = await client.post("/json", json=[3])
        return await answer.get_json()
    """
)
TESTED = dedent(
    """
    from quart import Quart, render_template_string, request

    app = Quart(__name__)


    @app.post("/")
    async def form():
        form = await request.form
        return await render_template_string("{{ a }} {{ a }}", a=form["name"])


    @app.post("/json")
    async def json():
        return await request.get_json()
    """
)


def test_tests_of_a_quart_app_go_on(ported: Porting, monkeypatch: pytest.MonkeyPatch) -> None:
    """They pass on the plain colour, by the client that is awaited."""
    project = ported({"app.py": TESTED, "tests/test_app.py": TESTS}, colour="plain")
    after = project.after["tests/test_app.py"]
    assert after.count("await") == TESTS.count("await") - 7
    assert after.count(".async_test_client()") == 2 and after.count(".test_client()") == 1
    assert project.found("plain-tests") == [1]
    assert not project.again()
    app = types.ModuleType("app")
    exec(compile(project.after["app.py"], "app.py", "exec"), app.__dict__)
    monkeypatch.setitem(sys.modules, "app", app)
    tests: dict[str, t.Any] = {"__name__": "test_app"}
    exec(compile(after, "test_app.py", "exec"), tests)
    asyncio.run(tests["test_form"]())
    asyncio.run(tests["test_json"]())


def test_tests_of_a_quart_app_that_stays_awaitable(ported: Porting) -> None:
    project = ported({"app.py": TESTED, "tests/test_app.py": TESTS})
    assert project.after["tests/test_app.py"] == TESTS.lstrip().replace(
        "from quart", "from quartish.quart"
    )
    assert not project.found("plain-tests")


@pytest.mark.parametrize(
    "code",
    [
        "import httpx\nasync def test_x():\n    return await httpx.AsyncClient().get('x').data",
        "async def test_x(fetch):\n    return await fetch.text()",
        "from aiohttp import x\nasync def test_x():\n    return await x.test_client.get_data_of()",
    ],
)
def test_what_others_await_in_tests_stays(ported: Porting, code: str) -> None:
    project = ported({"app.py": TESTED, "tests/test_app.py": f"{code}\n"}, colour="plain")
    assert project.after["tests/test_app.py"] == f"{code}\n"


REQUESTS = dedent(
    """
    import requests
    from requests.exceptions import Timeout
    from flask import Flask

    app = Flask(__name__)


    @app.get("/")
    def view():
        try:
            requests.head("x")
            return requests.post("x", data={"a": 1}, allow_redirects=False).json()
        except (Timeout, requests.RequestException):
            return requests.request("GET", "x").text
    """
)


def test_requests_become_those_of_httpx(ported: Porting) -> None:
    assert ported(REQUESTS).turned() == []
    project = ported(REQUESTS, rewrite=["httpx"])
    assert project.changed() == [
        "import httpx",
        "from quartish import Flask",
        "async def _httpx_request(method, url, **options):",
        '    """Ask as `requests.request` does."""',
        "    async with httpx.AsyncClient(follow_redirects=True, timeout=None) as client:",
        "        return await client.request(method, url, **options)",
        "async def view():",
        '        await _httpx_request("HEAD", "x", follow_redirects=False)',
        '        return (await _httpx_request("POST", "x", data={"a": 1},'
        " follow_redirects=False)).json()",
        "    except (httpx.TimeoutException, httpx.HTTPError):",
        '        return (await _httpx_request("GET", "x")).text',
    ]
    assert project.found("httpx") == [11, 12, 14]
    assert not project.found("blocks-loop")
    assert not project.again()


@pytest.mark.parametrize(
    "call",
    [
        'requests.get("x", verify=False)',
        'requests.get("x", stream=True)',
        'requests.post("x", {"a": 1})',
        'requests.post("x", data=json.dumps(1))',
        "requests.get(*urls)",
        'requests.get("x", **options)',
        'requests.Session().get("x")',
        'requests.get("x").ok',
        'requests.get("x").iter_lines()',
    ],
)
def test_what_httpx_would_do_otherwise_is_left(ported: Porting, call: str) -> None:
    code = "import json, requests\nfrom flask import Flask\napp = Flask(1)\n"
    project = ported(f"{code}@app.get('/')\ndef view():\n    {call}\n", rewrite=["httpx"])
    assert project.turned() == []
    assert "httpx" not in project.after["app.py"]
    assert project.found("blocks-thread") == [6]
