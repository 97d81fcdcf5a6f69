"""The same room in several libraries: what a socket says, all sockets are sent.

A module's `app` is what a server is pointed at; `ROOM_REDIS` is the address of a Redis, or
empty for memory.
"""

from __future__ import annotations

import os

REDIS = os.environ.get("ROOM_REDIS") or None
