"""`quartish --app examples.shop seed`: something to sell, and someone to look after it."""

from __future__ import annotations

import click
from werkzeug.security import generate_password_hash

from quartish.cli import with_appcontext

from .extensions import db
from .models import Product
from .models import User

TEAS = [
    ("Morning Ferry", "Assam", 24, 890, 40, "Malt, brown sugar, a strong rope of steam."),
    ("Paper Lantern", "Fujian", 48, 1450, 12, "White tea, melon and hay; brew it cool."),
    ("Rain on Tin", "Darjeeling", 95, 1290, 18, "First flush. Green almonds, then muscat."),
    ("Moss Garden", "Uji", 140, 1680, 9, "Shaded leaf. Sweet peas, broth, sea air."),
    ("Night Train", "Wuyi", 265, 1890, 5, "Roasted oolong: cocoa, plum, a little smoke."),
    ("Last Ember", "Yunnan", 350, 2200, 3, "Golden buds. Honey and warm bread."),
]


@click.command()
@click.option("--password", default="camellia", help="Of the user called admin.")
@with_appcontext
def seed(password: str) -> None:
    """Fill an empty shop."""
    if db.session.scalar(db.select(User).filter_by(name="admin")):
        click.echo("The shop is filled already.")
        return
    db.session.add(User(name="admin", password=generate_password_hash(password), admin=True))
    for name, origin, hue, price, stock, blurb in TEAS:
        db.session.add(
            Product(name=name, origin=origin, hue=hue, price=price, stock=stock, blurb=blurb)
        )
    db.session.commit()
    click.echo(f"{len(TEAS)} teas are on the shelf.")
