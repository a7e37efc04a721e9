"""One server under the load of `wrk`: answers a second and latencies at several numbers of connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import urllib3

from suite.environments import PEERS, make, program
from suite.plan import Plan
from suite.processes import Failed, free_port, running, until
from suite.results import Figures
from suite.services import serve
from suite.sides import HttpSide

SCRIPT = Path(__file__).parent / "post.lua"


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
                    load = offer(side, url, connections, ms, plan.seconds)
                    variant = f"{connections} connection{'s' * (connections > 1)}"
                    good = load["answers"] - load["refused"]
                    figures[work, variant, "answers/s"] = good / load["seconds"]
                    if not load["refused"]:  # a refusal is quick, and would pass for a good answer
                        figures[work, variant, "p50 ms"] = load["p50"]
                        figures[work, variant, "p99 ms"] = load["p99"]
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


def body(ms: int) -> str:
    return json.dumps({"input": {"n": 1, "ms": ms}})


def echoes(url: str) -> bool:
    """Whether the server answers, and with what it was given."""
    with urllib3.PoolManager(retries=False, timeout=10) as pool:
        try:
            answer = pool.request("POST", url, body=body(0), headers={"Content-Type": "application/json"})
        except urllib3.exceptions.HTTPError:
            return False
    return answer.status == 200 and answer.json()["output"] in ({"n": 1}, 1)


def offer(side: HttpSide, url: str, connections: int, ms: int, seconds: int) -> dict[str, float]:
    """What `wrk` saw; every answer must be good, but of a server that refuses by design."""
    line = [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    done = subprocess.run(
        [*line, "-s", str(SCRIPT), "--latency", url],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "BENCH_BODY": body(ms)},
    )
    load: dict[str, float] = json.loads(done.stdout.rpartition("RESULT")[2])
    if load["broken"] or (load["refused"] and not side.may_refuse):
        raise Failed(f"{side.name}: not every request was answered well: {load}")
    return load
