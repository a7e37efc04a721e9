"""What every resource has that a plugin provides to handlers."""

from __future__ import annotations

import logging
import os
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")
#: It is the job that is told of what its resources raise.
log = logging.getLogger("workerkit.job")


class Resource:
    """Base of what plugins provide to handlers.

    A handler parameter annotated with a subclass is filled by what a plugin gave to
    `job.provide()` in `pre_job`; `job.use(Type)` asks for the same thing by hand. `cure` ends the
    sentence with which a job fails when nobody provided it; annotated `Type | None`, it is None then.
    """

    cure: ClassVar[str] = "is the plugin that provides it active, and did the request carry what it needs?"

    def run_ended(self) -> None:
        """Called when a run for which it was provided is over, and all outputs have been through every plugin."""


class Provided:
    """What plugins have provided for one run."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        #: Of the process that they belong to.
        self._pid = 0

    def add(self, value: Any) -> None:
        """One more."""
        self._pid = self._pid or os.getpid()
        self._values.append(value)

    def find(self, kind: type[T]) -> T | None:
        """The last one of type `kind`; None when there is none."""
        return next((value for value in reversed(self._values) if isinstance(value, kind)), None)

    def close(self, job: str) -> None:
        """Tell them that the run of `job` is over, the last first, unless this is a process that was forked since."""
        while self._values and self._pid == os.getpid():
            last = len(self._values) - 1
            if isinstance(resource := self._values[last], Resource):
                _tell_end(resource, job)
            del self._values[last]  # not before: who interrupts this calls it again


def _tell_end(resource: Resource, job: str) -> None:
    try:
        resource.run_ended()
    except BaseException as error:  # SystemExit, too, is no reason to leave the others as they are
        name, kind = type(resource).__name__, type(error).__name__
        log.warning("%s.run_ended: %s: %s", name, kind, error, extra={"job": job})
