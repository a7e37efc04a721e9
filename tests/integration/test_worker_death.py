from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker_host import WAIT, Host, prepare, worker_in
from workerkit.wire import RunJob


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with worker_in(tmp_path) as host:
        yield host


def test_programs_that_a_handler_starts_can_be_interrupted(host: Host) -> None:
    host.serve("ignored_by_children")
    assert host.run().output == str(signal.getsignal(signal.SIGINT) is signal.SIG_IGN).lower().encode()


def test_a_host_that_closes_the_wire_ends_the_worker(host: Host) -> None:
    host.serve("echo")
    host.wire.close()
    host.process.wait(WAIT)


def test_a_dead_process_is_the_end_of_the_wire(host: Host) -> None:
    host.serve("dies")
    host.send(RunJob(0, "j", 1, b"1"))
    assert host.wire.recv(1) == b""
    assert host.process.wait(WAIT) == 9


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
    tmp_path: Path, parent: str
) -> None:
    """The kernel half, with a handler that holds the interpreter's lock in C; the thread half, alone.

    Everything started writes to one pipe, so its end of file is the end of all of them.
    """
    prepare(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=tmp_path,
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
