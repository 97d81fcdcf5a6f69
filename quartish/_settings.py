"""The settings that requests read often, kept as attributes.

PERF(0.05 us each time, and a request asks for five to fifteen): a class that is derived from `dict`
looks its items up in a slow way. The attributes always equal `app.config`: a config reports its
changes; any other mapping, which need not do so, is asked each time.
"""

from __future__ import annotations

import threading
import typing as t
import weakref

from .config import Config
from .config import follow
from .config import QuartConfig

#: The settings that are kept.
NAMES = (
    *("DEBUG", "TESTING", "TRUSTED_HOSTS", "SERVER_NAME", "SYNC_HOOKS_IN_THREAD"),
    *("TRAP_HTTP_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS", "RESPONSE_TIMEOUT"),
    *("APPLICATION_ROOT", "MAX_COOKIE_SIZE", "SESSION_REFRESH_EACH_REQUEST"),
    *("SESSION_COOKIE_NAME", "SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_PATH"),
    *("SESSION_COOKIE_SECURE", "SESSION_COOKIE_PARTITIONED", "SESSION_COOKIE_SAMESITE"),
    "SESSION_COOKIE_HTTPONLY",
)
#: The classes that report every change. A subclass of a user's may change without reporting it.
_TELLING = (Config, QuartConfig)
_reading = threading.Lock()
_MISSING: t.Any = object()


class _Configured(t.Protocol):
    @property
    def config(self) -> t.Any: ...


class Settings:
    """The settings of one app, by their names in its config. Never set from outside."""

    __slots__ = (*NAMES, "_app", "_config", "__weakref__")

    if t.TYPE_CHECKING:

        def __getattr__(self, name: str) -> t.Any: ...

    def __init__(self, app: _Configured) -> None:
        self._app = weakref.ref(app)
        self._config: t.Any = None
        follow(self)
        self.look(app)

    def look(self, app: _Configured) -> None:
        """Find out which config the app has now, and read it."""
        if app is not self._app():  # a copy of it, which has its own from now on
            vars(app)["quartish_settings"] = Settings(app)
            return
        config = vars(app).get("config")
        if type(config) in _TELLING and not hasattr(type(app), "config"):
            self._config = config
        else:
            self._config = None  # or made anew each time, by a property of the app's class
        self._read()

    def changed(self, config: Config, key: str | None) -> None:
        """A config was changed: in one item, or anywhere."""
        if config is self._config and (key is None or key in _KEPT):
            self._read()

    def _read(self) -> None:
        with _reading:  # of two that change an item, who reads last reads what is there
            config = self._config
            values = [_MISSING] if config is None else [config.get(n, _MISSING) for n in NAMES]
            if _MISSING in values:
                t.cast(t.Any, self).__class__ = _LiveSettings
                return
            for name, value in zip(NAMES, values, strict=True):
                _KEPT[name].__set__(self, value)
            t.cast(t.Any, self).__class__ = Settings


class _LiveSettings(Settings):
    """Settings that are looked up each time: what they are read from need not tell of changes, or
    lacks one of them."""

    __slots__ = ()

    def _of_app(self, name: str) -> t.Any:
        app = self._app()
        assert app is not None  # who reads them has it
        return app.config[name]


#: What stores each of them.
_KEPT: dict[str, t.Any] = {name: vars(Settings)[name] for name in NAMES}


def _live(name: str) -> property:
    return property(lambda settings: settings._of_app(name))  # noqa: SLF001 (this module's)


for _name in NAMES:
    setattr(_LiveSettings, _name, _live(_name))
