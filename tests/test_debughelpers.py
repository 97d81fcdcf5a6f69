"""What debug mode explains: a missing enctype, a lossy redirect, a template not found."""

from __future__ import annotations

import logging
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import DictLoader
from jinja2 import FileSystemLoader
from jinja2 import TemplateNotFound
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequestKeyError
from werkzeug.routing import RequestRedirect
from werkzeug.test import create_environ
from werkzeug.wrappers import Request

import quartish
from quartish._current import _cv_app
from quartish.debughelpers import attach_enctype_error_multidict
from quartish.debughelpers import DebugFilesKeyError
from quartish.debughelpers import explain_template_loading_attempts
from quartish.debughelpers import FormDataRoutingRedirect
from quartish.debughelpers import UnexpectedUnicodeError


def post(path: str = "/", **options: t.Any) -> Request:
    return Request(create_environ(path, method="POST", **options))


def test_unexpected_unicode_is_caught_as_either_error() -> None:
    assert issubclass(UnexpectedUnicodeError, AssertionError)
    assert issubclass(UnexpectedUnicodeError, UnicodeError)


def test_a_file_sent_as_text_is_explained() -> None:
    request = post(data={"photo": ["a.png", "b.png"]})
    files_class = type(request.files)
    attach_enctype_error_multidict(request)
    assert isinstance(request.files, files_class)
    assert type(request.files).__name__ == files_class.__name__
    with pytest.raises(DebugFilesKeyError) as info:
        request.files["photo"]
    text = str(info.value)
    assert "'photo'" in text
    assert "'application/x-www-form-urlencoded' instead of 'multipart/form-data'" in text
    assert "no file contents were transmitted" in text
    assert text.endswith("This was submitted: 'a.png', 'b.png'")
    assert info.value.__suppress_context__
    assert isinstance(info.value, KeyError)


def test_without_form_matches_no_names_are_listed() -> None:
    assert "This was submitted" not in str(DebugFilesKeyError(post(), "photo"))


def test_other_lookups_in_files_stay_as_they_were() -> None:
    request = post(data={"name": "x", "photo": FileStorage(filename="a.png", name="photo")})
    attach_enctype_error_multidict(request)
    assert request.files["photo"].filename == "a.png"
    assert request.files.get("name") is None
    with pytest.raises(BadRequestKeyError):
        request.files["missing"]
    request.close()


def redirect_error(path: str, target: str) -> str:
    request = t.cast(t.Any, post(path))
    request.routing_exception = RequestRedirect(f"http://localhost{target}")
    return str(FormDataRoutingRedirect(request))


def test_a_lossy_redirect_names_both_urls() -> None:
    text = redirect_error("/old", "/new")
    assert "A request was sent to 'http://localhost/old'" in text
    assert "canonical URL 'http://localhost/new'" in text
    assert "307 or 308" in text
    assert "trailing slash" not in text


@pytest.mark.parametrize("query", ["", "?a=1"])
def test_a_redirect_to_the_trailing_slash_says_so(query: str) -> None:
    assert "defined with a trailing slash" in redirect_error(f"/user{query}", f"/user/{query}")


APP = SimpleNamespace(import_name="shop", create_global_jinja_loader=None)
BLUEPRINT = SimpleNamespace(name="admin", import_name="shop.admin", make_setup_state=None)
LOADER = FileSystemLoader(["templates", "shared"])
FOUND = ("source", "templates/a.html", None)
Attempts = list[tuple[t.Any, t.Any, t.Any]]


def explain(attempts: Attempts, caplog: pytest.LogCaptureFixture) -> list[str]:
    app = t.cast(t.Any, SimpleNamespace(logger=logging.getLogger("quartish_explain")))
    with caplog.at_level(logging.INFO, "quartish_explain"):
        explain_template_loading_attempts(app, "a.html", attempts)
    return caplog.messages[-1].splitlines()


def test_each_attempt_is_told_with_its_loader(caplog: pytest.LogCaptureFixture) -> None:
    attempts: Attempts = [
        (LOADER, APP, FOUND),
        (DictLoader({}), BLUEPRINT, None),
        (DictLoader({}), "someone", None),
    ]
    assert explain(attempts, caplog) == [
        "Locating template 'a.html':",
        "    1: trying loader of application 'shop'",
        "       class: jinja2.loaders.FileSystemLoader",
        "       encoding: 'utf-8'",
        "       followlinks: False",
        "       searchpath:",
        "         - templates",
        "         - shared",
        "       -> found ('templates/a.html')",
        "    2: trying loader of blueprint 'admin' (shop.admin)",
        "       class: jinja2.loaders.DictLoader",
        "       -> no match",
        "    3: trying loader of 'someone'",
        "       class: jinja2.loaders.DictLoader",
        "       -> no match",
    ]


def test_nothing_found_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    lines = explain([(LOADER, APP, None)], caplog)
    assert lines[-1] == "Error: the template could not be found."


def test_two_finds_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    lines = explain([(LOADER, APP, FOUND), (LOADER, BLUEPRINT, ("", None, None))], caplog)
    assert lines[-1] == "Warning: multiple loaders returned a match for the template."
    assert lines[-2] == "       -> found ('<string>')"


@pytest.mark.parametrize("blueprint", ["admin", None])
def test_the_blueprint_of_the_endpoint_is_a_hint(
    caplog: pytest.LogCaptureFixture, blueprint: str | None
) -> None:
    ctx = SimpleNamespace(has_request=True, conn=SimpleNamespace(blueprint=blueprint))
    token = _cv_app.set(t.cast(t.Any, ctx))
    try:
        fishy = explain([(LOADER, APP, None)], caplog)
        fine = explain([(LOADER, APP, FOUND)], caplog)
    finally:
        _cv_app.reset(token)
    assert any("belongs to the blueprint 'admin'" in line for line in fishy) is bool(blueprint)
    assert fine[-1] == "       -> found ('templates/a.html')"


# --- Through an app -------------------------------------------------------------------------


@pytest.fixture
def app() -> quartish.Flask:
    app = quartish.Flask("shop", root_path="/nowhere")
    app.config.update(DEBUG=True, TESTING=True)

    @app.post("/photo")
    async def photo() -> str:
        return str(quartish.request.files["photo"].filename)

    @app.route("/user/", methods=["GET", "POST"])
    def user() -> str:
        return quartish.request.form["name"]

    return app


def test_debug_mode_explains_the_missing_enctype(app: quartish.Flask) -> None:
    client = app.test_client()
    with pytest.raises(DebugFilesKeyError, match="This was submitted: 'a.png'"):
        client.post("/photo", data={"photo": "a.png"})
    app.config["DEBUG"] = False
    app.config["TESTING"] = False
    assert client.post("/photo", data={"photo": "a.png"}).status_code == 400


def test_debug_mode_stops_a_redirect_that_loses_the_form(
    app: quartish.Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, form = app.test_client(), {"name": "x"}
    assert client.post("/user", data=form, follow_redirects=True).text == "x"
    monkeypatch.setattr(RequestRedirect, "code", 301)
    with pytest.raises(FormDataRoutingRedirect, match="with a trailing slash"):
        client.post("/user", data=form, follow_redirects=True)
    app.config["DEBUG"] = False
    assert client.post("/user", data=form).status_code == 301


def test_a_search_for_a_template_is_told(
    app: quartish.Flask, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    admin = quartish.Blueprint("admin", "shop.admin", root_path=str(tmp_path), template_folder="t")

    @admin.get("/admin")
    def page() -> str:
        return quartish.render_template("a.html")

    app.register_blueprint(admin)
    app.config["EXPLAIN_TEMPLATE_LOADING"] = True
    with pytest.raises(TemplateNotFound), caplog.at_level(logging.INFO, "shop"):
        app.test_client().get("/admin")
    lines = caplog.messages[0].splitlines()
    assert lines[0] == "Locating template 'a.html':"
    assert "    1: trying loader of application 'shop'" in lines
    assert "    2: trying loader of blueprint 'admin' (shop.admin)" in lines
    assert f"         - {tmp_path / 't'}" in lines
    assert "Error: the template could not be found." in lines
    assert any("belongs to the blueprint 'admin'" in line for line in lines)
