"""Templates: where they are found, what they see, and rendering them in both colours.

What renders is looked up here at each call: agents put theirs in the place of `_render`.
"""

from __future__ import annotations

import typing as t

from .._current import current_app as _active_app
from .render import _default_template_ctx_processor as _default_template_ctx_processor
from .render import _render
from .render import _stream
from .render import DispatchingJinjaLoader
from .render import Environment
from .render import update_template_context as update_template_context

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .render import TemplateName

__all__ = [
    "DispatchingJinjaLoader",
    "Environment",
    "render_template",
    "render_template_string",
    "stream_template",
    "stream_template_string",
]


def render_template(template_name_or_list: TemplateName, **context: t.Any) -> str:
    """Render a template, or the first of a list that exists. Awaitable in the awaitable
    colour. Raises TemplateNotFound."""
    app = _active_app()
    env: t.Any = app.jinja_env  # accepts any sequence, unlike its types
    return _render(app, env.get_or_select_template(template_name_or_list), context)


def render_template_string(source: str, **context: t.Any) -> str:
    """Render a template given as its source, with autoescaping. Awaitable in the awaitable
    colour."""
    app = _active_app()
    return _render(app, app.jinja_env.from_string(source), context)


def stream_template(template_name_or_list: TemplateName, **context: t.Any) -> Iterator[str]:
    """Render a template piece by piece, as a response that a view returns.

    In the awaitable colour the call is awaited and gives an async iterator.
    """
    app = _active_app()
    env: t.Any = app.jinja_env  # accepts any sequence, unlike its types
    return _stream(app, env.get_or_select_template(template_name_or_list), context)


def stream_template_string(source: str, **context: t.Any) -> Iterator[str]:
    """Render a template given as its source piece by piece, as `stream_template` does."""
    app = _active_app()
    return _stream(app, app.jinja_env.from_string(source), context)
