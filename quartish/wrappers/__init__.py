"""Requests, responses and websockets. `Request` and `Response` are the plain colour's;
the awaitable ones are in `awaitable` and `awaitable_response`."""

from __future__ import annotations

from .request import Request
from .response import Response
from .websocket import Websocket

__all__ = ["Request", "Response", "Websocket"]
