"""What an app of the awaitable colour has under Quart's names, or awaits where Flask does not."""

from __future__ import annotations

import asyncio
import os
import typing as t

from .._application import App
from .._dispatch.overrides import default
from .._dispatch.overrides import either_form
from .._dispatch.response import make_response
from ..ctx import AppContext
from ..sansio.scaffold import as_seconds
from ..sansio.scaffold import PathLike
from ..serving import serve
from ..serving import ServerConfig
from ..testing.wsgi_client import FlaskCliRunner
from ..typing import ResponseReturnValue
from ..typing import RouteCallable
from ..wrappers.awaitable_response import Response
from .files import Files
from .files import Opening


class QuartApp(Files, App):
    """The part of `Quart` that is not about its requests."""

    test_cli_runner_class: type[FlaskCliRunner] = FlaskCliRunner

    @default
    async def make_response(self, result: ResponseReturnValue) -> Response:
        """Make a response of what a view returned."""
        return t.cast(Response, make_response(self, result))

    @default
    @either_form
    async def make_default_options_response(self, ctx: AppContext | None = None) -> Response:
        """Return the answer to OPTIONS where a rule has it automatically."""
        return t.cast(Response, super().make_default_options_response())

    if t.TYPE_CHECKING:

        def redirect(self, location: str, code: int = 302) -> Response: ...  # type: ignore[override]

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Return for how many seconds a client may cache `filename`; None: it has to ask."""
        return as_seconds(self.config["SEND_FILE_MAX_AGE_DEFAULT"])

    def _static_view(self) -> RouteCallable:
        return self.send_static_file  # the method itself, which extensions know it by

    @either_form
    async def handle_background_exception(
        self, error: Exception, ctx: AppContext | None = None
    ) -> None:
        """Tell of what a background task raised: by the signal, and in the log."""
        await super().handle_background_exception(error)

    async def open_instance_resource(  # type: ignore[override]
        self, path: PathLike, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> Opening:
        """Open the file at `path` in the instance folder, as `open_resource` does, in any `mode` of
        `open`; `encoding` is for text modes."""
        return Opening(os.path.join(self.instance_path, path), mode, encoding)

    def test_cli_runner(self, **kwargs: t.Any) -> FlaskCliRunner:
        """Return a runner for the app's commands; `kwargs` go to `test_cli_runner_class`."""
        return self.test_cli_runner_class(self, **kwargs)

    def run(  # type: ignore[override]
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        use_reloader: bool | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        ca_certs: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        **options: t.Any,
    ) -> None:
        """Serve the app on this machine while developing it, by Hypercorn.

        Does nothing under `quart run`.

        Args:
            host: Where to listen; by default that of `SERVER_NAME`, else 127.0.0.1.
            port: By default that of `SERVER_NAME`, else 5000.
            debug: Debug mode; by default as the app has it.
            use_reloader: Whether files are watched; by default in debug mode.
            loop: The event loop to serve on, which is closed at the end.
            ca_certs: The file of the authorities that clients' certificates are checked by.
            certfile: The file of the server's certificate.
            keyfile: The file of its key.
            **options: Those of `Flask.run`.
        """
        if use_reloader is not None:
            options["use_reloader"] = use_reloader
        files = {"ca_certs": ca_certs, "certfile": certfile, "keyfile": keyfile}
        options.update((name, file) for name, file in files.items() if file is not None)
        super().run(host, port, debug, loop=loop, **options)

    def run_task(
        self,
        host: str = "127.0.0.1",
        port: int = 5000,
        debug: bool | None = None,
        ca_certs: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        shutdown_trigger: t.Callable[[], t.Awaitable[object]] | None = None,
    ) -> t.Coroutine[t.Any, t.Any, None]:
        """Return what, when awaited, serves the app by Hypercorn on the loop that runs.

        Args:
            host: Where to listen; `unix:` and `fd:` are understood.
            port: The port.
            debug: Debug mode; by default as the app has it.
            ca_certs: The file of the authorities that clients' certificates are checked by.
            certfile: The file of the server's certificate.
            keyfile: The file of its key.
            shutdown_trigger: It ends when what this returns is done; by default at SIGINT or
                SIGTERM.
        """
        if debug is not None:
            self.debug = debug
        config = ServerConfig()
        config.bind = [host if host.startswith(("unix:", "fd:")) else f"{host}:{port}"]
        config.ca_certs = ca_certs
        config.set_certificate((certfile, keyfile))
        return serve(self, config, shutdown_trigger)
