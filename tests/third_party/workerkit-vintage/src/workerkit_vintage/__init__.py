"""All nine hooks of version 1, with all their arguments. Never to be edited: see the README."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import attrs

from workerkit import Delivery, Job, Output, Receipt, Request, Result, WorkerInfo, hookimpl


@attrs.frozen(kw_only=True)
class VintageSettings:
    """`[plugin.vintage]`."""

    #: Where every call is written.
    file: str = "vintage.log"


class Vintage:
    """Writes down which hook was called, and what each of its arguments said."""

    hooks_version = 1
    Settings = VintageSettings

    def __init__(self, settings: VintageSettings) -> None:
        self._file = Path(settings.file)

    @hookimpl
    def open_queue(self, url: str) -> None:
        """Know no scheme."""
        self._write(f"open_queue {url}")

    @hookimpl
    def worker_start(self, worker: WorkerInfo) -> None:
        """Once a worker."""
        self._write(f"worker_start {worker.endpoint} {worker.slots}")

    @hookimpl
    def accept(self, request: Request) -> None:
        """Accept everything."""
        self._write(f"accept {request.endpoint} {request.input}")

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """Leave something for the host."""
        job.note("vintage", job.attempt)
        self._write(f"pre_job {job.endpoint} {job['input']}")

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        """Surround the handler."""
        output = yield
        self._write(f"run_job {job.endpoint} {output.value}")
        return output

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        """Change the output."""
        self._write(f"on_output {job.endpoint} {output.value} {output.index} {output.final}")
        output.value = [output.value, "vintage"]

    @hookimpl
    def post_job(self, request: Request, result: Result) -> Delivery:
        """Have the end written down."""
        line = f"deliver {request.endpoint} {result.status.value} {result.notes.get('vintage')}"
        self._write(f"post_job {request.endpoint} {result.status.value}")
        return Delivery(target=str(self._file), body=line.encode(), attempts=2)

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        """Write it down."""
        self._write((delivery.body or b"").decode())
        return Receipt.delivered()

    @hookimpl
    def worker_stop(self, worker: WorkerInfo) -> None:
        """Once a worker."""
        self._write(f"worker_stop {worker.endpoint} {worker.slots}")

    def _write(self, line: str) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
