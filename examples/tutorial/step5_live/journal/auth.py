"""Who is there: register, log in, log out."""

from __future__ import annotations

import functools
import sqlite3
import typing as t

from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from quartish import Blueprint
from quartish import flash
from quartish import g
from quartish import redirect
from quartish import render_template
from quartish import request
from quartish import session
from quartish import url_for
from quartish.typing import ResponseReturnValue

from .db import get_db

bp = Blueprint("auth", __name__, url_prefix="/auth")


@bp.before_app_request
def load_author() -> None:
    """Put who is logged in, or None, into `g`."""
    g.author = None
    if "author_id" in session:
        found = get_db().execute("SELECT * FROM author WHERE id = ?", (session["author_id"],))
        g.author = found.fetchone()


def login_required(view: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Send who is not logged in to the login page."""

    @functools.wraps(view)
    def guarded(**values: t.Any) -> t.Any:
        if g.author is None:
            return redirect(url_for("auth.login"))
        return view(**values)

    return guarded


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    if request.method == "POST":
        name, password = request.form["name"].strip(), request.form["password"]
        if not name or not password:
            flash("A name and a password are needed.")
            return render_template("account.html", title="Register"), 400
        try:
            with get_db() as database:
                database.execute(
                    "INSERT INTO author (name, password) VALUES (?, ?)",
                    (name, generate_password_hash(password)),
                )
        except sqlite3.IntegrityError:
            flash(f"The name {name} is taken.")
            return render_template("account.html", title="Register"), 409
        return redirect(url_for(".login"))
    return render_template("account.html", title="Register")


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    if request.method == "POST":
        named = (request.form["name"].strip(),)
        author = get_db().execute("SELECT * FROM author WHERE name = ?", named).fetchone()
        if author is None or not check_password_hash(author["password"], request.form["password"]):
            flash("No such name, or not its password.")
            return render_template("account.html", title="Log in"), 401
        session.clear()
        session["author_id"] = author["id"]
        return redirect("/")
    return render_template("account.html", title="Log in")


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return redirect("/")
