"""Who is there: register, log in, log out, and the hook that puts the author into `g`."""

from __future__ import annotations

import asyncio
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

View = t.Callable[..., t.Awaitable[ResponseReturnValue]]

bp = Blueprint("auth", __name__, url_prefix="/auth")


@bp.before_app_request
def load_author() -> None:
    """Put the author who is logged in, or None, into `g`."""
    g.author = None
    if "author_id" in session:
        g.author = (
            get_db()
            .execute("SELECT id, name FROM author WHERE id = ?", (session["author_id"],))
            .fetchone()
        )


def login_required(view: View) -> View:
    """Send whoever is not logged in to the login page, and back here afterwards."""

    @functools.wraps(view)
    async def guarded(**values: t.Any) -> ResponseReturnValue:
        if g.author is None:
            flash("Log in first, please.")
            return redirect(url_for("auth.login", next=request.path))
        return await view(**values)

    return guarded


@bp.route("/register", methods=["GET", "POST"])
async def register() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("auth/register.html")

    name, password = request.form["name"].strip(), request.form["password"]
    if not name or not password:
        flash("A name and a password are needed.", "error")
        return render_template("auth/register.html"), 400
    hashed = await asyncio.to_thread(generate_password_hash, password)  # slow by design
    try:
        with get_db() as database:
            database.execute("INSERT INTO author (name, password) VALUES (?, ?)", (name, hashed))
    except sqlite3.IntegrityError:
        flash(f"The name {name} is taken.", "error")
        return render_template("auth/register.html"), 409
    flash(f"Welcome, {name}. You can log in now.")
    return redirect(url_for(".login"))


@bp.route("/login", methods=["GET", "POST"])
async def login() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("auth/login.html")

    author = (
        get_db()
        .execute("SELECT id, name, password FROM author WHERE name = ?", (request.form["name"],))
        .fetchone()
    )
    if author is None or not await asyncio.to_thread(
        check_password_hash, author["password"], request.form["password"]
    ):
        flash("No such name, or not its password.", "error")
        return render_template("auth/login.html"), 401
    session.clear()
    session["author_id"] = author["id"]
    flash(f"Hello, {author['name']}.")
    return redirect(local_path(request.args.get("next")) or url_for("blog.index"))


@bp.post("/logout")
async def logout() -> ResponseReturnValue:
    session.clear()
    flash("Until next time.")
    return redirect(url_for("blog.index"))


def local_path(target: str | None) -> str | None:
    """Return `target` when it stays on this site: a path, and no host in disguise."""
    if target and target.startswith("/") and not target.startswith(("//", "/\\")):
        return target
    return None
