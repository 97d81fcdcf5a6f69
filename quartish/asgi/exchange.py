"""One connection on its way through the ASGI door: what requests and websockets have in common."""

from __future__ import annotations

import asyncio
import sys
import typing as t
from time import monotonic

from werkzeug.exceptions import BadRequest

from .._concurrency.threads import Lane
from .._concurrency.threads import ThreadsEnd
from .._concurrency.watch import SERVER_STOPS
from .._concurrency.watch import Shelter
from .._concurrency.watch import Watch
from .._context import AppContext
from .._context import FlowOfContexts
from .._dispatch.plan import Plan
from .._http.body import Body
from .._http.inbox import HttpInbox
from .._http.inbox import Inbox
from .._http.outgoing import Outgoing
from .._lazy import lazy
from ..typing import ASGIReceive
from ..typing import ASGISend
from ..typing import LiveApp
from ..typing import Message
from ..wrappers.connection import Conn

MOMENT = 0.1
"""Seconds in which a handler may end by itself after its client has disconnected."""
LAST_CALL = 1.0
"""Seconds between the last cancellation of a handler, after its grace, and giving it up."""


class Misframed(BadRequest):
    """A request whose headers contradict each other on where its body ends. The connection is
    closed, so that the rest is not taken for the next request (RFC 9112, section 11.2)."""

    def get_headers(self, *args: t.Any, **kwargs: t.Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Connection", "close")]


def body_of(conn: Conn, inbox: Inbox, timeout: float | None) -> Body | None:
    """Return the body that the client will send. None if the headers announce none, or if they
    contradict each other: then dispatching raises BadRequest (400).

    Source: RFC 9112, section 6.3. HTTP/2 and 3 frame a body without any header.
    """
    raw = conn.quartish_raw_headers
    if b"content-length" in raw:
        length, headers = raw[b"content-length"], conn.scope["headers"]
        if not length.isdigit() or (
            len(raw) != len(headers)  # some name came twice
            and any(name == b"content-length" and value != length for name, value in headers)
        ):
            conn.routing_exception = Misframed("The Content-Length is malformed.")
            return None
        if b"transfer-encoding" in raw:
            conn.routing_exception = Misframed("Content-Length excludes Transfer-Encoding.")
            return None
        announced = int(length) if len(length) < 20 else sys.maxsize
        expected = announced > 0
    else:
        announced = 0
        expected = b"transfer-encoding" in raw or (
            conn.http_version >= "2" and conn.method not in ("GET", "HEAD")
        )
    if not expected:
        return None
    return Body(inbox, None, inbox.offload, timeout, announced)


#: `take(ctx, response)` of a door, as `_dispatch.flow` has it.
Take = t.Callable[[AppContext, t.Any], t.Any]


class IdleTimer:
    """Calls `expired` when nothing was sent for `seconds`. One timer serves any number of messages:
    when it runs out and something was sent meanwhile, it is set again for the rest."""

    _timer: asyncio.TimerHandle | None = None
    _stopped = False

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: ASGISend,
        seconds: float | None,
        expired: t.Callable[[], None],
    ) -> None:
        self.seconds = seconds
        self._loop = loop
        self._send = send
        self._expired = expired
        #: When something was sent last, as `monotonic` says.
        self.moved: float = 0.0

    def start(self) -> None:
        """Start the timer. May be called in any thread."""
        self.moved = monotonic()
        if self.seconds is not None:
            self._loop.call_soon_threadsafe(self._look)

    def suspended(self) -> None:
        """Begin to look, if nobody does: who sends waits for something, on the loop."""
        if self._timer is None:
            self._look()

    async def send(self, message: Message) -> None:
        """Send a message and note when."""
        await self._send(message)
        self.moved = monotonic()

    def _look(self) -> None:
        """Check whether anything was sent in time."""
        if self._stopped or self.seconds is None:
            return
        rest = self.moved + self.seconds - monotonic()
        if rest > 0:
            self._timer = self._loop.call_later(rest, self._look)
        else:
            self._expired()

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()


class Flow(FlowOfContexts, t.Protocol):
    """The flow of an app's requests or websockets (`_dispatch.flow`), as its door sees it."""

    @property
    def plan(self) -> Plan: ...
    def enter(self, ctx: AppContext, /) -> bool: ...
    async def run(
        self,
        ctx: AppContext,
        on_loop: bool = ...,
        take: Take | None = ...,
        *,
        direct: bool = ...,
    ) -> None: ...
    async def straight(self, ctx: AppContext, take: Take) -> None: ...


class Exchange(Watch):
    """A connection, its context and the flow that handles it.

    Of cancellations it knows three kinds: our own (`cancels`), because the client has disconnected
    or the response stalled; the server's; and those of the user's code, such as a timeout.
    """

    inbox_class: t.ClassVar[type[Inbox]] = HttpInbox
    #: The body that is to come, if any.
    upload: Body | None = None
    #: The task of the app call, once it is known.
    task: asyncio.Task[t.Any] | None = None
    #: The request's worker thread, while it has one.
    lane: Lane | None = None
    #: How often we cancelled the task ourselves, and whether the last time has yet to be raised in
    #: it.
    cancels: int = 0
    due: bool = False
    #: Runs out a moment after the client has disconnected; and when the clean-up takes too long.
    timer: asyncio.TimerHandle | None = None
    patience: asyncio.TimerHandle | None = None
    #: Runs out a while after a cancellation that is not ours: does the task end?
    doubt: asyncio.TimerHandle | None = None
    #: Times a response that is sent in pieces.
    idle: IdleTimer | None = None
    shelter: Shelter | None
    #: Whether a read or a send of the handler's, or of a task of its, has raised that the client
    #: disconnected.
    raised_disconnect: bool = False
    #: Whether the time for a clean-up has begun, and whether it is over.
    in_grace: bool = False
    impatient: bool = False
    #: A cancellation by the server, which is raised again after the clean-up.
    held: BaseException | None = None
    #: Whether the view has ended, and only the response is still to be sent.
    view_done: bool = False
    #: Whether the start of a stream was sent, and its end was not.
    unfinished = False
    #: Whether the response was given up, as nothing of it was sent for too long.
    stalled: bool = False

    def __init__(
        self, app: LiveApp, ctx: AppContext, flow: Flow, receive: ASGIReceive, send: ASGISend
    ) -> None:
        self.app = app
        self.ctx = ctx
        self.flow = flow
        self.receive = receive
        self.send = send
        #: Whether the inbox was made: somebody reads, or the app call waits for something.
        self.has_inbox: bool = False
        #: What is sent when the lane has ended, if that is in memory.
        self.outgoing: Outgoing | None = None

    @lazy
    def inbox(self) -> Inbox:
        """The client's messages."""
        return self.open_inbox()

    def open_inbox(self) -> Inbox:
        """Make the inbox and return it."""
        ctx = self.ctx
        inbox = self.inbox = self.inbox_class(self.receive, self.app.to_file_thread, self)
        inbox.config = self.app.config
        conn = ctx.conn if ctx.made is None else ctx.made
        conn.inbox = inbox
        self.has_inbox = True
        return inbox

    def note_task(self) -> None:
        """Note the task of the app call; called in that task. A call that never suspends cannot be
        cancelled, and does without."""
        self.task = asyncio.current_task()

    def thread_waits(self) -> None:
        """The worker thread waits for something on the loop: watch for a disconnect meanwhile."""
        self.inbox.watch()

    def suspended(self, waiting: t.Any) -> t.Any:
        """The app call waits for something: watch for a disconnect meanwhile. What it waits for
        after a disconnect is clean-up, and is sheltered from the server's cancellation."""
        if self.task is None:
            self.note_task()
        if self.idle is not None:
            self.idle.suspended()
        self.inbox.watch()
        if self.doubt is not None:
            assert self.task is not None
            if self.task.cancelling() <= self.cancels:  # it was the handler's own timeout
                self.doubt.cancel()
                self.doubt = None
        if (
            (type(waiting) is not asyncio.Future and waiting is not None)
            or self.cancels
            or self.raised_disconnect
            or self.doubt
        ) and asyncio.isfuture(waiting):
            shields = (self.cancels or self.raised_disconnect) and not (self.due or self.impatient)
            waiting = self.shelter = Shelter(waiting, None if shields else self)
        return waiting

    def holds(self, error: BaseException, shelter: Shelter | None) -> bool:
        """Delay the server's cancellation until the clean-up has ended, `DISCONNECT_GRACE` seconds
        at most."""
        if (
            self.due
            or self.impatient
            or shelter is None
            or shelter.watch is not None
            or shelter.by_itself
        ):
            self.on_cancel(*error.args[:1])
            self.due = False
            return False
        self.held = error
        assert self.task is not None
        self.task.uncancel()  # else a timeout in the clean-up would take it for its own
        self.begin_grace()
        return True

    def on_cancel(self, msg: t.Any = None) -> None:
        """The task is cancelled. Unless that is ours, check later whether it has ended."""
        if not self.due and self.doubt is None:
            self._doubt(msg == SERVER_STOPS)

    def _doubt(self, stops: bool) -> None:
        """Check after the grace whether the task goes on although its server stops. If the server
        does not stop, code of the user's has cancelled it and swallowed that, which is allowed."""
        assert self.task is not None
        # The loop may not be running: `asyncio.run` cancels the remaining tasks after its end.
        loop, grace = self.task.get_loop(), self.app.config["DISCONNECT_GRACE"]
        self.doubt = loop.call_later(grace, self._look, stops)

    def _look(self, stops: bool) -> None:
        self.doubt = None
        if self.in_grace or self.task is None or self.task.cancelling() <= self.cancels:
            return
        if stops or self.app.shutdown_event.is_set():
            self.in_grace = True
            self._lose_patience()
        else:
            self._doubt(stops)

    def send_timed(self, response: object) -> ASGISend:
        """Return a `send` for a response that is sent in pieces. If nothing was sent for
        `RESPONSE_TIMEOUT` seconds (or `response.timeout`), that is logged and the rest is not sent.
        May be called in any thread."""
        seconds: t.Any = getattr(response, "timeout", ...)
        if seconds is ...:
            seconds = self.flow.plan.settings.RESPONSE_TIMEOUT
        if seconds is None:
            return self.send
        loop = self.lane.loop if self.lane is not None else asyncio.get_running_loop()
        idle = self.idle = IdleTimer(loop, self.send, seconds, self._stalled)
        if self.lane is not None:
            idle.start()
        else:  # PERF(5 of 71 us of a stream): one that never waits needs no timer
            idle.moved = monotonic()
        return idle.send

    def _stalled(self) -> None:
        assert self.idle is not None
        self.stalled = True
        self.inbox.over = True
        self.app.logger.warning(
            "The response of %s was given up: nothing of it was sent for %s seconds"
            " (RESPONSE_TIMEOUT, response.timeout)",
            self.flow.plan.describe(self.ctx),
            self.idle.seconds,
        )
        self.cancel()

    # --- the client disconnects ---------------------------------------------------------------

    def disconnected(self) -> None:
        """Cancel the view, unless it asked to finish (`survives_disconnect`) or only teardown is
        left. Its clean-up and the teardown functions may take `DISCONNECT_GRACE` seconds."""
        if self.flow.plan.survives_disconnect(self.ctx) and not self.view_done:
            return
        if not self.ctx.ending:
            self.cancel()
        self.begin_grace()

    def disconnect_raised(self) -> None:
        """A read has raised that the client disconnected. The view is cancelled too, wherever it
        waits; sync code first has a moment to end by itself."""
        if self.raised_disconnect or self.ctx.ending:
            return
        self.raised_disconnect = True
        if self.lane is None:
            self.disconnected()
        else:
            self.call_later(MOMENT, self.disconnected)

    def begin_grace(self) -> None:
        """Give the clean-up `DISCONNECT_GRACE` seconds, from the first time this is called."""
        if not self.in_grace:
            self.in_grace = True
            grace = self.app.config["DISCONNECT_GRACE"]
            self.patience = asyncio.get_running_loop().call_later(grace, self._lose_patience)

    def _lose_patience(self) -> None:
        self.impatient = True
        if self.lane is not None and not self.lane.children:
            return  # sync code cannot be cancelled; it is waited for
        self.app.logger.warning(
            "%s was cancelled: it went on for %s seconds after %s (DISCONNECT_GRACE)",
            self.flow.plan.describe(self.ctx),
            self.app.config["DISCONNECT_GRACE"],
            "its client had disconnected"
            if self.is_disconnected
            else "its server had cancelled it",
        )
        self.cancel()
        if self.lane is None:
            self.patience = asyncio.get_running_loop().call_later(LAST_CALL, self._lose)

    @property
    def is_disconnected(self) -> bool:
        """Whether the client is known to have disconnected."""
        return self.raised_disconnect or (self.has_inbox and self.inbox.disconnect is not None)

    def _lose(self) -> None:
        """Give the handler up if it still goes on, unless it waits for a thread."""
        again = LAST_CALL
        if self.shelter is None or not isinstance(self.shelter.waiting, ThreadsEnd):
            if not self.given_up:
                self.app.logger.error(
                    "%s was given up: it catches every cancellation",
                    self.flow.plan.describe(self.ctx),
                )
            self.give_up()
            again = self.app.config["DISCONNECT_GRACE"]  # for the teardown functions
        self.patience = asyncio.get_running_loop().call_later(again, self._lose)

    def call_later(self, delay: float, func: t.Callable[..., None], *args: t.Any) -> None:
        """Call `func` later, unless the app call has ended by then. There is one such timer."""
        self.timer = asyncio.get_running_loop().call_later(delay, func, *args)

    def cancel(self) -> None:
        """Cancel what runs: the task, or in the thread lane what the thread waits for."""
        self.cancels += 1
        if self.lane is not None:
            self.lane.cancel()
        elif self.task is not None:
            self.due = True
            self.task.cancel()

    def uncancel(self) -> bool:
        """Say whether a cancellation was ours alone, and take it back. A server's, or that of a
        timeout around the app call, has to be raised on."""
        if not self.cancels or self.task is None:
            return False
        if self.lane is not None:
            self.lane.spared = True
            return self.task.cancelling() == 0
        while self.cancels:
            self.cancels -= 1
            self.task.uncancel()
        return self.task.cancelling() == 0

    def is_its_own(self) -> bool:
        """Say whether a CancelledError came from the view itself, or from a future that it awaited:
        nobody cancelled the task. Nothing is sent then, as in *Quart*, and the server sends a
        500."""
        task = asyncio.current_task()
        return task is not None and task.cancelling() == 0

    def forgives(self, error: BaseException) -> bool:
        """Say whether the app call may end normally after `error`: a cancellation by us, or by its
        own code."""
        return isinstance(error, asyncio.CancelledError) and (self.uncancel() or self.is_its_own())

    def stop(self) -> None:
        """Stop the timers, and take our cancellations back."""
        if self.idle is not None:
            self.idle.stop()
        if self.timer is not None:
            self.timer.cancel()
        if self.patience is not None:
            self.patience.cancel()
        if self.doubt is not None:
            self.doubt.cancel()
        if self.cancels:
            self.uncancel()

    async def close(self) -> None:
        """Clean up: stop timers, reader and hook thread, take our cancellations back; then raise
        the server's cancellation that had to wait."""
        self.stop()
        if self.ctx.hook_thread is not None:
            self.ctx.hook_thread.shutdown()
        if self.lane is not None and self.lane.lost:
            self.app.logger.error(
                "%s was given up: it catches every cancellation. Its teardown functions do not run",
                self.flow.plan.describe(self.ctx),
            )
        if self.has_inbox:
            await self.inbox.close()
        if self.held is not None:
            raise self.held
        if self.given_up and self.task is not None and self.task.cancelling():
            raise asyncio.CancelledError
