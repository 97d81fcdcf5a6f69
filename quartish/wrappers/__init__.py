"""Requests, responses and websockets. `Request` and `Response` are the plain colour's;
the awaitable ones are in `awaitable_request` and `awaitable_response`."""

from __future__ import annotations

from .._http.parts import BlockingPart
from .._http.parts import Part
from .._http.parts import Parts
from .request import Request
from .response import Response
from .websocket import Websocket

__all__ = ["BlockingPart", "Part", "Parts", "Request", "Response", "Websocket"]
