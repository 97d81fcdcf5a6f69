"""What most views return, encoded for sending at once, when nothing would look at a Response.

PERF(3 us; 12 of 30 where a session is written): saves a Response, its Headers and its list of
chunks.
"""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import HTTPException

from .._context import AppContext
from .._http.headers import direct_lines
from .._http.headers import length_line
from .._http.outgoing import BODILESS
from .._http.outgoing import HEAD_BODY
from .._http.outgoing import Outgoing
from .._werkzeug import STATUS_LINES
from ..json.provider import is_own
from ..sessions.cookie import is_set_plainly
from ..typing import RawHeaders
from .errors import error_page
from .plan import Plan
from .response import unpacked

#: Statuses that are sent with a body and nothing else.
_WITH_BODY = frozenset(STATUS_LINES) - BODILESS - {413}


def direct_outgoing(plan: Plan, ctx: AppContext, rv: t.Any) -> Outgoing | None:
    """Return what would be sent of `make_response(rv)`. Return None if a response has to be made:
    because something may look at it or change it (an after function, another session interface, a
    receiver of the signal), or because this module does not know the value."""
    if ctx.after or plan.after or plan.finishing or not plan.unchanged:
        return None
    raw_headers, settings = ctx.quartish_raw_headers, plan.settings
    saves = ctx.session_opened or (
        b"cookie" in raw_headers
        # PERF(0.15 of 5 us): most cookies are others'.
        and settings.SESSION_COOKIE_NAME
        in (
            raw_headers[b"cookie"].decode("latin-1")
            if ctx.made is None
            else ctx.made.quartish_raw_cookie
        )
        and plan.saves_session(ctx)
    )
    if saves and not plan.lazy_session:
        return None
    app, response_class = plan.app, plan.response_class
    mimetype: str | None
    status: t.Any
    headers, body, kind = None, rv, type(rv)
    if kind is tuple:
        try:
            body, status, headers = unpacked(rv)
        except TypeError:
            return None
        if status is None:
            status = response_class.default_status
        if type(status) is not int or not (headers is None or type(headers) is dict):
            return None
        kind = type(body)
    else:
        status = response_class.default_status
    if status not in _WITH_BODY:
        return None
    try:
        if kind is str:
            data, mimetype = body.encode(), response_class.default_mimetype
        elif kind is dict or kind is list:
            if headers:
                return None
            json: t.Any = app.json
            debug = settings.DEBUG
            writer = None if debug else json.quartish_writer
            # PERF(1.2 us under Hypercorn, with what `quartish_writer` saves)
            if writer is not None:
                encode, mimetype = writer
                data = (encode(body) + "\n").encode()
            elif is_own(json, "response"):
                data, mimetype = json.quartish_response_text(body, debug).encode(), json.mimetype
            else:
                return None
        elif kind is bytes:
            data, mimetype = body, response_class.default_mimetype
        elif body is rv and isinstance(rv, HTTPException) and rv.code in _WITH_BODY:
            page = error_page(rv)
            if page is None:
                return None
            status, mimetype, data = rv.code, "text/html", page
        else:
            return None
        lines = direct_lines(mimetype, *headers.items()) if headers else direct_lines(mimetype)
    except Exception:
        return None  # `make_response` will raise it again, where errors are handled
    if lines is None:
        return None
    lines = [*lines, length_line(len(data))]
    if saves:
        session_lines = _session_lines(plan, ctx, lines)
        if session_lines is None:
            return None
        lines += session_lines
    scope = ctx.scope
    if scope["method"] == "HEAD" and HEAD_BODY not in scope:
        data = b""
    return Outgoing(status, lines, data)


def _session_lines(plan: Plan, ctx: AppContext, lines: RawHeaders) -> RawHeaders | None:
    """Return the header lines that save the session; None if a response has to be made."""
    interface: t.Any = plan.app.session_interface
    if b"vary" in dict(lines) or not is_set_plainly(plan.response_class):
        return None
    try:
        session = ctx._session
        if type(session) is not interface.session_class:
            return None
        return t.cast("RawHeaders | None", interface.quartish_lines(plan.app, session))
    except Exception:
        return None  # as above
