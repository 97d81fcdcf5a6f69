"""Loggers of apps, set up, configured and used in every order: what they are, and what is written
where, as in Flask."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.config
import random
import re
import sys
import typing as t

import pytest

from tests.differential._beside import assert_same
from tests.differential._beside import Side

NAMES = ["app", "pack.app", "pack", "__main__", "flask.app", "a b"]
ACTS = [
    *("logger", "level", "debug", "configure", "disable", "handler of root", "handler", "log"),
    *("request", "another", "own stream", "propagate", "remove", "rename", "basic", "see"),
    *("default handler", "make"),
]


@contextlib.contextmanager
def no_loggers(handler: logging.Handler) -> t.Iterator[io.StringIO]:
    """Begin as a new process does, with an empty stderr; put everything back in the end."""
    root, known = logging.getLogger(), logging.Logger.manager.loggerDict
    kept = dict(known), root.handlers[:], root.level, handler.level, sys.stderr
    known.clear()
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    sys.stderr = written = io.StringIO()
    try:
        yield written
    finally:
        logging.disable(0)
        known.clear()
        known.update(kept[0])
        root.handlers[:] = kept[1]
        root.setLevel(kept[2])
        handler.setLevel(kept[3])
        sys.stderr = kept[4]


def set_up(side: Side, r: random.Random) -> None:
    log = side.sub("logging")
    default, name = log.default_handler, r.choice(NAMES)

    def see(logger: logging.Logger) -> list[t.Any]:
        handlers = [(type(h).__name__, h.level, h is default) for h in logger.handlers]
        level = logger.getEffectiveLevel()
        told = [logger.name, logger.level, level, logger.propagate, logger.disabled, handlers]
        return [*told, log.has_level_handler(logger)]

    def act(app: t.Any, what: str) -> t.Any:
        match what:
            case "logger":
                return see(app.logger)
            case "level":
                app.logger.setLevel(r.choice([10, 30, "ERROR", 0, "NOPE"]))
            case "debug":
                app.debug = r.choice([True, False])
            case "configure":
                streams = ["ext://sys.stderr", f"ext://{log.__name__}.wsgi_errors_stream"]
                handler = {"class": "logging.StreamHandler", "stream": r.choice(streams)}
                own = {"handlers": ["h"], "propagate": False}
                logging.config.dictConfig(
                    {
                        "version": 1,
                        "disable_existing_loggers": r.random() < 0.5,
                        "handlers": {"h": {**handler, "level": r.choice(["DEBUG", "ERROR"])}},
                        "root": {"level": "INFO", "handlers": r.choice([["h"], []])},
                        "loggers": r.choice([{}, {name: {"level": "INFO"}}, {name: own}]),
                    }
                )
            case "disable":
                logging.disable(r.choice([0, 50, 20]))
            case "handler of root":
                logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
            case "handler":
                logging.getLogger(name).addHandler(logging.NullHandler(r.choice([0, 50])))
            case "log":
                for level in (10, 20, 30, 40):
                    app.logger.log(level, "at %s", level)
            case "request":
                return side.client(app).open("/").status
            case "another":
                another = side.app_class(name, static_folder=None).logger
                return [another is app.logger, see(another)]
            case "own stream" if side.door == "wsgi":
                own_stream = io.StringIO()
                app.test_client().get("/warns", errors_stream=own_stream)
                return own_stream.getvalue().partition("]")[2]
            case "propagate":
                app.logger.propagate = r.choice([True, False])
            case "remove":
                app.logger.removeHandler(default)
            case "rename":
                app.name = "other"
            case "basic":
                logging.basicConfig(stream=sys.stderr, level=10, format="B %(message)s")
            case "see":
                return see(logging.getLogger(r.choice([name, "pack", "other", ""])))
            case "default handler":
                default.setLevel(r.choice([0, 40]))
            case "make":
                return see(log.create_logger(app))
        return None

    with no_loggers(default) as written:
        app = side.app_class(name, static_folder=None)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        app.add_url_rule("/", "fails", side.view(lambda: 1 / 0))
        app.add_url_rule("/warns", "warns", side.view(lambda: app.logger.warning("x") or "x"))
        for what in r.choices(ACTS, k=r.randrange(2, 7)):
            side.tell(what)
            side.tried(act, app, what)
        for line in written.getvalue().splitlines():
            if not line.startswith((" ", "Traceback", "No handlers")):  # Python says this once
                line = re.sub(r"^\[[^\]]*\]", "[...]", line)
                side.tell(re.sub(r"(\[GET\]).*", r"\1", line))  # ours says of which view


@pytest.mark.filterwarnings("ignore")
def test_loggers_are_as_in_flask() -> None:
    assert_same(set_up, 120, doors=["wsgi"])
