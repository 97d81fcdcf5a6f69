"""Settings of an app that are unsuitable for production.

Looks at an app and changes nothing. Each finding is explained in docs/production.md.
"""

from __future__ import annotations

import typing as t

from .typing import AppLike

SHORTEST_KEY = 16
"""Bytes of a secret key: fewer can be found by trying. *Source:* RFC 2104, section 3."""
KNOWN_KEYS = frozenset(
    {
        *("change me", "change-me", "change_me", "changeme", "default", "dev", "development"),
        *("development key", "foo", "key", "my secret key", "password", "s3cr3t", "secret"),
        *("secret key", "secret-key", "secret_key", "super secret key", "supersecretkey", "test"),
        *("you-will-never-guess", "your-secret-key", "your_secret_key"),
    }
)
"""Secret keys of tutorials, which everybody knows."""


class Finding(t.NamedTuple):
    """A setting that is unsuitable for production: its name, what is wrong, and the cure."""

    name: str
    says: str
    cure: str


_SIMPLE: tuple[tuple[str, tuple[t.Any, ...], str, str], ...] = (
    # a setting, what it must not be, what that means, and the cure
    ("DEBUG", (True, 1), "errors are shown to clients, with code", "leave out --debug"),
    (
        *("TESTING", (True,)),
        *("errors are raised to the server, or shown to clients, with code", "leave it out"),
    ),
    (
        *("PROPAGATE_EXCEPTIONS", (True,)),
        *("errors are raised to the server, without a response of the app's", "leave it out"),
    ),
    (
        *("SESSION_COOKIE_SECURE", (False, None)),
        *("the session's cookie is sent without TLS, too", "set it to True, and serve by HTTPS"),
    ),
    (
        *("SESSION_COOKIE_HTTPONLY", (False, None)),
        *("scripts of a page can read the session's cookie", "leave it at True"),
    ),
    (
        *("SESSION_COOKIE_SAMESITE", (None, "None")),
        "other sites' pages send the session's cookie along",
        'set it to "Lax", or to "Strict"',
    ),
    (
        *("TRUSTED_HOSTS", (None,)),
        "any Host is believed, and gets into URLs that url_for makes",
        'name the hosts, such as ["example.org", ".example.org"]',
    ),
    (
        *("MAX_CONTENT_LENGTH", (None,)),
        *("a body may have any size", "set it to the bytes that a request may bring"),
    ),
    *(
        (name, (None,), "there is no bound", "leave it at its default, or set another number")
        for name in (
            *("MAX_FORM_MEMORY_SIZE", "MAX_FORM_PARTS", "MAX_JSON_PARTS"),
            *("MAX_HEADER_SIZE", "MAX_URL_SIZE"),
            *("BODY_TIMEOUT", "RESPONSE_TIMEOUT", "DISCONNECT_GRACE"),
        )
    ),
    (
        *("EXPLAIN_TEMPLATE_LOADING", (True,)),
        *("each template's search is logged", "leave it out"),
    ),
    (
        *("TEMPLATES_AUTO_RELOAD", (True,)),
        *("each template's file is looked at for each request", "leave it out"),
    ),
)


def check_production(app: AppLike) -> list[Finding]:
    """Return the settings of an app that are unsuitable for production."""
    config = app.config
    found = [finding for name, *_ in _SIMPLE for finding in check_setting(name, config.get(name))]
    # A session that is kept on the server has no signature.
    signed = hasattr(app.session_interface, "get_signing_serializer")
    found += [each for each in _check_keys(config) if signed or config["SECRET_KEY"]]
    if any(rule.websocket for rule in app.url_map.iter_rules()):
        allowed = config["WEBSOCKET_ALLOWED_ORIGINS"]
        if allowed is None and config["WEBSOCKET_ORIGINS"] is None:
            says = "pages of any site may open a websocket, with the user's cookies"
            cure = 'set it to "same", or to a list of origins'
            found.append(Finding("WEBSOCKET_ALLOWED_ORIGINS", says, cure))
    return sorted(found)


def check_setting(name: str, value: t.Any) -> list[Finding]:
    """Return what makes one setting unsuitable for production, judging by its value alone."""
    if name == "SECRET_KEY":
        return list(_check_keys({name: value, "SECRET_KEY_FALLBACKS": None}))
    return [
        Finding(name, f"{says} ({name} is {value!r})", cure)
        for known, bad, says, cure in _SIMPLE
        if known == name and any(value is wrong or value == wrong for wrong in bad)
    ]


def _check_keys(config: t.Mapping[str, t.Any]) -> t.Iterator[Finding]:
    cure = "set it to what this prints: python -c 'import secrets; print(secrets.token_hex())'"
    key = config["SECRET_KEY"]
    if not key:
        yield Finding("SECRET_KEY", "there is none: sessions cannot be written", cure)
    keys = [("SECRET_KEY", key)] if key else []
    keys += [("SECRET_KEY_FALLBACKS", old) for old in config["SECRET_KEY_FALLBACKS"] or ()]
    for name, value in keys:
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if text.lower() in KNOWN_KEYS:
            yield Finding(name, "everybody knows this key, and can sign sessions with it", cure)
        elif len(text.encode()) < SHORTEST_KEY:
            says = f"the key has {len(text.encode())} bytes: what it signs can be forged"
            yield Finding(name, says, cure)
