"""One server under the load of `wrk`: answers a second and latencies at several numbers of connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import urllib3

from suite.environments import PEERS, make, program
from suite.plan import Plan
from suite.processes import Failed, free_port, running, until
from suite.results import Figures
from suite.services import serve
from suite.sides import HttpSide

SCRIPT = Path(__file__).parent / "post.lua"
MEBIBYTE = 1_048_576


def measured(side: HttpSide, plan: Plan) -> Figures:
    """A fresh server under each load of the plan."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port, log = Path(name), free_port(), Path(name) / "log"
        url = f"http://127.0.0.1:{port}{side.path}"
        with running(command(side, folder, port), log, environment(side, port), PEERS) as process:
            until(lambda: echoes(url), process, log, side.name)
            offer(side, url, 8 if 8 in side.connections else 1, 0, plan.seconds)  # warm
            figures: Figures = {}
            for ms, work in plan.work.items():
                for connections in sorted({*side.connections} & {*plan.connections[ms]}):
                    variant = f"{connections} connection{'s' * (connections > 1)}"
                    figures |= seen(work, variant, offer(side, url, connections, ms, plan.seconds))
            large = offer(side, url, 1, 0, plan.seconds, more=MEBIBYTE)
            return figures | seen(plan.work[0], "1 connection, 1 MiB each", large)


def seen(work: str, variant: str, load: Mapping[str, float]) -> Figures:
    figures = {(work, variant, "answers/s"): (load["answers"] - load["refused"]) / load["seconds"]}
    if not load["refused"]:  # a refusal is quick, and would pass for a good answer
        figures |= {(work, variant, f"{each} ms"): load[each] for each in ("p50", "p99")}
    return figures


def command(side: HttpSide, folder: Path, port: int) -> list[str]:
    if side.command[0] == "{serve}":
        return [*serve(folder, port), *side.command[1:]]
    programs = make(side.environment) if side.environment else ""
    places = {"bin": programs, "python": sys.executable, "peers": PEERS, "folder": folder, "port": port}
    return [part.format(**places) for part in side.command]


def environment(side: HttpSide, port: int) -> dict[str, str]:
    """Variables, with the peer's programs first: Cog starts its worker as `python`."""
    path = os.environ.get("PATH", os.defpath)
    if side.environment:
        path = os.pathsep.join([str(make(side.environment)), path])
    own = {name: value.format(port=port) for name, value in side.environ.items()}
    return {**own, "PYTHONPATH": str(PEERS), "PATH": path}


def body(ms: int, more: int = 0) -> str:
    return json.dumps({"input": {"n": 1, "ms": ms} | ({"more": "x" * more} if more else {})})


def echoes(url: str) -> bool:
    """Whether the server answers, and with what it was given."""
    with urllib3.PoolManager(retries=False, timeout=10) as pool:
        try:
            answer = pool.request("POST", url, body=body(0), headers={"Content-Type": "application/json"})
        except urllib3.exceptions.HTTPError:
            return False
    return answer.status == 200 and answer.json()["output"] in ({"n": 1}, 1)


def offer(
    side: HttpSide, url: str, connections: int, ms: int, seconds: int, more: int = 0
) -> dict[str, float]:
    """What `wrk` saw; every answer must be good, but of a server that refuses by design.

    `more` bytes of the input are nothing that the handler looks at.
    """
    line = [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    with tempfile.NamedTemporaryFile("w", prefix="bench-") as sent:
        sent.write(body(ms, more))
        sent.flush()
        done = subprocess.run(
            [*line, "-s", str(SCRIPT), "--latency", url],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "BENCH_BODY": sent.name},
        )
    load: dict[str, float] = json.loads(done.stdout.rpartition("RESULT")[2])
    if load["broken"] or (load["refused"] and not side.may_refuse):
        raise Failed(f"{side.name}: not every request was answered well: {load}")
    return load
