"""Who is there: register, log in, log out. Plain `def`, since hashing a password takes long."""

from __future__ import annotations

from flask_login import login_user
from flask_login import logout_user
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from quartish import Blueprint
from quartish import flash
from quartish import redirect
from quartish import render_template
from quartish import request
from quartish import url_for
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


def welcome(user: User) -> ResponseReturnValue:
    """Log `user` in and send them to where they wanted to go."""
    login_user(user)
    flash(f"Hello, {user.name}.")
    target = request.args.get("next", "")
    on_this_site = target.startswith("/") and not target.startswith(("//", "/\\"))
    return redirect(target if on_this_site else url_for("catalogue.index"))


def status(form: AccountForm) -> int:
    return 400 if form.errors else 200
