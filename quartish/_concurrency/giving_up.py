"""The end of coroutines that catch every cancellation.

What a task waits for is found by who awaits whom, from the outermost coroutine to the innermost.
The user's code is ended there by GeneratorExit; ours, which awaits it, is told and goes on. What
does not end even then is kept for ever: to destroy it would be to run it again.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import typing as t

#: Where coroutines, generators and async generators say that they wait, and for what.
_FRAMES = {"cr_frame": "cr_await", "gi_frame": "gi_yieldfrom", "ag_frame": "ag_await"}


def end_user_code(steps: t.Generator[t.Any, t.Any, t.Any]) -> t.Any:
    """End the user's code that `steps` wait for; return what they wait for then."""
    before = waiting_chain(steps)
    ours = -1
    for each in before:
        if not _is_ours(each):
            break
        ours += 1
    try:
        if ours > 0:
            try:
                return before[ours].throw(GeneratorExit())
            except BaseException:  # it has ended; who awaits it is told so
                return steps.throw(asyncio.CancelledError())
        return steps.throw(GeneratorExit())
    finally:
        after = {id(each) for each in waiting_chain(steps)}
        keep(each for each in before if id(each) not in after)


def _is_ours(waiting: t.Any) -> bool:
    frame = next(getattr(waiting, f) for f in _FRAMES if hasattr(waiting, f))
    return t.cast(bool, frame.f_globals.get("__name__", "").startswith("quartish."))


def waiting_chain(awaiting: t.Any) -> list[t.Any]:
    """Return the coroutines and generators that wait, each for the next one."""
    chain: list[t.Any] = []
    while awaiting is not None:
        for frame, then in _FRAMES.items():
            if getattr(awaiting, frame, None) is not None:
                chain.append(awaiting)
                awaiting = getattr(awaiting, then)
                break
        else:  # what `__await__` of a coroutine returned, or `__anext__` of a generator
            is_step = type(awaiting).__name__ in ("coroutine_wrapper", "async_generator_asend")
            awaiting = gc.get_referents(awaiting)[0] if is_step else None
    return chain


_kept: list[t.Any] = []


def keep(objects: t.Iterable[t.Any]) -> None:
    """Keep coroutines for ever that were given up: to destroy one that catches everything is to run
    it again; and where no loop runs any more, it may catch that without end."""
    if not _kept:  # nor are they destroyed at the end of the process: a thread refers to them
        threading.Thread(target=_hold, args=[_kept], daemon=True).start()
    _kept.extend(objects)


def _hold(kept: list[t.Any]) -> None:
    threading.Event().wait()
