"""Flask-WTF: forms, validation, CSRF tokens in forms and headers, an uploaded file."""

from __future__ import annotations

import typing as t

from flask import Flask
from flask import render_template_string
from flask import request
from flask_wtf import CSRFProtect
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError
from flask_wtf.file import FileAllowed
from flask_wtf.file import FileField
from wtforms import IntegerField
from wtforms import StringField
from wtforms.validators import DataRequired
from wtforms.validators import Email
from wtforms.validators import NumberRange

#: Tokens are signed with the time.
SCRUB = r'(?<=value=")[^"]{60,}(?=")|(?<=meta )\S{60,}'
PAGE = """\
<form method="post">{{ form.hidden_tag() }}{{ form.email() }}{{ form.age() }}</form>
{% for field, errors in form.errors.items() %}{{ field }}: {{ errors|join(", ") }}
{% endfor %}meta {{ csrf_token() }} """


class Person(FlaskForm):  # type: ignore[misc]
    email = StringField(validators=[DataRequired(), Email()])
    age = IntegerField(validators=[NumberRange(min=18)])


class Upload(FlaskForm):  # type: ignore[misc]
    class Meta:
        csrf = False

    file = FileField(validators=[FileAllowed(["txt"])])


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "secret"
    protect = CSRFProtect(app)

    @app.errorhandler(CSRFError)
    def refuse(error: CSRFError) -> t.Any:
        return {"refused": error.description}, 400

    @app.route("/person", methods=["GET", "POST"])
    def person() -> t.Any:
        form = Person()
        if form.validate_on_submit():
            return {"email": form.email.data, "age": form.age.data}
        return render_template_string(PAGE, form=form)

    @app.post("/api")
    def api() -> t.Any:
        return {"got": request.get_json()}

    @app.post("/upload")
    @protect.exempt
    def upload() -> t.Any:
        form = Upload()
        if not form.validate_on_submit():
            return form.errors, 422
        return {"name": form.file.data.filename, "size": len(form.file.data.read())}

    return app


def visit(visitor: t.Any) -> None:
    form = {"email": f"ada{visitor.number}@example.com", "age": "36"}
    visitor.post("/person", form)
    token = visitor.get("/person").find(r'name="csrf_token" type="hidden" value="([^"]+)"')
    visitor.post("/person", {**form, "csrf_token": token})
    visitor.post("/person", {**form, "csrf_token": token[:-2]})
    visitor.post("/person", {"email": "nobody", "age": "7", "csrf_token": token})
    visitor.post("/api", json=[1, 2])
    visitor.post("/api", json=[1, 2], x_csrftoken=token)
    for name in ("letter.txt", "letter.exe"):
        lines = [
            "--x",
            f'Content-Disposition: form-data; name="file"; filename="{name}"',
            "Content-Type: text/plain",
            "",
            "words " * 1000,
            "--x--",
            "",
        ]
        kind = "multipart/form-data; boundary=x"
        visitor.post("/upload", "\r\n".join(lines), content_type=kind)
