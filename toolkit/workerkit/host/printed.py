"""What runs print: the end of it in memory while they run, and with the job in the queue afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from workerkit.errors import QueueError
from workerkit.host.tasks import background
from workerkit.settings import LogsSettings

log = logging.getLogger(__name__)

#: A run of a job: its id and attempt.
Key = tuple[str, int]
Keep = Callable[[str, int, bytes], Awaitable[object]]
#: Output is read beside the wire, so lines come late. Seconds after a run's end before what it printed is
#: stored, and in which a line is still taken for its.
SETTLE, LATE_OUTPUT = 0.2, 2.0
#: Different warnings of workers that are remembered, so that they are said once.
MOST_WARNINGS = 1_000
#: Seconds that the last logs have to be stored when the host stops.
LAST_WRITES = 5.0


class Printed:
    """The end of what one run has printed: at most `most` bytes. A place in it counts what was dropped, too."""

    def __init__(self, most: int) -> None:
        #: Bytes that were before it.
        self.dropped = 0
        #: The run is over, and all of this is stored.
        self.settled = False
        #: What comes behind all that it prints.
        self.last = ""
        #: Stores it soon.
        self.timer: asyncio.TimerHandle | None = None
        self._most = most
        self._text = bytearray()

    @classmethod
    def read(cls, kept: bytes) -> Printed:
        """What `kept` has made."""
        dropped, _, text = kept.partition(b"\n")
        self = cls(len(text))
        self.dropped, self._text = int(dropped), bytearray(text)
        return self

    def kept(self) -> bytes:
        """The form in which a queue keeps it: how many bytes are missing in a line of its own, and the text."""
        return b"%d\n%b" % (self.dropped, bytes(self._text))

    def add(self, line: str) -> None:
        """Add a line; the first ones make room for it."""
        self._text += line.encode(errors="replace") + b"\n"
        excess = len(self._text) - self._most
        if excess > 0:
            whole = self._text.find(b"\n", excess - 1) + 1
            # One that is longer than all there is room for is cut.
            cut = whole if whole < len(self._text) else excess
            del self._text[:cut]
            self.dropped += cut

    def after(self, place: int) -> tuple[str, int, int]:
        """The text behind a place, where that ends, and how many bytes between the two were dropped."""
        text = bytes(self._text[max(place - self.dropped, 0) :])
        return text.decode(errors="replace"), self.dropped + len(self._text), max(self.dropped - place, 0)


class Logbook:
    """What the runs of a host have printed, until it is stored. A run that prints nothing has no part in it."""

    def __init__(self, settings: LogsSettings, keep: Keep | None = None) -> None:
        #: Whether what is printed is logged, too.
        self.logged = settings.output
        self._tail = settings.tail
        self._keep = keep
        self._printed: dict[Key, Printed] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._warnings: set[str] = set()
        self._writes: set[asyncio.Task[None]] = set()

    def is_news(self, warning: str) -> bool:
        """Whether no worker has said this before. Each finds out for itself what is wrong with the target."""
        if warning in self._warnings or len(self._warnings) >= MOST_WARNINGS:
            return warning not in self._warnings
        self._warnings.add(warning)
        return True

    def find(self, id: str, attempt: int) -> Printed | None:
        """What a run has printed, unless that is only in the queue."""
        return self._printed.get((id, attempt))

    def attempts(self, id: str) -> list[int]:
        """The runs of a job that are here."""
        return [attempt for known, attempt in self._printed if known == id]

    def add(self, key: Key, line: str, *, late: bool) -> None:
        """A run has printed a line; `late` when it was over by then."""
        if not self._tail:
            return
        printed = self._of(key)
        printed.add(line)
        if late:
            self._store_soon(key, printed)
        self._wake(key[0])

    def end_with(self, key: Key, text: str) -> None:
        """What a run that is over has failed of: it stands behind what it printed, which may still be on its way."""
        if self._tail:
            printed = self._of(key)
            printed.last = text
            self._store_soon(key, printed)

    def over(self, key: Key) -> None:
        """A run is over: what it printed is stored soon."""
        # Who follows it is told that it ends when its last lines have arrived, if it has any or not.
        printed = self._of(key) if key[0] in self._watchers else self._printed.get(key)
        if printed is not None:
            self._store_soon(key, printed)

    @contextmanager
    def watch(self, id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever a run of a job has printed something, or that is stored."""
        event = asyncio.Event()
        self._watchers.setdefault(id, set()).add(event)
        try:
            yield event
        finally:
            self._watchers[id].discard(event)
            if not self._watchers[id]:
                del self._watchers[id]

    async def close(self) -> None:
        """Store what is not stored yet, all runs being over."""
        for key, printed in list(self._printed.items()):
            if printed.timer is not None:
                printed.timer.cancel()
                self._store(key, printed)
        if self._writes:
            await asyncio.wait(self._writes, timeout=LAST_WRITES)

    def _of(self, key: Key) -> Printed:
        if (printed := self._printed.get(key)) is None:
            printed = self._printed[key] = Printed(self._tail)
        return printed

    def _store_soon(self, key: Key, printed: Printed) -> None:
        if printed.timer is None:
            printed.settled = False
            printed.timer = asyncio.get_running_loop().call_later(SETTLE, self._store, key, printed)

    def _store(self, key: Key, printed: Printed) -> None:
        printed.timer = None
        if printed.last:
            printed.add(printed.last)
            printed.last = ""
            self._wake(key[0])
        background(self._write(key, printed), f"storing what job {key[0]} printed", self._writes)

    async def _write(self, key: Key, printed: Printed) -> None:
        _, size, _ = printed.after(0)
        if self._keep is not None and size:
            try:
                await self._keep(*key, printed.kept())
            except QueueError as error:
                log.warning("what job %s printed could not be stored: %s", key[0], error)
        printed.settled = printed.timer is None
        self._wake(key[0])
        # Late lines are added to what there is, and not stored in its place.
        asyncio.get_running_loop().call_later(LATE_OUTPUT, self._forget, key, printed)

    def _forget(self, key: Key, printed: Printed) -> None:
        if printed.settled:
            self._printed.pop(key, None)

    def _wake(self, id: str) -> None:
        for event in self._watchers.get(id, ()):
            event.set()
