"""What the shop remembers. The database itself keeps stock from falling below nothing."""

from __future__ import annotations

import typing as t
from datetime import datetime
from datetime import UTC

from flask_login import UserMixin
from sqlalchemy import CheckConstraint
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from .extensions import db
from .extensions import login

if t.TYPE_CHECKING:
    from .extensions import Base as Model
else:
    Model = db.Model


class User(UserMixin, Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]  # its hash
    admin: Mapped[bool] = mapped_column(default=False)


class Product(Model):
    __table_args__ = (CheckConstraint("stock >= 0", name="no_debts"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    origin: Mapped[str]
    blurb: Mapped[str]
    hue: Mapped[int]  # of its tin, in degrees
    price: Mapped[int]  # in cents
    stock: Mapped[int]


class Order(Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    placed: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    lines: Mapped[list[Line]] = relationship(lazy="selectin")

    @property
    def total(self) -> int:
        return sum(line.cost for line in self.lines)


class Line(Model):
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), primary_key=True)
    quantity: Mapped[int]
    price: Mapped[int]  # of one, on that day
    product: Mapped[Product] = relationship(lazy="joined")

    @property
    def cost(self) -> int:
        return self.price * self.quantity


@login.user_loader
def load_user(user_id: str) -> User | None:
    return db.session.get(User, int(user_id))
