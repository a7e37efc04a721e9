"""The smallest worker: one function, decorated."""

from __future__ import annotations

from workerkit import worker_function


@worker_function
def hello(job):
    """Greet whoever the job names."""
    return {"greeting": f"Hello, {job['input'].get('name', 'world')}!"}
