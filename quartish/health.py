"""Whether an app is alive, and whether it is ready: two pages for load balancers and orchestrators.

    health = Health(app)

    @health.check
    async def database():
        await pool.execute("SELECT 1")

`/healthz` is 200 as long as the process handles requests. `/readyz` is 200 from the end of start-up
to the beginning of shutdown, while all checks pass; otherwise it is 503, so that a load balancer
sends requests elsewhere.

Source: RFC 9110, section 15.6.4; Kubernetes, "Liveness, Readiness, and Startup Probes".
"""

from __future__ import annotations

import asyncio
import json
import logging
import typing as t
from time import monotonic

from ._concurrency.coroutines import is_async_callable
from ._concurrency.coroutines import is_awaitable
from ._concurrency.coroutines import outcome
from ._current import current_app
from ._current import current_context
from ._current import NO_REQUEST
from ._http.headers import latin_lines
from .middleware.around import Composed
from .typing import AppLike
from .typing import ASGIApp
from .typing import ASGIReceive
from .typing import ASGISend
from .typing import Scope

Check = t.Callable[[], t.Any]
F = t.TypeVar("F", bound=Check)

log: logging.Logger = logging.getLogger(__name__)


class _Checked(t.NamedTuple):
    name: str
    func: Check
    timeout: float


class Report(t.NamedTuple):
    """What is known of an app: one word, and what each check has found."""

    #: "ready", "starting", "stopping", "draining" or "failing".
    status: str
    #: By name of the check: "ok", "failed" or "timed out".
    checks: dict[str, str]


class Health:
    """The pages, and the checks behind them.

    By ASGI they are sent before the app sees the request: hooks, sessions, redirects to HTTPS and
    `TRUSTED_HOSTS` do not apply to a probe, which often asks by an IP address. By WSGI they are
    views.

    Args:
        app: The app; None: `init_app` is called later.
        live: The path that is 200 while the process handles requests; None: there is none.
        ready: The path that is 503 while the app is not ready; None: there is none.
        timeout: Seconds that a check may take.
        keep: Seconds for which the results of the checks are kept, however often somebody asks.
    """

    def __init__(
        self,
        app: Composed | None = None,
        *,
        live: str | None = "/healthz",
        ready: str | None = "/readyz",
        timeout: float = 5.0,
        keep: float = 1.0,
    ) -> None:
        self.live = live
        self.ready = ready
        self.timeout = timeout
        self.keep = keep
        #: Whether `drain` was called.
        self.draining: bool = False
        self._checks: list[_Checked] = []
        self._kept: tuple[float, dict[str, str]] | None = None
        #: The checks that are running, and the calls in threads that have not returned.
        self._round: asyncio.Task[dict[str, str]] | None = None
        self._calls: dict[_Checked, asyncio.Task[t.Any]] = {}
        self._told: dict[str, str] = {}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Composed) -> None:
        """Give an app the pages, at the endpoints `health_live` and `health_ready`."""
        app.extensions["health"] = self
        app.add_middleware(_Probes, self, app)
        if self.live is not None:
            app.add_url_rule(self.live, "health_live", self._view)
        if self.ready is not None:
            app.add_url_rule(self.ready, "health_ready", self._view)

    @t.overload
    def check(self, func: F) -> F: ...
    @t.overload
    def check(
        self, func: None = None, *, name: str | None = None, timeout: float | None = None
    ) -> t.Callable[[F], F]: ...
    def check(
        self, func: F | None = None, *, name: str | None = None, timeout: float | None = None
    ) -> F | t.Callable[[F], F]:
        """Register a function as a check: the app is not ready if it raises, returns False, or
        takes too long. A `def` is called in a worker thread.

        Args:
            func: The function, where this is the decorator itself.
            name: What the page calls it; by default the function's name.
            timeout: Seconds that it may take; by default `Health`'s.
        """

        def register(func: F) -> F:
            limit = self.timeout if timeout is None else timeout
            self._checks.append(_Checked(name or func.__name__, func, limit))
            return func

        return register if func is None else register(func)

    def needs_task(self, name: str) -> None:
        """Add a check that passes while a background task of this name runs."""

        async def runs() -> bool:
            tasks = t.cast(t.Any, current_app()).background_tasks
            return any(task.get_name() == name and not task.done() for task in tasks)

        self.check(name=name)(runs)

    def drain(self) -> None:
        """Report "draining" from now on (503), while the app goes on to handle requests. Call it
        some time before a stop, so that a load balancer notices in time."""
        self.draining = True

    async def report(self) -> Report:
        """Run the checks, or take the results that are kept, and report on the current app."""
        checks = await self._run()
        phase: str | None = t.cast(t.Any, current_app()).quartish_serving_phase
        if self.draining:
            return Report("draining", checks)
        if phase in ("starting", "stopping"):
            return Report(phase, checks)
        failing = any(found != "ok" for found in checks.values())
        return Report("failing" if failing else "ready", checks)

    async def _run(self) -> dict[str, str]:
        kept = self._kept
        if kept is not None and monotonic() - kept[0] < self.keep:
            return kept[1]
        # All who ask at a time share one run of the checks: clients may ask as often as they like.
        running = self._round
        if not _goes_on(running):
            running = self._round = asyncio.create_task(self._ask_all(current_app()))
        return await outcome(t.cast("asyncio.Task[dict[str, str]]", running))

    async def _ask_all(self, app: AppLike) -> dict[str, str]:
        async with app.app_context():  # the request that began it may have ended
            found = await asyncio.gather(*map(self._ask, self._checks))
        checks = {check.name: word for check, word in zip(self._checks, found, strict=True)}
        self._kept = monotonic(), checks
        return checks

    async def _ask(self, check: _Checked) -> str:
        word = "ok"
        error: Exception | None = None
        try:
            async with asyncio.timeout(check.timeout):
                if is_async_callable(check.func):
                    held = await check.func()
                else:
                    held = await self._call(check)
                    if is_awaitable(held):
                        held = await held
            if held is False:
                word = "failed"
        except TimeoutError as timeout:
            word, error = "timed out", timeout
        except Exception as failure:
            word, error = "failed", failure
        if self._told.get(check.name, "ok") != word:  # once for each change, not at each probe
            self._told[check.name] = word
            if word == "ok":
                log.info("Check %r is ok again", check.name)
            else:
                log.warning("Check %r %s: the app is not ready", check.name, word, exc_info=error)
        return word

    async def _call(self, check: _Checked) -> t.Any:
        """Call a `def` in a thread. While its last call has not returned, it is not called again:
        one that hangs would block thread after thread."""
        call = self._calls.get(check)
        if not _goes_on(call):
            call = self._calls[check] = asyncio.create_task(asyncio.to_thread(check.func))
        return await outcome(t.cast("asyncio.Task[t.Any]", call))

    async def page(self, path: str) -> tuple[str, int, dict[str, str]] | None:
        """Return body, status and headers of the page at `path`; None: it is no page of these."""
        if path == self.live:
            return "ok\n", 200, {"Content-Type": "text/plain; charset=utf-8", **_UNSTORED}
        if path == self.ready:
            report = await self.report()
            status = 200 if report.status == "ready" else 503
            text = json.dumps(report._asdict()) + "\n"
            return text, status, {"Content-Type": "application/json", **_UNSTORED}
        return None

    async def _view(self) -> t.Any:
        return await self.page(current_context(NO_REQUEST).request.path)


class _Probes:
    """The middleware that handles probes before the app sees them."""

    def __init__(self, inner: ASGIApp, health: Health, app: Composed) -> None:
        self._inner = inner
        self._health = health
        self._app = app
        self._paths = {health.live, health.ready}

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        path: str = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if path in self._paths and scope.get("method") in ("GET", "HEAD"):
            async with self._app.app_context():
                page = await self._health.page(path)
            if page is not None:
                text, status, named = page
                body = text.encode()
                lines = {**named, "Content-Length": str(len(body))}
                headers = latin_lines(lines.items())
                body = b"" if scope["method"] == "HEAD" else body
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self._inner(scope, receive, send)


def _goes_on(task: asyncio.Task[t.Any] | None) -> bool:
    """Say whether a task is running on this loop: a WSGI server's threads have a loop each."""
    return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()


_UNSTORED = {"Cache-Control": "no-store"}
