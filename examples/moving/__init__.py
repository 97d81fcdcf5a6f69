"""A Flask app and its port in one process: the port answers what was moved, the old app the rest.

    quartish --app examples.moving run
    MOVING_MOVED=2 quartish --app examples.moving run

`legacy.py` is the old app, of Flask's own, as it was; `port.py` has the views that were moved, in
the order in which they were. By `MOVING_MOVED` only so many of them are taken, so that each step
can be seen: what a visitor gets is the same after each. In an app of your own you take a view out
of the old app when you have moved it.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from quartish import Flask
from quartish import Response

from . import legacy
from . import port


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Flask:
    """Make the application; `config` wins over `MOVING_*` environment variables."""
    app = Flask(__name__)
    app.config.from_mapping(
        DATA=app.instance_path,
        MOVED=len(port.VIEWS),
        SECRET_KEY="dev",
    )
    app.config.from_prefixed_env("MOVING")
    app.config.from_mapping(config)
    data = Path(app.config["DATA"])
    data.mkdir(parents=True, exist_ok=True)

    for rule, view, methods in port.VIEWS[: app.config["MOVED"]]:
        app.add_url_rule(rule, view_func=view, methods=methods)

    @app.after_request
    def say_who(response: Response) -> Response:
        response.headers["X-Answered-By"] = "port"
        return response

    # One key for both: who logged in by the old app is known to the new one, and the other way.
    old = legacy.create_app(str(data), app.config["SECRET_KEY"])
    app.mount("/", old, name="legacy")
    return app
