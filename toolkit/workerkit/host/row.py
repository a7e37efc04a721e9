"""Deliveries of one lane that a single thread sends one after the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import TypeVar

from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.host.outcomes import Try

T = TypeVar("T")
#: Seconds that a row goes on for, whatever is left of it.
LONGEST = 0.1


def in_rows(due: Iterable[Delivery], longest: Callable[[str], int]) -> Iterator[list[Delivery]]:
    """Deliveries that follow each other and go to one lane and through one plugin, as many as a row may have.

    One whose body is still to be read goes alone.
    """
    several: list[Delivery] = []
    for one in due:
        if several and not _may_follow(several, one, longest(one.lane)):
            yield several
            several = []
        several.append(one)
    if several:
        yield several


def _may_follow(several: Sequence[Delivery], one: Delivery, longest: int) -> bool:
    last = several[-1]
    alike = (last.lane, last.plugin) == (one.lane, one.plugin)
    return alike and len(several) < longest and last.body is not None and one.body is not None


class Row:
    """Tries one after the other, until one has not arrived or it has gone on for long.

    `send` runs in a thread. Meanwhile others may ask what has been tried, and take back what has not.
    Rows with the same `baton` are sent one after the other; one that would wait for long is not.
    """

    def __init__(
        self, deliveries: Sequence[Delivery], clock: Callable[[], int], baton: Lock | None = None
    ) -> None:
        self._left = deque(deliveries)
        self._clock = clock
        self._baton = baton or Lock()
        self._tried: deque[Try] = deque()
        #: What is on its way, and when it began: in milliseconds since the epoch, and on the monotonic clock.
        self._trying: tuple[Delivery, int, float] | None = None

    def send(self, deliver: Callable[[Delivery], Receipt]) -> None:
        """Try what is there."""
        if self._baton.acquire(timeout=LONGEST):
            try:
                self._send(deliver)
            finally:
                self._baton.release()

    def _send(self, deliver: Callable[[Delivery], Receipt]) -> None:
        end = time.monotonic() + LONGEST
        began = 0.0
        while began < end:
            try:
                delivery = self._left.popleft()
            except IndexError:
                return
            at, began = self._clock(), time.monotonic()
            self._trying = delivery, at, began
            receipt = deliver(delivery)
            self._tried.append(Try(delivery, receipt, at, time.monotonic() - began))
            self._trying = None
            if receipt.verdict is not Verdict.DELIVERED:
                return

    def tried(self) -> list[Try]:
        """The outcomes that were not asked for before."""
        return _emptied(self._tried)

    def take_back(self) -> list[Delivery]:
        """What has not been tried; from here on it is not."""
        return _emptied(self._left)

    def given_up(self, receipt: Receipt) -> list[Try]:
        """The outcomes, and this one for a try that does not end."""
        trying = self._trying
        tried = self.tried()
        if trying is None and not tried and self._left:
            return [Try(self._left.popleft(), receipt, self._clock(), 0.0)]  # it was not even begun
        if trying is not None and all(outcome.delivery is not trying[0] for outcome in tried):
            delivery, at, began = trying
            tried.append(Try(delivery, receipt, at, time.monotonic() - began))
        return tried


def _emptied(items: deque[T]) -> list[T]:
    """All there are, taken out. The other thread may take some at the same time."""
    taken: list[T] = []
    while True:
        try:
            taken.append(items.popleft())
        except IndexError:
            return taken
