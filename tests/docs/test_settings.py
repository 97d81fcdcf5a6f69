"""docs/settings.md names every setting that Flask does not have, with its default."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import flask

import quartish
from quartish.serving import LIMITS
from quartish.serving import MAX_CONNECTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
APPS, SERVERS = PAGE.split("## Of the server")
BY_MACHINE = {"FILE_THREADS"}


def rows(text: str) -> dict[str, list[str]]:
    found = re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", text)
    return {name: rest.split(" | ") for name, rest in found}


def test_each_has_its_line(colour: type[t.Any]) -> None:
    page = rows(APPS)
    for name, value in colour("app").config.items():
        if name in flask.Flask.default_config:
            continue
        assert name in page, f"{name} is missing from docs/settings.md"
        default, unit, says = page[name]
        assert unit and says
        if name not in BY_MACHINE:
            assert default == str(value), name


def test_what_differs_from_flask_has_its_line(colour: type[t.Any]) -> None:
    page = rows(APPS)
    for name, value in flask.Flask("app").config.items():
        if colour("app").config[name] != value:
            assert name in page, f"{name} is missing from docs/settings.md"


def test_there_are_no_others() -> None:
    known = {*quartish.Flask("app").config, *quartish.Quart("app").config}
    assert set(rows(APPS)) <= known


def test_the_servers_limits_have_theirs() -> None:
    page = rows(SERVERS)
    for name, value in LIMITS.items():
        assert page[name][0] == str(value), name
    assert page["max_connections"][0] == str(MAX_CONNECTIONS)
    assert set(page) == {*LIMITS, "graceful_timeout", "max_connections"}
