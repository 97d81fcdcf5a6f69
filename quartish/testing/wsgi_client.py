"""The plain colour's test client: Werkzeug's, with the app's contexts and session."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager
from contextlib import ExitStack
from copy import copy
from functools import cache
from types import TracebackType
from urllib.parse import urlsplit

from click.testing import CliRunner
from click.testing import Result
from werkzeug.test import EnvironBuilder as WerkzeugEnvironBuilder
from werkzeug.test import TestResponse
from werkzeug.wrappers import Request as WerkzeugRequest

from .._cli.find_app import ScriptInfo
from .._concurrency.coroutines import drive
from .._concurrency.coroutines import settled
from .._werkzeug import CookieClient
from ..sansio.app import Core
from ..sessions.session import SessionMixin
from ..typing import AppLike


class EnvironBuilder(WerkzeugEnvironBuilder):
    """Werkzeug's builder with defaults taken from an app's configuration.

    Args:
        app: The app.
        path: The path and query, or a whole URL.
        base_url: Scheme, host and root; by default as the app is configured.
        subdomain: The part before the host; not together with `base_url`.
        url_scheme: The scheme; not together with `base_url`.
        *args: Arguments of Werkzeug's builder.
        **kwargs: Those by name; `json` is serialized by the app.
    """

    def __init__(
        self,
        app: AppLike,
        path: str = "/",
        base_url: str | None = None,
        subdomain: str | None = None,
        url_scheme: str | None = None,
        *args: t.Any,
        **kwargs: t.Any,
    ) -> None:
        assert base_url is None or not (subdomain or url_scheme), (
            'Cannot pass "subdomain" or "url_scheme" with "base_url".'
        )
        if base_url is None:
            url = urlsplit(path)
            host = app.config["SERVER_NAME"] or "localhost"
            if subdomain:
                host = f"{subdomain}.{host}"
            scheme = url.scheme or url_scheme or app.config["PREFERRED_URL_SCHEME"]
            root = app.config["APPLICATION_ROOT"].lstrip("/")
            base_url = f"{scheme}://{url.netloc or host}/{root}"
            path = f"{url.path}?{url.query}" if url.query else url.path
        self.app = app
        super().__init__(path, base_url, *args, **kwargs)

    def json_dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Serialize JSON as the app does."""
        return t.cast(str, self.app.json.dumps(obj, **kwargs))


@cache
def _user_agent() -> str:
    # PERF(6 ms): of `import quartish`, as nothing else needs it.
    from importlib.metadata import version

    return f"Werkzeug/{version('werkzeug')}"


class FlaskClient(CookieClient):
    """A test client that calls the app as WSGI, in the test's own thread.

    In a `with client:` block the context of the last request stays active after it.
    """

    application: t.Any

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.preserve_context: bool = False
        self._new_contexts: list[t.ContextManager[t.Any]] = []
        self._context_stack = ExitStack()
        self.environ_base: dict[str, str] = {
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_USER_AGENT": _user_agent(),
        }

    @contextmanager
    def session_transaction(self, *args: t.Any, **kwargs: t.Any) -> t.Iterator[SessionMixin]:
        """Open the client's session for a `with` block, and save it at its end.

        Arguments are those of `test_request_context`, for sessions that depend on them.
        """
        if not self.has_cookies():
            raise TypeError("Cookies are disabled. Create a client with 'use_cookies=True'.")
        app = self.application
        interface = app.session_interface
        ctx = app.test_request_context(*args, **kwargs)
        self.lend_cookies(ctx.request.environ)
        ctx.request.quartish_raw_cookie = ctx.request.environ.get("HTTP_COOKIE", "")
        with ctx:
            session: t.Any = drive(settled(interface.open_session(app, ctx.request)))
        if session is None:
            raise RuntimeError("Session backend did not open a session.")
        yield session
        if interface.is_null_session(session):
            return
        response = app.response_class()
        with ctx:
            drive(settled(interface.save_session(app, session, response)))
        self.take_cookies(
            ctx.request.host.partition(":")[0],
            ctx.request.path,
            response.headers.getlist("Set-Cookie"),
        )

    def open(
        self,
        *args: t.Any,
        buffered: bool = False,
        follow_redirects: bool = False,
        **kwargs: t.Any,
    ) -> TestResponse:
        """Send a request: a builder, an environ, a request, or what `EnvironBuilder` takes."""
        kinds = (WerkzeugEnvironBuilder, dict, WerkzeugRequest)
        if args and isinstance(args[0], kinds):
            request = self._request_as_given(args[0])
        else:
            request = self._request_from_builder_args(args, kwargs)
        # Contexts that an earlier request has left open end before the next one begins.
        self._context_stack.close()
        response = super().open(request, buffered=buffered, follow_redirects=follow_redirects)
        response.json_module = self.application.json
        for context in self._new_contexts:
            self._context_stack.enter_context(context)
        self._new_contexts.clear()
        return response

    def _request_as_given(self, given: t.Any) -> WerkzeugRequest:
        if isinstance(given, WerkzeugEnvironBuilder):
            builder = copy(given)
            builder.environ_base = self._copy_environ(builder.environ_base or {})
            return builder.get_request()
        if isinstance(given, dict):
            return EnvironBuilder.from_environ(
                given, app=self.application, environ_base=self._copy_environ({})
            ).get_request()
        request: WerkzeugRequest = copy(given)
        request.environ = self._copy_environ(request.environ)
        return request

    def _request_from_builder_args(
        self, args: tuple[t.Any, ...], kwargs: dict[str, t.Any]
    ) -> WerkzeugRequest:
        kwargs["environ_base"] = self._copy_environ(kwargs.get("environ_base", {}))
        builder = EnvironBuilder(self.application, *args, **kwargs)
        try:
            return builder.get_request()
        finally:
            builder.close()

    def _copy_environ(self, other: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        environ = {**self.environ_base, **other}
        if self.preserve_context:
            environ["werkzeug.debug.preserve_context"] = self._keep
        return environ

    def _keep(self, context: t.Any) -> None:
        context.kept = True
        self._new_contexts.append(context)

    def __enter__(self) -> t.Self:
        if self.preserve_context:
            raise RuntimeError("Cannot nest client invocations")
        self.preserve_context = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.preserve_context = False
        self._context_stack.close()


class FlaskCliRunner(CliRunner):
    """Click's runner, which gives the app to the command that it invokes."""

    def __init__(self, app: Core, **kwargs: t.Any) -> None:
        self.app = app
        super().__init__(**kwargs)

    def invoke(  # type: ignore[override]
        self, cli: t.Any = None, args: t.Any = None, **kwargs: t.Any
    ) -> Result:
        """Invoke a command, by default the app's own group, with a `ScriptInfo` of the app."""
        if "obj" not in kwargs:
            kwargs["obj"] = ScriptInfo(create_app=lambda: self.app)
        return super().invoke(self.app.cli if cli is None else cli, args, **kwargs)
