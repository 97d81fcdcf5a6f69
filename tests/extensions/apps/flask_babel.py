"""Flask-Babel: a visitor's language, translations from a catalog, dates, numbers, time zones."""

from __future__ import annotations

import typing as t
from datetime import datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from flask import Flask
from flask import render_template_string
from flask import request
from flask_babel import Babel
from flask_babel import force_locale
from flask_babel import format_currency
from flask_babel import format_datetime
from flask_babel import get_locale
from flask_babel import gettext
from flask_babel import lazy_gettext
from flask_babel import ngettext
from flask_babel import refresh

LANGUAGES = {
    "de": ("Hallo %(name)s", "ein Apfel", "%(num)d Äpfel"),
    "fr": ("Salut %(name)s", "", ""),
}
PAGE = "{{ _('Hello %(name)s', name='you') }} {{ number|numberformat }} {{ now|dateformat }}"
GREETING = lazy_gettext("Hello %(name)s", name="lazy")


def create_app() -> Flask:
    for language, (hello, apple, apples) in LANGUAGES.items():
        catalog = Catalog(language)
        catalog.add("Hello %(name)s", hello)
        catalog.add(("%(num)d apple", "%(num)d apples"), (apple, apples))
        folder = Path("translations", language, "LC_MESSAGES")
        folder.mkdir(parents=True)
        with (folder / "messages.mo").open("wb") as file:
            write_mo(file, catalog)
    app = Flask(__name__)
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(Path("translations").absolute())
    Babel(
        app,
        locale_selector=lambda: request.accept_languages.best_match(["en", "de", "fr"]),
        timezone_selector=lambda: request.headers.get("X-Zone"),
    )
    now = datetime(2024, 2, 29, 12, 0)

    @app.get("/<int:count>")
    def index(count: int) -> t.Any:
        return {
            "locale": str(get_locale()),
            "hello": gettext("Hello %(name)s", name="Ada"),
            "lazy": str(GREETING),
            "apples": ngettext("%(num)d apple", "%(num)d apples", count),
            "now": format_datetime(now),
            "price": format_currency(1234.5, "EUR"),
        }

    @app.get("/page")
    def page() -> t.Any:
        return render_template_string(PAGE, now=now, number=1234.5)

    @app.get("/forced")
    def forced() -> t.Any:
        first = gettext("Hello %(name)s", name="x")
        with force_locale("fr"):
            second = gettext("Hello %(name)s", name="x")
        refresh()
        return [first, second, str(get_locale())]

    return app


def visit(visitor: t.Any) -> None:
    language = ["en", "de", "fr", "xx"][visitor.number % 4]
    zone = ["UTC", "Europe/Vienna", "Asia/Tokyo"][visitor.number % 3]
    for path in (f"/{visitor.number}", "/page", "/forced", "/1"):
        visitor.get(path, accept_language=language, x_zone=zone)
