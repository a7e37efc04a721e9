"""Time each run."""

from __future__ import annotations

import time

from workerkit import hookimpl


class Clock:
    """Writes to the job's log."""

    @hookimpl(wrapper=True)
    def run_job(self, job):
        started = time.perf_counter()
        try:
            return (yield)
        finally:  # also when the handler raises
            job.log.info("took %.3f s", time.perf_counter() - started)
