"""Runs that must end although they are not over: told first, killed with their process after a grace."""

from __future__ import annotations

import asyncio

from workerkit.host.run import Run
from workerkit.settings import WorkersSettings
from workerkit.wire import Descriptor, Stop

#: Why a worker is replaced in which a job was stopped.
INTERRUPTED = "interrupted: a job was stopped in it"


def can_be_told(run: Run, function: Descriptor, settings: WorkersSettings) -> bool:
    """Whether a run can be ended and leave its process alive.

    An async handler can be cancelled, and a signal reaches a plain one in the main thread. In a
    thread beside others, or where there may be others, nothing reaches it.
    """
    if function.kind in ("coroutine", "async_generator"):
        return True
    return run.worker.slots == 1 and not function.elastic and bool(settings.stop_signal.strip())


def tell(run: Run, reason: str, grace: float) -> None:
    """Have a run stop; its worker is killed when it still runs after `grace` seconds."""
    run.stopped = True
    run.worker.send(Stop(run.record.id, run.record.attempt, reason))
    asyncio.get_running_loop().call_later(grace, _kill_if_still_there, run, reason)


def _kill_if_still_there(run: Run, reason: str) -> None:
    if run in run.worker.busy.values():
        run.worker.kill(f"a job did not stop: {reason}")
