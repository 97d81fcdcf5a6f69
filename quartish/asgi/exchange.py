"""One request or websocket on its way through the app: what both kinds have in common."""

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
"""Seconds in which a handler that knows, or will find, that its client left may end by itself."""
LAST_CALL = 1.0
"""Seconds that a handler may go on after its grace is over, before it is given up."""


class Misframed(BadRequest):
    """A request whose body ends where nobody can tell for sure: what follows is not to be taken
    for the next request (RFC 9112, section 11.2)."""

    def get_headers(self, *args: t.Any, **kwargs: t.Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Connection", "close")]


def body_of(conn: Conn, inbox: Inbox, timeout: float | None) -> Body | None:
    """Return the body to come; None where the headers say that there is none, or contradict
    each other: dispatching then raises BadRequest (400).

    Source: RFC 9112, section 6.3. HTTP/2 and 3 frame a body without any header.
    """
    raw = conn.raw_headers
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


#: What a door makes of a context's response.
Take = t.Callable[[AppContext, t.Any], t.Any]


class IdleTimer:
    """Says when nothing was sent for so many seconds. One timer, which is set anew when it
    ran out too early, serves any number of messages."""

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
        """Begin to look, in whatever thread this is called."""
        self.moved = monotonic()
        if self.seconds is not None:
            self._loop.call_soon_threadsafe(self._look)

    async def send(self, message: Message) -> None:
        """Send a message and note that something moved."""
        await self._send(message)
        self.moved = monotonic()

    def _look(self) -> None:
        """Look whether anything moved, and look again when it should have."""
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


class Flow(t.Protocol):
    """The flow of an app's requests or websockets (`_dispatch.flow`), as its door sees it."""

    @property
    def app(self) -> LiveApp: ...
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
    """A connection, its context and the flow that answers it."""

    inbox_class: t.ClassVar[type[Inbox]] = HttpInbox
    #: The body that is to come, if any.
    upload: Body | None = None
    #: The task of the app call, once it is known.
    task: asyncio.Task[t.Any] | None = None
    #: The stay in a worker thread, while there is one.
    lane: Lane | None = None
    #: How often we cancelled it ourselves, and whether the last time has still to arrive.
    cancels: int = 0
    due: bool = False
    #: Runs out a moment after the client left, and when the end takes too long.
    timer: asyncio.TimerHandle | None = None
    patience: asyncio.TimerHandle | None = None
    #: Runs out a while after a cancellation that is not ours.
    doubt: asyncio.TimerHandle | None = None
    #: Watches a response that is sent piece by piece.
    idle: IdleTimer | None = None
    shelter: Shelter | None
    #: Whether the handler, or a task of its, was told that the client left.
    told: bool = False
    #: Whether the time for a clean-up is counted, and is over.
    in_grace: bool = False
    impatient: bool = False
    #: A cancellation by the server that waits for the clean-up.
    held: BaseException | None = None
    #: Whether the view is done, and only its response is left to send.
    answered: bool = False
    #: Whether a stream was begun, and its end was not sent.
    unfinished = False
    #: Whether nothing of a response was sent for too long.
    stalled: bool = False

    def __init__(
        self, app: LiveApp, ctx: AppContext, flow: Flow, receive: ASGIReceive, send: ASGISend
    ) -> None:
        self.app = app
        self.ctx = ctx
        self.flow = flow
        self.receive = receive
        self.send = send
        #: Whether anybody has asked for the client's messages, or waited for anything.
        self.has_inbox: bool = False
        #: What is left to be sent when the loop lane is done.
        self.answer: Outgoing | None = None

    @lazy
    def inbox(self) -> Inbox:
        """The client's messages."""
        return self.open_inbox()

    def open_inbox(self) -> Inbox:
        """Make the inbox, where there is none yet, and return it."""
        ctx = self.ctx
        inbox = self.inbox = self.inbox_class(self.receive, self.app.to_file_thread, self)
        inbox.config = self.app.config
        conn = ctx.conn if ctx.made is None else ctx.made
        conn.inbox = inbox
        self.has_inbox = True
        return inbox

    def note_task(self) -> None:
        """Note the task of the app call, which has to be the one that calls this. A call that
        never suspends can be cancelled by nobody, and need not know it."""
        self.task = asyncio.current_task()

    def thread_waits(self) -> None:
        """A thread waits for an async piece: notice when the client leaves meanwhile."""
        self.inbox.watch()

    def suspended(self, waiting: t.Any) -> t.Any:
        """The app call waits for something: notice when the client leaves meanwhile. What it
        waits for after that, to clean up, is sheltered from the server."""
        if self.task is None:
            self.note_task()
        self.inbox.watch()
        if self.doubt is not None:
            assert self.task is not None
            if self.task.cancelling() <= self.cancels:  # it was a timeout of the handler's own
                self.doubt.cancel()
                self.doubt = None
        if (
            (type(waiting) is not asyncio.Future and waiting is not None)
            or self.cancels
            or self.told
            or self.doubt
        ) and asyncio.isfuture(waiting):
            shields = (self.cancels or self.told) and not (self.due or self.impatient)
            waiting = self.shelter = Shelter(waiting, None if shields else self)
        return waiting

    def holds(self, error: BaseException, shelter: Shelter | None) -> bool:
        """Let the server's cancellation wait for a clean-up, `DISCONNECT_GRACE` seconds at most."""
        if (
            self.due
            or self.impatient
            or shelter is None
            or shelter.watch is not None
            or shelter.by_itself
        ):
            self.asked(*error.args[:1])
            self.due = False
            return False
        self.held = error
        assert self.task is not None
        self.task.uncancel()  # a timeout of the clean-up's own counts these
        self.begin_grace()
        return True

    def asked(self, msg: t.Any = None) -> None:
        """It is cancelled: begin to look whether it ends, unless that is ours."""
        if not self.due and self.doubt is None:
            self._doubt(msg == SERVER_STOPS)

    def _doubt(self, stops: bool) -> None:
        """Look in a while whether it goes on though its server stops. Else it was cancelled by code
        of the user's, which need not take that back."""
        assert self.task is not None
        # Which need not run: `asyncio.run` cancels what is left when it has stopped.
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

    def send_timed(self, response: t.Any) -> ASGISend:
        """Return a `send` for a response that takes its time: when nothing was sent for
        `RESPONSE_TIMEOUT` seconds (or `response.timeout`), this is logged and the rest is
        not sent. May be called in any thread."""
        seconds = getattr(response, "timeout", ...)
        if seconds is ...:
            seconds = self.flow.plan.settings.RESPONSE_TIMEOUT
        if seconds is None:
            return self.send
        loop = self.lane.loop if self.lane is not None else asyncio.get_running_loop()
        self.idle = IdleTimer(loop, self.send, seconds, self._stalled)
        self.idle.start()
        return self.idle.send

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

    # --- the client leaves --------------------------------------------------------------------

    def left(self) -> None:
        """Cancel the view, unless it asked to be let finish or is at its end. What it does
        then, and the teardown functions, may take `DISCONNECT_GRACE` seconds."""
        if self.flow.plan.survives_disconnect(self.ctx) and not self.answered:
            return
        if not self.ctx.ending:
            self.cancel()
        self.begin_grace()

    def tell(self) -> None:
        """Somebody who reads is told that the client left: the view is cancelled too, wherever
        it waits. Sync code has a moment to end by itself."""
        if self.told or self.ctx.ending:
            return
        self.told = True
        if self.lane is None:
            self.left()
        else:
            self.call_later(MOMENT, self.left)

    def begin_grace(self) -> None:
        """Give the clean-up `DISCONNECT_GRACE` seconds, from the first time this is called."""
        if not self.in_grace:
            self.in_grace = True
            grace = self.app.config["DISCONNECT_GRACE"]
            self.patience = asyncio.get_running_loop().call_later(grace, self._lose_patience)

    def _lose_patience(self) -> None:
        self.impatient = True
        if self.lane is not None and not self.lane.children:
            return  # sync code, which is waited for
        self.app.logger.warning(
            "%s was cancelled: it went on for %s seconds after %s (DISCONNECT_GRACE)",
            self.flow.plan.describe(self.ctx),
            self.app.config["DISCONNECT_GRACE"],
            "its client had left" if self.has_left else "its server had cancelled it",
        )
        self.cancel()
        if self.lane is None:
            self.patience = asyncio.get_running_loop().call_later(LAST_CALL, self._lose)

    @property
    def has_left(self) -> bool:
        """Whether the client is known to have left."""
        return self.told or (self.has_inbox and self.inbox.gone is not None)

    def _lose(self) -> None:
        """Give the handler up, if it still goes on; but wait for a thread that it waits for."""
        again = LAST_CALL
        if self.shelter is None or not isinstance(self.shelter.waiting, ThreadsEnd):
            if not self.given_up:
                self.app.logger.error(
                    "%s was given up: it catches every cancellation",
                    self.flow.plan.describe(self.ctx),
                )
            self.give_up()
            again = self.app.config["DISCONNECT_GRACE"]  # for its end
        self.patience = asyncio.get_running_loop().call_later(again, self._lose)

    def call_later(self, delay: float, func: t.Callable[..., None], *args: t.Any) -> None:
        """Call `func` unless the app call has ended by then; one such call is kept."""
        self.timer = asyncio.get_running_loop().call_later(delay, func, *args)

    def cancel(self) -> None:
        """Cancel what runs: the task, or the async pieces that a thread waits for."""
        self.cancels += 1
        if self.lane is not None:
            self.lane.cancel()
        elif self.task is not None:
            self.due = True
            self.task.cancel()

    def uncancel(self) -> bool:
        """Say whether a cancellation was ours alone, and take it back. A server's, or an
        outer timeout's, has to go on."""
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
        """Say whether nobody cancelled the task: the view raised it, or a future that it awaited.
        Nothing is sent then, as in *Quart*; the server answers 500."""
        task = asyncio.current_task()
        return task is not None and task.cancelling() == 0

    def forgives(self, error: BaseException) -> bool:
        """Say whether the app call ends without an error: it was cancelled by us, or by its own
        code."""
        return isinstance(error, asyncio.CancelledError) and (self.uncancel() or self.is_its_own())

    def stop(self) -> None:
        """Stop the timers, and count our cancellations no more."""
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
        """Leave nothing behind: no timer, no reader, no count of our cancellations."""
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
