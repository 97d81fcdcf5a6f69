"""What is plain in one colour and awaited in the other."""

from __future__ import annotations

import re

_REQUEST = "form files values data json get_json get_data"
_FUNCTIONS = (
    "render_template render_template_string stream_template stream_template_string make_response"
    " send_file send_from_directory flash"
)
_LOADS = re.compile(rf"flask\.request\.({_REQUEST.replace(' ', '|')})")
_CALLS = re.compile(
    rf"flask\.request\.(get_json|get_data)|flask\.({_FUNCTIONS.replace(' ', '|')})"
    r"|flask\.(Response|make_response|jsonify)\(\)\.(get_data|get_json)"
    r"|flask\.Flask\(\)\.(make_response|send_static_file)"
)
_CALLED = ("get_json", "get_data")


def is_awaitable(path: str, kind: str) -> bool:
    """Say whether the awaitable colour awaits this: a path in Flask's names, called or read."""
    if kind == "call":
        return bool(_CALLS.fullmatch(path))
    return bool(_LOADS.fullmatch(path)) and not path.endswith(_CALLED)
