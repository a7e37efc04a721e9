"""Jobs that run at the same time in one worker: what comes of each is what comes of it alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import Any

import attrs
import msgspec

from workerkit.bridge import Bridge
from workerkit.function import WorkerFunction, worker_function
from workerkit.hooks import Hooks
from workerkit.job import Job
from workerkit.payload import encode
from workerkit.runner import Runner
from workerkit.testing.promises.subject import GOOD, Subject, broken
from workerkit.worker_info import WorkerInfo

#: Jobs at a time, and how many times that many.
SLOTS, ROUNDS = 4, 2
#: Seconds that a handler waits for the others: a plugin may well let one job run at a time.
MEETING = 1.0
#: Seconds that the jobs have, so that one that hangs is told.
PATIENCE = 30.0

#: What came of a job, by the path of each plain value in it: `output.answer`, `notes.seen[0]`.
Outcome = Mapping[str, object]


def check(subject: Subject) -> None:
    """Run jobs one by one, then several at a time, and compare."""
    subject.must_go_well()
    marks = [f"job-{token_hex(6)}" for _ in range(SLOTS * ROUNDS)]
    for kind in (_returns, _yields):
        faults = _faults(subject, kind, marks)
        # Twice, because a clock may have gone on in between.
        if faults and _faults(subject, kind, marks):
            broken(
                f"jobs that run at the same time are mixed up: {faults[0]}; keep what belongs to a job in "
                "the hook's own variables, or by job.id, and not on the plugin"
            )


@attrs.frozen
class Meeting:
    """Where handlers wait until all that run at the same time are there."""

    barrier: threading.Barrier

    def wait(self) -> None:
        """Meet; go on alone when the others do not come."""
        with suppress(threading.BrokenBarrierError):
            self.barrier.wait(MEETING)


Kind = Callable[[Meeting], WorkerFunction[..., Any]]


def _returns(meeting: Meeting) -> WorkerFunction[..., Any]:
    @worker_function
    def contract(job: Job) -> object:
        job.note("contract", job.id)
        meeting.wait()
        return {"id": job.id, "input": job.input}

    return contract


def _yields(meeting: Meeting) -> WorkerFunction[..., Any]:
    @worker_function
    def contract(job: Job) -> Iterator[object]:
        for number in range(3):
            meeting.wait()
            yield {"id": job.id, "number": number}

    return contract


def _faults(subject: Subject, kind: Kind, marks: Sequence[str]) -> list[str]:
    """What is otherwise when jobs run together, each as a sentence."""
    with _worker(subject, kind(Meeting(threading.Barrier(1)))) as run:
        first = {mark: run(mark) for mark in marks}
        again = {mark: run(mark) for mark in reversed(marks)}
    with _worker(subject, kind(Meeting(threading.Barrier(SLOTS)))) as run:
        together = _at_the_same_time(run, marks)
    return [
        fault
        for mark in marks
        for fault in _differences(mark, first[mark], again[mark], together[mark], marks)
    ]


def _differences(
    mark: str, first: Outcome, again: Outcome, together: Outcome, marks: Sequence[str]
) -> Iterator[str]:
    for path, value in first.items():
        if path not in again:
            continue
        if path not in together:
            yield f"{path} is gone, which is {value!r} alone"
        # What differs between two turns alone is a time or a count, and says nothing.
        elif value == again[path] and together[path] != value:
            yield f"{path} is {together[path]!r} instead of {value!r}"
    for path, value in together.items():
        if any(other in str(value) for other in marks if other != mark):
            yield f"{path} of job {mark} is {value!r}, of another job"


@contextmanager
def _worker(subject: Subject, function: WorkerFunction[..., Any]) -> Iterator[Callable[[str], Outcome]]:
    """A worker with the plugin; what it gives runs the job of a mark."""
    bridge = Bridge()
    try:
        runner = Runner(function, Hooks(subject.load(), bridge), bridge)
        info = WorkerInfo(id=runner.worker_id, endpoint=function.name)
        runner.hooks.worker_start(info)
        try:
            yield lambda mark: _run(runner, subject.fields, mark)
        finally:
            runner.hooks.worker_stop(info)
    finally:
        bridge.close()


def _run(runner: Runner, fields: Mapping[str, Any], mark: str) -> Outcome:
    chunks: list[bytes] = []
    raw = {name: encode(value, depth=100, root=name) for name, value in fields.items()}
    job = runner.job(id=mark, input=encode(f"{GOOD}, {mark}", depth=1), fields=raw)
    run = runner.run(job, lambda number, value: chunks.append(value))
    outcome = {
        "status": run.status.value,
        "error": run.error,
        "output": None if run.output is None else msgspec.json.decode(run.output),
        "chunk": [msgspec.json.decode(chunk) for chunk in chunks],
        "note": dict(run.notes),
    }
    return {path: leaf for name, value in outcome.items() for path, leaf in _leaves(name, value)}


def _at_the_same_time(run: Callable[[str], Outcome], marks: Sequence[str]) -> Mapping[str, Outcome]:
    """Each slot is a thread with its share of the jobs, as in a worker."""
    outcomes: dict[str, Outcome] = {}

    def slot(number: int) -> None:
        for mark in marks[number::SLOTS]:
            outcomes[mark] = run(mark)

    threads = [threading.Thread(target=slot, args=(number,), daemon=True) for number in range(SLOTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    missing = len(marks) - len(outcomes)
    if missing:
        broken(f"{missing} of {len(marks)} jobs that run {SLOTS} at a time did not end within {PATIENCE:g} s")
    return outcomes


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(f"{path}[{number}]", inner)
    else:
        yield path, value
