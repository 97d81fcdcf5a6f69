"""The command groups that apps and blueprints carry: `AppGroup` and `with_appcontext`.

The rule: a command runs inside the app's context unless it asks not to, and an
`async def` command runs to its end on an event loop while the terminal waits. Which app
that is, only an `AppLoader` found on the click context knows.
"""

from __future__ import annotations

import os
import typing as t
from asyncio import _get_running_loop
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import update_wrapper
from functools import wraps

import click
from werkzeug.serving import is_running_from_reloader

from .._concurrency.coroutines import from_thread
from .._concurrency.coroutines import is_awaitable
from .._current import find_context
from ..typing import CommandApp

F = t.TypeVar("F", bound=t.Callable[..., t.Any])


class AppLoader:
    """What finds the app for a command; the one in use is `_cli.find_app.ScriptInfo`."""

    #: The class of loader of a command that was started without one.
    default: t.ClassVar[type[AppLoader]]

    def load_app(self) -> t.Any:
        """Return the app, loading it the first time."""
        raise click.UsageError("No app is known here. Start this command from a FlaskGroup.")

    @staticmethod
    def of(ctx: click.Context) -> AppLoader:
        """Return the loader of `ctx` or of a parent, made where there is none."""
        loader = ctx.find_object(AppLoader)
        if loader is None:
            ctx.obj = loader = AppLoader.default()
        return loader


AppLoader.default = AppLoader


def push_app(ctx: click.Context, app: CommandApp) -> None:
    """Make `app` current until `ctx` closes, unless it is already."""
    active = find_context()
    if active is None or active.app is not app:
        ctx.with_resource(app.app_context())


def blocking(func: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Wrap `func` so that a call waits for the awaitable that it may return."""

    @wraps(func)
    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        result = func(*args, **kwargs)
        if not is_awaitable(result):
            return result
        if _get_running_loop() is None:
            return from_thread(result)
        # A test on a running loop invokes the command; this thread cannot run another.
        return _in_helper_thread(result)

    return call


def _in_helper_thread(awaitable: t.Awaitable[t.Any]) -> t.Any:
    click_ctx = click.get_current_context(silent=True)

    def work() -> t.Any:
        if click_ctx is None:
            return from_thread(awaitable)
        with click_ctx.scope(cleanup=False):  # click keeps its contexts per thread
            return from_thread(awaitable)

    with ThreadPoolExecutor(1, "quartish-command") as pool:
        return pool.submit(copy_context().run, work).result()


def with_appcontext(f: F) -> F:
    """Run the command `f` with its app's context active, and to its end if it is async.

    Commands registered by `app.cli.command()` have this already. The context stays
    active for subcommands and is popped when the click context closes.
    """
    func = blocking(f)

    @click.pass_context
    def run(ctx: click.Context, /, *args: t.Any, **kwargs: t.Any) -> t.Any:
        if find_context() is None:
            push_app(ctx, AppLoader.of(ctx).load_app())
        return ctx.invoke(func, *args, **kwargs)

    return t.cast(F, update_wrapper(run, f))


class AppGroup(click.Group):
    """A click group whose commands run in the app's context; `app.cli` is one."""

    def command(  # type: ignore[override]
        self, *args: t.Any, **kwargs: t.Any
    ) -> t.Callable[[t.Callable[..., t.Any]], click.Command]:
        """Register a command; `with_appcontext=False` runs it without the app."""
        wrap = with_appcontext if kwargs.pop("with_appcontext", True) else blocking
        register = super().command

        def decorator(f: t.Callable[..., t.Any]) -> click.Command:
            return t.cast(click.Command, register(*args, **kwargs)(wrap(f)))

        return decorator

    def group(  # type: ignore[override]
        self, *args: t.Any, **kwargs: t.Any
    ) -> t.Callable[[t.Callable[..., t.Any]], click.Group]:
        """Register a subgroup, an `AppGroup` unless `cls` says otherwise."""
        kwargs.setdefault("cls", AppGroup)
        register = super().group

        def decorator(f: t.Callable[..., t.Any]) -> click.Group:
            return t.cast(click.Group, register(*args, **kwargs)(blocking(f)))

        return decorator


def is_running_from_cli() -> bool:
    """Say whether a `run` command is in charge, so that `app.run()` must do nothing.

    Says so on the terminal too: the call is one that is missing its `__main__` guard.
    """
    if os.environ.get("FLASK_RUN_FROM_CLI") != "true":
        return False
    if not is_running_from_reloader():
        click.secho(
            " * Ignoring a call to 'app.run()' that would block the current command.\n"
            "   Only call 'app.run()' in an 'if __name__ == \"__main__\"' guard.",
            fg="red",
        )
    return True
