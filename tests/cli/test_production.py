"""`quartish check`: what production wants of an app, and what docs/production.md says of it."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner

from quartish.cli import cli
from quartish.cli import FlaskGroup
from quartish.production import _SIMPLE
from quartish.production import check_production
from quartish.sessions import CacheSessionInterface

App = type[t.Any]
DOCS = Path(__file__).parents[2] / "docs"
GOOD: dict[str, t.Any] = {
    "SECRET_KEY": "3f1c" * 16,
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
    "TRUSTED_HOSTS": ["example.org"],
    "MAX_CONTENT_LENGTH": 1_000_000,
    "WEBSOCKET_ALLOWED_ORIGINS": "same",
}


def make(colour: App, **config: t.Any) -> t.Any:
    app = colour("app")
    app.config.update(GOOD | config)

    @app.websocket("/ws")
    async def ws() -> None: ...

    return app


def names(app: t.Any) -> list[str]:
    return [finding.name for finding in check_production(app)]


def test_a_good_configuration_has_nothing(colour: App) -> None:
    assert names(make(colour)) == []


def test_a_new_app_has_these(colour: App) -> None:
    expected = {*GOOD, "MAX_CONTENT_LENGTH"} - {"WEBSOCKET_ALLOWED_ORIGINS"}
    app = colour("app")
    if not app.plain:
        expected.remove("MAX_CONTENT_LENGTH")  # Quart's default
    assert set(names(app)) == expected


BAD = [
    *((name, value) for name, values, _, _ in _SIMPLE for value in values),
    *(("SECRET_KEY", key) for key in (None, "", b"", "dev", b"dev", "Secret", "x" * 15)),
    ("SECRET_KEY_FALLBACKS", ["x" * 15]),
    ("WEBSOCKET_ALLOWED_ORIGINS", None),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_each_is_found(colour: App, name: str, value: t.Any) -> None:
    found = check_production(make(colour, **{name: value}))
    assert [finding.name for finding in found] == [name]
    assert found[0].says and found[0].cure
    assert f"## {name}" in (DOCS / "production.md").read_text().splitlines()


def test_sessions_that_nothing_signs_need_no_key(colour: App) -> None:
    app = make(colour, SECRET_KEY=None)
    app.session_interface = CacheSessionInterface(None)
    assert names(app) == []
    app.config["SECRET_KEY"] = "dev"  # what else is signed by it can be forged
    assert names(app) == ["SECRET_KEY"]


def test_the_page_has_nothing_else() -> None:
    found = re.findall("(?m)^## ([A-Z_]+)$", (DOCS / "production.md").read_text())
    assert found == sorted({name for name, _ in BAD})


def test_the_older_name_of_the_origins_counts(colour: App) -> None:
    app = make(colour, WEBSOCKET_ALLOWED_ORIGINS=None, WEBSOCKET_ORIGINS=["https://x"])
    assert names(app) == []


def run(app: t.Any, *args: str) -> t.Any:
    group = FlaskGroup(create_app=lambda: app, set_debug_flag=False)
    return CliRunner().invoke(group, ["check", *args])


def test_the_command_tells_and_its_status_says(colour: App) -> None:
    result = run(make(colour))
    assert (result.exit_code, result.output) == (0, "Nothing found.\n")
    assert "'dev'" not in result.output  # no key is shown
    result = run(make(colour, SECRET_KEY="dev", TRUSTED_HOSTS=None))
    assert result.exit_code == 1
    assert "SECRET_KEY: everybody knows" in result.output and "2 found." in result.output
    assert "'dev'" not in result.output  # no key is shown
    result = run(make(colour, SECRET_KEY="dev"), "--skip", "SECRET_KEY")
    assert result.exit_code == 0


def test_an_apps_own_command_goes_before(colour: App) -> None:
    app = make(colour)

    @app.cli.command("check")
    def check() -> None:
        print("the app's own")

    assert run(app).output == "the app's own\n"


def test_it_is_listed() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert re.search(r"(?m)^  check +Show what production wants", result.output)
