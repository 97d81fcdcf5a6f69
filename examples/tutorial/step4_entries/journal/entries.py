"""The entries: read, write, change and delete them."""

from __future__ import annotations

import sqlite3

from quartish import abort
from quartish import Blueprint
from quartish import flash
from quartish import g
from quartish import redirect
from quartish import render_template
from quartish import request
from quartish import url_for
from quartish.typing import ResponseReturnValue

from .auth import login_required
from .db import get_db

SELECT = "SELECT entry.*, author.name FROM entry JOIN author ON author.id = entry.author_id"

bp = Blueprint("entries", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    entries = get_db().execute(f"{SELECT} ORDER BY entry.id DESC").fetchall()
    return render_template("index.html", entries=entries)


@bp.route("/write", methods=["GET", "POST"])
@login_required
def write() -> ResponseReturnValue:
    if request.method == "POST":
        title, body = request.form["title"].strip(), request.form["body"].strip()
        if title:
            with get_db() as database:
                database.execute(
                    "INSERT INTO entry (author_id, title, body) VALUES (?, ?, ?)",
                    (g.author["id"], title, body),
                )
            return redirect(url_for(".index"))
        flash("An entry needs a title.")
    return render_template("form.html", entry=None)


@bp.route("/<int:number>/edit", methods=["GET", "POST"])
@login_required
def edit(number: int) -> ResponseReturnValue:
    entry = own_entry(number)
    if request.method == "POST":
        title, body = request.form["title"].strip(), request.form["body"].strip()
        if title:
            with get_db() as database:
                database.execute(
                    "UPDATE entry SET title = ?, body = ? WHERE id = ?", (title, body, number)
                )
            return redirect(url_for(".index"))
        flash("An entry needs a title.")
    return render_template("form.html", entry=entry)


@bp.post("/<int:number>/delete")
@login_required
def delete(number: int) -> ResponseReturnValue:
    own_entry(number)
    with get_db() as database:
        database.execute("DELETE FROM entry WHERE id = ?", (number,))
    return redirect(url_for(".index"))


def own_entry(number: int) -> sqlite3.Row:
    """Return an entry of who is logged in; 404 without one, 403 for another's."""
    entry: sqlite3.Row | None = (
        get_db().execute(f"{SELECT} WHERE entry.id = ?", (number,)).fetchone()
    )
    if entry is None:
        abort(404, f"There is no entry {number}.")
    if entry["author_id"] != g.author["id"]:
        abort(403, "This entry is someone else's.")
    return entry
