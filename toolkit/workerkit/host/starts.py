"""Starts of workers that went wrong: how long to wait before the next, and when to give up."""

from __future__ import annotations

#: Seconds before a worker that could not start is tried again: first, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: So many rounds of failed starts in a row are no accident.
MOST_FAILURES = 5


class Starts:
    """The failed starts of one function's workers since the last that was ready.

    Those that were under way together are one round, and count once.
    """

    def __init__(self) -> None:
        #: Why the last one failed; empty when it did not.
        self.problem = ""
        #: The number of the round that begins now.
        self.round = 0
        self._in_a_row = 0
        self._final = 0

    def succeeded(self) -> None:
        """A worker is ready."""
        self.problem = ""
        self._in_a_row = self._final = 0

    def failed(self, why: str, round: int, *, passing: bool) -> bool:
        """A worker of a round did not get ready; True when that is news.

        A `passing` reason, such as a GPU that is busy, makes nobody give up.
        """
        if round == self.round:
            self.round += 1
            self._in_a_row += 1
            self._final += not passing
        news, self.problem = why != self.problem, why
        return news

    @property
    def sentence(self) -> str:
        """What to say of it, in one line."""
        reason = self.problem.partition("\n")[0]
        if self.hopeless:
            return f"{self._final} starts of workers have failed in a row: {reason}"
        return f"the last start of a worker failed: {reason}"

    @property
    def pause(self) -> float:
        """Seconds until the next one may start."""
        if not self._in_a_row:
            return 0.0
        return min(FIRST_PAUSE * 2.0 ** min(self._in_a_row - 1, 10), LONGEST_PAUSE)

    @property
    def hopeless(self) -> bool:
        """Whether so many have failed in a row that it is no accident."""
        return self._final >= MOST_FAILURES
