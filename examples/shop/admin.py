"""The back room: put more on the shelf."""

from __future__ import annotations

from flask_login import current_user
from flask_login import login_required

from quartish import abort
from quartish import Blueprint
from quartish import flash
from quartish import redirect
from quartish import render_template
from quartish import url_for
from quartish.typing import ResponseReturnValue

from .extensions import db
from .forms import RestockForm
from .live import announce
from .models import Product

bp = Blueprint("admin", __name__, url_prefix="/admin")


@bp.before_request
@login_required
def staff_only() -> None:
    if not current_user.admin:
        abort(403, "This door is for staff.")


@bp.get("/")
async def index() -> ResponseReturnValue:
    products = db.session.scalars(db.select(Product).order_by(Product.stock))
    forms = [(p, RestockForm(formdata=None, product_id=p.id, quantity=10)) for p in products]
    return render_template("admin.html", forms=forms)


@bp.post("/")
def restock() -> ResponseReturnValue:
    form = RestockForm()
    if not form.validate():
        abort(400, "How many, of what?")
    product = db.get_or_404(Product, form.product_id.data)
    product.stock = Product.stock + form.quantity.data
    db.session.commit()
    announce()
    flash(f"{product.name}: {product.stock} on the shelf.")
    return redirect(url_for(".index"))
