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


def stop(run: Run, reason: str, function: Descriptor, settings: WorkersSettings) -> bool:
    """Have a run stop; whether its worker must be replaced for that.

    The worker is killed when it still runs after the grace. One whose turn has not come is over at once
    when it comes, without having run.
    """
    waits = run in run.worker.before
    if run.stopped or not (waits or run in run.worker.busy.values()):
        return False
    run.worker.send(Stop(run.record.id, run.record.attempt, reason))
    if waits:
        return False
    run.stopped = True
    asyncio.get_running_loop().call_later(settings.stop_grace, _kill_if_still_there, run, reason)
    return not can_be_told(run, function, settings)


def _kill_if_still_there(run: Run, reason: str) -> None:
    if run in run.worker.busy.values():
        run.worker.kill(f"a job did not stop: {reason}")
