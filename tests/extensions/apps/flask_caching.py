"""Flask-Caching: cached views, memoized functions, fragments of templates, what to leave out."""

from __future__ import annotations

import itertools
import typing as t

from flask import Flask
from flask import render_template_string
from flask import request
from flask_caching import Cache

PAGE = "{% cache 60, 'page', who %}{{ who }} {{ count() }}{% endcache %}"


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["CACHE_TYPE"] = "SimpleCache"
    cache = Cache(app)
    counts: dict[t.Any, t.Iterator[int]] = {}

    def count(*key: t.Any) -> int:
        return next(counts.setdefault(key, itertools.count()))

    @app.get("/view/<int:who>")
    @cache.cached(timeout=60)
    def view(who: int) -> t.Any:
        return {"count": count("view", who)}

    @app.get("/query/<int:who>")
    @cache.cached(timeout=60, query_string=True, unless=lambda: "fresh" in request.args)
    def query(who: int) -> t.Any:
        return str(count("query", who)), 200, {"X-Args": str(dict(request.args))}

    @cache.memoize(60)
    def double(who: int, number: int) -> tuple[int, int]:
        return 2 * number, count("double", who, number)

    @app.get("/double/<int:who>/<int:number>")
    def doubled(who: int, number: int) -> t.Any:
        return list(double(who, number))

    @app.delete("/double/<int:who>/<int:number>")
    def forget(who: int, number: int) -> t.Any:
        cache.delete_memoized(double, who, number)
        return "", 204

    @app.get("/page/<int:who>")
    def page(who: int) -> t.Any:
        return render_template_string(PAGE, who=who, count=lambda: count("page", who))

    @app.get("/error/<int:who>")
    @cache.cached(timeout=60, response_filter=lambda rv: rv[1] == 200)
    def error(who: int) -> t.Any:
        number = count("error", who)
        return str(number), 200 if number else 500

    @app.put("/value/<int:who>")
    def put(who: int) -> t.Any:
        cache.set(f"value {who}", request.get_json())
        return {"kept": cache.get(f"value {who}")}

    return app


def visit(visitor: t.Any) -> None:
    me = visitor.number
    for path in (f"/view/{me}", f"/page/{me}", f"/error/{me}"):
        for _ in range(3):
            visitor.get(path)
    for query in ("a=1&b=2", "b=2&a=1", "a=2", "fresh=1", "fresh=1"):
        visitor.get(f"/query/{me}?{query}")
    visitor.get(f"/double/{me}/4")
    visitor.get(f"/double/{me}/4")
    visitor.open("DELETE", f"/double/{me}/4")
    visitor.get(f"/double/{me}/4")
    visitor.open("PUT", f"/value/{me}", json={"number": me})
