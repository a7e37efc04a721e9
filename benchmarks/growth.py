"""What workerkit costs as work grows, and while it has none.

    python benchmarks/growth.py             1,000 to 1,000,000 queued jobs, 10,000 waiters, 64 workers; 10 minutes
    python benchmarks/growth.py --quick     a tenth of it, in two minutes
    python benchmarks/growth.py --only waiters

CPU time is what the kernel counts for the host's and the workers' threads; memory is PSS. Every server is
`workerkit serve` in processes of its own, with SQLite and fsync, and a handler that echoes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
from served import place, serving
from suite import http, usage
from suite.environments import KEPT, PEERS
from suite.filling import fill, numbered
from suite.processes import Failed, tail
from suite.queues import Marked
from suite.report import growth
from suite.results import machine
from suite.sides import OURS_HTTP
from waiters import Waiters, raise_limit

PAGES = KEPT.parent / "docs" / "performance"
DRAINED, SUBMITTED = 5_000, 2_000  # jobs of a measurement
LOADED = 8  # connections


@attrs.frozen
class Sizes:
    """How much of everything."""

    queued: Sequence[int] = (1_000, 100_000, 1_000_000)
    rounds: int = 3
    jobs: int = 100_000
    waiters: int = 10_000
    idle: float = 30.0  # seconds
    workers: int = 64


QUICK = Sizes(queued=(1_000, 10_000, 100_000), rounds=1, jobs=10_000, waiters=1_000, idle=5.0, workers=16)


def queued(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """What a job costs that is submitted to, and one that is drained from, a queue of so many."""
    with place() as kept:
        found: dict[int, list[dict[str, float]]] = {jobs: [] for jobs in sizes.queued}
        for jobs in sizes.queued:
            fill(kept / f"{jobs}.db", numbered(0, jobs))
        for _ in range(sizes.rounds):
            for jobs, rounds in found.items():
                figures: dict[str, float] = {}
                for measure in (submitted, drained):
                    with place() as folder:
                        shutil.copyfile(kept / f"{jobs}.db", folder / "queue.db")
                        figures |= measure(folder, jobs)
                rounds.append(figures)
        for jobs, rounds in found.items():
            for figure in rounds[0]:
                yield row(f"{jobs:,} queued", figure, [each[figure] for each in rounds])


def submitted(folder: Path, jobs: int) -> dict[str, float]:
    """By one client, one after the other, while nobody drains."""
    more = min(jobs, SUBMITTED)
    with serving(folder, 0, "--set", "limits.queue_length=100000000") as server:
        server.post("/run", {"n": 0, "ms": 0})
        before, began = server.cpu()[0], time.perf_counter()
        for _ in range(more):
            server.post("/run", {"n": 0, "ms": 0})
        wall, host = time.perf_counter() - began, server.cpu()[0] - before
    return {"submit, host CPU µs": host / more * 1e6, "submit, µs": wall / more * 1e6}


def drained(folder: Path, jobs: int) -> dict[str, float]:
    """By one worker, without the tenth that runs while it starts."""
    marked = Marked(folder / "marks", jobs)
    first = min(jobs // 10, DRAINED)
    last = min(first + DRAINED, jobs) - 1
    environ = {"BENCH_MARKS": str(folder / "marks")}
    with serving(folder, 1, "--set", "limits.queue_length=100000000", environ=environ) as server:
        while not marked.ran(first):
            time.sleep(0.0005)
        host, workers = server.cpu()
        while not marked.ran(last):
            time.sleep(0.0005)
        host_then, workers_then = server.cpu()
    share = 1e6 / (last - first)
    return {
        "drain, host CPU µs": (host_then - host) * share,
        "drain, worker CPU µs": (workers_then - workers) * share,
        "drain, µs": (marked.ran(last) - marked.ran(first)) / 1e9 * share,
    }


def memory(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """PSS while jobs are run, and how much it grows with each in the second half."""
    with place() as folder, serving(folder, 1) as server:
        [worker] = server.workers
        done: list[int] = [0]
        seen: dict[str, list[float]] = {"host": [], "worker": []}
        while True:
            seen["host"].append(usage.memory(server.pid))
            seen["worker"].append(usage.memory(worker))
            if done[-1] >= sizes.jobs:
                break
            load = http.offer(OURS_HTTP, server.url + "/runsync", LOADED, 0, seconds=1)
            done.append(done[-1] + int(load["answers"]))
    own, what = handlers_own(), f"{done[-1]:,} jobs"
    yield row(what, "worker over the handler's own, MiB", [each - own for each in seen["worker"]])
    half = len(done) // 2
    for process, sizes_seen in seen.items():
        yield row(what, f"{process}, MiB", sizes_seen)
        slope = statistics.linear_regression(done[half:], sizes_seen[half:]).slope
        yield row(what, f"{process}, bytes more with each job", [slope * (1 << 20)])


def handlers_own() -> float:
    """MiB of a Python process that has imported what the handler does, and nothing of workerkit."""
    command = [sys.executable, "-c", "import job, sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, cwd=PEERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        own = usage.memory(process.pid)
        process.stdin.close()
    return own


def waiters(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Clients that all wait in /runsync: what each costs, and whether each gets its own answer."""
    with place() as folder, serving(folder, 1) as server:
        os.mkfifo(folder / "gate")
        server.post("/run", {"gate": str(folder / "gate")})
        before = usage.memory(server.pid)
        host = server.cpu()[0]
        crowd = Waiters(server.port, sizes.waiters)
        crowd.send()
        while (waiting := server.health()["jobs"]["inQueue"]) < sizes.waiters:
            crowd.check()
            time.sleep(0.05)
        yield row(what := f"{waiting:,} waiters", "host MiB before", [before])
        came = server.cpu()[0]
        yield row(what, "host KiB for each", [(usage.memory(server.pid) - before) * 1024 / waiting])
        yield row(what, "host CPU µs for each to come", [(came - host) / waiting * 1e6])
        began, came = time.perf_counter(), server.cpu()[0]
        time.sleep(sizes.idle / 6)
        passed = time.perf_counter() - began
        yield row(what, "host CPU % while they wait", [(server.cpu()[0] - came) / passed * 100])
        began, came = time.perf_counter(), server.cpu()[0]
        (folder / "gate").open("wb").close()
        wrong = crowd.wrong()
        took, used = time.perf_counter() - began, server.cpu()[0] - came
        if wrong:
            raise Failed(f"{len(wrong)} of {waiting} waiters got a wrong answer, such as {wrong[0]!r}")
        yield row(what, "answered right", [waiting])
        yield row(what, "seconds until all were answered", [took])
        yield row(what, "host CPU µs for each answer", [used / waiting * 1e6])


def idle(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """A host with one worker, and a host with many, which have nothing to do."""
    for count in (1, sizes.workers):
        with place() as folder, serving(folder, count) as server:
            for number in range(count):
                server.post("/runsync", {"n": number, "ms": 0})
            time.sleep(2)  # what a start leaves to do is done
            began, (host, workers) = time.perf_counter(), server.cpu()
            time.sleep(sizes.idle)
            passed, (host_then, workers_then) = time.perf_counter() - began, server.cpu()
            what, pids = f"{count} idle worker{'s' * (count > 1)}", server.workers
            if len(pids) != count:
                raise Failed(f"there are {len(pids)} workers, not {count}:\n{tail(folder / 'log')}")
            yield row(what, "host CPU %", [(host_then - host) / passed * 100])
            yield row(what, "CPU % of each worker", [(workers_then - workers) / passed / count * 100])
            yield row(what, "host MiB", [usage.memory(server.pid)])
            yield row(what, "MiB of each worker", [usage.memory(pid) for pid in pids])


def row(what: str, figure: str, values: Sequence[float]) -> dict[str, Any]:
    return {"what": what, "figure": figure, "values": [round(value, 3) for value in values]}


MEASURED: dict[str, Callable[[Sizes], Iterator[dict[str, Any]]]] = {
    "queued": queued,
    "memory": memory,
    "waiters": waiters,
    "idle": idle,
}


def measured(sizes: Sizes, name: str, chosen: Sequence[str]) -> dict[str, Any]:
    """All of it, with where and when it was."""
    began, conditions = time.time(), machine()
    rows: list[dict[str, Any]] = []
    for each in chosen:
        print(f"{each} …", file=sys.stderr)
        rows += MEASURED[each](sizes)
    return {
        "plan": name,
        "rounds": sizes.rounds,
        "began": dt.datetime.fromtimestamp(began, dt.timezone.utc).isoformat(" ", "minutes"),
        "minutes": round((time.time() - began) / 60, 1),
        "machine": conditions,
        "versions": {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version},
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=sorted(MEASURED), action="append")
    parser.add_argument("--publish", action="store_true", help="show the results in docs/performance.md")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that what was started is stopped too
    name, sizes = ("quick", QUICK) if chosen.quick else ("full", Sizes())
    raise_limit(sizes.waiters + 1_000)
    results = measured(sizes, name, chosen.only or list(MEASURED))
    for folder in (KEPT / name, *([PAGES] if chosen.publish and not chosen.only else [])):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "growth.json").write_text(json.dumps(results, indent=1) + "\n")
    print(growth(results))


if __name__ == "__main__":
    main()
