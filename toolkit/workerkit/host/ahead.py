"""Claimed jobs that no slot has taken yet."""

from __future__ import annotations

import time
from collections import deque
from itertools import chain

from workerkit.queue import Claim

#: A job, and when it came.
Waiting = tuple[float, Claim]


class Ahead:
    """A line: before new claims stand those that were given out and came back."""

    def __init__(self) -> None:
        self._back: deque[Waiting] = deque()
        self._new: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._back) + len(self._new)

    @property
    def first(self) -> Claim:
        """Whose turn it is."""
        return (self._back or self._new)[0][1]

    @property
    def waited(self) -> float:
        """Seconds that the one that came first has waited; there must be one."""
        return time.monotonic() - min(line[0][0] for line in (self._back, self._new) if line)

    def add(self, claim: Claim, *, again: bool) -> None:
        """One more waits; it may have been given out before."""
        (self._back if again else self._new).append((time.monotonic(), claim))

    def next(self) -> Claim:
        """The one whose turn it is; it waits no more."""
        return (self._back or self._new).popleft()[1]

    def forget(self, id: str, attempt: int) -> None:
        """A job has ended, or is not ours any more."""
        for line in (self._back, self._new):
            for waiting in [
                one for one in line if (one[1].record.id, one[1].record.attempt) == (id, attempt)
            ]:
                line.remove(waiting)

    def leave(self) -> list[Claim]:
        """All that wait; none does any more."""
        claims = [claim for _, claim in chain(self._back, self._new)]
        self._back.clear()
        self._new.clear()
        return claims
