"""A whole plugin: it times each run and writes how each job ended to a file."""

from __future__ import annotations

import time
from pathlib import Path

import attrs

from workerkit import hookimpl


@attrs.frozen
class Settings:
    """`[plugin.audit]`: where to write."""

    file: str = "audit.log"


class Audit:
    """`run_job` runs in the worker, `post_job` in the host; `job.note` carries the time across."""

    Settings = Settings

    def __init__(self, settings: Settings) -> None:
        self._file = Path(settings.file)

    @hookimpl(wrapper=True)
    def run_job(self, job):
        started = time.perf_counter()
        output = yield
        job.note("ms", round((time.perf_counter() - started) * 1000, 1))
        return output

    @hookimpl
    def post_job(self, request, result):
        with self._file.open("a") as file:
            file.write(f"{request.endpoint} {result.status.value} {result.notes.get('ms')} ms\n")
