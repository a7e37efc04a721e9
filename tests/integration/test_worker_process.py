from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from workerkit.wire import (
    PROTOCOL,
    Assign,
    Chunk,
    Drain,
    Frame,
    Hello,
    JobEnd,
    PluginRef,
    Progress,
    Ready,
    RunJob,
    Start,
    Stop,
    Unfit,
    Unpacker,
    decode_to_host,
    pack,
)

WAIT = 20.0
HANDLERS = """
import asyncio, os, subprocess, sys, threading, time
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

    def serve(self, function: str, slots: int = 1, plugins: tuple[PluginRef, ...] = ()) -> None:
        self.start(plugins=plugins)
        assert isinstance(self.receive(), Hello)
        self.send(Assign(function, slots))
        assert isinstance(self.receive(), Ready)

    def start(self, target: str = "handlers.py", plugins: tuple[PluginRef, ...] = ()) -> None:
        self.send(Start(PROTOCOL, "w1", target, list(plugins), 20_000_000, 1_000_000, 100))

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "camera_plugin.py").write_text(PLUGIN)
    return tmp_path


@pytest.fixture
def host(folder: Path) -> Iterator[Host]:
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
    yield Host(ours, process, writing)
    os.close(writing)
    process.wait(WAIT)
    assert process.stdout is not None
    process.stdout.close()
    ours.close()


def test_hello_lists_the_functions_of_the_target(host: Host) -> None:
    host.start("handlers.py")
    hello = host.receive()
    assert isinstance(hello, Hello)
    told = {function.name: function for function in hello.functions}
    assert list(told)[:3] == ["echo", "facts", "stream"]
    assert (told["waits"].kind, told["waits"].concurrency) == ("coroutine", 4)
    assert host.drain() == (0, "")


def test_jobs_run_one_after_the_other_and_a_drained_worker_ends_with_zero(host: Host) -> None:
    host.serve("echo")
    ends = [host.run({"n": n}) for n in range(3)]
    assert [end.output for end in ends] == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    assert {end.status for end in ends} == {"COMPLETED"}
    assert host.drain() == (0, "line of the handler\n" * 3)


def test_jobs_that_were_handed_over_are_finished_before_the_end(host: Host) -> None:
    host.serve("echo")
    host.send(*[RunJob(0, f"j{n}", 1, b"1") for n in range(20)], Drain())
    assert [host.receive().id for _ in range(20)] == [f"j{n}" for n in range(20)]
    assert host.process.wait(WAIT) == 0


def test_a_large_input_and_output_travel_whole(host: Host) -> None:
    host.serve("echo")
    text = "x" * 5_000_000
    assert host.run(text).output == f'"{text}"'.encode()


def test_one_slot_is_the_main_thread_and_the_handlers_children_hold_no_descriptor_of_ours(host: Host) -> None:
    host.serve("facts")
    facts = json.loads(host.run(s3Config=b'{"accessId":"a"}').output or b"")
    assert facts["main"] is True
    assert facts["argv"] == 1
    assert facts["worker"] == "w1"
    assert facts["secret"] == {"accessId": "a"}
    assert len(facts["descriptors"]) <= 4, "standard streams, and what ls itself opened"


def test_chunks_and_progress_come_before_the_end(host: Host) -> None:
    host.serve("stream")
    host.send(RunJob(0, "j", 2, b"null"))
    assert host.receive() == Progress("j", 2, b'"half"')
    assert host.receive() == Chunk("j", 2, 0, b"1")
    assert host.receive() == Chunk("j", 2, 1, b'{"n":2}')
    assert host.receive_end() == JobEnd(0, "j", 2, "COMPLETED", chunks=2)


def test_a_handler_that_exits_fails_its_job_and_not_its_worker(host: Host) -> None:
    host.serve("leaves")
    for _ in range(2):
        assert json.loads(host.run().error or "")["error_type"] == "<class 'SystemExit'>"
    assert host.drain()[0] == 0


def test_a_dead_process_is_the_end_of_the_wire(host: Host) -> None:
    host.serve("dies")
    host.send(RunJob(0, "j", 1, b"1"))
    assert host.wire.recv(1) == b""
    assert host.process.wait(WAIT) == 9


def test_a_stop_cancels_the_async_job_it_names_and_no_other(host: Host) -> None:
    host.serve("waits", slots=2)
    host.send(RunJob(0, "first", 1, b"null"), RunJob(1, "second", 1, b"null"))
    assert {host.line(), host.line()} == {"begun first", "begun second"}
    host.send(Stop("second", 7, "another attempt"), Stop("second", 1, "cancelled"))
    assert host.receive_end() == JobEnd(1, "second", 1, "CANCELLED")
    assert host.line() == "cleaned second"
    host.send(RunJob(1, "third", 1, b'"quick"'))
    assert host.receive_end() == JobEnd(1, "third", 1, "COMPLETED", b'"done"')
    host.send(Stop("first", 1, "cancelled"))
    assert host.receive_end() == JobEnd(0, "first", 1, "CANCELLED")


def test_a_stop_that_comes_before_the_job_began_is_honoured(host: Host) -> None:
    host.serve("waits")
    host.send(RunJob(0, "running", 1, b"null"), RunJob(0, "waiting", 1, b"null"))
    assert host.line() == "begun running"
    host.send(Stop("waiting", 1, "cancelled"), Stop("running", 1, "cancelled"))
    assert [host.receive().id, host.receive_end()] == ["running", JobEnd(0, "waiting", 1, "CANCELLED")]
    assert host.drain() == (0, "cleaned running\n")


def test_several_slots_run_plain_functions_at_the_same_time(host: Host) -> None:
    host.serve("meets", slots=4)
    host.send(*[RunJob(n, f"j{n}", 1, b"null") for n in range(4)])
    assert sorted(host.receive().slot for _ in range(4)) == [0, 1, 2, 3]
    assert host.drain()[0] == 0


def test_worker_start_and_worker_stop_surround_the_jobs(host: Host) -> None:
    host.serve("echo", plugins=(PluginRef("camera", "camera_plugin:Camera"),))
    assert host.line() == "start w1 echo 1"
    host.run()
    assert host.drain() == (0, "line of the handler\nstop w1\n")


def unfit(host: Host) -> str:
    frame = host.receive()
    assert isinstance(frame, Unfit)
    assert host.process.wait(WAIT) == 3
    return frame.reason


def test_a_target_that_does_not_import_makes_the_worker_unfit_with_line_and_traceback(
    host: Host, folder: Path
) -> None:
    (folder / "broken.py").write_text("\nraise RuntimeError('no weights')\n")
    host.start("broken.py")
    first, *trace = unfit(host).splitlines()
    assert first.endswith(f"RuntimeError: no weights (line 2 of {folder.resolve() / 'broken.py'})")
    assert trace[-1] == "RuntimeError: no weights"


def test_a_missing_target_makes_the_worker_unfit_with_a_suggestion(host: Host) -> None:
    host.start("handler.py")
    assert unfit(host).startswith("the file handler.py does not exist; did you mean 'handlers.py'?")


def test_a_plugin_that_does_not_load_makes_the_worker_unfit(host: Host) -> None:
    host.start(plugins=(PluginRef("camera", "camera_plugin:Camra"),))
    assert "camera_plugin" in unfit(host)


def test_a_plugin_that_refuses_to_start_makes_the_worker_unfit(host: Host) -> None:
    host.start(plugins=(PluginRef("gpu", "camera_plugin:Broken"),))
    host.receive()
    host.send(Assign("echo", 1))
    assert unfit(host).splitlines()[0] == "plugin 'gpu' failed in worker_start: RuntimeError: no GPU"


def test_an_unknown_function_makes_the_worker_unfit(host: Host) -> None:
    host.start()
    host.receive()
    host.send(Assign("ecko", 1))
    assert unfit(host).startswith("handlers.py has no function 'ecko'; did you mean 'echo'?")


def test_another_protocol_makes_the_worker_unfit(host: Host) -> None:
    host.send(Start(PROTOCOL + 1, "w1", "handlers.py", [], 1, 1, 1))
    assert "install the same version of workerkit for both" in unfit(host)


def test_programs_that_a_handler_starts_can_be_interrupted(host: Host) -> None:
    host.serve("ignored_by_children")
    assert host.run().output == str(signal.getsignal(signal.SIGINT) is signal.SIG_IGN).lower().encode()


def test_a_host_that_closes_the_wire_ends_the_worker(host: Host) -> None:
    host.serve("echo")
    host.wire.close()
    host.process.wait(WAIT)


PARENT = """
import os, socket, subprocess, sys
from workerkit.wire import *
ours, theirs = socket.socketpair()
reading, writing = os.pipe()
subprocess.Popen(
    [sys.executable, "-m", "workerkit.worker", "--wire", str(theirs.fileno()), "--death", str(reading)],
    pass_fds=(theirs.fileno(), reading), start_new_session=True,
)
frames = [Start(PROTOCOL, "w1", "handlers.py", [], 1000, 1000, 100), Assign("holds_the_lock", 1), RunJob(0, "j", 1, b"1")]
ours.sendall(b"".join(map(pack, frames)))
sys.stdin.read()
"""
THREAD_ONLY = """
import fcntl, os, sys
from workerkit.worker import deathpipe
reading, writing = os.pipe()
if os.fork():
    os.close(reading)
    sys.stdin.read()
os.close(writing)
os.setsid()
deathpipe.watch(reading)
fcntl.fcntl(reading, fcntl.F_SETFL, 0)
print("begun", flush=True)
while True:
    os.read(os.pipe()[0], 1)
"""


#: The kernel half exists on Linux only.
PARENTS = {"thread": THREAD_ONLY} | ({"kernel": PARENT} if sys.platform == "linux" else {})


@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
def test_when_the_host_is_killed_its_worker_and_the_workers_children_are_gone(
    folder: Path, parent: str
) -> None:
    """The kernel half, with a handler that holds the interpreter's lock in C; the thread half, alone.

    Everything started writes to one pipe, so its end of file is the end of all of them.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "begun\n"
    process.kill()
    out, _ = process.communicate(timeout=2.0)
    assert out == ""
