"""Time each run; and answer a rehearsal without running the handler."""

from __future__ import annotations

import time
from typing import ClassVar

from workerkit import Field, Output, hookimpl


class Timing:
    """A wrapper: the handler, and its iteration when it is a generator, runs at the `yield`."""

    @hookimpl(wrapper=True)
    def run_job(self, job):
        started = time.perf_counter()
        try:
            return (yield)
        finally:  # also when the handler raises
            job.note("seconds", round(time.perf_counter() - started, 3))


class Rehearsal:
    """No wrapper: what it returns stands for the handler's output. None lets the handler run."""

    fields: ClassVar = {"rehearsal": Field(bool)}

    @hookimpl
    def run_job(self, job):
        if job.fields.get("rehearsal"):
            return Output({"rehearsed": job.input})
        return None
