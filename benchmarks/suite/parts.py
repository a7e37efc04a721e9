"""The parts of a queue's work, each with nothing around it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import floor

from suite.plan import Plan
from suite.results import Figures
from suite.sides import Side

JOBS = 10_000
ECHO = "import socket; wire = socket.socket(fileno=0)\nwhile data := wire.recv(65536): wire.sendall(data)"
FRAME = bytes(64)


@attrs.frozen
class Part(Side):
    """`measure` takes a number of jobs and gives jobs a second by figure."""

    measure: Callable[[int], dict[str, float]]


def measured(side: Part, plan: Plan) -> Figures:
    found = side.measure(int(JOBS * plan.share))
    return {("echo", "1 worker process", figure): value for figure, value in found.items()}


def floor_program(jobs: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        line = [sys.executable, floor.__file__, "drain", "--db", f"{folder}/queue.db", "--jobs", str(jobs)]
        return {"drained jobs/s": jobs / json.loads(subprocess.check_output(line))["seconds"]}


def sqlite(jobs: int, together: int) -> dict[str, float]:
    """Insert all, then claim and end all, so many to a commit."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database = floor.connect(str(Path(folder) / "queue.db"))
        began = time.perf_counter()
        for _ in range(0, jobs, together):
            floor.fill(database, together)
        filled = time.perf_counter()
        ended: list[tuple[str, bytes]] = []
        while claimed := floor.turn(database, ended, together):
            ended = claimed
        drained = time.perf_counter()
        database.close()
    return {"enqueued jobs/s": jobs / (filled - began), "drained jobs/s": jobs / (drained - filled)}


def socketpair(jobs: int) -> dict[str, float]:
    """A frame there and back, in turn."""
    ours, theirs = socket.socketpair()
    with ours, subprocess.Popen([sys.executable, "-c", ECHO], stdin=theirs.fileno()) as process:
        theirs.close()
        ours.sendall(FRAME)
        ours.recv(len(FRAME))
        began = time.perf_counter()
        for _ in range(jobs):
            ours.sendall(FRAME)
            ours.recv(len(FRAME))
        took = time.perf_counter() - began
        ours.shutdown(socket.SHUT_WR)
        process.wait(10)
    return {"drained jobs/s": jobs / took}


STORED = {"fsync": "yes", "result": "stored"}
PARTS = (
    Part("floor program", "", handler="own process", measure=floor_program, **STORED),
    Part("raw SQLite, 1 to a commit", "", handler="none", measure=lambda n: sqlite(n, 1), **STORED),
    Part("raw SQLite, 100 to a commit", "", handler="none", measure=lambda n: sqlite(n, 100), **STORED),
    Part("raw socketpair", "", "stores nothing", "only answered", handler="own process", measure=socketpair),
)
