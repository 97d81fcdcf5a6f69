"""The OpenAPI document of an app, served by it, and a page that shows it.

The page is Swagger UI, of the package `swagger-ui-bundle-v2`: nothing is loaded from another host,
and no script or style is inline.
"""

from __future__ import annotations

import html
import typing as t
from pathlib import Path

import msgspec
import swagger_ui_bundle
from werkzeug.exceptions import NotFound

from .._current import current_app
from ..sansio.app import Core
from .document import document_of
from .document import Facts

EXTENSION = "quartish.openapi"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_START = b"""\
"use strict";
const place = document.getElementById("api");
window.ui = SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
});
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{assets}swagger-ui.css">
<link rel="icon" type="image/png" href="{assets}favicon-32x32.png">
</head>
<body>
<div id="api" data-document="{document}"></div>
<script src="{assets}swagger-ui-bundle.js"></script>
<script src="{assets}start.js"></script>
</body>
</html>
"""
#: What Swagger UI needs: its files, images in data URLs, and requests to the app.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class OpenAPI:
    """Serve the OpenAPI document of `app`, and a page that shows it.

    `app.config["OPENAPI"] = False` switches both off (404), as production may want.

    Args:
        app: The app; or call `init_app` later.
        title: What the document is called; by default the app's name.
        version: The version of the app.
        description: What the app does.
        path: The URL of the document.
        docs_path: The URL of the page; None: there is none.
        servers: The URLs that the app is served at, where those differ from the document's.
        security_schemes: How clients authenticate: {name: security scheme object}.
        security: The names of those that every view requires.
    """

    def __init__(
        self,
        app: Core | None = None,
        *,
        title: str | None = None,
        version: str = "1.0.0",
        description: str | None = None,
        path: str = "/openapi.json",
        docs_path: str | None = "/docs",
        servers: t.Sequence[str] = (),
        security_schemes: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
        security: t.Sequence[str] = (),
    ) -> None:
        self._title = title
        self._facts = Facts(
            title or "", version, description, servers, security_schemes or {}, security
        )
        self.path = path
        self.docs_path = docs_path
        self._made: tuple[t.Any, bytes] | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Core) -> None:
        """Serve the document of `app`."""
        app.extensions[EXTENSION] = self
        app.add_url_rule(self.path, "openapi_document", self._document)
        if self.docs_path is not None:
            page = self.docs_path.rstrip("/")
            app.add_url_rule(page or "/", "openapi_page", self._page)
            app.add_url_rule(f"{page}/<name>", "openapi_asset", self._asset)

    def document(self, app: Core) -> dict[str, t.Any]:
        """Return the document of an app, as a dict."""
        facts = self._facts._replace(title=self._title or app.name)
        return document_of(app, facts, {"openapi_document", "openapi_page", "openapi_asset"})

    async def _document(self) -> t.Any:
        app = _allowed()
        key = (app.quartish_components_version, len(list(app.url_map.iter_rules())))
        if self._made is None or self._made[0] != key:
            self._made = key, msgspec.json.encode(self.document(app))
        return self._made[1], 200, {"Content-Type": "application/json"}

    async def _page(self) -> t.Any:
        app = _allowed()
        start = app.url_for("openapi_asset", name="start.js")
        page = _PAGE.format(
            title=html.escape(self._title or app.name),
            assets=html.escape(start.removesuffix("start.js")),
            document=html.escape(app.url_for("openapi_document")),
        )
        return page, 200, {"Content-Security-Policy": POLICY}

    async def _asset(self, name: str) -> t.Any:
        app = _allowed()
        headers = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
        if name == "start.js":
            return _START, 200, {**headers, "Content-Type": "text/javascript; charset=utf-8"}
        if name not in _ASSETS:
            raise NotFound()
        folder = Path(str(swagger_ui_bundle.swagger_ui_path))
        data = await app.to_file_thread((folder / name).read_bytes)
        return data, 200, {**headers, "Content-Type": _ASSETS[name]}


def _allowed() -> Core:
    """Return the current app. Raises NotFound (404) if its config switches the document off."""
    app = t.cast(Core, current_app())
    if not app.config.get("OPENAPI", True):
        raise NotFound()
    return app


def openapi_of(app: Core) -> OpenAPI:
    """Return the `OpenAPI` of an app; one with defaults if it has none."""
    found: OpenAPI | None = app.extensions.get(EXTENSION)
    return OpenAPI() if found is None else found
