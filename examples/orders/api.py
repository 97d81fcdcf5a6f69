"""The API: what it takes and gives, and its views."""

from __future__ import annotations

import enum
import hmac
from datetime import datetime
from datetime import UTC
from typing import Annotated

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from quartish.quart import abort
from quartish.quart import Blueprint
from quartish.quart import current_app
from quartish.typed import Body
from quartish.typed import Depends
from quartish.typed import Header
from quartish.typed import Query
from quartish.typed import Status
from quartish.typed import typed

from .database import LineRow
from .database import OrderRow

bp = Blueprint("orders", __name__, url_prefix="/api/orders")

Session = Annotated[AsyncSession, Depends()]
LARGEST = 2**63 - 1  # of the ids that sqlite has


class State(enum.Enum):
    OPEN = "open"
    SHIPPED = "shipped"


class Line(msgspec.Struct):
    sku: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9-]+$", max_length=20)]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1000)]


class NewOrder(msgspec.Struct, forbid_unknown_fields=True):
    customer: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    lines: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=50)]


class Order(msgspec.Struct):
    id: int
    customer: str
    status: State
    placed: Annotated[datetime, msgspec.Meta(tz=True)]
    lines: list[Line]


class Change(msgspec.Struct, forbid_unknown_fields=True):
    status: State


@typed(security=["token"])
def check_token(authorization: Annotated[str, Header()] = "") -> None:
    """Let pass who knows the token."""
    expected = f"Bearer {current_app.config['TOKEN']}"
    if not hmac.compare_digest(authorization.encode(), expected.encode()):
        abort(401)


async def find_order(id: int, session: Session) -> OrderRow:
    """Find the order that the URL names."""
    order = await session.get(OrderRow, id) if id <= LARGEST else None
    return order or abort(404)


Found = Annotated[OrderRow, Depends(find_order)]
Allowed = Annotated[None, Depends(check_token)]


def shown(row: OrderRow) -> Order:
    lines = [Line(line.sku, line.quantity) for line in row.lines]
    placed = row.placed.replace(tzinfo=UTC)  # sqlite keeps none
    return Order(row.id, row.customer, State(row.status), placed, lines)


@bp.get("")
async def list_orders(
    session: Session,
    status: Annotated[State | None, Query()] = None,
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
    size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> list[Order]:
    """List orders, the latest first."""
    chosen = select(OrderRow).order_by(OrderRow.id.desc())
    if status is not None:
        chosen = chosen.where(OrderRow.status == status.value)
    rows = await session.scalars(chosen.limit(size).offset((page - 1) * size))
    return [shown(row) for row in rows]


@bp.post("")
@typed(responses={401: "The token is not the right one"})
async def create_order(
    order: Annotated[NewOrder, Body("application/json")], session: Session, allowed: Allowed
) -> Annotated[Order, Status(201)]:
    """Place an order."""
    lines = [LineRow(sku=line.sku, quantity=line.quantity) for line in order.lines]
    row = OrderRow(customer=order.customer, lines=lines)
    session.add(row)
    await session.flush()
    return shown(row)


@bp.get("/<int:id>")
@typed(responses={404: "There is no such order"})
async def get_order(found: Found) -> Order:
    """Show one order."""
    return shown(found)


@bp.patch("/<int:id>")
@typed(responses={401: "The token is not the right one", 404: "There is no such order"})
async def change_order(
    found: Found, change: Annotated[Change, Body("application/json")], allowed: Allowed
) -> Order:
    """Ship an order, or take that back."""
    found.status = change.status.value
    return shown(found)


@bp.delete("/<int:id>")
@typed(responses={401: "The token is not the right one", 404: "There is no such order"})
async def delete_order(found: Found, session: Session, allowed: Allowed) -> None:
    """Delete an order."""
    await session.delete(found)
