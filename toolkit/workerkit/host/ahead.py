"""Claimed jobs that no slot has taken yet."""

from __future__ import annotations

import time
from collections import deque

from workerkit.queue import Claim


class Ahead(deque[tuple[float, Claim]]):
    """A line, each with the time when it came: before new claims stand those that were given out and came back."""

    def __init__(self) -> None:
        super().__init__()
        self._back = 0

    @property
    def first(self) -> Claim:
        """Whose turn it is."""
        return self[0][1]

    @property
    def waited(self) -> float:
        """Seconds that the one that came first has waited; there must be one."""
        firsts = [self[0][0], *(self[at][0] for at in (self._back,) if at < len(self))]
        return time.monotonic() - min(firsts)

    def add(self, claim: Claim, *, again: bool) -> None:
        """One more waits; it may have been given out before."""
        if again:
            self.insert(self._back, (time.monotonic(), claim))
            self._back += 1
        else:
            self.append((time.monotonic(), claim))

    def next(self) -> Claim:
        """The one whose turn it is; it waits no more."""
        self._back = max(self._back - 1, 0)
        return self.popleft()[1]

    def forget(self, id: str, attempt: int) -> None:
        """A job has ended, or is not ours any more."""
        for at, (_, claim) in reversed([*enumerate(self)]):
            if (claim.record.id, claim.record.attempt) == (id, attempt):
                del self[at]
                self._back -= at < self._back

    def leave(self) -> list[Claim]:
        """All that wait; none does any more."""
        claims = [claim for _, claim in self]
        self.clear()
        self._back = 0
        return claims
