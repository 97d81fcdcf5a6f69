"""The posts: read, write, edit and delete them, with or without a picture."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from pathlib import Path

from werkzeug.datastructures import FileStorage

from quartish import abort
from quartish import Blueprint
from quartish import current_app
from quartish import flash
from quartish import g
from quartish import redirect
from quartish import render_template
from quartish import request
from quartish import send_from_directory
from quartish import url_for
from quartish.typing import ResponseReturnValue

from .auth import login_required
from .db import get_db

PER_PAGE = 5
PICTURES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif"}
SELECT = "SELECT post.*, author.name FROM post JOIN author ON author.id = post.author_id"

bp = Blueprint("blog", __name__)


@bp.get("/")
async def index() -> ResponseReturnValue:
    page = max(1, request.args.get("page", 1, type=int))
    posts = (
        get_db()
        .execute(
            f"{SELECT} ORDER BY post.id DESC LIMIT ? OFFSET ?",
            (PER_PAGE + 1, PER_PAGE * (page - 1)),
        )
        .fetchall()
    )
    return render_template(
        "blog/index.html", posts=posts[:PER_PAGE], page=page, more=len(posts) > PER_PAGE
    )


@bp.get("/post/<int:post_id>")
async def show(post_id: int) -> ResponseReturnValue:
    return render_template("blog/show.html", post=find_post(post_id))


@bp.route("/write", methods=["GET", "POST"])
@login_required
async def write() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("blog/form.html", post=None)

    try:
        title, body, picture = await read_form()
    except ValueError as error:
        flash(str(error), "error")
        return render_template("blog/form.html", post=request.form), 400
    with get_db() as database:
        post_id = database.execute(
            "INSERT INTO post (author_id, title, body, picture) VALUES (?, ?, ?, ?)",
            (g.author["id"], title, body, picture),
        ).lastrowid
    return redirect(url_for(".show", post_id=post_id))


@bp.route("/post/<int:post_id>/edit", methods=["GET", "POST"])
@login_required
async def edit(post_id: int) -> ResponseReturnValue:
    post = find_post(post_id, own=True)
    if request.method == "GET":
        return render_template("blog/form.html", post=post)

    try:
        title, body, picture = await read_form()
    except ValueError as error:
        flash(str(error), "error")
        return render_template("blog/form.html", post=request.form), 400
    with get_db() as database:
        database.execute(
            "UPDATE post SET title = ?, body = ?, picture = ? WHERE id = ?",
            (title, body, picture or post["picture"], post_id),
        )
    if picture:
        drop_picture(post["picture"])
    flash("Saved.")
    return redirect(url_for(".show", post_id=post_id))


@bp.post("/post/<int:post_id>/delete")
@login_required
async def delete(post_id: int) -> ResponseReturnValue:
    post = find_post(post_id, own=True)
    with get_db() as database:
        database.execute("DELETE FROM post WHERE id = ?", (post_id,))
    drop_picture(post["picture"])
    flash(f"“{post['title']}” is gone.")
    return redirect(url_for(".index"))


@bp.get("/pictures/<name>")
async def picture(name: str) -> ResponseReturnValue:
    return send_from_directory(pictures(), name)


def find_post(post_id: int, own: bool = False) -> sqlite3.Row:
    """Return a post with its author's name; 404 without one, 403 for another's if `own`."""
    post: sqlite3.Row | None = (
        get_db().execute(f"{SELECT} WHERE post.id = ?", (post_id,)).fetchone()
    )
    if post is None:
        abort(404, f"There is no post {post_id}.")
    if own and post["author_id"] != g.author["id"]:
        abort(403, "This post is someone else's.")
    return post


async def read_form() -> tuple[str, str, str | None]:
    """Return title, body and the stored picture's name; ValueError says what is wrong."""
    title, body = request.form["title"].strip(), request.form["body"].strip()
    if not title:
        raise ValueError("A post needs a title.")
    return title, body, await keep_picture(request.files.get("picture"))


def pictures() -> Path:
    return Path(current_app.config["DATA"], "pictures")


async def keep_picture(upload: FileStorage | None) -> str | None:
    """Store an upload under a name of our own and return that; None without an upload.

    Raises ValueError for what is not a picture, whatever its name says.
    """
    if upload is None or not upload.filename:
        return None
    start = upload.stream.read(8)
    upload.stream.seek(0)
    for magic, suffix in PICTURES.items():
        if start.startswith(magic):
            name = uuid.uuid4().hex + suffix
            await asyncio.to_thread(upload.save, pictures() / name)
            return name
    raise ValueError("A picture is a PNG, a JPEG or a GIF file.")


def drop_picture(name: str | None) -> None:
    if name:
        (pictures() / name).unlink(missing_ok=True)
