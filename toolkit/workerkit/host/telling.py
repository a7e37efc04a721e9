"""What the log says of workers, and of runs that came to nothing. Not what those said: it may quote the input."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from workerkit.host.run import Run
from workerkit.host.worker import Worker

log = logging.getLogger(__name__)


def about(run: Run) -> Mapping[str, str]:
    """Whom a record is about, as fields of a JSON line."""
    return {"worker": run.worker.id, "job": run.record.id, "endpoint": run.record.endpoint}


def runs_again(run: Run, cause: str, wait: float, most: int) -> None:
    """It has failed, and may do so `most` times."""
    record = run.record
    log.warning(
        "job %s of %s has failed%s, and runs again in %.1f s: retry %d of %d",
        record.id,
        record.endpoint,
        cause and f" ({cause})",
        wait,
        record.failures + 1,
        most,
        extra=about(run),
    )


def goes_back(run: Run, most: int | None) -> None:
    """Its worker is gone; with `most` the job is to blame, and may be for so many."""
    record, level = run.record, logging.INFO if most is None else logging.WARNING
    blame = "without blame" if most is None else f"crash {record.crashes + 1} of {most}; alone from now on"
    log.log(
        level,
        "job %s of %s goes back to the queue (%s): its worker %s %s",
        record.id,
        record.endpoint,
        blame,
        run.worker.id,
        run.worker.how_it_ended,
        extra=about(run),
    )


def still_run(endpoint: str, count: int) -> None:
    """The time is up that runs had when the host stops."""
    log.warning(
        "%s: jobs still run, and go back to the queue: %d", endpoint, count, extra={"endpoint": endpoint}
    )


def grows(endpoint: str, wanted: int) -> None:
    """Jobs wait, so there will be another worker."""
    many = "1 worker" if wanted == 1 else f"{wanted} workers"
    log.info("%s: jobs wait, so there will be %s", endpoint, many, extra={"endpoint": endpoint})


def shrinks(worker: Worker, left: int) -> None:
    """There is nothing to do, so there will be one worker less."""
    log.info(
        "%s has nothing to do and goes; of %s stay %d", worker.id, worker.endpoint, left, extra=worker.about
    )


def is_ready(worker: Worker) -> None:
    """Its slots are open."""
    pid = worker.process.pid
    log.info("%s is ready for %s (pid %d)", worker.id, worker.endpoint, pid, extra=worker.about)


def resized(worker: Worker, slots: int) -> None:
    """It runs another number of jobs at a time from now on."""
    many = "1 job" if slots == 1 else f"{slots} jobs"
    log.info("%s runs %s at a time", worker.id, many, extra=worker.about)


def has_died(worker: Worker) -> None:
    """It is gone, and was ready before."""
    log.warning("%s %s", worker.id, worker.how_it_ended, extra=worker.about)
