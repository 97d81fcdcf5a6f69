"""The same order in every kind of type that a body may be of."""

from __future__ import annotations

import dataclasses
import typing as t
from typing import Annotated

import attrs
import msgspec
import pydantic


class StructLine(msgspec.Struct):
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1)]


class StructOrder(msgspec.Struct):
    name: str
    lines: list[StructLine] = []


@dataclasses.dataclass
class DataclassLine:
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1)]


@dataclasses.dataclass
class DataclassOrder:
    name: str
    lines: list[DataclassLine] = dataclasses.field(default_factory=list)


@attrs.define
class AttrsLine:
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1)]


@attrs.define
class AttrsOrder:
    name: str
    lines: list[AttrsLine] = attrs.field(factory=list)


class DictLine(t.TypedDict):
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1)]


class DictOrder(t.TypedDict):
    name: str
    lines: t.NotRequired[list[DictLine]]


class ModelLine(pydantic.BaseModel):
    sku: str
    quantity: int = pydantic.Field(ge=1)


class ModelOrder(pydantic.BaseModel):
    name: str
    lines: list[ModelLine] = []


ORDERS = [StructOrder, DataclassOrder, AttrsOrder, DictOrder, ModelOrder]
