"""Worker refresh: a handler, or the settings, have the worker replaced once its job's result is stored."""

from __future__ import annotations

import itertools
import random
import resource
import threading
from collections.abc import Generator
from contextlib import suppress

import attrs
from attrs.validators import ge, gt, optional

from workerkit import Job, Output, WorkerInfo, hookimpl

FLAG = "refresh_worker"
#: Workers that were started together must not all be old at the same moment.
JITTER = 0.1


@attrs.frozen(kw_only=True)
class RefreshSettings:
    """`[plugin.refresh]`: when to refresh without being asked."""

    #: After every job.
    always: bool = False
    #: After this many jobs of one worker.
    max_jobs: int | None = attrs.field(default=None, validator=optional(ge(1)))
    #: After a job that leaves the worker with more memory in use than this; bytes.
    max_rss: int | None = attrs.field(
        default=None, validator=optional(ge(1)), metadata={"unit": "bytes", "example": 4_000_000_000}
    )
    #: When the worker is this old, a tenth more or less, busy or not; seconds.
    max_age: float | None = attrs.field(
        default=None, validator=optional(gt(0)), metadata={"unit": "seconds", "example": 3600}
    )
    #: After a job whose handler raised one of these exceptions or a subclass; `Name` or `module.Name`.
    on_errors: tuple[str, ...] = ()

    @property
    def watches(self) -> bool:
        """Whether a worker has to be watched while it runs jobs."""
        return bool(self.max_jobs or self.max_rss or self.max_age or self.on_errors)


class Refresh:
    """Takes `refresh_worker` out of what a handler returns or yields, and honours it when true."""

    Settings = RefreshSettings

    def __new__(cls, settings: RefreshSettings) -> Refresh:
        """The kind that watches the worker only where the settings want that: jobs pay for it."""
        return super().__new__(Watching if settings.watches else cls)

    def __init__(self, settings: RefreshSettings) -> None:
        self._settings = settings

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """Ask for a refresh where the settings say always: now, so that a failed job counts too."""
        if self._settings.always:
            job.refresh_worker("always: the settings say so")

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        """Take the flag out of a copy; the handler may keep and reuse its dict."""
        value = output.value
        if isinstance(value, dict) and FLAG in value:
            output.value = {name: inner for name, inner in value.items() if name != FLAG}
            if value[FLAG]:
                job.refresh_worker("flag: asked by the handler")


class Watching(Refresh):
    """Also watches what jobs do to their worker, and how old it is."""

    def __init__(self, settings: RefreshSettings) -> None:
        super().__init__(settings)
        self._jobs = itertools.count(1)
        self._worker: WorkerInfo | None = None
        self._timer: threading.Timer | None = None

    @hookimpl
    def worker_start(self, worker: WorkerInfo) -> None:
        """Begin to count jobs and seconds."""
        self._worker = worker
        if (age := self._settings.max_age) is not None:
            seconds = age * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
            self._timer = threading.Timer(seconds, worker.refresh, [f"max_age: {age:g} s"])
            self._timer.daemon = True
            self._timer.start()

    @hookimpl
    def worker_stop(self) -> None:
        """It goes anyway."""
        if self._timer is not None:
            self._timer.cancel()

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        """Look at how the handler ended, and at what it left behind."""
        try:
            return (yield)
        except BaseException as error:
            if name := self._fatal(error):
                job.refresh_worker(f"on_errors: {name}")
            raise
        finally:
            # Before the job's end is told, so that one slot never begins a job too many.
            self._look()

    def _fatal(self, error: BaseException) -> str:
        """The name in the settings that this exception answers to; empty for none."""
        for kind in type(error).__mro__:
            for name in (kind.__name__, f"{kind.__module__}.{kind.__qualname__}"):
                if name in self._settings.on_errors:
                    return name
        return ""

    def _look(self) -> None:
        worker, jobs = self._worker, next(self._jobs)
        most_jobs, most_memory = self._settings.max_jobs, self._settings.max_rss
        if worker is None:
            return
        if most_jobs is not None and jobs >= most_jobs:
            worker.refresh(f"max_jobs: {most_jobs} {'job' if most_jobs == 1 else 'jobs'}", last=True)
        elif most_memory is not None and (memory := memory_in_use()) > most_memory:
            worker.refresh(f"max_rss: {memory:,} bytes in use", last=True)


def memory_in_use() -> int:
    """Bytes of memory that this process has now; on macOS, that it had at most."""
    with suppress(FileNotFoundError), open("/proc/self/statm", "rb") as pages:
        return int(pages.read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
