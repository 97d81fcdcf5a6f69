"""The tables, and the components that views ask for to get at them."""

from __future__ import annotations

import typing as t
from datetime import datetime
from datetime import UTC
from typing import Annotated

from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from quartish.quart import current_app
from quartish.typed import Depends


class Base(DeclarativeBase):
    """All tables."""


class OrderRow(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")
    placed: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    lines: Mapped[list[LineRow]] = relationship(lazy="selectin", cascade="all, delete-orphan")


class LineRow(Base):
    __tablename__ = "lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    sku: Mapped[str]
    quantity: Mapped[int]


class Database:
    """The engine of the app, and its sessions."""

    def __init__(self, url: str) -> None:
        self.engine = create_async_engine(url)
        self.session = async_sessionmaker(self.engine, expire_on_commit=False)


async def open_database() -> t.AsyncIterator[Database]:
    """Open the database when it is first asked for; close it when serving ends."""
    database = Database(current_app.config["DATABASE"])
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.engine.dispose()


async def open_session(database: Annotated[Database, Depends()]) -> t.AsyncIterator[AsyncSession]:
    """Give a request its session: committed at its end, rolled back where it fails."""
    async with database.session() as session:
        yield session
        await session.commit()
