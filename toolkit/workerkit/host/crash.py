"""What is said of a job whose worker died."""

from __future__ import annotations

import socket

import msgspec

from workerkit.host.worker import Worker
from workerkit.queue import Record

#: How a worker ends that the kernel takes for its memory, which leaves no word.
OUT_OF_MEMORY = "was killed by SIGKILL"


def worker_died(worker: Worker, last_words: str | None, record: Record) -> str:
    """The job's error, in the form that a handler's exception has: JSON with RunPod's keys.

    `last_words` are what it printed, the stack that faulthandler leaves included; None leaves that out.
    """
    how = worker.how_it_ended
    times = f"{record.restarts + 1} times" if record.restarts else "once"
    hint = "; the system does that when memory runs out" if how == OUT_OF_MEMORY else ""
    facts = {
        "error_type": "WorkerDied",
        "error_message": f"the worker {how} while it ran this job{hint}; the job was started {times}",
    }
    if last_words is not None:
        facts["error_traceback"] = last_words
    facts |= {"hostname": socket.gethostname(), "worker_id": worker.id}
    return msgspec.json.encode(facts).decode()
