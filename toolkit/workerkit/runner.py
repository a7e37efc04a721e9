"""The main path: one job through `pre_job`, the handler inside `run_job`, and `on_output`.

`Runner.run` is the whole life of a run. It knows no queue, no process and no socket, so the same
lines serve a worker process and `workerkit run`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from workerkit.bridge import Bridge, Cancel
from workerkit.errors import InvalidOutput, JobCancelled, JobFailed, PluginFailed, Retry
from workerkit.failures import MOST, cause, describe, sendable, writable
from workerkit.job import EMPTY, Job, Output
from workerkit.payload import convert_field, encode
from workerkit.redaction import Redactor
from workerkit.states import Status

if TYPE_CHECKING:
    from workerkit.function import WorkerFunction
    from workerkit.hooks import Hooks

#: Takes a chunk's number, counted from 0, and its JSON.
Emit = Callable[[int, bytes], None]
#: Seconds that `Retry` may wait: as long as a job may live.
MOST_WAIT = 7 * 24 * 3600
#: Whether another run may do: none of this run's doing, since it failed, since it asked.
NO_RETRY, RETRY_FAILED, RETRY_ASKED = "", "failed", "asked"


@attrs.frozen(kw_only=True)
class Limits:
    """The most that may leave a job: bytes of JSON, and levels of nesting."""

    output: int = 20_000_000
    chunk: int = 1_000_000
    depth: int = 100


@attrs.frozen(kw_only=True, eq=False)
class Run:
    """How a run ended. `output` is JSON; `chunks` counts what a generator emitted, else None."""

    status: Status
    output: bytes | None = attrs.field(default=None, repr=False)
    error: str | None = attrs.field(default=None, repr=False)
    notes: Mapping[str, Any] = attrs.field(default=EMPTY, repr=False)
    refresh: str | None = None
    chunks: int | None = None
    #: "failed" when the handler or a plugin raised, "asked" when it was `Retry`, else "".
    retry: str = NO_RETRY
    #: Seconds that `Retry` wants to wait.
    retry_after: float | None = None
    #: What it failed of, in words that quote neither input nor output, and so are fit for a log.
    cause: str = ""


class Runner:
    """Runs the jobs of one function; threads may share it.

    `hooks` are extended by the function's own plugins; `PluginError` when one of those has no place
    there. `tracebacks` says whether the error of a failed job holds one. Jobs have their folders in
    `scratch`, else in the temporary folder. `clean` masks what it knows of other jobs' secrets in a text
    before it is cut.
    """

    def __init__(
        self,
        function: WorkerFunction[..., Any],
        hooks: Hooks,
        bridge: Bridge,
        *,
        limits: Limits | None = None,
        worker_id: str = "local",
        tracebacks: bool = True,
        scratch: Path | None = None,
        clean: Callable[[str], str] = str,
    ) -> None:
        self.function = function
        self.hooks = hooks.extend(function.plugins)
        self.bridge = bridge
        self.limits = limits or Limits()
        self.worker_id = worker_id
        self.tracebacks = tracebacks
        self.scratch = scratch
        self._clean = clean
        code = getattr(inspect.unwrap(function.function), "__code__", None)
        self._file: str = "" if code is None else code.co_filename

    def job(
        self,
        *,
        id: str,
        input: bytes,
        fields: Mapping[str, bytes] = EMPTY,
        attempt: int = 1,
        progress: Callable[[bytes], None] = lambda value: None,
        exempt: Callable[[str], None] = lambda url: None,
        hide: Callable[[str], None] = lambda secret: None,
    ) -> Job:
        """A run of a request, from its JSON. What the handler shows while it runs goes to `progress`.

        `exempt` is told of each URL that may leave the job although it holds a secret, and `hide` of each
        secret that is not the request's. Raises `Refused` when a declared field does not fit its type.
        """
        raw = {name: msgspec.json.decode(value) for name, value in fields.items()} if fields else EMPTY
        known = self.hooks.fields
        return Job(
            id=id,
            endpoint=self.function.name,
            input=msgspec.json.decode(input),
            attempt=attempt,
            worker_id=self.worker_id,
            fields={n: convert_field(n, value, known[n]) for n, value in raw.items() if n in known},
            raw_fields=raw,
            send_progress=lambda value: progress(self._sized("progress", value, self.limits.chunk)),
            send_exempt=exempt,
            send_hide=hide,
            scratch=self.scratch,
        )

    def run(self, job: Job, emit: Emit, cancel: Cancel | None = None) -> Run:
        """Take `job` to its end, whatever that is: nothing a handler or a plugin raises gets past here.

        Chunks go to `emit` as they are yielded. `cancel`, requested from another thread, ends an
        async handler, and keeps any handler from beginning.
        """
        try:
            return self.attempt(job, emit, cancel)
        finally:
            job.close()

    def attempt(self, job: Job, emit: Emit, cancel: Cancel | None = None) -> Run:
        """`run` for a caller that closes the job itself."""
        chunks = _Chunks(self, job, emit)
        try:
            return self._attempt(job, chunks, cancel or Cancel())
        except BaseException as error:
            # Raised while its end was put together: by a note's attribute, by an exception's own text.
            text = f"{type(error).__name__} was raised while the job's end was put together"
            return Run(status=Status.FAILED, error=text, chunks=chunks.count if chunks.streams else None)

    def _attempt(self, job: Job, chunks: _Chunks, cancel: Cancel) -> Run:
        try:
            if cancel.requested:
                return self._end(job, chunks, Status.CANCELLED)
            self.hooks.pre_job(job)
            output = self.hooks.run_job(job, partial(self._handle, job, chunks, cancel))
            last = chunks.finish(output)
            return self._end(job, chunks, Status.COMPLETED, output=last)
        except BaseException as error:
            if cancel.requested and _is_cancellation(error):
                return self._end(job, chunks, Status.CANCELLED)
            return attrs.evolve(self._failed(job, chunks, error), cause=self._cause(error))

    def _failed(self, job: Job, chunks: _Chunks, error: BaseException) -> Run:
        match error:
            case JobFailed():
                return self._fail(job, chunks, self._told(job, error.message), error.output)
            case Retry():
                return self._again(job, chunks, error)
            case InvalidOutput():
                return self._fail(job, chunks, self._told(job, error))
            case PluginFailed():
                return attrs.evolve(self._fail(job, chunks, self._told(job, error.whole)), retry=RETRY_FAILED)
        fit = partial(self._told, job)
        text = describe(error, worker_id=self.worker_id, tracebacks=self.tracebacks, fit=fit)
        return attrs.evolve(self._fail(job, chunks, text), retry=RETRY_FAILED)

    def _cause(self, error: BaseException) -> str:
        if isinstance(error, PluginFailed):
            return sendable(f"plugin {error.plugin!r} failed in {error.hook}")
        return cause(error, self._file)

    def _again(self, job: Job, chunks: _Chunks, verdict: Retry) -> Run:
        """FAILED, unless the host may run it another time."""
        after = verdict.after
        if after is not None and not _is_wait(after):
            text = f"Retry(after={after!r}) cannot be; it must be a number of seconds from 0 to {MOST_WAIT:,}"
            return self._fail(job, chunks, self._told(job, text))
        ended = self._fail(job, chunks, self._told(job, verdict.message))
        return attrs.evolve(ended, retry=RETRY_ASKED, retry_after=None if after is None else float(after))

    def _handle(self, job: Job, chunks: _Chunks, cancel: Cancel) -> Output:
        """Call the handler, and iterate it when it is a generator."""
        args, kwargs = self.function.bind(job)
        begun = self.function.function(*args, **kwargs)
        kind = self.function.kind
        if kind == "function":
            return Output(begun)
        if kind == "coroutine":
            return Output(self.bridge.run(begun, cancel))
        values = begun if kind == "generator" else self.bridge.iterate(begun, cancel)
        return chunks.drain(values)

    def _fail(self, job: Job, chunks: _Chunks, error: str, output: Any = None) -> Run:
        """FAILED; a verdict's output is kept beside the error when it can be."""
        try:
            kept = None if output is None else self._sized("output", output, self.limits.output)
        except InvalidOutput as fault:
            kept, error = None, f"{error} (its output was left out: {fault})"
        return self._end(job, chunks, Status.FAILED, output=kept, error=error)

    def _end(
        self, job: Job, chunks: _Chunks, status: Status, output: bytes | None = None, error: str | None = None
    ) -> Run:
        notes: Mapping[str, Any] = EMPTY
        if job.notes:
            try:
                notes = msgspec.json.decode(self._sized("notes", job.notes, self.limits.chunk))
            except InvalidOutput as fault:
                status, output, error = Status.FAILED, None, error or self._told(job, fault)
        return Run(
            status=status,
            output=output,
            error=error,
            notes=notes,
            refresh=None if job.refresh_reason is None else self._told(job, job.refresh_reason),
            chunks=chunks.count if chunks.streams else None,
        )

    def _sized(self, what: str, value: Any, limit: int) -> bytes:
        body = encode(value, depth=self.limits.depth, root=what)
        if len(body) > limit:
            raise InvalidOutput(
                f"{what} is {len(body):,} bytes of JSON, and {limit:,} are allowed; return less, "
                "upload it and return its URL, or raise the limit in [limits]"
            )
        return body

    def _told(self, job: Job, text: Any) -> str:
        """A text that leaves the job. The host masks secrets, but could not find one that was cut in two here."""
        text = writable(text)
        if len(text) > MOST:
            text = self._clean(Redactor(job.secrets).text(text))
        return sendable(text)


class _Chunks:
    """The outputs of one run, numbered as they go through `on_output` and out."""

    def __init__(self, runner: Runner, job: Job, emit: Emit) -> None:
        self.count = 0
        self.streams = runner.function.kind in ("generator", "async_generator")
        self._runner = runner
        self._job = job
        self._emit = emit

    def drain(self, values: Generator[Any, Any, Any]) -> Output:
        """Send each value a generator yields; its return value is the final output."""
        with closing(values):
            while True:
                try:
                    value = next(values)
                except StopIteration as end:
                    return Output(end.value, self.count)
                output = Output(value, self.count, final=False)
                self._runner.hooks.on_output(self._job, output)
                self._send(output.value)

    def finish(self, output: Output) -> bytes | None:
        """The output of a plain function as JSON; a generator's is its last chunk. None is no output."""
        if output.value is None and self.streams:
            return None
        self._runner.hooks.on_output(self._job, output)
        if output.value is None:
            return None
        if not self.streams:
            return self._runner._sized("output", output.value, self._runner.limits.output)
        self._send(output.value)
        return None

    def _send(self, value: Any) -> None:
        runner = self._runner
        body = runner._sized(f"chunk {self.count}", value, runner.limits.chunk)
        self._emit(self.count, body)
        self.count += 1


def _is_wait(after: object) -> bool:
    return isinstance(after, (int, float)) and not isinstance(after, bool) and 0 <= after <= MOST_WAIT


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, JobCancelled):
        return True
    # Imported here: plain functions never need asyncio.
    import asyncio

    return isinstance(error, asyncio.CancelledError)
