from __future__ import annotations

from pathlib import Path

import job as shared

from workerkit import worker_function


@worker_function
def noop(job):
    """What all run; then, with `refresh`, have the worker refreshed.

    Or, given the path of a FIFO as `gate`, wait until somebody opens it to write.
    """
    if gate := job["input"].get("gate"):
        return Path(gate).open().close()
    output = shared.run(job["input"])
    return output | {"refresh_worker": True} if job["input"].get("refresh") else output
