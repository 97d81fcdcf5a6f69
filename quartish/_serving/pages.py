"""Which files an app makes pages of, and reads anew by itself: templates and static files."""

from __future__ import annotations

import typing as t

from jinja2 import BaseLoader
from jinja2 import ChoiceLoader
from jinja2 import FileSystemLoader
from jinja2 import PrefixLoader

from ..typing import LiveApp


def pages_of(app: LiveApp) -> list[str]:
    """Return the folders of templates and static files, of an app and of its blueprints. Those of
    templates are left out where the app does not look whether they have changed."""
    return [*_static(app), *(_templates(app) if _reads_anew(app) else ())]


def code_of(app: LiveApp) -> list[str]:
    """Return the folders of templates that an app reads once."""
    return [] if _reads_anew(app) else _templates(app)


def _reads_anew(app: LiveApp) -> bool:
    said = app.config["TEMPLATES_AUTO_RELOAD"]
    return bool(app.debug if said is None else said)


def _static(app: LiveApp) -> list[str]:
    scaffolds = [app, *app.blueprints.values()]
    return [each.static_folder for each in scaffolds if each.has_static_folder]


def _templates(app: LiveApp) -> list[str]:
    scaffolds = [app, *app.blueprints.values()]
    return [path for each in scaffolds for path in _paths(each.jinja_loader)]


def _paths(loader: BaseLoader | None) -> t.Iterator[str]:
    if isinstance(loader, FileSystemLoader):
        yield from loader.searchpath
    elif isinstance(loader, ChoiceLoader):
        for each in loader.loaders:
            yield from _paths(each)
    elif isinstance(loader, PrefixLoader):
        for each in loader.mapping.values():
            yield from _paths(each)
