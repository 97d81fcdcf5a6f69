"""The forms, by Flask-WTF: each carries its CSRF token."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import HiddenField
from wtforms import IntegerField
from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import InputRequired
from wtforms.validators import Length
from wtforms.validators import NumberRange


class AccountForm(FlaskForm):
    name = StringField("Name", [InputRequired(), Length(max=40)])
    password = PasswordField("Password", [InputRequired(), Length(max=100)])

    @property
    def entered(self) -> tuple[str, str]:
        return str(self.name.data), str(self.password.data)


class QuantityForm(FlaskForm):
    quantity = IntegerField("Quantity", [InputRequired(), NumberRange(1, 99)], default=1)


class RestockForm(QuantityForm):
    product_id = HiddenField(validators=[InputRequired()])
