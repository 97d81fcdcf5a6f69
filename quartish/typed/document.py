"""The OpenAPI document of an app: typed views by their plans, others by their rules.

Source:
    OpenAPI 3.1.
"""

from __future__ import annotations

import inspect
import re
import typing as t

import msgspec
from werkzeug.routing import AnyConverter
from werkzeug.routing import FloatConverter
from werkzeug.routing import IntegerConverter
from werkzeug.routing import UUIDConverter

from .._werkzeug import converters_of
from ..sansio.app import Core
from .codecs import Codec
from .codecs import codec_of
from .faults import Fault
from .faults import PROBLEM
from .marks import Body
from .marks import Operation
from .marks import operation_of
from .parameters import NOTHING
from .parameters import Value
from .plans import Plan
from .returns import phrase_of
from .returns import Returns
from .schemas import Schema
from .schemas import Schemas
from .views import functions_of
from .views import typed_view_of

VERSION = "3.1.0"
_VARIABLE = re.compile(r"<(?:[^<>:]*(?:\([^)]*\))?:)?(\w+)>")
_AUTOMATIC = {"HEAD", "OPTIONS"}
_ASKS: tuple[tuple[str, str], ...] = (
    ("query", "query"),
    ("headers", "header"),
    ("cookies", "cookie"),
)


#: Headers that are no parameters: OpenAPI describes them by security schemes and media types.
_SAID_ELSEWHERE = {("header", name) for name in ("accept", "authorization", "content-type")}


class ProblemDocument(msgspec.Struct):
    """What is wrong with a request (RFC 9457)."""

    title: str
    status: int
    detail: str = ""
    errors: list[Fault] = []


class Facts(t.NamedTuple):
    """What the document says of the app as a whole."""

    title: str
    version: str = "1.0.0"
    description: str | None = None
    servers: t.Sequence[str] = ()
    security_schemes: t.Mapping[str, t.Mapping[str, t.Any]] = {}
    security: t.Sequence[str] = ()


class _Endpoint(t.NamedTuple):
    """One method of one rule."""

    rule: t.Any
    method: str
    func: t.Any
    plan: Plan | None
    operation: Operation
    operation_id: str


def document_of(app: Core, facts: Facts, leave_out: t.Container[str] = ()) -> dict[str, t.Any]:
    """Return the document of an app, without the endpoints to `leave_out`."""
    return _Document(app, facts, leave_out).make()


class _Document:
    def __init__(self, app: Core, facts: Facts, leave_out: t.Container[str]) -> None:
        self.app = app
        self.facts = facts
        self.schemas = Schemas()
        self.problem = codec_of(ProblemDocument)
        self.endpoints = list(self._endpoints(leave_out))
        #: Codecs of the types that `responses` of decorators name, by function and status.
        self.extra: dict[tuple[int, int], Codec] = {}

    def _endpoints(self, leave_out: t.Container[str]) -> t.Iterator[_Endpoint]:
        ids: set[str] = set()
        for rule in self.app.url_map.iter_rules():
            name: str = rule.endpoint
            view = self.app.view_functions.get(name)
            if view is None or name in leave_out or rule.websocket or rule.build_only:
                continue
            if name == "static" or name.endswith(".static"):
                continue
            typed = typed_view_of(view)
            methods = sorted(set(rule.methods or ()) - _AUTOMATIC)
            for method in methods:
                plan = None if typed is None else typed.plan(self.app, method)
                functions = functions_of(view)
                func = functions.get(method) or functions.get("") or view
                said = operation_of(func) or operation_of(view) or Operation()
                if not said.include_in_schema:
                    continue
                own = said.operation_id or name.replace(".", "_") + (
                    f"_{method.lower()}" if len(methods) > 1 else ""
                )
                number = 2
                operation_id = own
                while operation_id in ids:
                    operation_id, number = f"{own}_{number}", number + 1
                ids.add(operation_id)
                yield _Endpoint(rule, method, func, plan, said, operation_id)

    def make(self) -> dict[str, t.Any]:
        self.schemas.add(self.problem)
        for endpoint in self.endpoints:
            self._ask_for_schemas(endpoint)
        self.schemas.make()
        paths: dict[str, dict[str, t.Any]] = {}
        for endpoint in self.endpoints:
            path = _VARIABLE.sub(r"{\1}", endpoint.rule.rule.replace("|", ""))
            paths.setdefault(path, {})[endpoint.method.lower()] = self._operation(endpoint)
        facts = self.facts
        info = {"title": facts.title, "version": facts.version, "description": facts.description}
        components: dict[str, t.Any] = {
            "schemas": dict(sorted(self.schemas.named.items())),
            "securitySchemes": {name: dict(one) for name, one in facts.security_schemes.items()},
        }
        found = {
            "openapi": VERSION,
            "info": _known(info),
            "servers": [{"url": url} for url in facts.servers],
            "paths": dict(sorted(paths.items())),
            "components": _known(components),
            "security": [{name: []} for name in facts.security],
        }
        return _known(found)

    def _ask_for_schemas(self, endpoint: _Endpoint) -> None:
        for status, told in endpoint.operation.responses.items():
            if not isinstance(told, str):
                codec = self.extra[id(endpoint.func), status] = codec_of(told)
                self.schemas.add(codec, "serialization")
        plan = endpoint.plan
        if plan is None:
            return
        body = plan.body
        for value in (*plan.path, *plan.query, *plan.headers, *plan.cookies, *body.fields):
            self.schemas.add(value.codec)
        for value in (*body.files, *([body.whole] if body.whole else [])):
            self.schemas.add(value.codec)
        if plan.returns.codec is not None:
            self.schemas.add(plan.returns.codec, "serialization")

    # --- one operation ------------------------------------------------------------------------

    def _operation(self, endpoint: _Endpoint) -> dict[str, t.Any]:
        said, plan = endpoint.operation, endpoint.plan
        doc = inspect.getdoc(endpoint.func) or ""
        summary, _, rest = doc.partition("\n")
        blueprint = endpoint.rule.endpoint.rpartition(".")[0]
        security = set(said.security or ())
        for step in plan.steps if plan is not None else ():
            of_factory = operation_of(step.factory)
            security |= set(of_factory.security or ()) if of_factory else set()
        found = {
            "operationId": endpoint.operation_id,
            "summary": said.summary or summary.strip().rstrip("."),
            "description": said.description or rest.strip(),
            "tags": list(said.tags if said.tags is not None else [blueprint] * bool(blueprint)),
            "deprecated": said.deprecated,
            "security": [{name: [] for name in sorted(security)}] if security else [],
            "parameters": self._parameters(endpoint),
            "requestBody": self._body(plan) if plan is not None and plan.body else {},
        }
        return {**_known(found), "responses": self._responses(endpoint)}

    def _parameters(self, endpoint: _Endpoint) -> list[Schema]:
        plan = endpoint.plan
        typed = {value.key: value for value in plan.path} if plan is not None else {}
        found: list[Schema] = []
        for name, converter in converters_of(endpoint.rule).items():
            schema = _schema_of_converter(converter)
            parameter: Schema = {"name": name, "in": "path", "required": True, "schema": schema}
            if name in typed:
                parameter = self._parameter(typed[name], "path")
                if parameter["schema"].get("type") == schema["type"]:
                    parameter["schema"] = {**schema, **parameter["schema"]}
            found.append(parameter)
        if plan is not None:
            for attribute, where in _ASKS:
                for value in getattr(plan, attribute):
                    found += self._values(value, where)
        return [one for one in found if (one["in"], one["name"].lower()) not in _SAID_ELSEWHERE]

    def _values(self, value: Value, where: str) -> list[Schema]:
        if not value.fields:
            return [self._parameter(value, where)]
        schema = self.schemas.resolved(self.schemas.of(value.codec))
        required = schema.get("required", ())
        return [
            {"name": name, "in": where, "required": name in required, "schema": one}
            for name, one in schema["properties"].items()
        ]

    def _parameter(self, value: Value, where: str) -> Schema:
        schema = dict(self.schemas.of(value.codec))
        if value.default not in (NOTHING, None):
            schema.setdefault("default", msgspec.to_builtins(value.default, enc_hook=str))
        found = {
            "name": value.key,
            "in": where,
            "description": value.mark.description,
            "deprecated": value.mark.deprecated,
        }
        required = where == "path" or value.default is NOTHING
        return {**_known(found), "required": required, "schema": schema}

    def _body(self, plan: Plan) -> Schema:
        whole = plan.body.whole
        if whole is None:
            values = [*plan.body.fields, *plan.body.files]
            schema: Schema = {
                "type": "object",
                "properties": {value.key: self.schemas.of(value.codec) for value in values},
                "required": [value.key for value in values if value.default is NOTHING],
            }
            required = bool(schema["required"])
        else:
            schema = self.schemas.of(whole.codec)
            required = whole.default is NOTHING
        content: dict[str, Schema] = {kind: {"schema": schema} for kind in plan.body.media_types}
        if whole is not None and isinstance(whole.mark, Body):
            for number, example in enumerate(whole.mark.constraints.get("examples", ()), 1):
                for one in content.values():
                    one.setdefault("examples", {})[str(number)] = {"value": example}
        found = {"description": whole.mark.description if whole is not None else None}
        return {**_known(found), "required": required, "content": content}

    def _responses(self, endpoint: _Endpoint) -> dict[str, Schema]:
        plan = endpoint.plan
        found: dict[str, Schema] = {}
        status = endpoint.operation.status_code or 200
        response: Schema = {}
        if plan is not None:
            returns: Returns = plan.returns
            status = returns.status
            response["description"] = returns.description or phrase_of(status)
            if returns.codec is not None:
                schema = self.schemas.of(returns.codec, "serialization")
                response["content"] = {"application/json": {"schema": schema}}
            elif not returns.nothing and returns.text:
                response["content"] = {"text/html": {"schema": {"type": "string"}}}
        found[str(status)] = {"description": phrase_of(status), **response}
        problem = {PROBLEM: {"schema": self.schemas.of(self.problem)}}
        if plan is not None and plan.body:
            for code in (400, 415):
                found[str(code)] = {"description": phrase_of(code), "content": problem}
        if plan is not None and (
            plan.body or plan.path or plan.query or plan.headers or plan.cookies
        ):
            found["422"] = {"description": phrase_of(422), "content": problem}
        for code, told in endpoint.operation.responses.items():
            words = told if isinstance(told, str) else phrase_of(code)
            found[str(code)] = {"description": words}
            if not isinstance(told, str):
                schema = self.schemas.of(self.extra[id(endpoint.func), code], "serialization")
                found[str(code)]["content"] = {"application/json": {"schema": schema}}
        return dict(sorted(found.items()))


def _schema_of_converter(converter: t.Any) -> Schema:
    if isinstance(converter, IntegerConverter):
        limits = {"minimum": converter.min, "maximum": converter.max}
        low = {} if converter.signed else {"minimum": 0}
        return {"type": "integer", **low, **{k: v for k, v in limits.items() if v is not None}}
    if isinstance(converter, FloatConverter):
        return {"type": "number"}
    if isinstance(converter, UUIDConverter):
        return {"type": "string", "format": "uuid"}
    if isinstance(converter, AnyConverter):
        return {"type": "string", "enum": sorted(converter.items)}
    return {"type": "string"}


def _known(found: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the items that are not empty."""
    return {name: value for name, value in found.items() if value not in (None, "", [], {}, False)}
