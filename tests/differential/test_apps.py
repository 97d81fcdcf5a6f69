"""Apps made with all kinds of arguments, resources, configurations from all places, and the test
client, as in Flask."""

from __future__ import annotations

import importlib
import io
import json
import os
import random
import sys
import time
import tomllib
import types
import typing as t
from pathlib import Path

import flask
import pytest

from tests.differential._beside import assert_same
from tests.differential._beside import Side

FOLDER = Path()
FILES = {
    "static/a.txt": "hi",
    "templates/t.html": "T{{ x }}",
    "res.txt": "é",
    "of_apps_package/__init__.py": "",
    "of_apps_package/sub.py": "",
    "of_apps_single.py": "",
    "of_apps_namespace/file.txt": "",
    "of_apps_config.py": "A='mod'\nb=1\nclass C:\n    A='cls'\n    b=2\nobj=C()\n",
    "ok.py": "A=1\nb=2\nDEBUG=True\nSECRET_KEY='x'\n_X=3\nX1=[1]\nimport os\n",
    "syntax.py": "A=\n",
    "raises.py": "A=1\nraise ValueError('x')\n",
    "a.json": '{"A":1,"b":2,"N":{"X":1}}',
    "bad.json": "{",
    "list.json": "[1]",
    "pairs.json": '[["A",5],["b",6]]',
    "a.toml": "A=1\n[N]\nX=2\n",
    "without": "A='without'",
}
PREFIX = "of_apps_"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[None]:
    global FOLDER
    FOLDER = tmp_path_factory.mktemp("apps")
    for name, text in FILES.items():
        (FOLDER / name).parent.mkdir(exist_ok=True)
        (FOLDER / name).write_text(text, encoding="utf-8")
    (FOLDER / "latin.py").write_bytes("A='é'\n".encode("latin-1"))
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))
    for name in [name for name in sys.modules if name.startswith(PREFIX)]:
        del sys.modules[name]


# --- made ---------------------------------------------------------------------------------------

MADE_WITH: dict[str, list[t.Any]] = {
    "static_url_path": ["/s", "s", "", None, "/s/", "/<x>", 5],
    "static_folder": ["static", "other", None, "", "static/"],
    "static_host": ["h", None],
    "host_matching": [True, False],
    "subdomain_matching": [True],
    "template_folder": ["templates", None, "t2"],
    "instance_path": ["/tmp/inst", "rel", None],
    "instance_relative_config": [True, False],
    "root_path": [".", None, "rel", "/nope"],
}
NAMES = [
    *("of_apps_single", "of_apps_package", "of_apps_package.sub", "of_apps_namespace"),
    *("nope_module", "__main__", "json", "os.path", None, "", 5, "a.b.c"),
]
ATTRIBUTES = [
    *("name", "import_name", "root_path", "instance_path", "static_folder", "static_url_path"),
    *("has_static_folder", "template_folder", "debug", "testing", "secret_key", "jinja_options"),
    *(
        "permanent_session_lifetime",
        "use_x_sendfile",
        "extensions",
        "blueprints",
        "got_first_request",
    ),
    *("url_build_error_handlers", "shell_context_processors", "teardown_appcontext_funcs"),
    *("error_handler_spec", "before_request_funcs", "after_request_funcs", "url_default_functions"),
    *(
        "teardown_request_funcs",
        "url_value_preprocessors",
        "subdomain_matching",
        "session_cookie_name",
    ),
    *("propagate_exceptions", "send_file_max_age_default", "env", "json_encoder"),
]
MODES: list[dict[str, str]] = [
    *({}, {"mode": "r"}, {"encoding": "latin-1"}, {"mode": "r", "encoding": "utf-8"}),
    *({"mode": "rb"}, {"mode": "w"}),
]


def make(side: Side, r: random.Random) -> None:
    given = {k: r.choice(values) for k, values in MADE_WITH.items() if r.random() < 0.3}
    if given.get("root_path") == ".":
        given["root_path"] = str(FOLDER)
    if given.get("static_folder") == "static/":
        given["static_folder"] = FOLDER / "static"
    name = r.choice(NAMES)
    side.told.append((name, repr(given)))
    if str(name).startswith(PREFIX):
        importlib.import_module(str(name))
    app = side.tried(side.app_class, name, **given)
    if isinstance(app, Exception):
        return
    for attribute in ATTRIBUTES:
        side.tell(attribute)
        side.tried(getattr, app, attribute)
    side.tell([(rule.rule, rule.endpoint, rule.host) for rule in app.url_map.iter_rules()])
    side.tell(type(app.jinja_loader).__name__, sorted(app.jinja_env.globals), [*app.view_functions])
    side.tell({key: app.config[key] for key in flask.Flask.default_config})
    for file in ("res.txt", "nope", "../x", str(FOLDER / "res.txt"), "static"):
        mode = r.choice(MODES)
        opener = (
            "open_resource"
            if "mode" in mode
            else r.choice(["open_resource", "open_instance_resource"])
        )
        side.tried(_content, getattr(app, opener), file, mode)
    for template in ("a.html", "a.svg", "a.txt", "A.HTML", None):
        side.tried(app.select_jinja_autoescape, template)
    side.tell(app.make_config(True).root_path)
    side.tried(_render, side, app)
    client = side.client(app)
    for path in (
        "/static/a.txt",
        "/s/a.txt",
        "/a.txt",
        "/static/",
        "/static/../res.txt",
        "/static",
    ):
        client.open(path)


def _content(opener: t.Any, file: str, mode: dict[str, str]) -> t.Any:
    with opener(file, **mode) as opened:
        return opened.read()


def _render(side: Side, app: t.Any) -> t.Any:
    with app.app_context():
        return side.module.render_template("t.html", x=1)


def test_apps_are_made_as_in_flask() -> None:
    assert_same(make, 50, doors=())


# --- configured ---------------------------------------------------------------------------------

ENVIRON = {
    "FLASK_A": "1",
    "FLASK_B": "x",
    "FLASK_C": "[1,2]",
    "FLASK_D__E": "5",
    "FLASK_D__F__G": "true",
    "FLASK_H": "1.5",
    "FLASK_I": "null",
    "FLASK_J": "'q'",
    "FLASK___K": "1",
    "FLASK_L__": "2",
    "FLASK_lower": "3",
    "FLASK_A__B": "1",
    "FLASK_N__X__Y": '{"z":1}',
    "FLASK_SECRET_KEY__0": "x",
    "FLASK_TESTING": "True",
    "PX_A": "1",
    "PX_b": "2",
    "_A": "1",
}
PYTHON = [
    "ok.py",
    "syntax.py",
    "raises.py",
    "nope.py",
    "without",
    "static",
    "latin.py",
    5,
    None,
    "",
]
OBJECTS: list[t.Any] = [
    *("of_apps_config", "of_apps_config.C", "of_apps_config.obj", "of_apps_config:C", "", None, 5),
    *("nope_mod", "of_apps_config.nope", types.SimpleNamespace(A=1, b=2), {"A": 1}),
]
MAPPINGS: list[tuple[t.Any, ...]] = [
    *(
        (),
        ({"A": 1, "b": 2},),
        ([("A", 2)],),
        ({"A": 1}, {"B": 2}),
        (None,),
        (5,),
        ("ab",),
        ({5: 1},),
    ),
]
LOADS: list[dict[str, t.Any]] = [
    *({"load": json.load}, {"load": tomllib.load, "text": False}, {"load": lambda file: None}),
    *({"load": json.load, "silent": True}, {}),
]
VALUES: list[dict[str, t.Any]] = [{}, {"loads": str.upper}, {"loads": int}, {"loads": json.loads}]
Act = t.Callable[[t.Any, random.Random], t.Any]


def from_variable(config: t.Any, r: random.Random) -> t.Any:
    os.environ["OF_APPS_FILE"] = r.choice(["ok.py", "nope.py", "", "raises.py"])
    name = r.choice(["OF_APPS_FILE", "OF_APPS_NONE"])
    return config.from_envvar(name, silent=r.random() < 0.5)


def namespace(config: t.Any, r: random.Random) -> t.Any:
    config.update({"X_A": 1, "X_B_C": 2, "x_d": 3, "X_": 4})
    prefix, options = r.choice(["X_", "x_", "X"]), (r.random() < 0.5, r.random() < 0.5)
    return config.get_namespace(prefix, *options)


ACTS: dict[str, Act] = {
    "pyfile": lambda c, r: c.from_pyfile(r.choice(PYTHON), silent=r.choice([True, False, "x"])),
    "object": lambda c, r: c.from_object(r.choice(OBJECTS)),
    "mapping": lambda c, r: c.from_mapping(*r.choice(MAPPINGS), **r.choice([{}, {"C": 1, "d": 2}])),
    "file": lambda c, r: c.from_file(
        r.choice(["a.json", "bad.json", "list.json", "pairs.json", "nope.json", "a.toml"]),
        **r.choice(LOADS),
    ),
    "environ": lambda c, r: c.from_prefixed_env(
        *r.choice([(), (), ("PX",), ("",)]), **r.choice(VALUES)
    ),
    "variable": from_variable,
    "namespace": namespace,
    "item": lambda c, r: c.__setitem__(r.choice(["A", "DEBUG", "b"]), r.choice([1, None, "x"])),
}


def configure(side: Side, r: random.Random) -> None:
    app = side.app(root_path=str(FOLDER))
    kept = dict(os.environ)
    os.environ.update({name: ENVIRON[name] for name in r.sample([*ENVIRON], r.randrange(8))})
    try:
        for _ in range(5):
            name, before = r.choice([*ACTS]), dict(app.config)
            side.tell(name)
            error = side.tried(ACTS[name], app.config, r)
            side.tell(getattr(error, "filename", None), getattr(error, "errno", None))
            side.tell({k: v for k, v in app.config.items() if k not in before or before[k] != v})
            side.tell(app.debug, app.testing, app.secret_key)
    finally:
        os.environ.clear()
        os.environ.update(kept)


def test_apps_are_configured_as_in_flask() -> None:
    assert_same(configure, 100, doors=())


# --- asked by a test client -----------------------------------------------------------------------

BUILT_WITH: dict[str, list[t.Any]] = {
    "query_string": [{"a": 1, "b": ["x", None]}, "a=1&b", b"a=b", [("a", 1)], {"é": "ü"}, None, 5],
    "json": [{"a": 1}, [1], "s", None, 5, object()],
    "data": [{"a": "1", "b": ["x", "y"]}, b"raw", "text é", None, {"a": None}, {"a": 5}, 5],
    "headers": [{"X-A": "1"}, [("X-A", "1"), ("X-A", "2")], {"X-N": 5}, {"Host": "other"}, None],
    "method": ["GET", "POST", "put", "X"],
    "content_type": ["text/plain", "application/json", None],
    "base_url": ["http://h.test/base", "https://h.test:444/", None, "h.test", "http://h/?q=1"],
    "environ_overrides": [{"REMOTE_ADDR": "1.2.3.4"}, {"wsgi.url_scheme": "https"}, None],
    "environ_base": [{"REMOTE_ADDR": "5.5.5.5"}, None, {"HTTP_USER_AGENT": "ua"}],
    "subdomain": ["s", None],
    "url_scheme": ["https", None],
    "follow_redirects": [True, False],
    "auth": [("u", "p"), None],
    "content_length": [3],
    "mimetype": ["text/x"],
    "path": ["/z"],
    "bad": [1],
}
PATHS = [
    *(
        "/",
        "/a?x=1",
        "/back/2",
        "/back/0",
        "/loop",
        "/away",
        "http://h2.test/abs?q=2",
        "//x/y",
        "a",
    ),
    *(
        "/é",
        "/%C3%A9?é=1",
        "",
        "/kept",
        "/cookie",
        "/forget",
        "/a b",
        "/a#frag",
        "?only=1",
        "/beside",
    ),
]
CONFIGS: list[dict[str, t.Any]] = [
    *({}, {}, {"SERVER_NAME": "h.test:5000"}, {"APPLICATION_ROOT": "/root"}),
    *({"PREFERRED_URL_SCHEME": "https"}, {"SESSION_COOKIE_DOMAIN": "h.test"}),
    {"TRUSTED_HOSTS": ["localhost", "h.test"]},
]


def make_asked(side: Side, options: dict[str, t.Any]) -> t.Any:
    module, app = side.module, side.app(**options)
    app.secret_key = "key"
    methods = ["GET", "POST", "PUT", "X"]

    def show(**values: str) -> t.Any:
        request = module.request
        headers = [(k, v) for k, v in request.headers if k != "User-Agent"]
        told = [
            request.method,
            request.url,
            request.root_path,
            request.query_string.decode("latin-1"),
        ]
        told += [
            sorted(request.form.lists()),
            sorted(headers),
            request.get_data().decode("latin-1"),
        ]
        told += [
            request.remote_addr,
            request.user_agent.string[:4],
            sorted(request.cookies.items()),
        ]
        return [*told, values]

    def remember() -> t.Any:
        response = module.make_response("c")
        response.set_cookie("c1", "v", path="/a")
        response.set_cookie("c2", "v 2", domain="h.test")
        response.set_cookie("c3", "3", max_age=0)
        response.set_cookie("c4", "é")
        module.session["s"] = 1
        return response

    def forget() -> t.Any:
        response = module.make_response("d")
        response.delete_cookie("c4")
        module.session.clear()
        return response

    def back(n: int) -> t.Any:
        url = module.url_for("back", n=n - 1) if n else "/done?x=1"
        return module.redirect(url, [302, 303, 301, 308][n % 4])

    app.add_url_rule("/", "index", side.view(show), methods=methods)
    app.add_url_rule("/<path:p>", "path", side.view(show), methods=methods)
    app.add_url_rule("/back/<int:n>", "back", side.view(back), methods=["GET", "POST"])
    targets = {"loop": "/loop", "away": "http://elsewhere/x", "beside": "a/../b"}
    for name, target in targets.items():
        app.add_url_rule(f"/{name}", name, lambda target=target: module.redirect(target))
    app.add_url_rule("/kept", "kept", lambda: module.redirect("/got", 307), methods=["GET", "POST"])
    app.add_url_rule("/cookie", "cookie", side.view(remember))
    app.add_url_rule("/forget", "forget", side.view(forget))
    return app


def ask(side: Side, r: random.Random) -> None:
    module = side.module
    app = make_asked(side, r.choice([{}, {}, {"subdomain_matching": True}]))
    app.config.update(r.choice(CONFIGS))
    client = app.test_client(**r.choice([{}, {}, {"use_cookies": False}]))
    verbs = ["open", "get", "post", "put", "delete", "patch", "head", "options", "trace"]
    for _ in range(6):
        given = {k: r.choice(values) for k, values in BUILT_WITH.items() if r.random() < 0.1}
        if r.random() < 0.1:
            given |= {"data": {"f": (io.BytesIO(b"file"), "n.txt")}, "method": "GET"}
        path, verb = r.choice(PATHS), r.choice(verbs)
        side.told.append((verb, path, [*given]))
        try:
            response = getattr(client, verb)(path, **given)
        except Exception as error:
            side.tell(error)
            continue
        body = b"" if b"WerkzeugFormPart" in response.data else response.data
        headers = [(k, v) for k, v in response.headers if k not in ("Date", "Content-Length")]
        side.tell(response.status, headers, body, response.is_json, response.request.method)
        side.tell(response.request.url, [(h.request.path, h.status) for h in response.history])
        for name in ("c1", "c2", "c3", "c4", "session"):
            side.tried(client.get_cookie, name)
    with client:
        side.tried(lambda: client.get("/a?z=1").status)
        side.tried(lambda: module.request.args)
        side.tried(lambda: module.session.get("s"))
        side.tried(lambda: client.get("/nope/../x").status)
        side.tried(lambda: module.request.path)
    side.tried(lambda: module.request.path)


def test_clients_ask_as_in_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.7e9)  # sessions are signed with it
    assert_same(ask, 60, doors=())
