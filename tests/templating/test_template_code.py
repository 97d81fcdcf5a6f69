"""Templates are compiled to other code than Jinja's, and do what Jinja's do.

Each template here is rendered and streamed by an environment of Jinja's own and by ours, async
and not, escaping and not. What comes out must be the same: the text and its pieces, or the
error with the lines of the templates that its traceback names, and what was called in between.
These tests are also what notices when a release of Jinja writes code of another shape.
"""

from __future__ import annotations

import asyncio
import dis
import enum
import gc
import re
import time
import traceback
import types
import typing as t
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

import quartish
from quartish.templating import compile as _template_code
from quartish.templating import Environment

LIBRARY = {
    "base": "<{% block head %}base {{ name }}{% endblock %}|{% block body %}{% endblock %}>",
    "middle": "{% extends 'base' %}{% block body %}middle {{ self.head() }}{% endblock %}",
    "part": "[{{ name }}{% for row in rows %}\n{{ row.id }}{% endfor %}]",
    "scoped": "{% for row in rows %}"
    "{% block item scoped %}{{ row.name }}{% endblock %}{% endfor %}",
    "required": "{% block it required %}{% endblock %}",
    "macros": "{% macro field(name, value='', kind='text') %}<{{ name }}={{ value }} {{ kind }}>"
    "{% if caller %}{{ caller(name) }}{% endif %}{{ varargs }}{{ kwargs }}{% endmacro %}"
    "{% set exported = 'exported ' ~ site %}told{{ tell() }}",
    "broken": "one\n{{ name }}\n{{ 1 // zero }}",
}

TEMPLATES = """\
plain text, {# a comment #} nothing else
{{ name }} {{ number }} {{ 1.5 }} {{ none }} {{ true }} {{ markup }} {{ lazy }} {{ html }} \
{{ size }}
{{ rows }} {{ rows[0] }} {{ rows[0].id }} {{ rows[0]['name'] }} {{ rows[0].nothing }}
{{ rows[0].items() | list }} {{ rows[0].keys }} {{ rows[0]['items'] }} {{ odd.items }} {{ odd[1] }}
{{ thing.name }} {{ thing['name'] }} {{ thing.method(2) }} {{ thing.nothing is defined }}
{{ thing.property }} {{ thing.coroutine() }} {{ thing.awaited }} {{ mapping.key }} \
{{ mapping['key'] }}
{{ name[1:] }} {{ rows[:1] }} {{ name ~ number ~ markup }} {{ number + 1 }} {{ -number }}
{{ missing }} {{ missing.x }}
{{ missing.x.y }}
{{ rows.x.y }}
{{ name() }}
{{ call() }} {{ call(1, a=2) }} {{ acall() }} {{ acall(acall(1), a=acall(2)) }} {{ future() }}
{{ call(*[1, 2], **{'a': 3, 'class': 4}) }} {{ acall(class=1) }}
{{ generator_coroutine() }} {{ awaitable_object }} {{ call() if acall() else name }}
{{ raises() }}
one\\n{{ araises() }}
one\\n{% for row in rows %}\\n{{ row.id }}\\n{{ araises() }}{% endfor %}
{{ stops() }}
{{ with_context() }} {{ with_environment() }} {{ with_eval_context() }}
{% set ns = namespace(x=1) %}{% for row in rows %}{% set ns.x = ns.x + row.id %}{% endfor %}\
{{ ns.x }}
{% set a, b = 1, acall() %}{{ a }}{{ b }}{% set block %}in {{ name }}{% endset %}{{ block }}
{% set up | upper %}in {{ name }}{% endset %}{{ up }}
{% with a = acall(), b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% if acall() %}yes{% elif call() %}no{% else %}never{% endif %}{% if missing %}no{% endif %}
{{ 'x' if false }}{{ missing is defined }} {{ acall() is string }} {{ number is odd }} \
{{ 3 is divisibleby 3 }}
{{ name | upper }} {{ acall() | upper }} {{ markup | safe }} {{ name | e }} {{ name | afilter }}
{{ rows | map(attribute='name') | join(', ') }} {{ arows() | list | length }} {{ rows | first }}
{{ arows() | map(attribute='id') | sum }} {{ rows | selectattr('id', 'odd') | list }} \
{{ arows() | first }}
{{ rows | groupby('kind') | list | length }} {{ [3, 1] | sort }} \
{{ rows | batch(2) | list | length }}
{{ rows | rejectattr('id') | list }} {{ name is atest }} {{ rows | unknown if false }}
{{ rows | unknown if true }}
{{ rows | unknown }}
{% filter upper %}{{ name }}{% for row in rows %}{{ row.name }}{% endfor %}{% endfilter %}
{% filter afilter %}{% include 'part' %}{% endfilter %}
{% for row in rows %}{{ row.id }}{{ row.name }}{% else %}none{% endfor %}
{% for row in [] %}{{ row.id }}{% else %}none {{ acall() }}{% endfor %}
{% for row in arows() %}{{ row.id }}{% else %}none{% endfor %}
{% for row in anothing() %}{{ row.id }}{% else %}none{% endfor %}
{% for row in gives_rows() %}{{ row.id }}{% endfor %}
{% for row in thing %}{{ row }}{% endfor %}{% for row in athing %}{{ row }}{% endfor %}
{% for row in iterates() %}{{ row }}\
{% endfor %}
{% for row in missing %}{{ row }}{% else %}none{% endfor %}
{% for row in number %}{{ row }}{% endfor %}
one\\n{% for row in number %}{{ row }}{% endfor %}
{% for row in number %}{{ loop.index }}{% endfor %}
{% for row in breaks() %}{{ row }}\\n{% endfor %}
one\\n{% for row in abreaks() %}{{ row }}{% endfor %}
one\\n{% for row in abreaks() %}{{ loop.index }}{{ row }}{% endfor %}
{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}{% for k, v in rows[0].items() %}\
{{ k }}={{ v }} {% endfor %}
{% for a, (b, c) in apairs() %}{{ a }}{{ b }}{{ c }}{% endfor %}
one\\n{% for a, b in [[1, 2, 3]] %}{{ a }}{{ b }}{% endfor %}
{% for row in rows if row.id %}{{ row.id }}{% endfor %}{% for row in arows() if acall(row.id) %}\
{{ row.id }}{% endfor %}
{% for row in rows if row.id is odd %}{{ loop.index }}/{{ loop.length }}{% else %}none{% endfor %}
{% for a in rows %}{% for b in arows() %}{% for c in [1] %}{{ a.id }}{{ b.id }}{{ c }}{% endfor %}\
{% endfor %}{% endfor %}
{% for row in rows %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}\
{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.cycle('a', 'b') }}\
{{ loop.previtem }}{{ loop.nextitem }}{{ loop.changed(row.kind) }} {% endfor %}
{% for row in arows() %}{{ loop.index }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}\
{{ loop.length }}{{ loop.cycle('a', 'b') }}{{ loop.previtem }}{{ loop.nextitem }}\
{{ loop.changed(row.kind) }} {% endfor %}
{% for row in iterates() %}{{ loop.last }}{{ loop.length }}{{ loop.nextitem }}\
{% if loop.length > 2 and not loop.last %},{% endif %}{% endfor %}
{% for row in rows %}{% set outer = loop %}{% for x in [1, 2] %}{{ outer.index }}.\
{{ loop.index }} {% endfor %}{% endfor %}
{% for row in rows %}{{ loop(rows) }}{% endfor %}
{% for row in tree recursive %}<{{ row.name }}{{ loop.depth }}{{ loop.length }}\
{{ loop(row.kids) }}>{% endfor %}
{% for row in atree() recursive %}<{{ row.name }}{{ loop.depth }}{{ loop.last }}\
{{ loop(row.kids) }}>{% else %}none{% endfor %}
{% for row in tree if row.name recursive %}<{{ row.name }}{{ loop(row.kids) }}>{% else %}none\
{% endfor %}
{% for row in rows %}{% if row.id == 1 %}{% continue %}{% endif %}{{ row.id }}{% if row.id == 2 %}\
{% break %}{% endif %}{% endfor %}
{% for row in arows() %}{% if row.id == 1 %}{% continue %}{% endif %}{{ row.id }}{% break %}\
{% endfor %}{{ name }}
{% macro m(a, b=2) %}{{ a }}{{ b }}{{ acall() }}{% endmacro %}{{ m(1) }}{{ m(1, b=acall()) }}\
{{ m() }} {{ m.name }} {{ m.arguments }}
{% macro m(rows) %}{% for row in rows %}{{ row.id }}{% endfor %}{% include 'part' %}{% endmacro %}\
{{ m(rows) }}{{ m(arows()) }}
{% macro m(n) %}{{ n }}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}
{% macro m() %}{{ caller(1) }}{% endmacro %}{% call(x) m() %}{{ x }}{{ acall() }}\
{% for row in rows %}{{ row.id }}{% endfor %}{% endcall %}
{% macro m() %}x{% endmacro %}{{ m(1) }}
{% macro m() %}\\n{{ araises() }}{% endmacro %}\\n{{ m() }}
{% import 'macros' as macros %}{{ macros.field('n', value=acall()) }}{{ macros.exported }}\
{{ macros }}
{% import 'macros' as macros with context %}{{ macros.field('n', 1, 2, 3, x=4) }}\
{{ macros.exported }}
{% from 'macros' import field, exported as e, nothing %}{{ field(name) }}{{ e }}{{ nothing }}
{% from 'macros' import field %}{% call(x) field('n') %}{{ x }}{% include 'part' %}{% endcall %}
{% from 'macros' import nothing %}{{ nothing() }}
{% include 'part' %}{% include 'part' without context %}{% include ['no', 'part'] %}\
{% include part %}
{% include 'no' ignore missing %}{% include ['no', 'none'] ignore missing without context %}x
{% include 'no' %}
{% for row in rows %}{% include 'part' %}{% endfor %}
one\\n{% include 'broken' %}
{% extends 'base' %}{% block head %}child {{ super() }}{% for row in arows() %}{{ row.id }}\
{% endfor %}{% endblock %}
{% extends 'middle' %}{% block body %}child {{ super() }}{{ self.head() }}{% endblock %}
{% extends 'middle' %}{% block head %}{{ super.super() }}{% endblock %}
{% extends 'middle' %}{% block head %}one\\n{{ araises() }}{% endblock %}
{% extends 'base' %}{% block body %}{% include 'middle' %}{% import 'macros' as m %}\
{{ m.field(1) }}{% endblock %}outside
{% extends base_template %}{% block head %}{{ name }}{% endblock %}
{% if acall() %}{% extends 'base' %}{% else %}{% extends 'middle' %}{% endif %}{% block head %}x\
{% endblock %}outside
{% if false %}{% extends 'base' %}{% endif %}{% block head %}x{% endblock %}outside\
{% for row in rows %}{{ row.id }}{% endfor %}
{% extends 'scoped' %}{% block item %}-{{ row.id }}{{ loop.index }}{% endblock %}
{% extends 'required' %}
{% extends 'required' %}{% block it %}it{% endblock %}
{% extends 'base' %}{% extends 'middle' %}
{% block a %}{{ name }}{% block b %}{{ acall() }}{% endblock %}{% endblock %}{{ self.a() }}\
{{ self.b() }}
{% macro m() %}{% for row in rows %}{{ row.id }}{% endfor %}{% endmacro %}{% block a %}\
{% macro n(x) %}{{ x }}{% endmacro %}{{ n(1) }}{% endblock %}{{ m() }}
{% autoescape false %}{{ name }}{{ markup }}{% endautoescape %}{% autoescape true %}{{ name }}\
{% endautoescape %}
{% autoescape flag %}{{ name }}{{ markup }}{{ name ~ markup }}{% filter upper %}{{ name }}\
{% endfilter %}{% endautoescape %}
{% trans %}Hello {{ name }}{% endtrans %}{% trans n=number %}one {{ n }}{% pluralize %}many \
{{ n }}{% endtrans %}{{ _('x') }} {{ gettext('%(a)s', a=name) }}
{% do call(1) %}{% do acall(2) %}{{ name }}
{% shout 'a' %}{{ name }}{% include 'part' %}{% endshout %}
{{ {'a': acall(), 'b': [acall(1), (acall(2),)]} }} {{ (acall(), 1) == ('called', 1) }} \
{{ acall() in ['called'] }} {{ 1 < number <= 9 }}
{{ not acall() }} {{ acall() and call() or missing }} {{ number ** 2 }} {{ number // 2 }} \
{{ number % 3 }}
{{ strict_error.x }}{{ proxy.name }}{{ proxy['name'] }}{{ proxy }}
""".splitlines()


class Shout(Extension):
    """A tag whose content goes through a method."""

    tags = {"shout"}

    def parse(self, parser: t.Any) -> nodes.Node:
        lineno = next(parser.stream).lineno
        args = [parser.parse_expression()]
        body = parser.parse_statements(("name:endshout",), drop_needle=True)
        call = self.call_method("_shout", args)
        return nodes.CallBlock(call, [], [], body).set_lineno(lineno)

    def _shout(self, mark: str, caller: t.Any) -> t.Any:
        if not self.environment.is_async:
            return caller().upper() + mark

        async def shout() -> str:
            return t.cast(str, (await caller()).upper() + mark)

        return shout()


EXTENSIONS = [
    "jinja2.ext.i18n",
    "jinja2.ext.do",
    "jinja2.ext.loopcontrols",
    Shout,
]


class Size(enum.IntEnum):
    BIG = 3


class Lazy:
    def __str__(self) -> str:
        return "lazy <>"


class Html:
    def __html__(self) -> str:
        return "<html>"


class Awaitable:
    def __await__(self) -> t.Generator[t.Any, None, str]:
        yield from asyncio.sleep(0).__await__()
        return "awaited <>"


class Thing:
    name = "thing <>"
    awaited = Awaitable()

    def __init__(self, log: list[t.Any], is_async: bool) -> None:
        self.log, self.is_async = log, is_async

    def __repr__(self) -> str:  # no address: templates take texts apart
        return "<thing>"

    @property
    def property(self) -> str:
        self.log.append("property")
        return "property"

    def method(self, number: int) -> int:
        return number * 2

    def coroutine(self) -> t.Any:
        return asyncio.sleep(0, "coroutine <>") if self.is_async else "coroutine <>"

    def __getitem__(self, key: t.Any) -> t.Any:
        self.log.append(key)
        return [1, 2, 3][key]


class Mapping(dict[str, t.Any]):
    """A dict with an attribute, which comes before the key."""

    key = "attribute"


class AThing:
    """An async iterator that is no generator, and raises at once."""

    def __init__(self) -> None:
        self.left = 2

    def __aiter__(self) -> AThing:
        return self

    def __anext__(self) -> t.Any:
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return asyncio.sleep(0, self.left)


class InstanceAiter:
    """An iterable that is async by an attribute of the instance, as proxies are."""

    def __getattr__(self, name: str) -> t.Any:
        if name == "__aiter__":
            return AThing().__aiter__
        raise AttributeError(name)


class Proxy:
    def __getattr__(self, name: str) -> t.Any:
        return f"proxied {name}"


def context_of(log: list[t.Any], is_async: bool) -> dict[str, t.Any]:
    """Return what the templates see, made anew, for what can be used up."""

    def call(*args: t.Any, **kwargs: t.Any) -> str:
        log.append(("call", args, kwargs))
        return "called <>"

    async def acall(*args: t.Any, **kwargs: t.Any) -> t.Any:
        log.append(("acall", args, kwargs))
        await asyncio.sleep(0)
        return args[0] if args else "called"

    async def arows() -> t.AsyncIterator[t.Any]:
        log.append("arows")
        for row in rows:
            await asyncio.sleep(0)
            yield row
        log.append("arows done")

    async def gives_rows() -> list[t.Any]:
        return rows

    async def anothing() -> t.AsyncIterator[t.Any]:
        for row in ():  # type: ignore[var-annotated]
            yield row

    async def apairs() -> t.AsyncIterator[t.Any]:
        yield 1, (2, 3)

    async def atree() -> t.AsyncIterator[t.Any]:
        for row in tree:
            yield row

    def iterates() -> t.Iterator[int]:
        for number in range(3):
            log.append(number)
            yield number

    def breaks() -> t.Iterator[int]:
        yield 1
        raise LookupError("breaks")

    async def abreaks() -> t.AsyncIterator[int]:
        yield 1
        raise LookupError("abreaks")

    def raises() -> None:
        raise LookupError("raises")

    async def araises() -> None:
        await asyncio.sleep(0)
        raise LookupError("araises")

    def stops() -> None:
        raise StopIteration

    def future() -> t.Any:
        result = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(result.set_result, "future")
        return result

    @types.coroutine
    def generator_coroutine() -> t.Generator[t.Any, t.Any, str]:
        yield from asyncio.sleep(0).__await__()
        return "generator"

    @jinja2.pass_context
    def with_context(context: t.Any) -> str:
        return f"{context.name} {context['name']} {sorted(context.get_all())}"

    @jinja2.pass_environment
    def with_environment(environment: t.Any) -> bool:
        return bool(environment.is_async)

    @jinja2.pass_eval_context
    async def with_eval_context(eval_ctx: t.Any) -> bool:
        return bool(eval_ctx.autoescape)

    rows = [{"id": n, "name": f"row <{n}>", "kind": n // 2, "items": 1} for n in range(4)]
    tree = [{"name": "a", "kids": [{"name": "b", "kids": []}]}, {"name": "c", "kids": ()}]
    context = locals()
    if not is_async:  # what is async stays away
        del context["future"]
        context |= {"acall": call, "arows": lambda: rows, "gives_rows": lambda: rows}
        context |= {"anothing": list, "apairs": lambda: [(1, (2, 3))], "atree": lambda: tree}
        context |= {"abreaks": breaks, "araises": raises, "generator_coroutine": call}
        context |= {"with_eval_context": with_environment, "awaitable_object": 1}
    return context | {
        "name": "name <>",
        "number": 4,
        "none": None,
        "markup": Markup("<b>"),
        "lazy": Lazy(),
        "html": Html(),
        "size": Size.BIG,
        "thing": Thing(log, is_async),
        "athing": AThing(),
        "awaitable_object": Awaitable(),
        "mapping": Mapping(key="key"),
        "odd": {"items": 1, 1: "one"},
        "proxy": Proxy(),
        "zero": 0,
        "flag": True,
        "part": "part",
        "base_template": "base",
    }


def set_up(environment: jinja2.Environment, log: list[t.Any]) -> None:
    async def afilter(value: t.Any) -> str:
        await asyncio.sleep(0)
        return f"({value})"

    async def atest(value: t.Any) -> bool:
        return bool(value)

    if not environment.is_async:
        afilter, atest = "({})".format, bool  # type: ignore[assignment]
    environment.filters["afilter"] = afilter
    environment.tests["atest"] = atest
    environment.globals.update(site="site", tell=lambda: log.append("told") or ".")
    install: t.Any = environment
    install.install_gettext_callables(
        lambda text: text, lambda one, many, n: one if n == 1 else many, newstyle=True
    )


def load(name: str) -> tuple[str, str, None] | None:
    return (LIBRARY[name], name, None) if name in LIBRARY else None


def environments(**options: t.Any) -> list[jinja2.Environment]:
    options = {"extensions": EXTENSIONS, **options, "loader": jinja2.FunctionLoader(load)}
    reference = options.pop("reference", jinja2.Environment)
    ours = options.pop("ours", Environment)
    return [reference(**options), ours(quartish.Quart("app"), **options)]


def lines(exc: BaseException) -> list[tuple[str, int | None, str]]:
    """Return where in templates an error was raised."""
    found = traceback.extract_tb(exc.__traceback__)
    names = {"<template>", *LIBRARY}
    return [
        (frame.filename, frame.lineno, frame.name) for frame in found if frame.filename in names
    ]


async def outcome(
    environment: jinja2.Environment, source: str, stream: bool, lenient: bool = False
) -> t.Any:
    """Return all that can be seen of rendering `source`."""
    log: list[t.Any] = []
    set_up(environment, log)
    result: t.Any
    pieces: list[str] = []
    try:
        template = environment.from_string(source)
        context = context_of(log, environment.is_async)
        if environment.is_async and stream:
            async for piece in template.generate_async(context):
                pieces.append(str(piece))
            result = "".join(pieces)
        elif environment.is_async:
            result = await template.render_async(context)
        elif stream:
            for piece in template.generate(context):
                pieces.append(str(piece))
            result = "".join(pieces)
        else:
            result = template.render(context)
    except Exception as exc:
        result = type(exc), str(exc), lines(exc)
        if lenient and "not iterable" in str(exc):  # see test_what_is_not_iterable
            result = type(exc), str(exc), lines(exc)[-1][:2]
    return [_without_addresses(seen) for seen in (result, pieces, log)]


def _without_addresses(value: t.Any) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", repr(value))


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("source", TEMPLATES)
async def test_as_jinja(source: str, is_async: bool) -> None:
    source = source.replace("\\n", "\n")
    for autoescape in False, True:
        for undefined in jinja2.Undefined, jinja2.StrictUndefined, jinja2.ChainableUndefined:
            theirs, ours = environments(
                enable_async=is_async, autoescape=autoescape, undefined=undefined
            )
            for stream in False, True:
                expected = await outcome(theirs, source, stream)
                assert await outcome(ours, source, stream) == expected


@pytest.mark.parametrize(
    "source",
    [
        "one\n{% for row in number if row %}{{ row }}{% endfor %}",
        "one\n{% for row in number recursive %}{{ loop(row) }}{% endfor %}",
    ],
)
async def test_what_is_not_iterable(source: str) -> None:
    """The traceback is that of Jinja's synchronous code, which has one line more."""
    theirs, ours = (environments(enable_async=is_async)[is_async] for is_async in (False, True))
    assert await outcome(ours, source, False) == await outcome(theirs, source, False)


MANY = 100
EXPRESSIONS = st.recursive(
    st.sampled_from(
        "name number markup none rows tree missing row row.id row.name row.items loop.index"
        " loop.last thing thing.name mapping.key arows() acall() call() rows[0].name 7"
        " 'text<'".split()
    ),
    lambda inner: st.one_of(
        st.builds("acall({})".format, inner),
        st.builds("call({}, a={})".format, inner, inner),
        st.builds("({}).id".format, inner),
        st.builds("({})['name']".format, inner),
        st.builds("({} ~ {})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("({} | {})".format, inner, st.sampled_from(["afilter", "list", "e", "first"])),
        st.builds("({} is {})".format, inner, st.sampled_from(["atest", "defined", "string"])),
        st.builds("[{}, {}]".format, inner, inner),
    ),
    max_leaves=4,
)
STATEMENTS = st.recursive(
    st.one_of(
        st.sampled_from(["text", "<b>\n", "{% include 'part' %}", "{{ self.head() }}"]),
        st.builds("{{{{ {} }}}}".format, EXPRESSIONS),
        st.builds("{{% set name = {} %}}".format, EXPRESSIONS),
    ),
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, EXPRESSIONS, inner, inner),
        st.builds(
            "{{% for row in {} {}%}}{}{{% else %}}{}{{% endfor %}}".format,
            EXPRESSIONS,
            st.sampled_from(["", "", "if row ", "if acall(row) ", "recursive "]),
            inner,
            inner,
        ),
        st.builds("{{% with row = {} %}}{}{{% endwith %}}".format, EXPRESSIONS, inner),
        st.builds("{{% filter afilter %}}{}{{% endfilter %}}".format, inner),
        st.builds("{{% set row %}}{}{{% endset %}}{{{{ row }}}}".format, inner),
        st.builds("{{% macro m(row) %}}{}{{% endmacro %}}{{{{ m(rows[1]) }}}}".format, inner),
        st.builds(
            "{{% macro m() %}}{}{{{{ caller(1) }}}}{{% endmacro %}}"
            "{{% call(row) m() %}}{}{{% endcall %}}".format,
            inner,
            inner,
        ),
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@settings(max_examples=MANY, deadline=None)
@given(
    source=st.builds(
        "{}{{% block item %}}{}{{% endblock %}}".format,
        st.builds("{}{}".format, st.sampled_from(["", "{% extends 'base' %}"]), STATEMENTS),
        STATEMENTS,
    ),
    autoescape=st.booleans(),
    stream=st.booleans(),
)
def test_any_template(is_async: bool, source: str, autoescape: bool, stream: bool) -> None:
    theirs, ours = environments(enable_async=is_async, autoescape=autoescape)

    async def compare() -> None:
        expected = await outcome(theirs, source, stream, lenient=True)
        assert await outcome(ours, source, stream, lenient=True) == expected

    asyncio.run(compare())


# --- Its shape --------------------------------------------------------------------------

EVERYTHING = (
    "{% extends 'base' %}{% block body %}{{ super() }}{% include 'part' %}"
    "{% for row in rows %}{{ loop.index }}{% for x in row.kids %}{{ f(x.y) | upper }}{% endfor %}"
    "{% endfor %}{% for row in rows recursive %}{{ row['x'] is odd }}{{ loop(row) }}{% endfor %}"
    "{% macro m() %}{% include 'part' %}{% endmacro %}{% endblock %}"
)


def instructions(code: types.CodeType, in_whole: bool = False) -> t.Iterator[dis.Instruction]:
    """Return the instructions of what renders into a list, and of what is defined in it."""
    in_whole = in_whole or "_out" in code.co_varnames
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from instructions(const, in_whole)
    if in_whole:
        yield from dis.get_instructions(code)


def test_nothing_dear_is_left() -> None:
    """If Jinja changes the shape of its code, this fails, and templates are only slow."""
    ours = environments(enable_async=True, autoescape=True)[1]
    found = [*instructions(ours.compile(EVERYTHING))]
    names = {instruction.argval for instruction in found if instruction.opname == "LOAD_GLOBAL"}
    assert {"awaitable", "loop_context", "quote", "settled_types", "steps", "whole"} <= names
    assert not {"auto_await", "auto_aiter", "AsyncLoopContext", "escape"} & names
    assert "GET_AITER" not in {instruction.opname for instruction in found}
    template = ours.from_string(EVERYTHING)
    assert "whole" in vars(template.root_render_func)
    assert all("whole" in vars(block) for block in template.blocks.values())


async def test_an_iterable_that_is_async_by_its_instance() -> None:
    ours = environments(enable_async=True)[1]
    template = ours.from_string("{% for x in it %}{{ x }}{% endfor %}")
    assert await template.render_async(it=InstanceAiter()) == "10"


@pytest.mark.skipif(version("markupsafe") < "3", reason="has no such function")
def test_strings_are_escaped_without_a_markup() -> None:
    assert _template_code.quote("<") == "&lt;"
    assert type(_template_code.quote("<")) is str


def test_a_tree_that_is_too_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    def visit(self: t.Any, node: t.Any) -> None:
        raise RecursionError

    monkeypatch.setattr(_template_code._Rewriter, "visit", visit)
    template = environments(enable_async=True)[1].from_string("{{ f() }}")
    assert not hasattr(template.root_render_func, "whole")
    assert asyncio.run(template.render_async(f=lambda: "x")) == "x"


def test_threads_that_compile_side_by_side() -> None:
    """Python raises SystemError where trees are made in two threads at once, as they are when
    the garbage collector lets another thread go on."""
    source = "".join(f"{{{{ row.n{n} }}}}" for n in range(30))

    def compiled(_: int) -> bytes:
        ours = environments(enable_async=True)[1]
        return t.cast(types.CodeType, ours.compile(source)).co_code

    def let_others(phase: str, info: dict[str, int]) -> None:
        time.sleep(1e-5)

    alone = compiled(0)
    thresholds = gc.get_threshold()
    gc.callbacks.append(let_others)
    gc.set_threshold(200, 10_000, 10_000)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(compiled, range(8))) == {alone}
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(let_others)


def test_hundreds_of_branches() -> None:
    branches = "".join(f"{{% elif x == {n} %}}{n}" for n in range(500))
    for is_async in False, True:
        ours = environments(enable_async=is_async)[1]
        assert ours.from_string(f"{{% if x %}}x{branches}{{% endif %}}").render(x=0) == "0"


def test_types_that_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_template_code, "settled_types", set())
    monkeypatch.setattr(_template_code, "MOST_SETTLED", 2)
    for _ in range(4):
        kind = type("Kind", (), {})
        value = kind()
        assert asyncio.run(_awaited(value)) is value
    assert len(_template_code.settled_types) == 2
    assert asyncio.run(_awaited(Awaitable())) == "awaited <>"
    assert Awaitable not in _template_code.settled_types


async def _awaited(value: t.Any) -> t.Any:
    return await _template_code.awaitable(value)


# --- Environments -----------------------------------------------------------------------


async def test_lookups_that_an_environment_has_of_its_own() -> None:
    class Mine(Environment):
        def getattr(self, obj: t.Any, attribute: str) -> t.Any:
            return f"mine {attribute}"

    class Sandbox(Environment, SandboxedEnvironment):
        pass

    for is_async in False, True:
        mine = environments(ours=Mine, enable_async=is_async)[1]
        found = await outcome(mine, "{{ rows[0].name }} {{ rows[0]['name'] }}", False)
        assert found[0] == repr("mine name row <0>")
        made = environments(reference=SandboxedEnvironment, ours=Sandbox, enable_async=is_async)
        for source in "{{ rows[0].name }}", "{{ name.__class__ }}", "{{ name.__class__.x }}":
            theirs, ours = [await outcome(env, source, False) for env in made]
            assert ours == theirs


async def test_code_and_templates_of_other_kinds() -> None:
    from jinja2.nativetypes import NativeEnvironment

    class First(NativeEnvironment, Environment):
        pass

    class Last(Environment, NativeEnvironment):
        pass

    for is_async in False, True:
        for mine in First, Last:
            theirs, ours = environments(
                reference=NativeEnvironment, ours=mine, enable_async=is_async
            )
            for source in (
                "{{ rows }}",
                "{{ number }}",
                "{{ number }}{{ number }}",
                "x{{ acall(1) }}",
            ):
                assert await outcome(ours, source, False) == await outcome(theirs, source, False)


async def test_overlays() -> None:
    env = environments(enable_async=True)[1]
    assert await env.from_string("{{ x() }}").render_async(x=_number) == "1"
    other = env.overlay(enable_async=False)
    assert other.from_string("{{ x }}").render(x=1) == "1"
    assert not hasattr(other.from_string("{{ x }}").root_render_func, "whole")


async def _number() -> int:
    return 1


async def test_a_bytecode_cache_that_is_shared(tmp_path: Path) -> None:
    """Jinja's own code, ours, and ours of the other colour are kept apart."""
    compiled: list[bool] = []

    class Counting(Environment):
        def _compile(self, source: str, filename: str) -> types.CodeType:
            compiled.append(self.is_async)
            return super()._compile(source, filename)

    cache = jinja2.FileSystemBytecodeCache(str(tmp_path))
    context = {"name": "x", "rows": [{"id": 1}]}
    for _ in range(2):
        theirs, ours = environments(ours=Counting, bytecode_cache=cache, enable_async=False)
        assert theirs.get_template("part").render(context) == "[x\n1]"
        assert ours.get_template("part").render(context) == "[x\n1]"
        ours = environments(ours=Counting, enable_async=True)[1]
        ours.bytecode_cache = cache
        template = ours.get_template("part")
        assert await template.render_async(context) == "[x\n1]"
        assert hasattr(template.root_render_func, "whole")
        assert t.cast(Environment, ours).sync_twin.get_template("part").render(context) == "[x\n1]"
    assert compiled == [False, True]
    shelf: t.Any = ours.bytecode_cache
    assert shelf is ours.overlay().bytecode_cache
    assert shelf.directory == str(tmp_path)  # type: ignore[union-attr]
    shelf.clear()  # type: ignore[union-attr]
    assert not [*tmp_path.iterdir()]
    ours.bytecode_cache = None
    assert ours.bytecode_cache is None


async def test_templates_compiled_ahead(tmp_path: Path) -> None:
    env = environments(enable_async=True)[1]
    env.loader = jinja2.DictLoader(LIBRARY)
    env.compile_templates(str(tmp_path), zip=None)
    env.loader = jinja2.ModuleLoader(str(tmp_path))
    source = "{% extends 'base' %}{% block body %}{{ super() }}{% include 'part' %}{% endblock %}"
    context = {"name": "x", "rows": [{"id": 1}]}
    assert await env.from_string(source).render_async(context) == "<base x|[x\n1]>"
    assert await env.get_template("part").render_async(context) == "[x\n1]"


async def test_new_contexts() -> None:
    """The globals of the environment, those of the template, and what is given, in this order."""
    theirs, ours = environments(enable_async=False)
    for env in theirs, ours:
        env.globals.update(a="env", b="env", c="env")
        template = env.from_string("{{ a }} {{ b }} {{ c }}", {"b": "template", "c": "template"})
        assert template.render(c="given") == "env template given"
        env.globals["a"] = "late"
        assert template.render({"c": "given"}) == "late template given"
        context = template.new_context({"c": 1}, locals={"d": 2})
        assert (context["a"], context["c"], context["d"]) == ("late", 1, 2)
        shared = {"c": 1}
        assert template.new_context(shared, shared=True).parent is shared
        assert "a" not in template.new_context(shared, True, {"d": 2})
        assert shared == {"c": 1}
        assert template.new_context().globals_keys >= {"a", "b", "c"}
