"""Worker refresh by memory: asked for by a handler, or due when the process has grown too big."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Generator
from pathlib import Path

import attrs
from attrs.validators import gt, optional

from workerkit import Job, Output, hookimpl

FLAG = "refresh_worker"
MB = 1_000_000


@attrs.frozen(kw_only=True)
class MemorySettings:
    """`[plugin.refresh]`, the section of the plugin that this one replaces."""

    #: Resident megabytes of a worker, past which it is replaced after its job.
    max_mb: float | None = attrs.field(default=None, validator=optional(gt(0)))


class Memory:
    """Honours the flag as the built-in does, and looks at the process after every run."""

    replaces = "refresh"
    Settings = MemorySettings

    def __init__(self, settings: MemorySettings) -> None:
        self._max_mb = settings.max_mb

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        """Measure when the handler is done, also when it has failed."""
        try:
            return (yield)
        finally:
            used = resident() / MB
            if self._max_mb is not None and used > self._max_mb:
                job.refresh_worker(f"its process holds {used:.0f} MB, and {self._max_mb:g} are allowed")

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        """Take the flag out of a copy; the handler may keep its dict."""
        value = output.value
        if isinstance(value, dict) and FLAG in value:
            output.value = {name: inner for name, inner in value.items() if name != FLAG}
            if value[FLAG]:
                job.refresh_worker("asked by the handler")


def resident() -> int:
    """Bytes of this process that are in memory; on macOS the most there ever were."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
