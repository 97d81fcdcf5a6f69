"""Tracebacks for the browser, in debug mode.

Nothing here can be talked to: the page has no console, no script, and no values of
variables. What it shows is the source around each frame, as Werkzeug renders it.
"""

from __future__ import annotations

import os
import pkgutil
import re
import traceback
from functools import cache

from .wrappers.awaitable_response import Response

_HOUSE = os.path.dirname(__file__) + os.sep
# What asks Werkzeug's middleware for something or speaks of its console, and the copy of the
# text that it adds as a comment.
_INTERACTIVE = r"""(?sx)<script.*?</script>\s*
    |<link[^>]*>\s*
    |<div\ class="explanation">.*?</div>\s*
    |<div\ class="pin-prompt">.*?(?=</body>)
    |(?<=</html>).*"""


def render_traceback(error: BaseException, *, html: bool) -> str:
    """Return the traceback of `error` as a page, or as text.

    Frames of ours before the first of the user's are left out.
    """
    # PERF(4 ms): of `import quartish`, with pdb and all; only a page like this needs it.
    from werkzeug.debug.tbtools import DebugTraceback

    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    skip = next((at for at, name in enumerate(frames) if not name.startswith(_HOUSE)), 0)
    found = DebugTraceback(error, skip=skip)
    if not html:
        return found.render_traceback_text()
    page = found.render_debugger_html(evalex=False, secret="", evalex_trusted=False)
    head, end, body = re.sub(_INTERACTIVE, "", page).partition("</head>")
    return f"{head}<style>{_style()}</style>{end}{body}"


async def traceback_response(error: Exception) -> Response:
    """Return the page of an error, by *Quart's* interface. Never for users of a live site."""
    return Response(render_traceback(error, html=True), 500)


@cache
def _style() -> str:
    sheet = pkgutil.get_data("werkzeug.debug", "shared/style.css") or b""
    return re.sub(r"background-image: url\([^)]*\);", "", sheet.decode())
