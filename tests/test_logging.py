"""The app's logger: its level, its handler, and the stream that handler writes to."""

from __future__ import annotations

import importlib
import io
import logging
import sys
import threading
import typing as t
from types import SimpleNamespace

import pytest

import quartish
from quartish._current import _cv_app
from quartish.logging import create_logger
from quartish.logging import create_serving_logger
from quartish.logging import default_handler
from quartish.logging import has_level_handler
from quartish.logging import serving_handler
from quartish.logging import wsgi_errors_stream

NAMES = ("quartish_test", "quartish.serving")


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[logging.Logger]:
    """A bare root above the loggers used here (pytest hangs handlers on the real one)."""
    root = logging.Logger("root", logging.WARNING)
    for name in NAMES:
        monkeypatch.setattr(logging.getLogger(name), "parent", root)
    yield root
    for name in NAMES:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


def make_logger(debug: bool = False) -> logging.Logger:
    return create_logger(t.cast(t.Any, SimpleNamespace(name="quartish_test", debug=debug)))


def test_the_logger_is_named_after_the_app_and_gets_one_handler() -> None:
    logger = make_logger()
    assert make_logger() is logger
    assert (logger.name, logger.level) == ("quartish_test", logging.NOTSET)
    assert logger.handlers == [default_handler]


def test_debug_mode_sets_the_level_unless_there_is_one() -> None:
    assert make_logger(debug=True).level == logging.DEBUG
    logging.getLogger("quartish_test").setLevel(logging.ERROR)
    assert make_logger(debug=True).level == logging.ERROR


def test_a_handler_further_up_is_enough(root: logging.Logger) -> None:
    root.addHandler(logging.StreamHandler())
    assert make_logger().handlers == []


def test_has_level_handler_heeds_levels_and_propagation(root: logging.Logger) -> None:
    logger = logging.getLogger("quartish_test")
    assert not has_level_handler(logger)
    handler = logging.StreamHandler()
    root.addHandler(handler)
    assert has_level_handler(logger)
    logger.propagate = False
    assert not has_level_handler(logger)
    logger.propagate = True
    handler.setLevel(logging.ERROR)  # the logger's own effective level is WARNING
    assert not has_level_handler(logger)
    logger.setLevel(logging.CRITICAL)
    assert has_level_handler(logger)


def test_the_serving_logger_speaks_from_info_on() -> None:
    logger = create_serving_logger()
    assert create_serving_logger() is logger
    assert (logger.name, logger.level) == ("quartish.serving", logging.INFO)
    assert logger.handlers == [serving_handler]


def test_outside_of_a_request_the_stream_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    make_logger().error("seen")
    line = capsys.readouterr().err
    assert line.startswith("[") and line.endswith("] ERROR in test_logging: seen\n")
    assert wsgi_errors_stream._get_current_object() is sys.stderr


@pytest.mark.parametrize(
    ("plain", "has_request", "environ_has_it", "from_request"),
    [
        (True, True, True, True),
        (True, True, False, False),
        (True, False, True, False),
        (False, True, True, False),
    ],
)
def test_the_stream_is_that_of_a_plain_request(
    plain: bool, has_request: bool, environ_has_it: bool, from_request: bool
) -> None:
    stream = io.StringIO()
    environ = {"wsgi.errors": stream} if environ_has_it else {}
    ctx = SimpleNamespace(
        app=SimpleNamespace(plain=plain),
        has_request=has_request,
        request=SimpleNamespace(environ=environ),
    )
    token = _cv_app.set(t.cast(t.Any, ctx))
    try:
        found = wsgi_errors_stream._get_current_object()
        make_logger().error("seen")
    finally:
        _cv_app.reset(token)
    assert found is (stream if from_request else sys.stderr)
    assert stream.getvalue().endswith("ERROR in test_logging: seen\n") is from_request


# --- Through an app -------------------------------------------------------------------------


def make_app(colour: type[t.Any]) -> t.Any:
    app = colour("quartish_test")

    @app.get("/")
    def warn() -> str:
        app.logger.error("from a view")
        return ""

    @app.get("/fail")
    async def fail() -> str:
        raise LookupError("lost")

    return app


def asgi_client(app: t.Any) -> t.Any:
    """A client that calls the app as a server does, for either colour."""
    return app.async_test_client() if app.plain else app.test_client()


def test_the_app_has_a_logger_of_its_name(colour: type[t.Any]) -> None:
    app = make_app(colour)
    assert app.logger is logging.getLogger("quartish_test")
    assert app.logger.handlers == [default_handler]


def test_a_plain_app_writes_to_the_stream_of_the_request() -> None:
    app, stream = make_app(quartish.Flask), io.StringIO()
    app.test_client().get("/", errors_stream=stream)
    assert stream.getvalue().endswith("ERROR in test_logging: from a view\n")
    assert wsgi_errors_stream._get_current_object() is sys.stderr
    with app.test_request_context(errors_stream=stream):
        assert wsgi_errors_stream._get_current_object() is stream


def test_an_unhandled_exception_is_logged_there_too() -> None:
    app, stream = make_app(quartish.Flask), io.StringIO()
    assert app.test_client().get("/fail", errors_stream=stream).status_code == 500
    assert "Exception on /fail [GET]" in stream.getvalue()
    assert stream.getvalue().endswith("LookupError: lost\n")


async def test_the_endpoint_is_told_beside_flasks_message(
    colour: type[t.Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """What others look for is as in Flask: the message, and what it is made of."""
    app = make_app(colour)
    seen: list[logging.LogRecord] = []
    app.logger.addFilter(look := lambda record: seen.append(record) or True)
    await asgi_client(app).get("/fail")
    app.logger.removeFilter(look)
    [record] = seen
    assert (record.msg, record.args) == ("Exception on %s [%s]", ("/fail", "GET"))
    assert record.getMessage() == "Exception on /fail [GET]"
    assert t.cast(t.Any, record).endpoint == "fail"
    assert "Exception on /fail [GET] in view 'fail'\nTraceback" in capsys.readouterr().err


async def test_under_asgi_an_app_writes_to_stderr(
    colour: type[t.Any], capsys: pytest.CaptureFixture[str]
) -> None:
    client = asgi_client(make_app(colour))
    await client.get("/")
    response = await client.get("/fail")
    assert response.status_code == 500
    text = capsys.readouterr().err
    assert "ERROR in test_logging: from a view\n" in text
    assert "Exception on /fail [GET]" in text and "LookupError: lost" in text


def test_a_queue_of_records() -> None:
    def play(module: t.Any) -> t.Any:
        written: list[t.Any] = []

        class Writes(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                written.append((record.msg, record.args, threading.current_thread() is here))
                done.set()

        here, done = threading.current_thread(), threading.Event()
        handler = module._setup_logging_queue(Writes(logging.INFO))
        record = logging.LogRecord("name", logging.INFO, "", 1, "%s", (1,), None)
        quiet = logging.LogRecord("name", logging.DEBUG, "", 1, "quiet", (), None)
        assert handler.prepare(record) is record
        handler.handle(quiet)
        handler.handle(record)
        assert done.wait(5)
        return written

    quarts = importlib.import_module("quart.logging")
    assert play(importlib.import_module("quartish.quart.logging")) == play(quarts)
