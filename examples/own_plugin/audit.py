"""A whole plugin: it times each run, and writes how each job ended to a file, surely and once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import attrs

from workerkit import Delivery, Receipt, hookimpl


@attrs.frozen
class Settings:
    """`[plugin.audit]`: where to write."""

    file: str = "audit.log"


class Audit:
    """`run_job` runs in the worker, the others in the host; `job.note` carries the time across."""

    Settings = Settings

    def __init__(self, settings: Settings) -> None:
        self._file = Path(settings.file)
        self._lock = threading.Lock()

    @hookimpl(wrapper=True)
    def run_job(self, job):
        started = time.perf_counter()
        try:
            return (yield)
        finally:  # also when the handler raises
            job.note("ms", round((time.perf_counter() - started) * 1000, 1))

    @hookimpl(inline=True)
    def post_job(self, request, result):
        """Only decide: what is returned is stored in the transaction that ends the job."""
        line = f"{request.endpoint} {result.status.value} {result.notes.get('ms')} ms"
        return Delivery(target=str(self._file), body=line.encode(), attempts=10, delays=(1.0, 10.0, 60.0))

    @hookimpl
    def deliver(self, delivery):
        """Act, in a thread; an exception here is a try that failed.

        After a crash the same delivery may come again, so a line that is there is left alone.
        """
        with self._lock, self._file.open("a+") as file:
            file.seek(0)
            if any(line.endswith(f" {delivery.id}\n") for line in file):
                return Receipt.delivered("it was there already")
            file.write(f"{delivery.body.decode()} {delivery.id}\n")
        return Receipt.delivered()
