"""The views that were moved, each as it was in `legacy.py`: `def` where it asks the database, and
`async def` where it does not."""

from __future__ import annotations

import typing as t

from quartish import abort
from quartish import current_app
from quartish import flash
from quartish import redirect
from quartish import render_template
from quartish import request
from quartish import session
from quartish import url_for
from quartish.typing import ResponseReturnValue

from .notes import Notes


def note(number: int) -> str:
    found = notes().get(number)
    if found is None:
        abort(404)
    return render_template("note.html", note=found)


async def login() -> ResponseReturnValue:
    if request.method == "POST":
        session["name"] = request.form["name"]
        flash(f"Hello, {session['name']}.")
        return redirect(url_for("index"))
    return render_template("login.html")


def add() -> ResponseReturnValue:
    text = request.form["text"].strip()
    if "name" not in session:
        return redirect(url_for("login"))
    if not text:
        abort(422, "A note has to say something.")
    number = notes().add(session["name"], text)
    flash("It is written.")
    return redirect(url_for("note", number=number))


def index() -> str:
    return render_template("index.html", notes=notes().all())


def notes() -> Notes:
    return Notes(current_app.config["DATA"])


#: In the order in which they were moved.
VIEWS: list[tuple[str, t.Callable[..., t.Any], list[str]]] = [
    ("/notes/<int:number>", note, ["GET"]),
    ("/login", login, ["GET", "POST"]),
    ("/notes", add, ["POST"]),
    ("/", index, ["GET"]),
]
