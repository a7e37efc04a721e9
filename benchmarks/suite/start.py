"""How long things take to start: an import, one job without a server, a server, a worker.

Bytecode and files are where they are after a first start, which is not measured. Times are those that
pass, and CPU times are of the process with its children: when others use the machine, look at these.
"""

from __future__ import annotations

import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import urllib3

from suite import http, usage
from suite.environments import KEPT, PEERS, make
from suite.plan import Plan
from suite.processes import Failed, answers, free_port, running, tail, until
from suite.results import Figures
from suite.services import ready, serve
from suite.sides import OURS_START, HttpSide, StartSide

BETWEEN_LOOKS = 0.004  # seconds
STANDBY_LOADS_WITHIN = 1.0  # seconds; it does not tell when it has
FRESH = "a fresh worker's first job, ms"
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
    if side.server:
        starts = [first_answer(side.server) for _ in range(times)]
        figures |= spent("server to its first answer", starts)
    if side is OURS_START:
        for standbys, prewarm in (("0 standbys", "off"), ("1 standby", "toolkit")):
            figures["", standbys, FRESH] = statistics.median(fresh_workers(times, prewarm))
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


def fresh_workers(times: int, prewarm: str) -> Iterator[float]:
    """From a request that finds no worker to its answer."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port, log = Path(name), free_port(), Path(name) / "log"
        settings = ("--workers", "0..1", "--set", f"workers.prewarm={prewarm}")
        command = [*serve(folder, port), *settings, "--set", "workers.idle_timeout=0.2"]
        with running(command, log, environment(), folder) as process:
            until(lambda: ready(port), process, log, "workerkit")
            for _ in range(times):
                until(lambda: idles(port, standbys=prewarm != "off"), process, log, "workerkit")
                time.sleep(STANDBY_LOADS_WITHIN)
                began = time.perf_counter()
                if not http.echoes(f"http://127.0.0.1:{port}/v2/noop/runsync"):
                    raise Failed(f"workerkit: a bad answer:\n{tail(log)}")
                yield (time.perf_counter() - began) * 1e3


def idles(port: int, standbys: bool) -> bool:
    """Whether no worker is left, and as many standbys wait as should."""
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        text = pool.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
    numbers: Mapping[str, float] = {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[:1] != "#")
    }
    workers = sum(value for name, value in numbers.items() if name.startswith("workerkit_workers{"))
    return not workers and numbers["workerkit_standbys"] == standbys
