"""An audit log: one line of JSON in a file for every end of a job, surely and once."""

from __future__ import annotations

import json
import os
import threading

import attrs
from attrs.validators import ge

from workerkit import Delivery, Receipt, Request, Result, hookimpl


@attrs.frozen(kw_only=True)
class AuditSettings:
    """`[plugin.audit]`."""

    #: Where lines are added; made when it is missing, its folder is not.
    file: str = "audit.log"
    #: Tries in all, the first included.
    attempts: int = attrs.field(default=10, validator=ge(1))


class Audit:
    """Decides in `post_job`, acts in `deliver`; a crash between the two loses nothing."""

    Settings = AuditSettings

    def __init__(self, settings: AuditSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()

    @hookimpl(inline=True)
    def post_job(self, request: Request, result: Result) -> Delivery:
        """What to write is known now, and stored in the transaction that ends the job."""
        entry = {
            "job": request.id,
            "endpoint": request.endpoint,
            "attempt": result.attempt,
            "status": result.status.value,
            "ms": result.execution_time,
        }
        return Delivery(
            target=self._settings.file,
            body=json.dumps(entry).encode(),
            attempts=self._settings.attempts,
            delays=(1.0, 10.0, 60.0),
        )

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        """Write the line, unless a try before a crash has; an exception is a try that failed."""
        entry = {**json.loads(delivery.body or b"{}"), "delivery": delivery.id}
        line = f"{json.dumps(entry)}\n"
        with self._lock, open(delivery.target, "a+", encoding="utf-8") as file:
            file.seek(0)
            if line in file:
                return Receipt.delivered("it was there already")
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        return Receipt.delivered()
