"""Ending coroutines that catch every cancellation.

The chain of coroutines that a task waits for is followed from the outermost to the innermost. In it
the user's code is ended by GeneratorExit; our code, which awaits that, gets an exception and goes
on. What does not end even then is kept referenced for ever, as destroying it would run it again.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import typing as t

#: Attributes of coroutines, generators and async generators: the frame of one that waits, and what
#: it waits for.
_FRAMES = {"cr_frame": "cr_await", "gi_frame": "gi_yieldfrom", "ag_frame": "ag_await"}


def end_user_code(steps: t.Generator[t.Any, t.Any, t.Any]) -> t.Any:
    """End the user's code that `steps` wait for; return what they wait for next."""
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
            except BaseException:  # it has ended; what awaits it gets a cancellation
                return steps.throw(asyncio.CancelledError())
        return steps.throw(GeneratorExit())
    finally:
        after = {id(each) for each in waiting_chain(steps)}
        keep(each for each in before if id(each) not in after)


def _is_ours(waiting: t.Any) -> bool:
    frame = next(getattr(waiting, f) for f in _FRAMES if hasattr(waiting, f))
    return t.cast(bool, frame.f_globals.get("__name__", "").startswith("quartish."))


def waiting_chain(awaiting: t.Any) -> list[t.Any]:
    """Return the chain of coroutines and generators, each of which waits for the next one."""
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
    """Keep coroutines that were given up for ever: destroying one that catches everything runs it
    again, and without a loop it may go on without an end."""
    if not _kept:  # a thread refers to them, so that they are not destroyed at exit either
        threading.Thread(target=_hold, args=[_kept], daemon=True).start()
    _kept.extend(objects)


def _hold(kept: list[t.Any]) -> None:
    threading.Event().wait()
