"""What every test may ask for: the two colours, and a clean process around each test."""

from __future__ import annotations

import functools
import gc
import logging
import os
import re
import signal
import typing as t

import pytest


def pytest_configure() -> None:
    """Let the programs that tests start be ended by Ctrl-C: a shell that runs this in the
    background has it ignored, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that are others in each process: several processes could not share the tests."""
    named = [item.nodeid for item in items if re.search(r" at 0x[0-9a-f]{6}", item.nodeid)]
    if named:
        raise pytest.UsageError(f"Name it by `ids=` without an address: {named[0]}")


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> t.Generator[None, int, int]:
    """Play tests in one process more than there are cores: servers start and graces pass while
    these would stand idle."""
    count = yield
    return count if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else count + 1


@pytest.fixture(scope="module", autouse=True)
def what_the_others_hold() -> None:
    """Have the collector look no more through what pytest and the tests before hold: a process of
    thousands of tests has a gigabyte of that, and each collection takes seconds."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=["plain", "awaitable"])
def colour(request: pytest.FixtureRequest) -> type[t.Any]:
    """The application class of each colour in turn, for what both must do alike."""
    import quartish

    return quartish.Flask if request.param == "plain" else quartish.Quart


Func = t.Callable[..., t.Any]


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest) -> t.Callable[[Func], Func]:
    """A decorator that leaves functions `def`, or makes them `async def`."""

    def as_async(func: Func) -> Func:
        @functools.wraps(func)
        async def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return func(*args, **kwargs)

        return call

    return as_async if request.param == "async def" else lambda func: func


@pytest.fixture
def quiet() -> t.Iterator[None]:
    """Nothing is logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def no_context_left() -> t.Iterator[None]:
    """Fail the test that leaves an application context active behind it."""
    from quartish._current import find_context

    assert find_context() is None, "a context is active before the test"
    yield
    assert find_context() is None, "the test left a context active"


@pytest.fixture(autouse=True)
def loggers_that_speak() -> t.Iterator[None]:
    """Let a test disable a logger for itself alone: those of apps go by name, and are shared."""
    yield
    for logger in [*logging.Logger.manager.loggerDict.values()]:
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(autouse=True)
def not_run_from_cli() -> t.Iterator[None]:
    """Let no command leave behind that the process is one: `app.run()` would do nothing."""
    yield
    os.environ.pop("FLASK_RUN_FROM_CLI", None)
