"""Runs whose time is over. One timer for all of them: nearly every run is over long before its time is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from workerkit.host.run import Run

#: Seconds that the loop's timers may be early; nobody is told of before its time.
EARLY = 0.002


class Overtime:
    """Watches the runs that are in `runs`, and tells of each once when its time is over."""

    def __init__(self, runs: Mapping[Any, Run], tell: Callable[[Run], None]) -> None:
        self._runs = runs
        self._tell = tell
        self._next = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, run: Run, seconds: float) -> None:
        """A run may go on for so long from now on."""
        run.until = asyncio.get_running_loop().time() + max(seconds, 0)
        if run.until < self._next:
            self._look_at(run.until)

    def _look_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = moment
        self._timer = asyncio.get_running_loop().call_at(moment + EARLY, self._look)

    def _look(self) -> None:
        self._next, self._timer = float("inf"), None
        now = asyncio.get_running_loop().time()
        try:
            for run in [run for run in self._runs.values() if run.until <= now]:
                run.until = float("inf")
                self._tell(run)
        finally:
            rest = min((run.until for run in self._runs.values()), default=float("inf"))
            if rest < self._next:
                self._look_at(rest)
