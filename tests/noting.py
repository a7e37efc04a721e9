"""A job, its request and its end, and a plugin that notes what is called, for tests of hooks."""

from __future__ import annotations

from collections.abc import Generator

from workerkit.hooks import hookimpl
from workerkit.job import Job, Output, Request, Result
from workerkit.states import Status
from workerkit.worker_info import WorkerInfo

REQUEST = Request(id="j", endpoint="e", raw_input=b"{}")
RESULT = Result(status=Status.COMPLETED, attempt=1)


def job() -> Job:
    """A job with nothing in it."""

    return Job(id="j", endpoint="e", input={})


class Notes:
    """Implements most hooks and notes the calls in a list that several share."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name = name
        self.calls = calls

    @hookimpl
    def pre_job(self, job: Job) -> None:
        self.calls.append(f"pre_job {self.name}")

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        self.calls.append(f"enter {self.name}")
        try:
            return (yield)
        finally:
            self.calls.append(f"leave {self.name}")

    @hookimpl
    def on_output(self, output: Output) -> None:
        output.value = [*output.value, self.name]

    @hookimpl
    def worker_start(self) -> None:
        self.calls.append(f"worker_start {self.name}")

    @hookimpl
    def worker_stop(self, worker: WorkerInfo) -> None:
        self.calls.append(f"worker_stop {self.name}")
