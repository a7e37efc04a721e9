"""What supervision costs in time: refresh gaps, crashes, cancels, the first job after idling at zero.

    python benchmarks/supervision.py [--rounds N]

Handlers say when they began and ended by the system's monotonic clock, which all processes share. The
handler's module takes a second to import, as one that loads a model would.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from workerkit.testing import Server
from workerkit.testing.waiting import until

IMPORT_SECONDS = 1.0
HANDLER = f"""
import os, time
from workerkit import worker_function

time.sleep({IMPORT_SECONDS})
open(f"imported-{{os.getpid()}}", "w").close()

def note(job, what):
    with open(f"{{what}}-{{job.id}}-{{job.attempt}}.part", "w") as file:
        file.write(f"{{time.monotonic()}} {{os.getpid()}}")
    os.rename(file.name, file.name.removesuffix(".part"))

@worker_function
def work(job):
    began = time.monotonic()
    note(job, "began")
    wanted = job["input"] or {{}}
    try:
        if wanted.get("loop") == "python":
            while True:
                pass
        if wanted.get("loop") == "sleep":
            time.sleep(600)
        if wanted.get("loop") == "c" and job.attempt == 1:
            sum(range(10**12))
        time.sleep(wanted.get("seconds", 0))
    finally:
        note(job, "ended")
    return {{"began": began, "ended": time.monotonic(), "refresh_worker": wanted.get("refresh", False)}}
"""


def noted(server: Server, what: str, id: str, attempt: int = 1) -> tuple[float, int]:
    """When a run has begun or ended, and in which process."""
    path = server.folder / f"{what}-{id}-{attempt}"
    until(f"{path.name} is there", path.exists)
    moment, pid = path.read_text().split()
    return float(moment), int(pid)


def serve(folder: str, **workers: object) -> Server:
    return Server(Path(folder), HANDLER, settings={"workers": workers})


def refresh_gaps(prewarm: str, rounds: int) -> Iterator[float]:
    """From the end of a job that refreshes to the beginning of the next, which waits already."""
    with tempfile.TemporaryDirectory() as folder, serve(folder, prewarm=prewarm) as server:
        for _ in range(rounds):
            settle(server, prewarm)
            # As long as a standby takes to start Python and load workerkit, which it cannot tell.
            first, second = (
                server.submit("work", {"refresh": refresh, "seconds": refresh}) for refresh in (True, False)
            )
            ended = server.wait("work", first)["output"]["ended"]
            yield server.wait("work", second)["output"]["began"] - ended


def settle(server: Server, prewarm: str, workers: int = 1) -> None:
    """Wait for the workers, and for the standby to have done what it does ahead."""

    def imported() -> int:
        """Living processes that hold the handler's module: of workers, and of a standby that imports ahead."""
        return sum(Path("/proc", path.name[9:]).exists() for path in server.folder.glob("imported-*"))

    def ready() -> bool:
        state = server.get("/v2/work/health")[1]["workers"]
        return bool((state["ready"], state["initializing"]) == (workers, 0))

    until("the workers are there", ready)
    until("there is a standby", lambda: prewarm == "off" or metric(server, "workerkit_standbys") == 1)
    leaving = 'workerkit_workers{endpoint="work",state="leaving"}'
    until("nobody is leaving", lambda: metric(server, leaving) == 0)
    until("nothing else is alive", lambda: imported() == workers + (prewarm == "module"))


def metric(server: Server, name: str) -> float:
    text = server.http.request("GET", f"{server.url}/metrics").data.decode()
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.removeprefix(name))


def crash_gaps(rounds: int) -> Iterator[float]:
    """From the death of a worker to the beginning of its job's next run."""
    with tempfile.TemporaryDirectory() as folder, serve(folder, prewarm="module") as server:
        for _ in range(rounds):
            settle(server, "module")
            id = server.submit("work", {"loop": "c"})
            _, pid = noted(server, "began", id)
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            yield noted(server, "began", id, 2)[0] - killed
            server.wait("work", id)


def cancels(loop: str, rounds: int) -> Iterator[float]:
    """From the cancel to the end of the run: its own clean-up, or its process's end."""
    with tempfile.TemporaryDirectory() as folder, serve(folder, prewarm="module") as server:
        for _ in range(rounds):
            settle(server, "module")
            id = server.submit("work", {"loop": loop})
            _, pid = noted(server, "began", id)
            asked = time.monotonic()
            server.post(f"/v2/work/cancel/{id}")
            if loop == "c":
                until("the process is gone", lambda pid=pid: not Path(f"/proc/{pid}").exists())
                yield time.monotonic() - asked
            else:
                yield noted(server, "ended", id)[0] - asked


def first_jobs(prewarm: str, rounds: int) -> Iterator[float]:
    """From the submit to the beginning of a job that finds no worker."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(folder, count="0..1", idle_timeout=0.5, prewarm=prewarm) as server,
    ):
        for _ in range(rounds):
            settle(server, prewarm, workers=0)
            asked = time.monotonic()
            yield server.run("work")["output"]["began"] - asked


def row(name: str, times: Iterator[float]) -> dict[str, object]:
    found = sorted(1000 * seconds for seconds in times)
    result = {
        "what": name,
        "n": len(found),
        "p50": round(statistics.median(found), 1),
        "p99": round(found[min(len(found) - 1, int(0.99 * len(found)))], 1),
        "most": round(found[-1], 1),
    }
    print(f"{name:60} p50 {result['p50']:9.1f} ms   p99 {result['p99']:9.1f} ms", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="part of the name of what is to be measured")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    n = options.rounds
    measured: dict[str, Callable[[], Iterator[float]]] = {
        **{
            f"refresh gap, prewarm {mode}": (lambda mode=mode: refresh_gaps(mode, n))
            for mode in ("off", "toolkit", "module")
        },
        "from a worker's death to its job's next run": lambda: crash_gaps(n),
        **{
            f"from /cancel to a stopped {loop} loop": (
                lambda loop=loop: cancels(loop, n if loop != "c" else 3)
            )
            for loop in ("python", "sleep", "c")
        },
        **{
            f"from 0 workers to the first job, prewarm {mode}": (lambda mode=mode: first_jobs(mode, n))
            for mode in ("off", "toolkit", "module")
        },
    }
    rows = [row(name, measure()) for name, measure in measured.items() if options.only in name]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
