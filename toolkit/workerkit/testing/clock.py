"""Time that passes when a test says so."""

from __future__ import annotations

import attrs


@attrs.define
class ManualClock:
    """A clock that goes when it is told to. Milliseconds.

    Call it for the time, as a queue under test does; `clock.advance(10_000)` lets ten seconds pass.
    """

    time: int = 1_700_000_000_000

    def __call__(self) -> int:
        """The time."""
        return self.time

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        self.time += milliseconds
