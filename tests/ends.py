"""What the tests of jobs' ends share: the handlers, and how an end is waited for and told."""

from __future__ import annotations

import json
from typing import Any

from workerkit.testing import Receiver, Server

HANDLERS = """
import asyncio, os, time
from workerkit import worker_function

@worker_function
def echo(job):
    value = job["input"]
    if isinstance(value, dict) and "fail" in value:
        raise ValueError(value["fail"])
    if isinstance(value, dict) and "error" in value:
        return value
    return {"echo": value}

@worker_function
def block(job):
    open("block.pid", "w").write(str(os.getpid()))
    time.sleep(60)

@worker_function
async def wait(job):
    open("wait.pid", "w").write(str(os.getpid()))
    if job["input"] != "quick":
        await asyncio.sleep(60)
    return os.getpid()

@worker_function
def count(job):
    for n in range(job["input"]):
        yield {"n": n}

@worker_function
def storm(job):
    for n in range(job["input"]):
        job.progress(n)
        yield n

@worker_function
def die(job):
    os._exit(7)

@worker_function
def crash(job):
    import ctypes
    ctypes.string_at(0)

@worker_function
def odd(job):
    loop = []
    loop.append(loop)
    return {"set": {1}, "nan": float("nan"), "loop": loop, "deep": [{"x": {2}}]}[job["input"]]
"""
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}


def submit(server: Server, endpoint: str, value: Any, **body: Any) -> str:
    status, answer = server.post(f"/v2/{endpoint}/run", {"input": value, **body})
    assert (status, answer["status"]) == (200, "IN_QUEUE")
    return str(answer["id"])


def ended(server: Server, endpoint: str, id: str) -> dict[str, Any]:
    status, answer = server.get(f"/v2/{endpoint}/status-sync/{id}?wait=30000")
    assert status == 200
    assert answer["status"] in ENDED
    return dict(answer)


def running(server: Server, endpoint: str, id: str) -> bool:
    return bool(server.get(f"/v2/{endpoint}/status/{id}")[1]["status"] == "IN_PROGRESS")


def same_bytes(server: Server, receiver: Receiver, endpoint: str, id: str, path: str) -> dict[str, Any]:
    """The webhook of a job, after a look that its body is what `/status` answers, byte for byte."""
    [received] = receiver.wait(1, path)
    response = server.http.request("GET", f"{server.url}/v2/{endpoint}/status/{id}")
    assert received.body == response.data
    return dict(json.loads(received.body))
