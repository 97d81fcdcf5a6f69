"""The cart, and the orders that it becomes: whole, or not at all."""

from __future__ import annotations

from flask_login import current_user
from flask_login import login_required
from sqlalchemy.exc import IntegrityError

from quartish import Blueprint
from quartish import flash
from quartish import redirect
from quartish import render_template
from quartish import session
from quartish import url_for
from quartish.typing import ResponseReturnValue

from .extensions import db
from .live import announce
from .models import Line
from .models import Order
from .models import Product

bp = Blueprint("orders", __name__)


@bp.get("/cart")
async def cart() -> ResponseReturnValue:
    return render_template("cart.html", lines=in_cart())


@bp.post("/cart")
@login_required
def place() -> ResponseReturnValue:
    """Order what is in the cart, in one transaction.

    The subtraction is SQL, so two customers cannot both take the last tin: the database
    refuses the second one's order, all of it.
    """
    lines = in_cart()
    if not lines:
        return redirect(url_for(".cart"))
    for line in lines:
        line.product.stock = Product.stock - line.quantity
    db.session.add(Order(user_id=current_user.id, lines=lines))
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        flash("Someone was faster: there is not enough left for this cart.", "error")
        return redirect(url_for(".cart"))
    session.pop("cart")
    announce()
    flash("Thank you! The kettle is on.")
    return redirect(url_for(".index"))


@bp.post("/cart/<int:product_id>/remove")
async def remove(product_id: int) -> ResponseReturnValue:
    session.get("cart", {}).pop(str(product_id), None)
    session.modified = True
    return redirect(url_for(".cart"))


@bp.get("/orders")
@login_required
async def index() -> ResponseReturnValue:
    mine = db.select(Order).filter_by(user_id=current_user.id).order_by(Order.id.desc())
    return render_template("orders.html", orders=db.session.scalars(mine).all())


def in_cart() -> list[Line]:
    """Return the cart as lines of an order to be, by product, at today's prices."""
    quantities = session.get("cart", {})
    wanted = db.select(Product).where(Product.id.in_(map(int, quantities))).order_by(Product.id)
    return [
        Line(product=product, quantity=quantities[str(product.id)], price=product.price)
        for product in db.session.scalars(wanted)
    ]
