"""The JSON Schemas of a document, made at once, so that each type has one name."""

from __future__ import annotations

import json
import typing as t

import msgspec
from werkzeug.datastructures import FileStorage

from .codecs import Codec
from .codecs import ModelCodec

PREFIX = "#/components/schemas/"
Mode = t.Literal["validation", "serialization"]
Schema = dict[str, t.Any]


class Schemas:
    """Collects codecs, then makes the schemas of all of them."""

    def __init__(self) -> None:
        self._wanted: list[tuple[Codec, Mode]] = []
        self._found: dict[tuple[int, Mode], Schema] = {}
        #: What stands below `components/schemas`.
        self.named: dict[str, Schema] = {}

    def add(self, codec: Codec, mode: Mode = "validation") -> None:
        """Ask for the schema of what comes in, or of what goes out ("serialization")."""
        self._wanted.append((codec, mode))

    def make(self) -> None:
        """Make all that was asked for."""
        models = [one for one in self._wanted if isinstance(one[0], ModelCodec)]
        others = [one for one in self._wanted if not isinstance(one[0], ModelCodec)]
        found, self.named = msgspec.json.schema_components(
            [codec.annotation for codec, _ in others],
            schema_hook=_schema_of,
            ref_template=PREFIX + "{name}",
        )
        for (codec, mode), schema in zip(others, found, strict=True):
            self._found[id(codec), mode] = schema
        if models:
            self._add_models(models)

    def _add_models(self, models: list[tuple[Codec, Mode]]) -> None:
        import pydantic

        inputs: list[tuple[str, Mode, t.Any]] = [
            (str(id(codec)), mode, t.cast(t.Any, codec).adapter) for codec, mode in models
        ]
        unique: dict[t.Any, tuple[str, Mode, t.Any]] = {one[:2]: one for one in inputs}
        by_key, whole = pydantic.TypeAdapter.json_schemas(
            unique.values(), ref_template=PREFIX + "{model}"
        )
        defined = whole.get("$defs", {})
        text = json.dumps([[by_key[key, mode] for key, mode, _ in inputs], defined])
        taken = {name for name in defined if self.named.get(name, defined[name]) != defined[name]}
        for name in taken:  # another type of that name, which msgspec knows
            text = text.replace(f'"{PREFIX}{name}"', f'"{PREFIX}{name}Model"')
        schemas, defined = json.loads(text)
        for name, schema in defined.items():
            self.named[f"{name}Model" if name in taken else name] = schema
        for (codec, mode), schema in zip(models, schemas, strict=True):
            self._found[id(codec), mode] = schema

    def of(self, codec: Codec, mode: Mode = "validation") -> Schema:
        """Return the schema of a codec that was added."""
        return self._found[id(codec), mode]

    def resolved(self, schema: Schema) -> Schema:
        """Return a schema itself for a reference to it."""
        while "$ref" in schema:
            schema = self.named[schema["$ref"].removeprefix(PREFIX)]
        return schema


def _schema_of(cls: type[t.Any]) -> Schema:
    if issubclass(cls, FileStorage):
        return {"type": "string", "format": "binary"}
    return {"title": cls.__name__}
