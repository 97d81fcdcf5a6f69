"""The face for `from quart import ...`: the same objects, in the awaitable colour.

At run time every function here is the one that `quartish` exports, and does as the active
app's colour says. Type checkers are told the awaitable side of it.
"""

from __future__ import annotations

import collections.abc as cabc
import typing as t

from markupsafe import escape as escape
from markupsafe import Markup as Markup

from ._alias import extend as _extend
from ._quart_modules import BUILT as _BUILT
from .app import Quart as Quart
from .app import Quartish as Quartish
from .blueprints import Blueprint as Blueprint
from .config import Config as Config
from .ctx import after_this_request as after_this_request
from .ctx import after_this_websocket as after_this_websocket
from .ctx import copy_current_app_context as copy_current_app_context
from .ctx import copy_current_request_context as copy_current_request_context
from .ctx import copy_current_websocket_context as copy_current_websocket_context
from .ctx import has_app_context as has_app_context
from .ctx import has_request_context as has_request_context
from .ctx import has_websocket_context as has_websocket_context
from .globals import g as g
from .globals import session as session
from .globals import websocket as websocket
from .helpers import abort as abort
from .helpers import get_flashed_messages as get_flashed_messages
from .helpers import get_template_attribute as get_template_attribute
from .helpers import make_push_promise as make_push_promise
from .helpers import stream_with_context as stream_with_context
from .helpers import url_for as url_for
from .signals import appcontext_popped as appcontext_popped
from .signals import appcontext_pushed as appcontext_pushed
from .signals import appcontext_tearing_down as appcontext_tearing_down
from .signals import before_render_template as before_render_template
from .signals import got_request_exception as got_request_exception
from .signals import got_websocket_exception as got_websocket_exception
from .signals import message_flashed as message_flashed
from .signals import request_finished as request_finished
from .signals import request_started as request_started
from .signals import request_tearing_down as request_tearing_down
from .signals import signals_available as signals_available
from .signals import template_rendered as template_rendered
from .signals import websocket_finished as websocket_finished
from .signals import websocket_started as websocket_started
from .signals import websocket_tearing_down as websocket_tearing_down
from .typing import ResponseReturnValue as ResponseReturnValue
from .wrappers import Websocket as Websocket
from .wrappers.awaitable import Request as Request
from .wrappers.awaitable_response import Response as Response

if t.TYPE_CHECKING:
    import io
    import os
    from datetime import datetime

    from jinja2 import Template

    Path = str | os.PathLike[str]

    current_app: Quart
    request: Request

    def jsonify(*args: t.Any, **kwargs: t.Any) -> Response: ...
    def redirect(location: str, code: int = 302) -> Response: ...
    async def make_response(*args: t.Any) -> Response: ...
    async def flash(message: str, category: str = "message") -> None: ...
    async def send_file(
        path_or_file: Path | t.BinaryIO | io.BytesIO,
        mimetype: str | None = None,
        as_attachment: bool = False,
        download_name: str | None = None,
        conditional: bool = True,
        etag: bool | str = True,
        last_modified: datetime | int | float | None = None,
        max_age: int | cabc.Callable[[str | None], int | None] | None = None,
        **quart_names: t.Any,
    ) -> Response: ...
    async def send_from_directory(directory: Path, path: Path, **kwargs: t.Any) -> Response: ...
    async def render_template(
        template_name_or_list: str | Template | list[str | Template], **context: t.Any
    ) -> str: ...
    async def render_template_string(source: str, **context: t.Any) -> str: ...
    async def stream_template(
        template_name_or_list: str | Template | list[str | Template], **context: t.Any
    ) -> cabc.AsyncIterator[str]: ...
    async def stream_template_string(source: str, **context: t.Any) -> cabc.AsyncIterator[str]: ...

else:
    from .globals import current_app as current_app
    from .globals import request as request
    from .helpers import flash as flash
    from .helpers import make_response as make_response
    from .helpers import redirect as redirect
    from .helpers import send_file as send_file
    from .helpers import send_from_directory as send_from_directory
    from .json import jsonify as jsonify
    from .templating import render_template as render_template
    from .templating import render_template_string as render_template_string
    from .templating import stream_template as stream_template
    from .templating import stream_template_string as stream_template_string

_extend(__name__, _BUILT)  # `from quart.sessions import ...` is ported by the same word
