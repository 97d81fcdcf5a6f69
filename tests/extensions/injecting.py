"""dishka and svcs, with their integrations for Flask, beside typed views of one app.

python injecting.py
"""

from __future__ import annotations

import typing as t

import quartish.as_flask  # noqa: F401 (makes what others import ours)


class Database:
    def __init__(self, name: str) -> None:
        self.name = name


closed: list[str] = []


def svcs_on_flask() -> None:
    import flask
    import svcs.flask

    from quartish.typed import Query

    app = flask.Flask("svcs")
    assert type(app).__module__.startswith("quartish")
    svcs.flask.init_app(app)

    def open_database() -> t.Iterator[Database]:
        yield Database("svcs")
        closed.append("svcs")

    svcs.flask.register_factory(app, Database, open_database)

    def view(page: t.Any) -> str:
        return f"{svcs.flask.get(Database).name} {page}"

    view.__annotations__["page"] = t.Annotated[int, Query(ge=1)]
    app.add_url_rule("/", view_func=view)
    client = app.test_client()
    assert client.get("/?page=2").text == "svcs 2"
    assert client.get("/?page=0").status_code == 422
    assert closed == ["svcs"], closed


def dishka_on_flask() -> None:
    import flask
    from dishka import FromDishka
    from dishka import make_container
    from dishka import Provider
    from dishka import Scope
    from dishka.integrations.flask import inject
    from dishka.integrations.flask import setup_dishka

    app = flask.Flask("dishka")

    def open_database() -> t.Iterator[Database]:
        yield Database("dishka")
        closed.append("dishka")

    open_database.__annotations__["return"] = t.Iterator[Database]
    provider = Provider(scope=Scope.REQUEST)
    provider.provide(open_database)

    def view(number: int, database: t.Any) -> str:
        return f"{database.name} {number}"

    injected: t.Any = FromDishka
    injected = injected[Database]
    view.__annotations__ = {"number": int, "database": injected, "return": str}
    app.add_url_rule("/<int:number>", "view", inject(view))
    setup_dishka(container=make_container(provider), app=app)
    assert app.test_client().get("/3").text == "dishka 3"
    assert closed == ["svcs", "dishka"], closed


if __name__ == "__main__":
    svcs_on_flask()
    dishka_on_flask()
    print("works")
