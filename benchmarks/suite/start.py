"""How long things take to start: an import, one job without a server, a server, a worker.

Bytecode and files are where they are after a first start, which is not measured. Times are those that
pass, and CPU times are of the process with its children: when others use the machine, look at these.
"""

from __future__ import annotations

import contextlib
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import urllib3

from suite import http, usage
from suite.environments import KEPT, PEERS, make
from suite.plan import Plan
from suite.processes import Failed, answers, free_port, running, tail, until
from suite.queues import Marked
from suite.results import Figures
from suite.services import ready, serve
from suite.sides import OURS_START, HttpSide, StartSide

BETWEEN_LOOKS = 0.004  # seconds
STANDBY_LOADS_WITHIN = 1.0  # seconds; it does not tell when it has
FRESH, GAP = "a fresh worker's first job, ms", "refresh gap, ms"
#: Standbys by their number, and what they have done ahead.
PREWARMED = (("0 standbys", "off"), ("1 standby", "toolkit"), ("1 standby, handler imported", "module"))
#: Milliseconds that a job takes which has its worker refreshed, so that the next one waits already.
LAST_JOB = 50
#: That such a server runs at most.
JOBS = 100
#: Of one start: how long it took, and how much CPU time, in milliseconds.
Spent = tuple[float, float]


def measured(side: StartSide, plan: Plan) -> Figures:
    """All that there is of a side."""
    times = max(1, round(3 * plan.share))
    python = str(make(side.environment) / "python") if side.environment else sys.executable
    bare, full = in_turns(times, [python, "-c", "pass"], [python, "-c", side.imports])
    beyond = [(f[0] - b[0], f[1] - b[1]) for b, f in zip(bare, full, strict=True)]
    figures = spent("import, beyond Python alone", beyond)
    if side.job:
        [jobs] = in_turns(times, filled(side, side.job))
        figures |= spent("one job without a server", jobs)
        if side is not OURS_START:  # a worker of a peer is fresh when its process is
            fresh = statistics.median(wall for wall, _ in jobs)
            figures["", "0 standbys", FRESH] = figures["", "1 standby", FRESH] = fresh
            figures |= {("", variant, GAP): fresh for variant, _ in PREWARMED}
    if side.server:
        starts = [first_answer(side.server) for _ in range(times)]
        figures |= spent("server to its first answer", starts)
    if side is OURS_START:
        for variant, prewarm in PREWARMED[:2]:
            figures["", variant, FRESH] = statistics.median(fresh_workers(times, prewarm))
        for variant, prewarm in PREWARMED:
            figures["", variant, GAP] = statistics.median(refresh_gaps(times, prewarm))
    return figures


def spent(what: str, starts: Sequence[Spent]) -> Figures:
    wall, cpu = (statistics.median(each) for each in zip(*starts, strict=True))
    return {("", "1 process", f"{what}, ms"): wall, ("", "1 process", f"{what}, CPU ms"): cpu}


def filled(side: StartSide, command: Sequence[str]) -> list[str]:
    programs = make(side.environment) if side.environment else ""
    return [part.format(bin=programs, python=sys.executable, peers=PEERS) for part in command]


def environment() -> dict[str, str]:
    """With a place for bytecode, which an installation has beside its modules."""
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(KEPT / "bytecode")}
    return {**os.environ, **kept, "PYTHONPATH": str(PEERS)}


def in_turns(times: int, *commands: Sequence[str]) -> list[list[Spent]]:
    """By command: each is run so many times, one after the other."""
    for command in commands:
        warm(tuple(command))
    rounds = [[run(command) for command in commands] for _ in range(times)]
    return [list(each) for each in zip(*rounds, strict=True)]


@functools.cache
def warm(command: tuple[str, ...]) -> None:
    run(command)


def run(command: Sequence[str]) -> Spent:
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment(), cwd=PEERS, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise Failed(f"{' '.join(command)}: {log.read().decode(errors='replace')[-2000:]}")
    return wall * 1e3, (used.ru_utime + used.ru_stime) * 1e3


def first_answer(side: HttpSide) -> Spent:
    """From the start of a server's process until its first job's output is here."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port, log = Path(name), free_port(), Path(name) / "log"
        url = f"http://127.0.0.1:{port}{side.path}"
        environ = {**environment(), **http.environment(side, port)}
        began = time.perf_counter()
        with running(http.command(side, folder, port), log, environ, PEERS) as process:
            while not (answers(port) and http.echoes(url)):
                if process.poll() is not None or time.perf_counter() - began > 60:
                    raise Failed(f"{side.name}: no answer:\n{tail(log)}")
                time.sleep(BETWEEN_LOOKS)
            return (time.perf_counter() - began) * 1e3, usage.cpu(usage.tree(process.pid)) * 1e3


@contextlib.contextmanager
def prewarming(prewarm: str, *more: str) -> Iterator[tuple[Marked, Callable[[int], str]]]:
    """Our server with such standbys. `settled` waits until so many workers and the standby are there, and
    gives its url."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port, log = Path(name), free_port(), Path(name) / "log"
        marked = Marked(folder / "marks", JOBS)
        command = [*serve(folder, port), "--set", f"workers.prewarm={prewarm}", *more]
        environ = {**environment(), "BENCH_MARKS": str(folder / "marks")}
        with running(command, log, environ, folder) as process:
            until(lambda: ready(port), process, log, "workerkit")

            def settled(workers: int) -> str:
                until(lambda: staff(port) == (workers, int(prewarm != "off")), process, log, "workerkit")
                time.sleep(STANDBY_LOADS_WITHIN)
                return f"http://127.0.0.1:{port}/v2/noop"

            yield marked, settled


def fresh_workers(times: int, prewarm: str) -> Iterator[float]:
    """From a request that finds no worker to its answer."""
    with prewarming(prewarm, "--workers", "0..1", "--set", "workers.idle_timeout=0.2") as (_, settled):
        for _ in range(times):
            url = settled(0)
            began = time.perf_counter()
            if not http.echoes(f"{url}/runsync"):
                raise Failed("workerkit: a bad answer")
            yield (time.perf_counter() - began) * 1e3


def refresh_gaps(times: int, prewarm: str) -> Iterator[float]:
    """From the end of a job that has its worker refreshed to the next one in another, which waits already."""
    with prewarming(prewarm, "--workers", "1") as (marked, settled), urllib3.PoolManager() as pool:
        for number in range(0, 2 * times, 2):
            url = settled(1)
            for job in ({"n": number, "ms": LAST_JOB, "refresh": True}, {"n": number + 1, "ms": 0}):
                pool.request("POST", f"{url}/run", json={"input": job})
            while not marked.ran(number + 1):
                time.sleep(BETWEEN_LOOKS)
            yield (marked.ran(number + 1) - marked.ran(number)) / 1e6


def staff(port: int) -> tuple[int, int]:
    """How many workers and standbys there are."""
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        text = pool.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
    numbers: Mapping[str, float] = {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[:1] != "#")
    }
    workers = sum(value for name, value in numbers.items() if name.startswith("workerkit_workers{"))
    return int(workers), int(numbers["workerkit_standbys"])
