"""Uploads that may be broken off and go on: tus 1.0.0, with its creation and termination.

    quartish --app examples.uploads run

A client makes an upload, and sends its bytes in as many requests as it takes: after each break it
asks how many have come. Downloads go on likewise, by `Range` and `If-Range`, which `send_file`
does by itself.

Source: tus resumable upload protocol 1.0.0, https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import typing as t
from pathlib import Path
from secrets import token_hex

from quartish import abort
from quartish import Flask
from quartish import make_response
from quartish import render_template
from quartish import request
from quartish import Response
from quartish import send_file
from quartish import url_for

VERSION = "1.0.0"
EXTENSIONS = "creation,termination"
KIND = "application/offset+octet-stream"


class Upload:
    """A file that grows, and what is said of it beside."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.path = folder / name
        self.told = folder / f"{name}.json"

    @classmethod
    def make(cls, folder: Path, length: int, metadata: dict[str, str]) -> Upload:
        upload = cls(folder, token_hex(16))
        upload.path.touch()
        upload.told.write_text(json.dumps({"length": length, "metadata": metadata}))
        return upload

    def exists(self) -> bool:
        return self.told.exists()

    def read(self) -> dict[str, t.Any]:
        return {**json.loads(self.told.read_text()), "offset": self.path.stat().st_size}

    def remove(self) -> None:
        self.told.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def read_metadata(header: str) -> dict[str, str]:
    """Return what `Upload-Metadata` says: names, each with its value in Base64."""
    found = {}
    for pair in filter(None, (each.strip() for each in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            abort(400, "The Upload-Metadata is malformed.")
        if not found[name].isprintable():  # the name of a file stands in a header later
            abort(400, "The Upload-Metadata has a control character.")
    return found


def number(header: str) -> int:
    """Return the number that a header has to be."""
    text = request.headers.get(header, "")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        abort(400, f"The {header} is missing, or no number.")
    return int(text)


def create_app(folder: Path | str = "uploads", most: int = 10 * 2**30) -> Flask:
    """Make the app, which keeps uploads in `folder`, of `most` bytes each."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = most
    kept = Path(folder).absolute()
    kept.mkdir(parents=True, exist_ok=True)
    writing: set[str] = set()

    @app.before_request
    def know_version() -> t.Any:
        """Refuse what is of another version; downloads and the page are of none."""
        if request.endpoint not in ("make", "ask", "add", "remove"):
            return None
        if request.headers.get("Tus-Resumable") == VERSION:
            return None
        return Response(status=412, headers={"Tus-Version": VERSION})

    @app.after_request
    def tell_version(response: Response) -> Response:
        response.headers["Tus-Resumable"] = VERSION
        return response

    def find(name: str) -> Upload:
        upload = Upload(kept, name)
        if not re.fullmatch("[0-9a-f]{32}", name) or not upload.exists():
            abort(404)
        return upload

    @app.get("/")
    async def index() -> str:
        return render_template("uploads.html")

    @app.route("/files", methods=["OPTIONS"], provide_automatic_options=False)
    async def options() -> Response:
        told = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(most)}
        return Response(status=204, headers=told)

    @app.post("/files")
    async def make() -> Response:
        length = number("Upload-Length")
        if length > most:
            abort(413)
        metadata = read_metadata(request.headers.get("Upload-Metadata", ""))
        upload = await asyncio.to_thread(Upload.make, kept, length, metadata)
        where = url_for("download", name=upload.name, _external=True)
        return Response(status=201, headers={"Location": where})

    @app.route("/files/<name>", methods=["HEAD"], endpoint="ask")
    async def ask(name: str) -> Response:
        found = await asyncio.to_thread(find(name).read)
        told = {"Upload-Offset": str(found["offset"]), "Upload-Length": str(found["length"])}
        return Response(headers={**told, "Cache-Control": "no-store"})

    @app.patch("/files/<name>", endpoint="add", stream_body=True)
    async def add(name: str) -> Response:
        """Add what comes, as it comes: where the client leaves, that much is kept."""
        upload = find(name)
        if request.mimetype != KIND:
            abort(415)
        begin = number("Upload-Offset")
        if name in writing:
            abort(423)  # by another request, of a client that perhaps has left: try again
        writing.add(name)
        try:
            found = await asyncio.to_thread(upload.read)
            offset: int = found["offset"]
            if begin != offset:
                abort(409)
            file = await asyncio.to_thread(open, upload.path, "ab", 0)
            try:
                async for chunk in request.stream:
                    offset += len(chunk)
                    if offset > found["length"]:
                        abort(413, "There is more than the Upload-Length says.")
                    await asyncio.to_thread(file.write, chunk)
            finally:
                file.close()
        finally:
            writing.discard(name)
        return Response(status=204, headers={"Upload-Offset": str(offset)})

    @app.delete("/files/<name>", endpoint="remove")
    async def remove(name: str) -> Response:
        await asyncio.to_thread(find(name).remove)
        return Response(status=204)

    @app.get("/files/<name>", endpoint="download")
    def download(name: str) -> t.Any:
        """Send a whole upload, or the part that is asked for."""
        upload = find(name)
        found = upload.read()
        if found["offset"] < found["length"]:
            abort(404)
        title = found["metadata"].get("filename", name)
        response = make_response(
            send_file(upload.path, "application/octet-stream", True, title, etag=name)
        )
        return response

    return app
