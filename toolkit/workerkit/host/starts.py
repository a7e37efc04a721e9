"""Starts of workers that went wrong: how long to wait before the next, and when to give up."""

from __future__ import annotations

import time
from collections import deque

#: Seconds before a worker that could not start is tried again: first, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: So many failed starts in so many seconds are no accident.
MOST_FAILURES, WITHIN = 5, 60.0


class Starts:
    """The failed starts of one function's workers since the last that was ready."""

    def __init__(self) -> None:
        #: Why the last one failed; empty when it did not.
        self.problem = ""
        self._in_a_row = 0
        self._times: deque[float] = deque(maxlen=MOST_FAILURES)

    def succeeded(self) -> None:
        """A worker is ready."""
        self.problem = ""
        self._in_a_row = 0
        self._times.clear()

    def failed(self, why: str, *, passing: bool) -> bool:
        """A worker did not get ready; True when that is news.

        A `passing` reason, such as a GPU that is busy, makes nobody give up.
        """
        self._in_a_row += 1
        if not passing:
            self._times.append(time.monotonic())
        news, self.problem = why != self.problem, why
        return news

    @property
    def sentence(self) -> str:
        """What to say of it, in one line."""
        reason = self.problem.partition("\n")[0]
        if self.hopeless:
            return f"{MOST_FAILURES} starts of workers have failed within {WITHIN:g} s: {reason}"
        return f"the last start of a worker failed: {reason}"

    @property
    def pause(self) -> float:
        """Seconds until the next one may start."""
        if not self._in_a_row:
            return 0.0
        return min(FIRST_PAUSE * 2.0 ** min(self._in_a_row - 1, 10), LONGEST_PAUSE)

    @property
    def hopeless(self) -> bool:
        """Whether so many have failed of late that it is no accident."""
        return len(self._times) == MOST_FAILURES and self._times[-1] - self._times[0] <= WITHIN
