"""The configuration that an app starts with."""

from __future__ import annotations

import os
import typing as t
from datetime import timedelta

from werkzeug.datastructures import ImmutableDict

#: Flask's defaults, then quartish's own: seconds, bytes, or counts.
DEFAULTS: t.Mapping[str, t.Any] = ImmutableDict(
    {
        "DEBUG": None,
        "TESTING": False,
        "PROPAGATE_EXCEPTIONS": None,
        "SECRET_KEY": None,
        "SECRET_KEY_FALLBACKS": None,
        "PERMANENT_SESSION_LIFETIME": timedelta(days=31),
        "USE_X_SENDFILE": False,
        "TRUSTED_HOSTS": None,
        "SERVER_NAME": None,
        "APPLICATION_ROOT": "/",
        "SESSION_COOKIE_NAME": "session",
        "SESSION_COOKIE_DOMAIN": None,
        "SESSION_COOKIE_PATH": None,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SECURE": False,
        "SESSION_COOKIE_PARTITIONED": False,
        "SESSION_COOKIE_SAMESITE": None,
        "SESSION_REFRESH_EACH_REQUEST": True,
        "MAX_CONTENT_LENGTH": None,
        "MAX_FORM_MEMORY_SIZE": 500_000,
        "MAX_FORM_PARTS": 1_000,
        "SEND_FILE_MAX_AGE_DEFAULT": None,
        "TRAP_BAD_REQUEST_ERRORS": None,
        "TRAP_HTTP_EXCEPTIONS": False,
        "EXPLAIN_TEMPLATE_LOADING": False,
        "PREFERRED_URL_SCHEME": "http",
        "TEMPLATES_AUTO_RELOAD": None,
        "MAX_COOKIE_SIZE": 4093,
        "PROVIDE_AUTOMATIC_OPTIONS": True,
        # Worker threads: for `def` views, and for reading and writing files.
        "VIEW_THREADS": 40,
        "FILE_THREADS": min(32, 4 + (os.cpu_count() or 1)),
        # Whether the synchronous hooks of an `async def` view run in a thread, one for each
        # request: True; or those of the named modules, packages and blueprints.
        "SYNC_HOOKS_IN_THREAD": False,
        # How long teardown may take once the client has disconnected, in seconds.
        "DISCONNECT_GRACE": 5,
        # How long nothing may happen on a body being read or a response being sent.
        "BODY_TIMEOUT": 60,
        # Where MAX_CONTENT_LENGTH says nothing: how many bytes of a body are read ahead, into
        # memory and a temporary file, so that a disconnect is noticed while a view does not read.
        "READ_AHEAD_SIZE": 1024**3,
        # Whether files are left to the server where it offers that. None: where nothing is known to
        # stand between it and the app.
        "PATH_SEND": None,
        # Whether bodies that come compressed are read decoded, and the bytes that they may have
        # then: 413 past it.
        "DECODE_BODY": False,
        "MAX_DECODED_CONTENT_LENGTH": 64 * 1024 * 1024,
        "RESPONSE_TIMEOUT": 60,
        "BACKGROUND_TASK_SHUTDOWN_TIMEOUT": 5,
        # Background tasks with names of the user's that are remembered, the ended ones included.
        "BACKGROUND_TASK_HISTORY": 100,
        # A Redis ("redis://...") by which one process runs a periodic task; None: each does.
        "BACKGROUND_TASK_LOCK_URL": None,
        # Origins that may open a websocket, such as "https://example.org", or "same" for the
        # host that was asked, or a list of such; None in it: clients without one. None: all.
        "WEBSOCKET_ALLOWED_ORIGINS": None,
        "WEBSOCKET_ORIGINS": None,  # the former name
        # Whether the compressed files beside static files are sent instead of them: True, or None
        # for those that `quartish digest` has made.
        "STATIC_PRECOMPRESSED": None,
        # Lists and objects that long JSON of a client's may have; None: any number. 413 past it.
        "MAX_JSON_PARTS": 200_000,
        # Bytes that all headers, and path and query, may have; None: any number. 431 and 414 past
        # it; 4 kB of each always pass.
        "MAX_HEADER_SIZE": 32 * 1024,
        "MAX_URL_SIZE": 16 * 1024,
        # Whether pages of errors, in debug mode, have Werkzeug's console; the hosts that it lets
        # in; and whether tracebacks show all frames: "full", or "short".
        "DEBUGGER": True,
        "DEBUGGER_TRUSTED_HOSTS": (".localhost", "127.0.0.1"),
        "TRACEBACKS": None,
    }
)

#: Those of the awaitable colour: Quart's, where they differ from Flask's.
QUART_DEFAULTS: t.Mapping[str, t.Any] = ImmutableDict(
    {
        **DEFAULTS,
        "MAX_CONTENT_LENGTH": 16 * 1024 * 1024,
        "SEND_FILE_MAX_AGE_DEFAULT": timedelta(hours=12),
        "PREFER_SECURE_URLS": False,
        "ENV": None,
        "PRESERVE_CONTEXT_ON_EXCEPTION": None,
    }
)
