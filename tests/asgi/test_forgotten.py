"""Debug mode names the calls of coroutine functions that hooks and views drop, and no others."""

from __future__ import annotations

import asyncio
import gc
import logging
import typing as t
import warnings

import pytest

import quartish
from quartish.asgi.forgotten import _dropped_calls
from tests._doors import Ask
from tests._doors import through_asgi


async def save(*args: t.Any) -> None:
    """What is to be awaited."""


def plain(*args: t.Any) -> None:
    """What is not."""


class Store:
    @staticmethod
    async def put() -> None: ...


NAMED = {
    "view": "save(1)",
    "before": "save()",
    "of_blueprint": "asyncio.sleep(0)",
    "after": "Store.put()",
    "teardown": "save(2)",
    "context": "save(3)",
    "handler": "save('4', 5)",
}


def make_app(cls: type[t.Any]) -> t.Any:
    app = cls("app")
    blueprint = quartish.Blueprint("blueprint", __name__)

    @app.before_request
    def before() -> None:
        save()
        plain()
        print(end="")

    @blueprint.before_request
    async def of_blueprint() -> None:
        asyncio.sleep(0)

    @app.after_request
    def after(response: t.Any) -> t.Any:
        if response.status_code:
            Store.put()
        return response

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        save(2)

    @app.context_processor
    def context() -> dict[str, t.Any]:
        save(3)
        return {}

    @app.errorhandler(404)
    async def handler(error: t.Any) -> t.Any:
        save(
            "4",  # and more
            5,
        )
        return "no", 404

    @blueprint.get("/")
    async def view() -> str:
        def inner() -> None:
            save()  # in a function that nobody calls

        await save()
        kept = save()
        await kept
        asyncio.get_running_loop().create_task(save())
        unknown = {"call": plain}
        unknown["call"]()
        save(1)
        return "done"

    app.add_url_rule("/built-in", view_func=dict)
    app.register_blueprint(blueprint)
    return app


@pytest.mark.parametrize("debug", [True, False])
async def test_each_is_named_once(
    colour: type[t.Any], debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    app = make_app(colour)
    app.debug = debug
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python says it, too, each time
        for path in ("/", "/missing", "/", "/built-in"):
            await through_asgi(app, Ask(path))
        gc.collect()
    said = [record.getMessage() for record in caplog.records if "await" in record.getMessage()]
    found = {text.rpartition("; ")[2].split("`")[1]: text for text in said}
    assert len(found) == len(said)
    if not debug:
        assert not said
        return
    assert found.keys() == NAMED.keys()
    for name, text in found.items():
        assert text.startswith(f"`{NAMED[name]}` is not awaited"), text
        assert text.count(NAMED[name]) == 2
        is_plain = name in ("before", "after", "teardown", "context")
        assert (f"make `{name}` an `async def`" in text) is is_plain
        kind = {"view": "view", "handler": "error handler"}.get(name, "hook")
        assert f"; {kind} `{name}`, test_forgotten.py:" in text


def test_of_what_has_no_source_nothing_is_said() -> None:
    names: dict[str, t.Any] = {}
    exec("async def save(): ...\ndef view(): save()", names)
    assert [*_dropped_calls(names["view"])] == [*_dropped_calls(len)] == []
