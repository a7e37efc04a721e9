"""The handler that the chaos test runs: it writes what it does to a file, beyond the queue's reach."""

from __future__ import annotations

import os
import time

from workerkit import Job, worker_function


def note(text: str) -> None:
    """Append one line at once; the file is named by the working directory."""
    descriptor = os.open("effects.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{text}\n".encode())
    finally:
        os.close(descriptor)


@worker_function(max_starts=9)
def step(job: Job) -> dict[str, object]:
    note(f"start {job.id} {job.attempt} {os.getpid()}")
    time.sleep(job["input"]["seconds"])
    note(f"done {job.id} {job.attempt} {os.getpid()}")
    return {"number": job["input"]["number"]}
