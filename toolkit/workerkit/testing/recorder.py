"""A plugin that has every hook and writes down each call."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from workerkit.delivery import Delivery, Receipt
from workerkit.hooks import HOST_HOOKS, hookimpl
from workerkit.job import Job, Output, Request, Result
from workerkit.testing.waiting import until
from workerkit.worker_info import WorkerInfo

if TYPE_CHECKING:
    from workerkit.queue import Feed


@attrs.frozen
class Recorded:
    """One call of a hook. What the hook is not told stays None."""

    hook: str
    #: "host" or "worker", and the process.
    where: str
    pid: int
    job: str | None = None
    attempt: int | None = None
    #: How the job ended, for `post_job`.
    status: str | None = None
    #: What an output was, for `on_output`; the target, for `deliver`.
    value: Any = None


@attrs.frozen(kw_only=True)
class RecorderSettings:
    """`[plugin.recorder]`."""

    #: Where calls are appended, as lines of JSON; in memory when empty.
    file: str = ""
    #: Ask for a delivery at each end of a job, so that there are calls of `deliver`.
    deliver: bool = False


class Recorder:
    """Records every call of every hook, and changes nothing.

        def test_the_host_hears_of_a_failed_job(workerkit_recorder):
            run_job(fails, plugins=[workerkit_recorder])
            assert workerkit_recorder.hooks[-1] == "post_job"

    In a served toolkit the calls come from several processes and meet in a file: serve with
    `settings=recorder.settings`, or with `load` and a `[plugin.recorder]` of your own. `wait` waits
    for calls that come after a job's end.
    """

    Settings = RecorderSettings
    name = "recorder"

    def __init__(self, settings: RecorderSettings | None = None) -> None:
        self._settings = settings or RecorderSettings()
        self._file = Path(self._settings.file) if self._settings.file else None
        self._calls: list[Recorded] = []

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of a server that records into this recorder's file."""
        if self._file is None:
            raise ValueError(
                "a Recorder without a file records in its own process; give it RecorderSettings(file=…)"
            )
        section = {"file": str(self._file.absolute()), "deliver": self._settings.deliver}
        return {"plugins": {"load": ["workerkit.testing:Recorder"]}, "plugin": {"recorder": section}}

    @property
    def calls(self) -> list[Recorded]:
        """All calls so far, of every process, in the order in which they came."""
        if self._file is None:
            return list(self._calls)
        lines = self._file.read_bytes().splitlines() if self._file.exists() else []
        return [msgspec.json.decode(line, type=Recorded) for line in lines]

    @property
    def hooks(self) -> list[str]:
        """The names of the hooks called so far, in order."""
        return [call.hook for call in self.calls]

    def of(self, hook: str) -> list[Recorded]:
        """The calls of one hook so far."""
        return [call for call in self.calls if call.hook == hook]

    def wait(self, hook: str, count: int = 1, seconds: float = 20.0) -> list[Recorded]:
        """The calls of one hook, once there are `count` of them."""
        until(f"{count} calls of {hook}", lambda: len(self.of(hook)) >= count, seconds)
        return self.of(hook)

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        """A request was checked."""
        self._record("accept", job=request.id)

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """A run is about to begin."""
        self._record("pre_job", job=job.id, attempt=job.attempt)

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        """A run; recorded as it begins."""
        self._record("run_job", job=job.id, attempt=job.attempt)
        return (yield)

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        """A value came out."""
        self._record("on_output", job=job.id, attempt=job.attempt, value=output.value)

    @hookimpl(inline=True)
    def post_job(self, request: Request, result: Result) -> Delivery | None:
        """A job ended."""
        self._record("post_job", job=request.id, attempt=result.attempt, status=result.status.value)
        return Delivery(target="recorder") if self._settings.deliver else None

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        """A delivery was tried."""
        self._record("deliver", job=delivery.job, attempt=delivery.job_attempt, value=delivery.target)
        return Receipt.delivered()

    @hookimpl
    def worker_start(self, worker: WorkerInfo) -> None:
        """A worker begins."""
        self._record("worker_start")

    @hookimpl
    def worker_stop(self, worker: WorkerInfo) -> None:
        """A worker ends."""
        self._record("worker_stop")

    @hookimpl
    def open_queue(self, url: str) -> Feed | None:
        """A host looks for a queue."""
        self._record("open_queue", value=url)
        return None

    def _record(self, hook: str, **known: Any) -> None:
        where = "host" if hook in HOST_HOOKS else "worker"
        call = Recorded(hook, where, os.getpid(), **known)
        if self._file is None:
            self._calls.append(call)
            return
        line = msgspec.json.encode(call, enc_hook=repr) + b"\n"
        with self._file.open("ab", buffering=0) as file:  # one write each: no two processes mix their lines
            file.write(line)
