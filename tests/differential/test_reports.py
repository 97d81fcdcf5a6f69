"""What people reported of Flask and Quart that no other test has, as small programs: each is run on
the real one and here, and tells the same. The name of its report stands above it."""

from __future__ import annotations

import asyncio
import io
import itertools
import random
import typing as t
from pathlib import Path

import pytest
import quart
import werkzeug.exceptions
from werkzeug.datastructures import FileStorage

import quartish
import quartish.quart
from tests.differential._beside import assert_same
from tests.differential._beside import plain
from tests.differential._beside import Side

Program = t.Callable[[Side], t.Any]
FLASK: list[Program] = []
QUART: list[t.Callable[[t.Any], t.Any]] = []


def on_flask(program: Program) -> Program:
    FLASK.append(program)
    return program


def on_quart(program: t.Any) -> t.Any:
    QUART.append(program)
    return program


# --- Flask --------------------------------------------------------------------------------------


@on_flask  # pallets/flask#4229, #4068
def hooks_of_nested_blueprints(side: Side) -> None:
    module, app = side.module, side.app()
    bps = [app, *(module.Blueprint(name, __name__) for name in ("parent", "child", "grandchild"))]
    for bp in bps:
        name = bp.name

        def note(what: str, *_: t.Any, name: str = name) -> None:
            side.tell(what, name)

        bp.before_request(lambda note=note: note("before"))
        bp.url_value_preprocessor(lambda *args, note=note: note("preprocessed", *args))
        bp.url_defaults(lambda *args, note=note: note("defaults", *args))
        bp.context_processor(lambda note=note, name=name: note("context") or {"who": name})
        bp.teardown_request(lambda error, note=note: note("torn down"))

        @bp.after_request
        def after(response: t.Any, note: t.Any = note) -> t.Any:
            note("after")
            return response

    def view() -> str:
        module.url_for(".view")
        return str(module.render_template_string("{{ who }}"))

    bps[3].add_url_rule("/", "view", side.view(view))
    for outer, inner in reversed([*itertools.pairwise(bps)]):
        outer.register_blueprint(inner)
    side.client(app).open("/")


@on_flask  # pallets/flask#4124
def a_blueprint_by_several_names(side: Side) -> None:
    module, app = side.module, side.app()
    bp = module.Blueprint("bp", __name__)
    bp.before_request(lambda: side.tell("before", module.request.blueprints))
    bp.errorhandler(KeyError)(lambda error: (f"handled in {module.request.blueprint}", 418))
    bp.add_url_rule("/", "view", side.view(lambda: module.request.environ["missing"]))
    for name in (None, "other", "third"):
        options = {"name": name} if name else {}
        app.register_blueprint(bp, url_prefix=f"/{name}", **options)
    for name in (None, "other", "third"):
        side.client(app).open(f"/{name}/")
    side.tried(app.register_blueprint, bp)


@on_flask  # pallets/flask#2585
def a_handler_of_all_http_errors_where_they_are_trapped(side: Side) -> None:
    for trap in (True, False):
        app = side.app()
        app.config["TRAP_HTTP_EXCEPTIONS"] = trap
        http_error = werkzeug.exceptions.HTTPException
        app.errorhandler(http_error)(lambda error: (f"mine: {error.name}", error.code))
        app.add_url_rule("/", "view", side.view(lambda: side.module.abort(410)))
        client = side.client(app)
        client.open("/")
        client.open("/nowhere")
        client.open("/", method="POST")


@on_flask  # pallets/flask#1488, #2251
def automatic_options_are_switched_off_for_a_function(side: Side) -> None:
    app = side.app()
    for number, automatic in enumerate([None, True, False]):
        for of_view in (None, True, False):
            view = side.view(lambda: side.module.request.method)
            view = view if of_view is None else side.view(lambda: side.module.request.method)
            if of_view is not None:
                view.provide_automatic_options = of_view
            rule = f"/{number}/{of_view}"
            app.add_url_rule(rule, rule, view, provide_automatic_options=automatic)
            side.client(app).open(rule, method="OPTIONS")


@on_flask  # pallets/flask#494
def defaults_of_a_blueprint_below_others(side: Side) -> None:
    module, app = side.module, side.app()
    outer, inner = module.Blueprint("catalogue", __name__), module.Blueprint("admin", __name__)
    inner.url_defaults(lambda endpoint, values: values.setdefault("lang", "inner"))
    outer.url_defaults(lambda endpoint, values: values.setdefault("shop", endpoint))
    inner.add_url_rule("/<lang>/<shop>", "index", lambda lang, shop: "")
    outer.add_url_rule("/<shop>", "index", lambda shop: "")
    outer.register_blueprint(inner, url_prefix="/admin")
    app.register_blueprint(outer)
    with app.test_request_context("/x"):
        for endpoint in ("catalogue.admin.index", "catalogue.index", ".index"):
            side.tried(module.url_for, endpoint)


@on_flask  # pallets/flask#4865, #4834
def static_files_and_children_of_a_blueprint_with_a_subdomain(side: Side) -> None:
    module, app = side.module, side.app(subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.test"
    folder = str(Path(__file__).parent)
    bp = module.Blueprint("bp", __name__, subdomain="api", static_folder=folder)
    child = module.Blueprint("child", __name__, subdomain="v1")
    plain_child = module.Blueprint("plain", __name__, url_prefix="/plain")
    for each in (child, plain_child):
        each.add_url_rule("/", "index", side.view(lambda: module.request.endpoint))
        bp.register_blueprint(each)
    app.register_blueprint(bp, static_url_path="/st")
    client = side.client(app)
    for host in ("api.example.test", "v1.api.example.test", "example.test"):
        for path in ("/", "/plain/", "/differential/nothing.txt"):
            client.open(path, headers={"Host": host})
    with app.test_request_context("/", base_url="http://api.example.test"):
        side.tried(module.url_for, "bp.static", filename="a.txt")
        side.tried(module.url_for, "bp.child.index")


@on_flask  # pallets/flask#3452, #3134
def slashes_at_the_ends_of_static_places(side: Side) -> None:
    for options in ({"static_folder": "st/"}, {"static_folder": ""}, {"static_folder": "st"}):
        for url in (None, "/foo/", "foo/", ""):
            app = side.tried(side.app_class, "app", static_url_path=url, **options)
            if not isinstance(app, Exception):
                side.tell([rule.rule for rule in app.url_map.iter_rules()], app.static_url_path)
                app.add_url_rule("/view", "view", side.view(lambda: "view"))
                side.client(app).open("/view")


@on_flask  # pallets/flask#4039
def dots_in_names(side: Side) -> None:
    module, app = side.module, side.app()
    side.tried(module.Blueprint, "app.ui", __name__)
    bp = module.Blueprint("ui", __name__)
    side.tried(bp.add_url_rule, "/a", "a.b", lambda: "")
    side.tried(bp.add_url_rule, "/b", view_func=type("v", (), {"__name__": "c.d"})())
    side.tried(app.register_blueprint, bp, name="x.y")
    side.tried(app.add_url_rule, "/c", "with.dot", lambda: "")
    side.tell(sorted(app.view_functions), sorted(app.blueprints))


@on_flask  # pallets/flask#3579, #3678
def a_static_folder_that_is_a_path(side: Side) -> None:
    folder = Path(__file__).parent
    for given in (folder, str(folder), folder / ".." / "differential"):
        app = side.app_class("app", static_folder=given, static_url_path="/st")
        side.tell(app.static_folder, type(app.static_folder).__name__)
        side.client(app).open("/st/nothing.txt")


@on_flask  # pallets/flask#1709, #2511
def commands_are_run_in_tests_without_a_variable(side: Side) -> None:
    app = side.app()
    module = side.module

    @app.cli.command("tests")
    def tests() -> None:
        print(module.current_app.name, module.has_request_context())

    @app.cli.command("fails")
    def fails() -> None:
        raise LookupError("x")

    runner = app.test_cli_runner()
    for args in (["tests"], ["fails"], ["nothing"], ["tests", "--bad"]):
        result = runner.invoke(args=args)
        side.tell(args, result.exit_code, result.output, result.exception)
    side.tell(runner.invoke(tests).output)


@on_flask  # pallets/flask#6100
def a_response_that_fails_when_it_is_sent(side: Side) -> None:
    app, module = side.app(), side.module
    app.teardown_request(lambda error: side.tell("torn down", error))

    def pieces() -> t.Iterator[str]:
        yield "a"
        raise LookupError("in the middle")

    app.add_url_rule("/", "view", lambda: module.Response(pieces()))
    side.tried(lambda: app.test_client().get("/").data)


@pytest.mark.parametrize("program", FLASK, ids=lambda program: program.__name__)
def test_the_same_on_flask(program: Program) -> None:
    def script(side: Side, _: random.Random) -> None:
        program(side)

    assert_same(script, 1)


# --- Quart --------------------------------------------------------------------------------------


def make(module: t.Any, **config: t.Any) -> t.Any:
    app = module.Quart("reports", root_path=".", static_folder=None)
    app.secret_key = "key"
    app.config.update({"PROPAGATE_EXCEPTIONS": False, **config})
    return app


async def answer(response: t.Any) -> t.Any:
    return response.status_code, await response.get_data(as_text=True)


@on_quart  # pallets/quart#366
async def a_form_without_a_limit(module: t.Any) -> t.Any:
    seen = []
    for limit in (None, 5, 1000):
        app = make(module, MAX_FORM_MEMORY_SIZE=limit)

        @app.post("/")
        async def view() -> t.Any:
            return dict(await module.request.form)

        for given in (
            {"form": {"inputText": "text"}},
            {"files": {"f": FileStorage(io.BytesIO(b"x"), "f.txt")}},
        ):
            seen.append(await answer(await app.test_client().post("/", **given)))
    # Here the limit counts for an urlencoded form, too.
    return [seen[0], seen[1], seen[4], seen[5]]


@on_quart  # pallets/quart#270, #63
async def several_files_of_one_field(module: t.Any) -> t.Any:
    app = make(module)

    @app.post("/")
    async def view() -> t.Any:
        files, form = await module.request.files, await module.request.form
        names = [file.filename for file in files.getlist("myfiles")]
        return {"files": names, "form": sorted(form), "read": files["myfiles"].read().decode()}

    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="myfiles"; filename="%d.txt"\r\n\r\n%d\r\n'
        % (n, n)
        for n in range(3)
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await app.test_client().post("/", data=parts + b"--x--\r\n", headers=headers)
    return await answer(response)


@on_quart  # pallets/quart#56
async def a_context_of_an_app_in_a_thread(module: t.Any) -> t.Any:
    """*Quart:* a plain `with`, which its reporter tried, is refused there; it works here."""
    app = make(module)

    async def work() -> str:
        async with app.app_context():
            return str(module.current_app.name)

    def in_thread() -> t.Any:
        seen = [module.has_app_context(), asyncio.run(work())]
        return [*seen, module.has_app_context()]

    async with app.app_context():
        return await asyncio.get_running_loop().run_in_executor(None, in_thread)


@on_quart  # pallets/quart#99
async def a_start_that_fails(module: t.Any) -> t.Any:
    app = make(module)

    @app.before_serving
    async def start() -> None:
        raise LookupError("no database")

    sent: list[t.Any] = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> t.Any:
        return messages.pop(0)

    async def send(message: t.Any) -> None:
        sent.append((message["type"], message.get("message")))

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    await app(scope, receive, send)
    return [kind for kind, _ in sent][:1], "no database" in str(sent[0][1])


@on_quart  # pallets/quart#124
async def two_views_of_one_name_and_a_default(module: t.Any) -> t.Any:
    app, bp = make(module), module.Blueprint("main", __name__)

    @bp.route("/", defaults={"page": 1})
    @bp.route("/<int:page>")
    async def index(page: int) -> str:
        return f"{page} {module.url_for('.index', page=1)} {module.url_for('.index', page=2)}"

    @bp.route("/other")
    async def other() -> str:
        return "other"

    app.register_blueprint(bp)
    try:
        app.add_url_rule("/again", "main.other", lambda: "again")
    except AssertionError as error:
        seen: list[t.Any] = [str(error)[:50]]
    client = app.test_client()
    for path in ("/", "/1", "/2", "/other"):
        response = await client.get(path)
        seen.append((path, response.status_code, response.headers.get("Location")))
    return seen


@on_quart  # pallets/quart#415, #411
async def a_context_around_a_test(module: t.Any) -> t.Any:
    app = make(module, A=1)
    seen = []

    async def task() -> None:
        seen.append(module.current_app.config["A"])

    async with app.app_context():
        seen.append(module.current_app.name)
        await asyncio.create_task(task())
    try:
        await task()
    except RuntimeError as error:
        seen.append(str(error).partition("\n")[0].lower()[:7])
    return seen[:2], len(seen)


@on_quart  # fedora-infra/flask-healthz#260
async def a_function_that_needs_the_app_in_a_hook(module: t.Any) -> t.Any:
    app, seen = make(module), []

    def check() -> str:
        return str(module.current_app.name)

    @app.before_serving
    async def start() -> None:
        seen.append(check())

    @app.get("/sync")
    def sync_view() -> str:
        return check()

    @app.get("/threaded")
    async def threaded() -> str:
        return str(await module.utils.run_sync(check)())

    async with app.test_app() as test_app:
        client = test_app.test_client()
        for path in ("/sync", "/threaded"):
            seen.append(await answer(await client.get(path)))
    return seen


@on_quart  # claws/aioprometheus#93
async def a_middleware_of_http_alone(module: t.Any) -> t.Any:
    app, seen = make(module), []
    inner = app.asgi_app

    async def middleware(scope: t.Any, receive: t.Any, send: t.Any) -> None:
        seen.append(scope["type"])
        await inner(scope, receive, send)

    app.asgi_app = middleware

    @app.websocket("/ws")
    async def handler() -> None:
        await module.websocket.send(await module.websocket.receive())

    async with app.test_client().websocket("/ws") as peer:
        await peer.send("a")
        seen.append(await peer.receive())
    return seen


@on_quart  # Azure-Samples/azure-search-openai-demo#532
async def lines_of_json_without_a_timeout(module: t.Any) -> t.Any:
    app = make(module)

    async def lines() -> t.AsyncIterator[str]:
        for number in range(3):
            await asyncio.sleep(0)
            yield module.json.dumps({"n": number}) + "\n"

    @app.post("/")
    async def view() -> t.Any:
        if not module.request.is_json:
            return module.jsonify({"error": "request must be json"}), 415
        response = await module.make_response(lines())
        response.timeout = None
        response.mimetype = "application/json-lines"
        return response

    client = app.test_client()
    first = await client.post("/", json={})
    return (
        await answer(first),
        first.mimetype,
        await answer(await client.post("/", form={"a": "b"})),
    )


@on_quart  # pallets/quart#33
async def a_callback_of_a_task(module: t.Any) -> t.Any:
    app, seen = make(module), []

    @app.get("/")
    async def view() -> str:
        current = module.current_app._get_current_object()

        async def work() -> int:
            return len(module.current_app.name)

        task = asyncio.ensure_future(work())
        task.add_done_callback(lambda done: seen.append((current.name, done.result())))
        await task
        return "done"

    seen.append(await answer(await app.test_client().get("/")))
    return sorted(map(str, seen))


@pytest.mark.parametrize("program", QUART, ids=lambda program: program.__name__)
async def test_the_same_on_quart(program: t.Any) -> None:
    ours = plain(await program(quartish.quart))
    assert ours == plain(await program(quart))
    assert quartish.quart.Quart is quartish.Quart
