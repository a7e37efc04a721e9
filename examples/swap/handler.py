"""Two functions that lean on the built-in plugins."""

from __future__ import annotations

import os

from workerkit import Bucket, worker_function


@worker_function
def render(job):
    """Which process it was, and a fresh one for the next job."""
    return {"pid": os.getpid(), "refresh_worker": True}


@worker_function
def store(job, bucket: Bucket):
    """A text in the bucket."""
    with bucket.open("render.txt", "w") as file:
        file.write(job["input"]["prompt"])
    return {"key": "render.txt"}
