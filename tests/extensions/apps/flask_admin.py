"""Flask-Admin: model views over SQLAlchemy, a page of its own, who may see it, its files."""

from __future__ import annotations

import os
import typing as t

from flask import Flask
from flask import request
from flask_admin import Admin
from flask_admin import BaseView
from flask_admin import expose
from flask_admin.contrib.sqla import ModelView
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy

#: When a file was exported.
SCRUB = r"(?<=Thing_)[\d_-]+"
db = SQLAlchemy()


class Thing(db.Model):  # type: ignore[name-defined]
    id = db.Column(db.Integer, primary_key=True)
    owner = db.Column(db.Integer, nullable=False)
    name = db.Column(db.String(80), nullable=False)


class Things(ModelView):  # type: ignore[misc]
    column_filters = ["owner"]
    column_searchable_list = ["name"]
    can_export = True


class Report(BaseView):  # type: ignore[misc]
    @expose("/")
    def index(self) -> t.Any:
        return self.render("admin/master.html")

    def is_accessible(self) -> bool:
        return "X-Key" in request.headers


def create_app() -> Flask:
    app = Flask(__name__, instance_path=os.getcwd())
    app.secret_key = "secret"
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///things.db"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 30}}
    db.init_app(app)
    Babel(app)
    admin = Admin(app, name="things")
    admin.add_view(Things(Thing, db.session, endpoint="things"))
    admin.add_view(Report(name="Report", endpoint="report"))
    with app.app_context():
        db.create_all()
        for number in range(20):
            db.session.add(Thing(id=number + 1, owner=number, name=f"thing {number}"))
        db.session.commit()

    @app.get("/count/<int:owner>")
    def how_many(owner: int) -> t.Any:
        return {"count": db.session.query(Thing).filter_by(owner=owner).count()}

    return app


def visit(visitor: t.Any) -> None:
    me = visitor.number
    visitor.get("/admin/")
    visitor.get(f"/admin/things/?flt0_0={me}&search=thing")
    visitor.get(f"/admin/things/edit/?id={me + 1}")
    visitor.post(f"/admin/things/edit/?id={me + 1}", {"owner": str(me), "name": "changed"})
    visitor.get(f"/admin/things/edit/?id={me + 1}")
    visitor.post(f"/admin/things/edit/?id={me + 1}", {"owner": "x", "name": ""})
    visitor.get(f"/admin/things/export/csv/?flt0_0={me}")
    visitor.post("/admin/things/delete/", {"id": str(me + 1)})
    visitor.get(f"/count/{me}")
    visitor.get("/admin/report/")
    visitor.get("/admin/report/", x_key="1")
    visitor.get("/admin/static/admin/css/bootstrap4/admin.css")
