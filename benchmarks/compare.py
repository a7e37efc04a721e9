"""workerkit beside the floor program, in turns, so that a slow minute of the machine hits both.

    python benchmarks/compare.py                        /runsync at 1, 8 and 64 connections, and the drain
    python benchmarks/compare.py --rounds 5 --json bench.json
    python benchmarks/compare.py --only drain

Everything listens on 127.0.0.1, lives in a temporary folder, and is stopped at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import load
import urllib3
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
SIDES = ("floor", "ours")
RUNSYNC = "/v2/noop/runsync"
http = urllib3.PoolManager(retries=False)


def command(side: str, db: Path, port: int) -> list[str]:
    if side == "floor":
        return [sys.executable, str(HERE / "floor.py"), "serve", "--db", str(db), "--port", str(port)]
    serve = [sys.executable, "-m", "workerkit", "serve", str(HERE / "noop.py")]
    return [*serve, "--port", str(port), "--workers", "1", "--queue", f"sqlite:///{db}"]


@contextlib.contextmanager
def serving(side: str) -> Iterator[tuple[int, Path]]:
    """A fresh server with an empty queue: its port and its folder."""
    with tempfile.TemporaryDirectory(prefix="workerkit-bench-") as name:
        folder, port = Path(name), free_port()
        log = (folder / "log").open("w+")
        process = subprocess.Popen(
            command(side, folder / "queue.db", port), stdout=log, stderr=log, cwd=folder
        )
        try:
            wait_until_it_answers(process, port, log.name)
            yield port, folder
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if (
                http.request("POST", f"http://127.0.0.1:{port}{RUNSYNC}", body=load.BODY, timeout=5).status
                == 200
            ):
                return
        time.sleep(0.05)
    raise SystemExit(f"the server on port {port} did not answer within 30 s:\n{Path(log).read_text()}")


def runsync(side: str, connections: list[int], seconds: float) -> dict[str, load.Load]:
    with serving(side) as (port, folder):
        load.offer(port, RUNSYNC, 8, 1, folder)  # warm
        return {f"/runsync at {c}": load.offer(port, RUNSYNC, c, seconds, folder) for c in connections}


def drain_floor(jobs: int) -> float:
    with tempfile.TemporaryDirectory(prefix="workerkit-bench-") as folder:
        line = [
            sys.executable,
            str(HERE / "floor.py"),
            "drain",
            "--db",
            f"{folder}/queue.db",
            "--jobs",
            str(jobs),
        ]
        return float(json.loads(subprocess.check_output(line))["seconds"])


def drain_ours(jobs: int) -> float:
    """The worker is held by one job at a gate while the queue fills; then the gate opens."""
    with serving("ours") as (port, folder):
        gate, base = folder / "gate", f"http://127.0.0.1:{port}/v2/noop"
        os.mkfifo(gate)
        done = completed(base)
        submit(base, {"gate": str(gate)})
        uvloop.run(load.with_sockets(port, "/v2/noop/run", 64, count=jobs - 2))
        last = submit(base, {})
        started = time.perf_counter()
        gate.write_bytes(b"")
        while completed(base) < done + jobs:  # the last in is not always the last out
            http.request("GET", f"{base}/status-sync/{last}?wait=300000", timeout=310)
        return time.perf_counter() - started


def submit(base: str, value: dict[str, str]) -> str:
    answer = http.request("POST", f"{base}/run", body=json.dumps({"input": value}), timeout=10)
    return str(answer.json()["id"])


def completed(base: str) -> int:
    return int(http.request("GET", f"{base}/health", timeout=10).json()["jobs"]["completed"])


def measure(arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Figures by row, then side; one per round."""
    figures: dict[str, dict[str, list[float]]] = {}

    def note(row: str, side: str, value: float) -> None:
        figures.setdefault(row, {name: [] for name in SIDES})[side].append(round(value, 3))

    for round_ in range(arguments.rounds):
        for side in SIDES if round_ % 2 == 0 else SIDES[::-1]:
            print(f"round {round_ + 1} of {arguments.rounds}: {side}", file=sys.stderr)
            if arguments.only != "drain":
                for row, result in runsync(side, arguments.connections, arguments.seconds).items():
                    note(f"{row}, jobs/s", side, result.rate)
                    note(f"{row}, p50 ms", side, result.p50)
                    note(f"{row}, p99 ms", side, result.p99)
            if arguments.only != "runsync":
                seconds = (drain_floor if side == "floor" else drain_ours)(arguments.jobs)
                note(f"drain of {arguments.jobs:,}, jobs/s", side, arguments.jobs / seconds)
    return figures


def spread(values: list[float]) -> str:
    digits = 2 if max(values) < 100 else 0
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def show(figures: dict[str, dict[str, list[float]]], rounds: int) -> None:
    table = Table(
        title=f"median (min to max) of {rounds} rounds; ratio: workerkit to floor", box=box.SIMPLE_HEAD
    )
    for heading in ("", "floor", "workerkit", "ratio"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for row, sides in figures.items():
        ratio = statistics.median(sides["ours"]) / statistics.median(sides["floor"])
        table.add_row(row, spread(sides["floor"]), spread(sides["ours"]), f"{ratio:.2f}")
    Console(width=100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of load for each figure")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--jobs", type=int, default=10_000, help="to drain")
    parser.add_argument("--only", choices=["runsync", "drain"])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round here")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped too
    figures = measure(arguments)
    show(figures, arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
