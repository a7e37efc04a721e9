"""One queue: how fast one producer fills it, how fast its workers drain it, and how soon a lone job runs."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from suite.environments import PEERS, make
from suite.filling import fill, numbered
from suite.plan import Plan
from suite.processes import Failed, running, tail, until
from suite.results import Figures
from suite.services import SERVICES
from suite.sides import QueueSide

# The first jobs run while workers are still starting, so the drain is timed after them.
LEFT_OUT = 10  # per cent
GATE = "gate"  # a FIFO in the queue's folder that holds workers of ours until somebody opens it
LONE = 100  # jobs, each enqueued when the last has run


class Marked:
    """The file in which the handler notes when each job ran, in nanoseconds; see `peers/job.py`."""

    def __init__(self, path: Path, jobs: int) -> None:
        self._jobs, self._first_left = jobs, 0
        path.write_bytes(bytes(8 * (jobs + LONE)))
        with path.open("r+b") as file:
            self._slots = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")

    def all_ran(self) -> bool:
        """Whether none is left; cheap to ask again and again."""
        while self._first_left < self._jobs and self._slots[self._first_left]:
            self._first_left += 1
        return self._first_left == self._jobs

    def ran(self, number: int) -> int:
        """When the job of this number ran; 0 if it has not."""
        return self._slots[number]

    def rate(self, end: int = 0) -> float:
        """Jobs a second, without those that ran first; to a later `end` than when the last one ran, if there is one."""
        ran = sorted(self._slots[: self._jobs])[self._jobs * LEFT_OUT // 100 :]
        return (len(ran) - 1) / (max(ran[-1], end) - ran[0]) * 1e9


def measured(side: QueueSide, plan: Plan) -> Figures:
    """A fresh queue for each kind of work of the plan."""
    figures: Figures = {}
    variant = f"{side.processes} worker process{'es' * (side.processes > 1)}"
    for ms in plan.drained:
        jobs, before = max(60, int(side.jobs * plan.share)), int(side.beforehand * plan.share)
        if ms:  # the worker sets the pace, so more would only take longer
            jobs, before = min(jobs, 1000 * side.processes), 0
        for figure, value in one_drain(side, ms, jobs, before).items():
            figures[plan.work[ms], variant, figure] = value
    return figures


def one_drain(side: QueueSide, ms: int, jobs: int, before: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder, log = Path(name), Path(name) / "worker.log"
        marked = Marked(folder / "marks", jobs + before)
        if side.service == "workerkit":
            os.mkfifo(folder / GATE)
            gates = [{"gate": str(folder / GATE)}] * side.processes
            fill(folder / "queue.db", [*gates, *numbered(jobs, before, ms)])
        environ = {
            **side.environ,
            "PYTHONPATH": str(PEERS),
            "BENCH_FOLDER": name,
            "BENCH_MARKS": str(folder / "marks"),
            **stack.enter_context(SERVICES[side.service](folder, side.processes)),
        }
        enqueued = call(side, environ, "enqueue", jobs, ms)
        last = stack.enter_context(stored(side, environ, enqueued["last"], folder / "stored"))
        command = filled(side, side.worker, environ)
        for _ in range(side.copies):
            worker = stack.enter_context(running(command, log, environ, PEERS))
        until(marked.all_ran, worker, log, side.name, seconds=120)
        check_result(side, environ, enqueued["last"], jobs, log)
        drained = marked.rate(last())
        if ms:  # how it is filled, and how soon a lone job starts, does not depend on the handler
            return {"drained jobs/s": drained}
        lone = sorted(call(side, environ, "latency", LONE, jobs + before))
        return {
            "enqueued jobs/s": jobs / enqueued["seconds"],
            "drained jobs/s": drained,
            "lone job starts after, p50 ms": lone[LONE // 2],
            "lone job starts after, p99 ms": lone[LONE * 99 // 100],
        }


@contextlib.contextmanager
def stored(side: QueueSide, environ: Mapping[str, str], id: str, said: Path) -> Iterator[Callable[[], int]]:
    """When the last result was stored, in nanoseconds, asked for once it has been: our host has ends on their way.

    Of others it is 0: they are taken to have stored it when the handler has run.
    """
    if side.service != "workerkit":
        yield lambda: 0
        return
    command = [sys.executable, str(PEERS / f"{side.adapter}.py"), "stored", id]
    with running(command, said, environ, PEERS) as waiting:

        def last() -> int:
            until(lambda: waiting.poll() == 0, waiting, said, side.name)
            return int(said.read_text())

        yield last


def filled(side: QueueSide, command: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
    programs = make(side.environment) if side.environment else ""
    places = {"bin": programs, "python": sys.executable, "peers": PEERS}
    return [part.format(**places, redis=environ.get("BENCH_REDIS", "")) for part in command]


def call(side: QueueSide, environ: Mapping[str, str], *arguments: object) -> Any:
    """What the peer's adapter prints, in a process of its own."""
    python = str(make(side.environment) / "python") if side.environment else sys.executable
    adapter = str(PEERS / f"{side.adapter}.py")
    done = subprocess.run(
        [python, adapter, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environ},
        cwd=PEERS,
    )
    if done.returncode:
        raise Failed(f"{side.name}: '{arguments[0]}' failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def check_result(side: QueueSide, environ: Mapping[str, str], id: str, jobs: int, log: Path) -> None:
    """A side that says it stores results must give back that of the last job."""
    if side.result == "stored" and call(side, environ, "result", id) != {"n": jobs - 1}:
        raise Failed(f"{side.name}: the result of job {id} is not what its handler returned:\n{tail(log)}")
