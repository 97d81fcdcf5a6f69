"""What comes before an answer, and after it.

The styles of a page that takes its time are told first (103, early hints), and an export ends with
its digest (trailers).

Both are of HTTP/2, which Hypercorn speaks; by HTTP/1.1 the same app answers without them:

    hypercorn --certfile cert.pem --keyfile key.pem "examples.early:create_app()"
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import typing as t

from quartish import Flask
from quartish import render_template
from quartish import request
from quartish import Response
from quartish import url_for

ROWS = 1000


async def measure(hour: int) -> int:
    """Return how many visitors there were; a database would be asked."""
    await asyncio.sleep(0.001)
    return hour * hour % 97


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/")
    async def page() -> str:
        style = url_for("static", filename="early.css")
        # The browser fetches it while the numbers are looked up.
        await request.send_early_hints([f"<{style}>; rel=preload; as=style"])
        visitors = {hour: await measure(hour) for hour in range(24)}
        return render_template("early.html", style=style, visitors=visitors)

    @app.get("/export.csv")
    async def export() -> Response:
        digest = hashlib.sha256()

        async def lines() -> t.AsyncIterator[bytes]:
            for hour in range(ROWS):
                line = f"{hour},{await measure(hour)}\n".encode()
                digest.update(line)
                yield line

        def said() -> str:
            """Return the digest as RFC 9530 has it."""
            return f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"

        response = Response(lines(), mimetype="text/csv")
        # Known when the last line has gone. Who has not asked for trailers gets none.
        response.trailers = {"Content-Digest": said}
        return response

    return app
