"""The old app: Flask's own, to be served by any server of WSGI."""

from __future__ import annotations

from flask import abort
from flask import current_app
from flask import flash
from flask import Flask
from flask import redirect
from flask import render_template
from flask import request
from flask import Response
from flask import session
from flask import url_for
from flask.typing import ResponseReturnValue

from .notes import Notes


def create_app(data: str, secret_key: str) -> Flask:
    app = Flask(__name__)
    app.config.from_mapping(DATA=data, SECRET_KEY=secret_key)

    @app.get("/")
    def index() -> str:
        return render_template("index.html", notes=notes().all())

    @app.get("/notes/<int:number>")
    def note(number: int) -> str:
        found = notes().get(number)
        if found is None:
            abort(404)
        return render_template("note.html", note=found)

    @app.post("/notes")
    def add() -> ResponseReturnValue:
        text = request.form["text"].strip()
        if "name" not in session:
            return redirect(url_for("login"))
        if not text:
            abort(422, "A note has to say something.")
        number = notes().add(session["name"], text)
        flash("It is written.")
        return redirect(url_for("note", number=number))

    @app.route("/login", methods=["GET", "POST"])
    def login() -> ResponseReturnValue:
        if request.method == "POST":
            session["name"] = request.form["name"]
            flash(f"Hello, {session['name']}.")
            return redirect(url_for("index"))
        return render_template("login.html")

    @app.after_request
    def say_who(response: Response) -> Response:
        response.headers["X-Answered-By"] = "legacy"
        return response

    return app


def notes() -> Notes:
    return Notes(current_app.config["DATA"])
