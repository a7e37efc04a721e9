"""How long a bucket may be used: while its run goes on, and by the process that the run is in."""

from __future__ import annotations

import os

OVER = "the bucket was closed when its job ended; nothing more is stored or read"
FORKED = (
    "the bucket cannot be used in a forked process, which would share its connections; "
    "use it in the handler's own process"
)


class Life:
    """That of one bucket. Threads may share it."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self.is_over = False

    def end(self) -> None:
        """The run is over."""
        self.is_over = True

    def check(self, *, may_be_over: bool = False) -> None:
        """Raise RuntimeError when the bucket may not be used here and now."""
        if os.getpid() != self._pid:
            raise RuntimeError(FORKED)
        if self.is_over and not may_be_over:
            raise RuntimeError(OVER)
