"""One job in this process, without a queue: what `workerkit run` and `workerkit.testing.run_job` do.

It goes the way that a job goes through a host and a worker, and meets the same code: `Intake` admits
it, `Runner` runs it, and what comes out is searched for its secrets. `end` asks `post_job` what
follows, which a host would store.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import attrs

from workerkit.bridge import Bridge
from workerkit.function import WorkerFunction
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.host.ends import Ends
from workerkit.host.intake import Admission, Intake
from workerkit.host.sealing import Sealer
from workerkit.host.status import joined
from workerkit.host.vault import Vault
from workerkit.job import Request, Result
from workerkit.queue import End, Record, Submission
from workerkit.redaction import Redactor
from workerkit.runner import Limits, Run, Runner
from workerkit.settings import Settings
from workerkit.states import Status
from workerkit.stream_redaction import StreamRedactor
from workerkit.worker_info import WorkerInfo

T = TypeVar("T")


@attrs.frozen(kw_only=True, eq=False)
class Ran:
    """A job whose run is over, as its client would see it: secrets are masked."""

    record: Record
    result: Result
    #: JSON of what a generator yielded; None when the function is none.
    chunks: list[bytes] | None
    progress: list[bytes]
    #: Why a plugin asked for a fresh worker with `WorkerInfo.refresh`; None when none did.
    worker_refresh: str | None


class Local:
    """A function and its plugins, in this process, until the block ends.

    Raises `PluginError` when plugins do not fit together or into the function.
    """

    def __init__(
        self, function: WorkerFunction[..., Any], plugins: Sequence[LoadedPlugin], settings: Settings
    ) -> None:
        self.function = function
        self._bridge = Bridge()
        self.hooks = Hooks(plugins, self._bridge)
        limits = settings.limits
        self._runner = Runner(
            function,
            self.hooks,
            self._bridge,
            limits=Limits(output=limits.output, chunk=limits.chunk, depth=limits.depth),
            tracebacks=settings.workers.tracebacks,
        )
        self._sealer = Sealer([os.urandom(32)])
        self._intake = Intake(self.hooks, self._sealer, settings)
        self._kept = _Kept()
        self._ends = Ends(self._kept, self.hooks)

    def admit(self, body: bytes) -> Admission:
        """A request body as `/run` takes it, seen by `accept`; raises `ApiError` where `/run` answers one."""
        return self._bridge.run(self._intake.admit(self.function.name, body, sync=False))

    def run(
        self,
        submission: Submission,
        *,
        attempt: int = 1,
        show: Callable[[bytes], None] = lambda progress: None,
    ) -> Ran:
        """Run an admitted request as a worker of its own would; `show` hears of progress as it comes.

        Raises what `worker_start` raises; whatever the job raises is its `result`.
        """
        record = _begun(submission, attempt)
        fields, secrets = Vault(self._sealer, self.hooks).open(record)
        heard = _Heard(secrets, show)
        job = self._runner.job(
            id=record.id,
            input=record.input,
            fields=fields,
            attempt=attempt,
            progress=heard.progress,
            exempt=heard.exempt,
            hide=heard.hide,
        )
        asked: list[str] = []
        info = WorkerInfo(
            id=job.worker_id, endpoint=self.function.name, ask=lambda reason, _: asked.append(reason)
        )
        self._runner.hooks.worker_start(info)
        try:
            started = time.perf_counter()
            with _interruptible():
                run = self._runner.run(job, heard.chunk)
            seconds = time.perf_counter() - started
            heard.end()
        finally:
            self._runner.hooks.worker_stop(info)
        result = Result(
            status=run.status,
            attempt=attempt,
            delay_time=0,
            execution_time=int(seconds * 1000),
            worker_id=info.id,
            output=heard.mask(self._output(run, heard.chunks)),
            error=heard.mask(run.error),
            notes=heard.mask(run.notes),
            refresh=heard.mask(run.refresh),
        )
        chunks = None if run.chunks is None else heard.chunks
        return Ran(
            record=record,
            result=result,
            chunks=chunks,
            progress=heard.said,
            worker_refresh=heard.mask(asked[0]) if asked else None,
        )

    def request(self, record: Record) -> Request:
        """The request as the host's hooks see it, without its secret fields."""
        return self._ends.request(record)

    def end(self, record: Record, result: Result) -> End:
        """What a host would store of this end: the status object, and what `post_job` asks for."""
        self._bridge.run(self._ends.end(record, result))
        return self._kept.ends.pop()

    def _output(self, run: Run, chunks: list[bytes]) -> bytes | None:
        """As a host puts it together: a generator's output is the list of its chunks."""
        if run.chunks is None:
            return run.output
        if not self.function.options.aggregate or not chunks:
            return b"[]" if run.status is Status.COMPLETED else run.output
        return joined(chunks)

    def __enter__(self) -> Local:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bridge.close()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends a job as any exception does, plugins and all; then it ends the caller too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def received(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, received)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


class _Heard:
    """What a run says while it runs, without its secrets."""

    def __init__(self, secrets: Collection[str], show: Callable[[bytes], None]) -> None:
        self.said: list[bytes] = []
        self.chunks: list[bytes] = []
        self._redactor = Redactor(secrets)
        self._outgoing = StreamRedactor(self._redactor)
        self.exempt, self.hide = self._redactor.exempt, self._redactor.hide
        self._show = show

    def progress(self, value: bytes) -> None:
        self.said.append(self.mask(value))
        self._show(self.said[-1])

    def chunk(self, number: int, value: bytes) -> None:
        self.chunks += [chunk for _, chunk in self._outgoing.add(number, value)]

    def end(self) -> None:
        self.chunks += [chunk for _, chunk in self._outgoing.end()]

    def mask(self, value: T) -> T:
        masked: T = self._redactor.tree(value)
        return masked


class _Kept:
    """Where ends go in place of a queue."""

    def __init__(self) -> None:
        self.ends: list[End] = []

    async def finish(self, ends: Sequence[End]) -> list[bool]:
        self.ends += ends
        return [True] * len(ends)


def _begun(submission: Submission, attempt: int) -> Record:
    """The record of a job that a worker has just been given."""
    now = time.time_ns() // 1_000_000
    return Record(
        id=submission.id,
        endpoint=submission.endpoint,
        status=Status.IN_PROGRESS,
        attempt=attempt,
        input=submission.input,
        fields=submission.fields,
        sealed=submission.sealed,
        policy=submission.policy,
        submitted_at=now,
        started_at=now,
        expires_at=now + submission.policy.ttl,
    )
