"""What the tests of jobs' logs share: handlers that print, and an operator who reads what they did."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from waiting import until
from workerkit.testing import Server

HANDLER = """
import asyncio, contextvars, logging, os, signal, subprocess, sys, threading, time
from pathlib import Path
from workerkit import worker_function

def pause(gate):
    Path(gate).read_bytes()  # a FIFO: waits until somebody opens it

@worker_function
def chatty(job):
    print("on stdout")
    print("on stderr", file=sys.stderr)
    logging.getLogger("handler").warning("logged")
    os.write(1, b"from C\\n")
    subprocess.run(["echo", "from a child"], check=True)
    print("begun ", end="")
    return "done"

@worker_function
def unended(job):
    os.write(1, f"of {job['input']}".encode())

@worker_function
def silent(job):
    return "done"

@worker_function
def gated(job):
    print("before")
    pause(job["input"]["gate"])
    print("after")

@worker_function(concurrency=4)
async def several(job):
    for n in range(20):
        print(job["input"], n)
        await asyncio.sleep(0)
    await asyncio.to_thread(print, job["input"], "in a thread")

@worker_function(concurrency=4)
def slots(job):
    for n in range(10):
        print(job["input"] * 5000, n)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(print, "in a thread"))
    thread.start()
    thread.join()

@worker_function
def crashing(job):
    print(f"attempt {job.attempt}")
    if job.attempt == 1 and job["input"]:
        pause(job["input"]["gate"])
    if job.attempt < 3:
        os.kill(os.getpid(), signal.SIGKILL)

@worker_function
def telling(job):
    print("the secret is", job["s3Config"]["accessSecret"])
    os.write(1, f"again: {job['s3Config']['accessSecret']}\\n".encode())

@worker_function
def endless(job):
    for n in range(3000):
        print(n, "x" * 4000)
    print("the end")
"""


class Operator:
    """Asks for logs over HTTP; without keys, everybody on this machine may."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def logs(self, id: str, **query: int) -> dict[str, Any]:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        status, answer = self._server.get(f"/jobs/{id}/logs?{parameters}")
        assert status == 200, answer
        found: dict[str, Any] = answer
        return found

    def whole(self, id: str, **query: int) -> dict[str, Any]:
        """Once nothing more will come of the attempt."""
        until("all of it is there", lambda: self.logs(id, **query)["over"])
        return self.logs(id, **query)


def gate(folder: Path) -> Path:
    """A FIFO that a job waits at until it is opened."""
    fifo = folder / f"gate-{time.monotonic_ns()}"
    os.mkfifo(fifo)
    return fifo


def open_gate(fifo: Path) -> None:
    with fifo.open("wb"):
        pass


def ended(server: Server, endpoint: str, input: Any = None, **fields: Any) -> str:
    id = server.submit(endpoint, input, **fields)
    server.wait(endpoint, id)
    return id
