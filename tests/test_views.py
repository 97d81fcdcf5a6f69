"""Class-based views on real apps: what `as_view` makes, and where it runs."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import typing as t

import pytest

import quartish
from quartish.views import http_method_funcs
from quartish.views import MethodView
from quartish.views import View

Func = t.Callable[..., t.Any]


@pytest.fixture
def app() -> t.Any:
    app = quartish.Flask(__name__)
    app.testing = True
    return app


@pytest.fixture
def client(app: t.Any) -> t.Any:
    return app.test_client()


def lane() -> str:
    """Say where this is called."""
    return "thread" if asyncio._get_running_loop() is None else "loop"


def allowed(client: t.Any, path: str = "/") -> set[str]:
    return {method.upper() for method in client.options(path).allow}


# --- The function that as_view makes ----------------------------------------------------


class Sync(View):
    def dispatch_request(self, **kwargs: t.Any) -> t.Any:
        return [lane(), kwargs]


class Async(View):
    async def dispatch_request(self, **kwargs: t.Any) -> t.Any:
        await asyncio.sleep(0)
        return [lane(), kwargs]


class SyncMethods(MethodView):
    def get(self, **kwargs: t.Any) -> t.Any:
        return [lane(), kwargs]


class AsyncMethods(MethodView):
    async def get(self, **kwargs: t.Any) -> t.Any:
        return [lane(), kwargs]

    async def post(self) -> str:
        return "posted"


class MixedMethods(AsyncMethods):
    def put(self) -> str:
        return lane()


def guard(func: Func) -> Func:
    @functools.wraps(func)
    def guarded(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return func(*args, **kwargs)

    return guarded


class GuardedMethods(MethodView):
    @guard
    async def get(self, **kwargs: t.Any) -> t.Any:
        return [lane(), kwargs]


class Decorated(Async):
    decorators = [guard]


class ExoticMethods(AsyncMethods):
    methods = ["GET", "PROPFIND"]

    def propfind(self) -> str:
        return lane()


class AsyncOverSync(SyncMethods):
    async def dispatch_request(self, **kwargs: t.Any) -> t.Any:
        return await quartish.current_app.ensure_async(self.get)(**kwargs)


class SyncOverAsync(AsyncMethods):
    def dispatch_request(self, **kwargs: t.Any) -> t.Any:
        return super().dispatch_request(**kwargs)


@pytest.mark.parametrize(
    ("cls", "is_async"),
    [
        (Sync, False),
        (Async, True),
        (SyncMethods, False),
        (AsyncMethods, True),
        (MixedMethods, False),
        (GuardedMethods, False),
        (Decorated, False),
        (ExoticMethods, False),
        (AsyncOverSync, True),
        (SyncOverAsync, False),
        (View, False),
        (MethodView, False),
    ],
)
def test_async_def_where_all_that_a_request_reaches_is(cls: type[View], is_async: bool) -> None:
    assert inspect.iscoroutinefunction(cls.as_view("view")) is is_async


@pytest.mark.parametrize("every_request", [True, False])
def test_what_the_function_tells(every_request: bool) -> None:
    class Documented(Async):
        """Tell what it is."""

        methods = {"GET", "POST"}
        provide_automatic_options = False
        init_every_request = every_request

    view: t.Any = Documented.as_view("name")
    assert view.__name__ == "name"
    assert view.__doc__ == "Tell what it is."
    assert view.__module__ == __name__
    assert view.view_class is Documented
    assert view.methods == {"GET", "POST"}
    assert view.provide_automatic_options is False


def test_what_the_function_tells_by_default() -> None:
    view: t.Any = View.as_view("name")
    assert (view.methods, view.provide_automatic_options) == (None, None)
    assert View.decorators == []


def test_decorators_are_applied_from_the_first_on() -> None:
    seen: list[tuple[str, str, str]] = []

    def decorator(label: str) -> Func:
        def decorate(func: Func) -> Func:
            seen.append((label, func.__name__, func.__module__))

            def anonymous(**kwargs: t.Any) -> t.Any:
                return label + func(**kwargs)

            return anonymous

        return decorate

    class Twice(View):
        """Decorated twice."""

        decorators = [decorator("a"), decorator("b")]

        def dispatch_request(self) -> str:
            return "!"

    app = quartish.Flask(__name__)
    view: t.Any = Twice.as_view("twice")
    assert seen == [("a", "twice", __name__), ("b", "anonymous", __name__)]
    assert (view.__name__, view.__doc__, view.view_class) == ("twice", "Decorated twice.", Twice)
    app.add_url_rule("/", view_func=view)
    assert app.test_client().get("/").text == "ba!"


# --- Answering --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cls", [Sync, Async, SyncMethods, AsyncMethods, GuardedMethods, Decorated, SyncOverAsync]
)
def test_answers_with_the_values_of_the_url(app: t.Any, client: t.Any, cls: type[View]) -> None:
    app.add_url_rule("/<int:n>", view_func=cls.as_view("view"), defaults={"extra": "x"})
    where, values = client.get("/7").json
    assert values == {"n": 7, "extra": "x"}
    assert where == ("thread" if cls in (Sync, SyncMethods) else "loop")


@pytest.mark.parametrize("cls", [Sync, Async, SyncMethods, AsyncMethods, SyncOverAsync])
async def test_answers_alike_by_the_asgi_door(app: t.Any, cls: type[View]) -> None:
    app.add_url_rule("/<int:n>", view_func=cls.as_view("view"))
    response = await app.async_test_client().get("/7")
    where = "thread" if cls in (Sync, SyncMethods) else "loop"
    assert response.json == [where, {"n": 7}]


def test_sync_and_async_methods_side_by_side(app: t.Any, client: t.Any) -> None:
    app.add_url_rule("/", view_func=MixedMethods.as_view("view"))
    assert client.get("/").json == ["loop", {}]
    assert client.post("/").text == "posted"
    assert client.put("/").text == "thread"


def test_sync_parts_share_a_thread_with_their_hooks(app: t.Any, client: t.Any) -> None:
    threads: list[int] = []

    class Index(MethodView):
        def get(self) -> str:
            threads.append(threading.get_ident())
            return ""

        async def post(self) -> str:
            return ""

    app.before_request(lambda: threads.append(threading.get_ident()))
    app.add_url_rule("/", view_func=Index.as_view("index"))
    client.get("/")
    assert len(threads) == 2
    assert len(set(threads)) == 1


def test_the_arguments_of_as_view_go_to_init(
    app: t.Any, client: t.Any, kind: t.Callable[[Func], Func]
) -> None:
    class Page(View):
        def __init__(self, title: str, *, footer: str) -> None:
            self.parts = [title, footer]

        @kind
        def dispatch_request(self) -> t.Any:
            return self.parts

    app.add_url_rule("/", view_func=Page.as_view("page", "title", footer="footer"))
    assert client.get("/").json == ["title", "footer"]


@pytest.mark.parametrize(("every_request", "answers"), [(True, [1, 2]), (False, [1, 1])])
def test_instances(
    app: t.Any,
    client: t.Any,
    kind: t.Callable[[Func], Func],
    every_request: bool,
    answers: list[int],
) -> None:
    made: list[View] = []

    class Counted(View):
        init_every_request = every_request

        def __init__(self) -> None:
            made.append(self)

        def __bool__(self) -> bool:
            return False  # an instance is an instance, whatever it says of itself

        @kind
        def dispatch_request(self) -> t.Any:
            assert self is made[-1]
            return [len(made)]

    view = Counted.as_view("counted")
    app.add_url_rule("/", view_func=view)
    assert [client.get("/").json for _ in range(2)] == [[n] for n in answers]


def test_view_class_may_be_replaced(
    app: t.Any, client: t.Any, kind: t.Callable[[Func], Func]
) -> None:
    class Index(MethodView):
        async def get(self) -> t.Any:
            raise ZeroDivisionError

        async def post(self) -> t.Any:
            raise ZeroDivisionError

    class Other(MethodView):
        @kind
        def get(self) -> str:
            return "get"

        @kind
        def post(self) -> str:
            return "post"

    view: t.Any = Index.as_view("index")
    view.view_class = Other
    app.add_url_rule("/", view_func=view)
    assert client.get("/").text == "get"
    assert client.post("/").text == "post"


def test_a_view_without_dispatch_request(app: t.Any, client: t.Any) -> None:
    class Empty(View):
        pass

    app.add_url_rule("/", view_func=Empty.as_view("empty"))
    with pytest.raises(NotImplementedError, match="Empty does not define 'dispatch_request'"):
        client.get("/")


def test_one_view_on_two_endpoints(app: t.Any, client: t.Any) -> None:
    app.add_url_rule("/a", view_func=Async.as_view("view"))
    with pytest.raises(AssertionError, match="view"):
        app.add_url_rule("/b", view_func=Async.as_view("view"))
    app.add_url_rule("/c", view_func=Async.as_view("other"))
    assert client.get("/c").json == ["loop", {}]


# --- Methods ----------------------------------------------------------------------------


def test_http_methods() -> None:
    assert http_method_funcs == {
        *("delete", "get", "head", "options", "patch", "post", "put", "trace"),
    }


def test_methods_of_a_view(app: t.Any, client: t.Any, kind: t.Callable[[Func], Func]) -> None:
    class Index(View):
        methods = ["GET", "POST"]

        @kind
        def dispatch_request(self) -> str:
            return quartish.request.method

    app.add_url_rule("/", view_func=Index.as_view("index"))
    assert client.get("/").text == "GET"
    assert client.post("/").text == "POST"
    assert client.put("/").status_code == 405
    assert allowed(client) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_methods_of_a_method_view(app: t.Any, client: t.Any) -> None:
    app.add_url_rule("/", view_func=AsyncMethods.as_view("index"))
    assert AsyncMethods.methods == {"GET", "POST"}
    assert client.put("/").status_code == 405
    assert allowed(client) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_methods_are_inherited() -> None:
    class Deleting(MethodView):
        def delete(self) -> str:
            return ""

    class Both(SyncMethods, Deleting):
        pass

    class Exotic(ExoticMethods):
        def patch(self) -> str:
            return ""

    class Narrow(Both):
        methods = ["GET"]

    class Nothing(MethodView):
        pass

    assert MixedMethods.methods == {"GET", "POST", "PUT"}
    assert Both.methods == {"GET", "DELETE"}
    assert Exotic.methods == {"GET", "POST", "PATCH", "PROPFIND"}
    assert Narrow.methods == ["GET"]
    assert Nothing.methods is None


def test_exotic_methods(app: t.Any, client: t.Any) -> None:
    app.add_url_rule("/", view_func=ExoticMethods.as_view("index"))
    assert client.open("/", method="PROPFIND").text == "thread"
    assert client.post("/").status_code == 405


def test_head_is_answered_by_get(app: t.Any, client: t.Any, kind: t.Callable[[Func], Func]) -> None:
    class Implicit(MethodView):
        @kind
        def get(self) -> t.Any:
            return "body", {"X-Method": quartish.request.method}

    class Explicit(Implicit):
        @kind
        def head(self) -> t.Any:
            return "", {"X-Method": "own"}

    app.add_url_rule("/implicit", view_func=Implicit.as_view("implicit"))
    app.add_url_rule("/explicit", view_func=Explicit.as_view("explicit"))
    assert client.get("/implicit").headers["X-Method"] == "GET"
    response = client.head("/implicit")
    assert (response.headers["X-Method"], response.data) == ("HEAD", b"")
    assert client.head("/explicit").headers["X-Method"] == "own"


def test_a_method_that_is_routed_but_not_defined(app: t.Any, client: t.Any) -> None:
    app.add_url_rule("/", view_func=AsyncMethods.as_view("index"), methods=["GET", "PUT"])
    with pytest.raises(AssertionError, match="Unimplemented method 'PUT'.*AsyncMethods"):
        client.put("/")


def test_own_options(app: t.Any, client: t.Any, kind: t.Callable[[Func], Func]) -> None:
    class Own(MethodView):
        @kind
        def options(self) -> str:
            return "own"

    class Never(View):
        provide_automatic_options = False

        @kind
        def dispatch_request(self) -> str:
            return ""

    app.add_url_rule("/own", view_func=Own.as_view("own"))
    app.add_url_rule("/never", view_func=Never.as_view("never"))
    assert client.options("/own").text == "own"
    assert client.options("/never").status_code == 405


def test_methods_need_a_request(app: t.Any) -> None:
    with pytest.raises(RuntimeError, match="outside of request context"):
        SyncMethods().dispatch_request()
    with app.app_context(), pytest.raises(RuntimeError, match="outside of request context"):
        SyncMethods().dispatch_request()


# --- The awaitable colour ---------------------------------------------------------------


async def fetch(view: t.Any, method: str = "GET") -> t.Any:
    app = quartish.Quart(__name__)
    app.testing = True
    app.add_url_rule("/", view_func=view)
    response = await app.test_client().open("/", method=method)
    return await response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("cls", "where"),
    [(Sync, "thread"), (Async, "loop"), (SyncMethods, "thread"), (AsyncMethods, "loop")],
)
async def test_awaitable_answers(cls: type[View], where: str) -> None:
    assert where in await fetch(cls.as_view("view"))


async def test_awaitable_overrides_await_any_method() -> None:
    class Index(MethodView):
        async def dispatch_request(self, **kwargs: t.Any) -> t.Any:
            return f"({await super().dispatch_request(**kwargs)})"

        def get(self) -> str:
            return lane()

        async def post(self) -> str:
            return lane()

    assert await fetch(Index.as_view("index")) == "(thread)"
    assert await fetch(Index.as_view("index"), "POST") == "(loop)"


@pytest.mark.parametrize(
    ("base", "where"),
    [(Sync, "thread"), (Async, "loop"), (SyncMethods, "thread"), (AsyncMethods, "loop")],
)
async def test_awaitable_decorators_await_any_view(base: type[View], where: str) -> None:
    def bracket(func: Func) -> Func:
        async def bracketed(**kwargs: t.Any) -> t.Any:
            return f"({(await func(**kwargs))[0]})"

        return bracketed

    decorated = type("Decorated", (base,), {"decorators": [bracket]})
    assert await fetch(decorated.as_view("view")) == f"({where})"  # type: ignore[attr-defined]


@pytest.mark.parametrize("every_request", [True, False])
async def test_websocket_views(colour: type[t.Any], every_request: bool) -> None:
    class Echo(View):
        init_every_request = every_request

        async def dispatch_request(self, name: str) -> None:
            await quartish.websocket.send(f"{name}: {await quartish.websocket.receive()}")  # type: ignore[str-bytes-safe]

    view: t.Any = Echo.as_view("echo")
    assert view.methods is None
    app = colour(__name__)
    app.add_websocket("/<name>", view_func=view)
    async with app.async_test_client().websocket("/anna") as connection:
        await connection.send("hello")
        assert await connection.receive() == "anna: hello"
