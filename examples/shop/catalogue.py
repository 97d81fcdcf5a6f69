"""The shelf, a product, and the cart: a dict of quantities by product in the session."""

from __future__ import annotations

import typing as t

from quartish import Blueprint
from quartish import flash
from quartish import redirect
from quartish import render_template
from quartish import session
from quartish import url_for
from quartish.typing import ResponseReturnValue

from .extensions import cache
from .extensions import db
from .forms import QuantityForm
from .models import Product

bp = Blueprint("catalogue", __name__)


@cache.memoize()
def shelf() -> list[dict[str, t.Any]]:
    """Return all products, for people to look at; kept until `live.announce` drops them."""
    columns = Product.__table__.columns
    return [dict(row) for row in db.session.execute(db.select(columns)).mappings()]


@bp.get("/")
async def index() -> ResponseReturnValue:
    return render_template("index.html", products=shelf())


@bp.route("/tea/<int:product_id>", methods=["GET", "POST"])
async def product(product_id: int) -> ResponseReturnValue:
    """Show a product; posted to, put some of it into the cart."""
    product = db.get_or_404(Product, product_id)
    form = QuantityForm()
    if form.validate_on_submit():
        cart = session.setdefault("cart", {})
        cart[str(product_id)] = min(99, cart.get(str(product_id), 0) + form.quantity.data)
        session.modified = True
        flash(f"{form.quantity.data} × {product.name} in your cart.")
        return redirect(url_for("orders.cart"))
    page = render_template("product.html", product=product, form=form)
    return page, 400 if form.errors else 200
