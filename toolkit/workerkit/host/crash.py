"""What is said of a job whose worker died."""

from __future__ import annotations

import socket

import msgspec

from workerkit.host.worker import Worker
from workerkit.queue import Record


def worker_died(worker: Worker, last_words: str, record: Record) -> str:
    """The job's error, in the form that a handler's exception has: JSON with RunPod's keys."""
    how = worker.how_it_ended
    times = f"{record.restarts + 1} times" if record.restarts else "once"
    text = f"the worker {how} while it ran this job; the job was started {times}"
    return msgspec.json.encode(
        {
            "error_type": "WorkerDied",
            "error_message": text,
            "error_traceback": last_words,
            "hostname": socket.gethostname(),
            "worker_id": worker.id,
        }
    ).decode()
