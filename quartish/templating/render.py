"""Templates: where they are found, what they see, and rendering them in both colours.

A template's variables are, those first that win: the arguments of the call, the results of the
context processors of the blueprints and the app, the environment's globals. Whether a template is
rendered synchronously depends on its environment (`enable_async`), by default on the app's colour;
`jinja_options` may change that.
"""

from __future__ import annotations

import typing as t
from collections import ChainMap
from contextlib import aclosing
from types import MethodType

from jinja2 import BaseLoader
from jinja2 import Environment as JinjaEnvironment
from jinja2 import Template
from jinja2 import TemplateNotFound
from jinja2.utils import LRUCache

from .._concurrency.coroutines import awaited
from .._concurrency.coroutines import drive
from .._concurrency.coroutines import is_awaitable
from .._current import call_with_context
from .._current import find_context
from .._jinja import CompilingEnvironment
from .._lazy import lazy
from ..debughelpers import explain_template_loading_attempts
from ..debughelpers import Found
from ..helpers import announce
from ..helpers import stream_with_context
from ..signals import before_render_template
from ..signals import template_rendered
from ..typing import AppLike
from ..typing import TemplateSource
from .compile import compile_template
from .compile import Shelf

if t.TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Iterator
    from types import CodeType

    from jinja2 import BytecodeCache
    from jinja2.runtime import Context

    from ..typing import ContextLike

    TemplateName = t.Union[str, Template, t.Sequence[t.Union[str, Template]]]

STRINGS = 128
"""How many templates made from strings an environment keeps compiled."""


class AppTemplate(Template):
    """A template of an `Environment`, rendered by the code of `templating.compile`."""

    def new_context(
        self,
        vars: dict[str, t.Any] | None = None,
        shared: bool = False,
        locals: t.Mapping[str, t.Any] | None = None,
    ) -> Context:
        """Make the context of a rendering: `vars`, with the globals unless it is `shared`."""
        if not shared:
            # PERF(5 us): Jinja copies the globals, a ChainMap, key by key.
            layers = self.globals.maps if type(self.globals) is ChainMap else [self.globals]
            merged: dict[str, t.Any] = {}
            for layer in reversed(layers):
                merged.update(layer)
            merged.update(vars or ())
            vars = merged
        return super().new_context(vars, True, locals)

    async def render_async(self, *args: t.Any, **kwargs: t.Any) -> str:
        """Render into one string; takes what `dict` takes."""
        whole = getattr(self.root_render_func, "whole", None)
        if whole is None:  # compiled elsewhere, or not async
            return await super().render_async(*args, **kwargs)
        context = self.new_context(dict(*args, **kwargs))
        pieces: list[str] = []
        try:
            await whole(context, pieces)
            return self.environment.concat(pieces)
        except Exception:
            return self.environment.handle_exception()


def select_jinja_autoescape(app: AppLike, filename: str | None) -> bool:
    """Say whether a template is escaped: HTML, XML, SVG, and one made of a string."""
    return filename is None or filename.endswith((".html", ".htm", ".xml", ".xhtml", ".svg"))


class Environment(CompilingEnvironment):
    """A Jinja environment that finds the templates of an app and of its blueprints."""

    template_class: type[Template] = AppTemplate

    def __init__(self, app: AppLike, **options: t.Any) -> None:
        if "loader" not in options:
            options["loader"] = app.create_global_jinja_loader()
        options.setdefault("enable_async", not app.plain)
        super().__init__(**options)
        self.app = app
        self._strings: t.Any = LRUCache(STRINGS)

    @property
    def bytecode_cache(self) -> BytecodeCache | None:
        """The bytecode cache, which keeps the code of this environment apart."""
        return self._bytecode_cache

    @bytecode_cache.setter
    def bytecode_cache(self, cache: BytecodeCache | None) -> None:
        self._bytecode_cache = cache if cache is None or type(cache) is Shelf else Shelf(cache)

    def compile_code(self, source: str, filename: str) -> CodeType:
        return compile_template(self, source, filename)

    @lazy
    def sync_twin(self) -> JinjaEnvironment:
        """This environment without async templates, so that macros are plain functions."""
        return self.overlay(enable_async=False)

    def from_string(
        self,
        source: t.Any,
        globals: t.MutableMapping[str, t.Any] | None = None,
        template_class: type[Template] | None = None,
    ) -> Template:
        """Make a template of the string `source`, with its own `globals` and another
        `template_class` if they are given.

        PERF(400 us): the code of the last strings is kept.

        Flask:
            Compiles at every call.
        """
        escape = self.autoescape
        stock = type(escape) is MethodType and escape.__func__ is select_jinja_autoescape
        if (
            type(source) is not str
            or self.cache is None
            or self.finalize is not None  # Jinja calls it while it compiles
            or (callable(escape) and not stock)  # and asks this for each string
        ):
            return super().from_string(source, globals, template_class)
        key = source, escape
        environment, code = self._strings.get(key, (None, None))
        if environment is not self:  # overlays share the cache
            code = self.compile(source)
            self._strings[key] = self, code
        made = (template_class or self.template_class).from_code
        return made(self, code, self.make_globals(globals), None)


class DispatchingJinjaLoader(BaseLoader):
    """Looks for a template in the app's folder, then in those of the blueprints, in the order
    they were registered."""

    def __init__(self, app: TemplateSource) -> None:
        self.app = app

    def get_source(self, environment: JinjaEnvironment, template: str) -> Found:
        """Return source, file name and freshness. Raises TemplateNotFound.

        With `EXPLAIN_TEMPLATE_LOADING` all places are searched, and that is logged.
        """
        attempts = self._attempts(environment, template)
        if self.app.config["EXPLAIN_TEMPLATE_LOADING"]:
            attempts = list(attempts)
            explain_template_loading_attempts(self.app, template, attempts)
        for _, _, found in attempts:
            if found is not None:
                return found
        raise TemplateNotFound(template)

    def _attempts(
        self, environment: JinjaEnvironment, template: str
    ) -> t.Iterable[tuple[BaseLoader, t.Any, Found | None]]:
        for owner, loader in self._loaders():
            try:
                yield loader, owner, loader.get_source(environment, template)
            except TemplateNotFound:
                yield loader, owner, None

    def _loaders(self) -> Iterator[tuple[t.Any, BaseLoader]]:
        for owner in (self.app, *self.app.iter_blueprints()):
            loader = owner.jinja_loader
            if loader is not None:
                yield owner, loader

    def list_templates(self) -> list[str]:
        return list({name for _, loader in self._loaders() for name in loader.list_templates()})


# --- a template's variables -----------------------------------------------------------------


def _default_template_ctx_processor() -> dict[str, t.Any]:
    """Provide `g` and `request` themselves, which are faster than the proxies of the globals.

    The session stays a proxy, as reading it sets `Vary: Cookie`.
    """
    ctx = find_context()
    if ctx is None:
        return {}
    return {"g": ctx.g, "request": ctx.request} if ctx.has_request else {"g": ctx.g}


async def update_template_context(
    app: AppLike, ctx: ContextLike | None, context: dict[str, t.Any]
) -> None:
    """Add the results of the context processors of the app and of the current blueprints.

    A later processor wins over an earlier one, and values in `context` win over both.
    """
    names: tuple[str | None, ...] = (None,)
    if ctx is not None and (ctx.has_request or ctx.has_websocket):
        names = (None, *reversed(ctx.conn.blueprints))
    injected: dict[str, t.Any] = {}
    processors, adapt = app.template_context_processors, app.quartish_http_flow.plan.adapt
    for name in names:
        for func in processors.get(name, ()):
            # PERF(0.7 us): the default processor is known to be a plain function.
            default = func is _default_template_ctx_processor and adapt is None
            values = func() if default else (adapt or app.ensure_sync)(func)()
            if is_awaitable(values):
                values = await awaited(values)
            injected.update(values)
    for key, value in injected.items():
        context.setdefault(key, value)


# --- rendering ----------------------------------------------------------------------------


def _render(app: AppLike, template: Template, context: dict[str, t.Any]) -> str:
    return t.cast(str, app.quartish_drive(rendered(app, template, context)))


async def rendered(app: AppLike, template: Template, context: dict[str, t.Any]) -> str:
    await _prepare(app, template, context)
    if template.environment.is_async:
        text = await awaited(template.render_async(context))
    else:
        text = template.render(context)
    if template_rendered.receivers:
        await announce(template_rendered, app, template=template, context=context)
    return text


async def _prepare(app: AppLike, template: Template, context: dict[str, t.Any]) -> None:
    updated = call_with_context(app.update_template_context, context)
    if is_awaitable(updated):
        await awaited(updated)
    if before_render_template.receivers:
        await announce(before_render_template, app, template=template, context=context)


def _stream(app: AppLike, template: Template, context: dict[str, t.Any]) -> Iterator[str]:
    return t.cast("Iterator[str]", app.quartish_drive(streamed(app, template, context)))


async def streamed(app: AppLike, template: Template, context: dict[str, t.Any]) -> t.Any:
    await _prepare(app, template, context)
    generate = _generate_async if template.environment.is_async else _generate
    stream: t.Any = generate(app, template, context)
    ctx = find_context()
    if ctx is None or not (ctx.has_request or ctx.has_websocket):
        return stream
    return stream_with_context(stream)


def _generate(app: AppLike, template: Template, context: dict[str, t.Any]) -> Iterator[str]:
    yield from template.generate(context)
    if template_rendered.receivers:
        drive(announce(template_rendered, app, template=template, context=context))


async def _generate_async(
    app: AppLike, template: Template, context: dict[str, t.Any]
) -> AsyncIterator[str]:
    async with aclosing(template.generate_async(context)) as pieces:
        async for piece in pieces:
            yield piece
    if template_rendered.receivers:
        await announce(template_rendered, app, template=template, context=context)
