"""The worker process, as hooks see it."""

from __future__ import annotations

from collections.abc import Callable

import attrs


def _nobody(reason: str, last: bool) -> None:
    """Nobody hears of it: there is no host."""


@attrs.frozen(kw_only=True)
class WorkerInfo:
    """The worker process, as `worker_start` and `worker_stop` see it. `slots` jobs run at a time."""

    id: str
    endpoint: str
    slots: int = 1
    _ask: Callable[[str, bool], object] = attrs.field(default=_nobody, alias="ask", eq=False, repr=False)

    def refresh(self, reason: str, *, last: bool = False) -> None:
        """Ask for a fresh process in place of this worker, when it is its turn.

        One worker of a function is replaced at a time, and between jobs. It goes on until the other
        has loaded; with `last`, it takes nothing more from now on. May be called at any time
        until `worker_stop`, from any thread; the first reason counts. `job.refresh_worker` is for
        what cannot wait.
        """
        self._ask(reason, last)
