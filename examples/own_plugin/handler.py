"""A function for the plugin to watch."""

from __future__ import annotations

from workerkit import worker_function


@worker_function
def square(job):
    """The square of a number."""
    return job["input"]["number"] ** 2
