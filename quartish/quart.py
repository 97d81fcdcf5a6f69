"""The names of the package `quart`, in the awaitable colour.

Functions are coroutine functions where Quart's are, with Quart's names for arguments. Those of
`quartish` follow the colour of the active app instead.
"""

from __future__ import annotations

import typing as t

from markupsafe import escape as escape
from markupsafe import Markup as Markup

from ._module_alias import extend as _extend
from ._quart.files import Blueprint as Blueprint
from ._quart.functions import after_this_request as after_this_request
from ._quart.functions import copy_current_request_context as copy_current_request_context
from ._quart.functions import flash as flash
from ._quart.functions import make_response as make_response
from ._quart.functions import redirect as redirect
from ._quart.functions import render_template as render_template
from ._quart.functions import render_template_string as render_template_string
from ._quart.functions import send_file as send_file
from ._quart.functions import send_from_directory as send_from_directory
from ._quart.functions import stream_template as stream_template
from ._quart.functions import stream_template_string as stream_template_string
from ._quart.functions import stream_with_context as stream_with_context
from ._quart.modules import BUILT as _BUILT
from .app import Quart as Quart
from .app import Quartish as Quartish
from .config import Config as Config
from .ctx import after_this_websocket as after_this_websocket
from .ctx import copy_current_app_context as copy_current_app_context
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
from .wrappers.awaitable_request import Request as Request
from .wrappers.awaitable_response import Response as Response

if t.TYPE_CHECKING:
    current_app: Quart
    request: Request

    def jsonify(*args: t.Any, **kwargs: t.Any) -> Response: ...

else:
    from .globals import current_app as current_app
    from .globals import request as request
    from .json import jsonify as jsonify

_extend(__name__, _BUILT)  # for `from quart.sessions import ...`
