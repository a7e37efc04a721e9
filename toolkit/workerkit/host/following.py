"""What a run has printed, as the API and the command line show it, and waiting for more of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import attrs

from workerkit.errors import ApiError
from workerkit.host.printed import Logbook, Printed
from workerkit.queue import Store, View, Watch
from workerkit.states import Status

#: Seconds in which lines are gathered before a caller who waits is told.
GATHER = 0.1


@attrs.frozen
class Page:
    """What an attempt at a job has printed behind a place."""

    id: str
    attempt: int
    #: Those that have printed something, and the latest.
    attempts: Sequence[int]
    status: Status
    text: str
    #: The place behind the text.
    after: int
    #: Bytes behind the place that was asked for, which are not kept.
    dropped: int
    #: Nothing more will come of this attempt.
    over: bool


async def page(
    store: Store, book: Logbook, id: str, attempt: int | None, after: int, seconds: float
) -> Page | None:
    """The next page of an attempt, the latest if none is given; None when there is no such job.

    Waits up to `seconds` until there is something on it, or the attempt is over.
    """
    until = time.monotonic() + seconds
    with store.watch(id) as watch, book.watch(id) as printed:
        while True:
            printed.clear()
            view = await store.view(id)
            if view is None:
                return None
            found = page_of(view, attempt, after, book, await store.logs(id))
            left = until - time.monotonic()
            if found.text or found.over or left <= 0:
                return found
            if await _moved(watch, printed, left):
                await asyncio.sleep(min(GATHER, max(until - time.monotonic(), 0)))


def page_of(
    view: View, attempt: int | None, after: int, book: Logbook | None, kept: Sequence[tuple[int, bytes]]
) -> Page:
    """The page as it is now; without a logbook nothing runs."""
    attempt = view.attempt if attempt is None else attempt
    if attempt > view.attempt:
        raise ApiError(
            404, "unknown_attempt", f"the job has no attempt {attempt}; its latest is {view.attempt}"
        )
    live = None if book is None else book.find(view.id, attempt)
    printed = live or _stored(attempt, kept)
    text, place, dropped = printed.after(after)
    past = view.status.ended or view.attempt > attempt
    return Page(
        id=view.id,
        attempt=attempt,
        attempts=_attempts(view, book, kept),
        status=view.status,
        text=text,
        after=place,
        dropped=dropped,
        over=past and (live is None or live.settled),
    )


def _stored(attempt: int, kept: Sequence[tuple[int, bytes]]) -> Printed:
    found = dict(kept).get(attempt)
    return Printed(0) if found is None else Printed.read(found)


def _attempts(view: View, book: Logbook | None, kept: Sequence[tuple[int, bytes]]) -> list[int]:
    live = [] if book is None else book.attempts(view.id)
    return sorted({attempt for attempt, _ in kept} | set(live) | ({view.attempt} - {0}))


async def _moved(watch: Watch, printed: asyncio.Event, seconds: float) -> bool:
    """Wait until the job moves or prints something; False when neither came."""
    waits = {asyncio.ensure_future(watch.changed(seconds)), asyncio.ensure_future(printed.wait())}
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return printed.is_set()
