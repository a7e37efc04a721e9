"""What the log says of runs that came to nothing. Not what they said: that may quote the job's input."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from workerkit.host.run import Run

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
    blame = "without blame" if most is None else f"crash {record.crashes + 1} of {most}"
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
