"""The path of one job, in microseconds of CPU for each stage, in the host and in the worker.

    make bench-profile
    python benchmarks/stages.py --publish now       show it in docs/performance.md, beside what was `before`

py-spy looks at both processes of a server under load, a thousand times a second and from outside, so that what is
measured runs as ever. A sample belongs to the stage of its innermost function that the table below knows. A stage's
share of the samples, times the CPU time of its process, divided by the answers, is what it costs a job.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import served
from suite import report
from suite.environments import KEPT, make, require
from suite.http import offer
from suite.sides import OURS_HTTP

PUBLISHED = KEPT.parent / "docs" / "performance" / "stages.json"
SECONDS, PER_SECOND = 10, 1000
LOADS = (1, 8, 64)  # connections
OTHER = "event loop, system"
FRAME = re.compile(r"(?P<function>.+) \((?P<file>.+?)(:\d+)?\)$")

#: Stages by what is in a frame's `file function`; the first that fits counts. In the order of a job's path.
HOST = {
    "HTTP: parse": r"httptools_impl.py .*(data_received|on_)|serving.py .*(data_received|on_|_set_timer)|server/body.py",
    "auth": r"server/auth.py",
    "decode, checks": r"host/(intake|reading|catalogue).py|payload.py|hooks/face.py .*accept",
    "seal, open": r"host/(sealing|vault).py",
    "insert": r"queue/submitting.py|sqlite.py .*submit",
    "claim": r"queue/(claiming|running).py|sqlite.py .*claim|queue/rows.py",
    "hand over": r"host/(supply|prefetch|lonely|standing).py|runs.py .*(_begin|_turn|_go_on)|wire.py pack"
    r"|host/worker.py .*send|(output|lines|relay|events).py",
    "hear the end": r"wire.py|host/worker.py|host/runs.py|host/run.py|host/tasks.py",
    "post_job": r"hooks/|workerkit_plugins",
    "encode": r"host/status.py",
    "store the end": r"queue/ending.py|sqlite.py .*finish|host/(ends|stubborn).py .*(?<!_say)$",
    "commit": r"queue/",
    "log": r"logging/|cli/logs.py|ends.py _say",
    "count": r"host/(metrics|meter).py",
    "answer": r"server/|host/jobs.py|httptools_impl.py",
}
WORKER = {
    "wire: in": r"worker/(connection|process).py .*(receive|_take|_read)|slots.py .*add",
    "make the job": r"runner.py Runner.job|workerkit/job.py|folders.py|resource.py",
    "pre_job": r"face.py .*pre_job|workerkit_plugins/.* .*pre_job",
    "handler": r"workerkit_handler.py|peers/job.py|function.py",
    "on_output": r"face.py .*on_output|workerkit_plugins/.* .*on_output|files/walking.py",
    "encode": r"payload.py|runner.py .*(_sized|finish)",
    "wire: out": r"connection.py .*send|wire.py|slots.py .*(_report|_ended)",
    "printing": r"worker/printing.py",
    "the rest": r"runner.py|worker/|hooks/",
}
#: Where a thread waits; py-spy takes some of these for work.
WAITING = re.compile(
    r"(deathpipe.py|connection.py .*_take|slots.py .*_serve_one|threading.py .*wait|writer.py .*_work|thread.py _worker)$"
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, nargs="+", default=LOADS)
    parser.add_argument("--publish", metavar="NAME", help="show the results in docs/performance.md under it")
    arguments = parser.parse_args()
    require(["wrk"])
    figures: dict[str, Any] = {}
    with served.place() as folder, served.serving(folder, 1) as server:
        url = f"{server.url}/runsync"
        offer(OURS_HTTP, url, 8, 0, 2)  # warm
        for connections in arguments.connections:
            figures[str(connections)] = profile(server, url, connections, folder)
    print(report.stages({"": figures}))
    if arguments.publish:
        known = json.loads(PUBLISHED.read_text()) if PUBLISHED.exists() else {}
        PUBLISHED.write_text(json.dumps({**known, arguments.publish: figures}, indent=1) + "\n")


def profile(server: served.Server, url: str, connections: int, folder: Path) -> dict[str, dict[str, float]]:
    """Microseconds a job by process and stage, under one load."""
    [worker] = server.workers
    spies = {name: watch(pid, folder / name) for name, pid in (("host", server.pid), ("worker", worker))}
    before = server.cpu()
    load = offer(OURS_HTTP, url, connections, 0, SECONDS)
    used = [1e6 * (end - begin) / load["answers"] for begin, end in zip(before, server.cpu(), strict=True)]
    found = {"load": {"answers a second": load["answers"] / load["seconds"], "p50 ms": load["p50"]}}
    for (name, spy), microseconds, stages in zip(spies.items(), used, (HOST, WORKER), strict=True):
        spy.wait(60)
        shares = shared((folder / name).read_text(), stages)
        found[name] = {stage: round(share * microseconds, 2) for stage, share in shares.items()}
    return found


def watch(pid: int, output: Path) -> subprocess.Popen[bytes]:
    spy = [
        str(make("py-spy") / "py-spy"),
        "record",
        "--pid",
        str(pid),
        "--format",
        "raw",
        "--output",
        str(output),
    ]
    timing = ["--duration", str(SECONDS), "--rate", str(PER_SECOND)]
    return subprocess.Popen([*spy, *timing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def shared(samples: str, stages: dict[str, str]) -> dict[str, float]:
    """The share of each stage in what was sampled."""
    patterns = {stage: re.compile(pattern) for stage, pattern in stages.items()}
    counts: Counter[str] = Counter()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [
            f"{frame['file']} {frame['function']}" for frame in map(FRAME.match, stack.split(";")) if frame
        ]
        if frames and not WAITING.search(frames[-1]):
            counts[stage_of(frames, patterns)] += int(count)
    whole = counts.total() or 1
    return {stage: counts[stage] / whole for stage in (*stages, OTHER)}


def stage_of(frames: list[str], patterns: dict[str, re.Pattern[str]]) -> str:
    for frame in reversed(frames):
        for stage, pattern in patterns.items():
            if pattern.search(frame):
                return stage
    return OTHER


if __name__ == "__main__":
    main()
