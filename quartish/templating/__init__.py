"""Templates: where they are found, what they see, and rendering them in both colours."""

from __future__ import annotations

from .render import _default_template_ctx_processor as _default_template_ctx_processor
from .render import DispatchingJinjaLoader
from .render import Environment
from .render import render_template
from .render import render_template_string
from .render import stream_template
from .render import stream_template_string
from .render import update_template_context as update_template_context

__all__ = [
    "DispatchingJinjaLoader",
    "Environment",
    "render_template",
    "render_template_string",
    "stream_template",
    "stream_template_string",
]
