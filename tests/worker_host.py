"""The host's end of one worker process, for tests of the process itself."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import msgspec

from workerkit.wire import (
    PROTOCOL,
    Assign,
    Drain,
    Frame,
    Hello,
    JobEnd,
    PluginRef,
    Ready,
    RunJob,
    Start,
    Unpacker,
    decode_to_host,
    pack,
)

WAIT = 20.0
HANDLERS = """
import asyncio, gc, os, subprocess, sys, threading, time
from workerkit import worker_function

@worker_function
def echo(job):
    print("line of the handler")
    return job["input"]

@worker_function
def facts(job):
    left = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True) if sys.platform == "linux" else None
    return {
        "main": threading.current_thread() is threading.main_thread(),
        "argv": len(sys.argv),
        "collects": gc.isenabled(),
        "descriptors": left.stdout.split() if left else [],
        "worker": job.worker_id,
        "secret": job["s3Config"],
    }

@worker_function
def stream(job):
    job.progress("half")
    yield 1
    yield {"n": 2}

@worker_function
def leaves(job):
    sys.exit(3)

@worker_function
def ignored_by_children(job):
    program = "import signal; raise SystemExit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    return bool(subprocess.run([sys.executable, "-c", program]).returncode)

@worker_function
def dies(job):
    os._exit(9)

@worker_function
def holds_the_lock(job):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("begun", flush=True)
    sum(range(10**12))

@worker_function(concurrency=4)
async def waits(job):
    print("begun", job["id"], flush=True)
    if job["input"] == "quick":
        return "done"
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned", job["id"], flush=True)

MEETING = threading.Barrier(4)

@worker_function(concurrency=4)
def meets(job):
    return MEETING.wait(20) >= 0
"""
PLUGIN = """
from workerkit import hookimpl

class Camera:
    @hookimpl
    def worker_start(self, worker):
        print("start", worker.id, worker.endpoint, worker.slots, flush=True)
    @hookimpl
    def worker_stop(self, worker):
        print("stop", worker.id, flush=True)

class Broken:
    @hookimpl
    def worker_start(self, worker):
        raise RuntimeError("no GPU")
"""


@attrs.define
class Host:
    """The host's end of one worker process."""

    wire: socket.socket
    process: subprocess.Popen[str]
    death: int
    unpacker: Unpacker = attrs.field(factory=Unpacker)
    frames: list[Frame] = attrs.field(factory=list)

    def receive_end(self) -> JobEnd:
        """The next frame, an end, with the time that it took set aside."""
        end = self.receive()
        assert isinstance(end, JobEnd)
        assert 0 <= end.seconds < 60
        return msgspec.structs.replace(end, seconds=0.0)

    def send(self, *frames: Frame) -> None:
        self.wire.sendall(b"".join(map(pack, frames)))

    def receive(self) -> Any:
        while not self.frames:
            data = self.wire.recv(65536)
            assert data, f"the worker is gone with code {self.process.wait(WAIT)}"
            self.frames += [decode_to_host(body) for body in self.unpacker.feed(data)]
        return self.frames.pop(0)

    def serve(
        self,
        function: str,
        slots: int = 1,
        plugins: tuple[PluginRef, ...] = (),
        target: str = "handlers.py",
        **more: Any,
    ) -> None:
        self.start(target, plugins, **more)
        assert isinstance(self.receive(), Hello)
        self.send(Assign(function, slots))
        assert isinstance(self.receive(), Ready)

    def start(self, target: str = "handlers.py", plugins: tuple[PluginRef, ...] = (), **more: Any) -> None:
        self.send(Start(PROTOCOL, "w1", target, list(plugins), 20_000_000, 1_000_000, 100, **more))

    def run(self, input: Any = None, **fields: bytes) -> JobEnd:
        self.send(RunJob(0, "j", 1, json.dumps(input).encode(), fields))
        end = self.receive()
        assert isinstance(end, JobEnd)
        return end

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def drain(self) -> tuple[int, str]:
        self.send(Drain())
        out, _ = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out


def prepare(folder: Path) -> None:
    """Write the handlers and plugins that workers load."""
    (folder / "handlers.py").write_text(HANDLERS)
    (folder / "camera_plugin.py").write_text(PLUGIN)


@contextmanager
def worker_in(folder: Path) -> Iterator[Host]:
    """A worker process that runs in a folder, and waits to be told what for."""
    prepare(folder)
    ours, theirs = socket.socketpair()
    ours.settimeout(WAIT)
    reading, writing = os.pipe()
    command = [
        sys.executable,
        "-m",
        "workerkit.worker",
        "--wire",
        str(theirs.fileno()),
        "--death",
        str(reading),
    ]
    process = subprocess.Popen(
        command,
        pass_fds=(theirs.fileno(), reading),
        start_new_session=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    theirs.close()
    os.close(reading)
    try:
        yield Host(ours, process, writing)
    finally:
        os.close(writing)
        process.wait(WAIT)
        assert process.stdout is not None
        process.stdout.close()
        ours.close()
