"""Who is there: register, log in, log out. Plain `def`, since hashing a password takes long."""

from __future__ import annotations

from flask_login import login_required
from flask_login import login_user
from flask_login import logout_user
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from quartish import abort
from quartish import Blueprint
from quartish import current_app
from quartish import flash
from quartish import redirect
from quartish import render_template
from quartish import request
from quartish import session
from quartish import url_for
from quartish.sessions import RedisSessionInterface
from quartish.typing import ResponseReturnValue

from .extensions import db
from .forms import AccountForm
from .models import User

bp = Blueprint("accounts", __name__)


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    form = AccountForm()
    if form.validate_on_submit():
        name, password = form.entered
        user = User(name=name, password=generate_password_hash(password))
        db.session.add(user)
        try:
            db.session.commit()
        except IntegrityError:
            db.session.rollback()
            form.name.errors = [f"The name {name} is taken."]
        else:
            return welcome(user)
    return render_template("account.html", form=form, title="Register"), status(form)


@bp.route("/login", methods=["GET", "POST"])
def log_in() -> ResponseReturnValue:
    form = AccountForm()
    if form.validate_on_submit():
        name, password = form.entered
        user = db.session.scalar(db.select(User).filter_by(name=name))
        if user and check_password_hash(user.password, password):
            return welcome(user)
        form.password.errors = ["No such name, or not its password."]
    return render_template("account.html", form=form, title="Log in"), status(form)


@bp.post("/logout")
async def log_out() -> ResponseReturnValue:
    logout_user()
    flash("Until next time.")
    return redirect(url_for("catalogue.index"))


@bp.post("/logout-others")
@login_required
async def log_out_others() -> ResponseReturnValue:
    """End the other sessions of who asks: a telephone that was lost, a computer in a library."""
    sessions = current_app.session_interface
    if not isinstance(sessions, RedisSessionInterface):
        abort(404)  # what is in a cookie alone cannot be ended from here
    ended = await sessions.end_sessions(session["_user_id"], but=session)
    flash(f"Logged out elsewhere: {ended}.")
    return redirect(url_for("orders.index"))


def welcome(user: User) -> ResponseReturnValue:
    """Log `user` in and send them to where they wanted to go."""
    session.regenerate()  # an id from before is worth nothing; the cart stays
    login_user(user)
    flash(f"Hello, {user.name}.")
    target = request.args.get("next", "")
    on_this_site = target.startswith("/") and not target.startswith(("//", "/\\"))
    return redirect(target if on_this_site else url_for("catalogue.index"))


def status(form: AccountForm) -> int:
    return 400 if form.errors else 200
