from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker_host import WAIT, Host, prepare, worker_in
from workerkit.wire import RunJob

LEAVING = """
import atexit, os, signal, threading, time
from workerkit import worker_function

def never_ends():
    threading.Thread(target=time.sleep, args=(3600,)).start()

@worker_function
def leaves_a_thread(job):
    never_ends()
    atexit.register(os.write, 1, b"exit function\\n")
    print("printed", end="", flush=False)

@worker_function
def signalled(job):
    print("begun", flush=True)
    time.sleep(0.2)
    return "done"

@worker_function
def forks(job):
    child = os.fork()
    if child == 0:
        time.sleep(600)
    os.kill(child, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
THREADED_IMPORT = """
import threading, time
threading.Thread(target=time.sleep, args=(3600,)).start()
raise RuntimeError("no model")
"""


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


@pytest.fixture
def leaving(tmp_path: Path, host: Host) -> Host:
    (tmp_path / "leaving.py").write_text(LEAVING)
    (tmp_path / "threaded.py").write_text(THREADED_IMPORT)
    return host


def test_a_worker_that_leaves_calls_exit_functions_and_waits_for_no_thread(leaving: Host) -> None:
    leaving.serve("leaves_a_thread", target="leaving.py")
    assert leaving.run().status == "COMPLETED"
    assert leaving.drain() == (0, "printed" + "exit function\n")


def test_one_that_cannot_serve_waits_for_no_thread_either(leaving: Host) -> None:
    leaving.start("threaded.py")
    assert "no model" in leaving.receive().reason
    assert leaving.process.wait(WAIT) == 3


def test_a_signal_to_the_whole_group_ends_no_worker(leaving: Host) -> None:
    leaving.serve("signalled", target="leaving.py")
    leaving.send(RunJob(0, "j", 1, b"1"))
    assert leaving.line() == "begun"
    leaving.process.terminate()
    assert leaving.receive_end().output == b'"done"'
    leaving.process.terminate()
    assert leaving.drain()[0] == 0


def test_a_child_that_a_handler_forks_can_be_terminated(leaving: Host) -> None:
    leaving.serve("forks", target="leaving.py")
    assert leaving.run().output == str(-signal.SIGTERM).encode()


PARENT = """
import os, socket, subprocess, sys
from workerkit import deathpipe
from workerkit.wire import *
ours, theirs = socket.socketpair()
reading, writing = os.pipe()
worker = subprocess.Popen(
    [sys.executable, "-m", "workerkit.worker", "--wire", str(theirs.fileno()), "--death", str(reading)],
    pass_fds=(theirs.fileno(), reading), start_new_session=True,
)
deathpipe.arm(reading, worker.pid)
frames = [Start(PROTOCOL, "w1", "handlers.py", [], 1000, 1000, 100), Assign("holds_the_lock", 1), RunJob(0, "j", 1, b"1")]
ours.sendall(b"".join(map(pack, frames)))
sys.stdin.read()
"""
THREAD_ONLY = """
import os, sys
from workerkit import deathpipe
reading, writing = os.pipe()
if os.fork():
    os.close(reading)
    sys.stdin.read()
os.close(writing)
os.setsid()
deathpipe.watch(reading)
print("begun", flush=True)
while True:
    os.read(os.pipe()[0], 1)
"""
STARTING = """
import os, subprocess, sys
from workerkit import deathpipe
reading, writing = os.pipe()
worker = subprocess.Popen(["sleep", "600"], pass_fds=[reading], start_new_session=True)
deathpipe.arm(reading, worker.pid)
os.close(reading)
print("begun", flush=True)
sys.stdin.read()
"""
#: The kernel half exists on Linux only.
PARENTS = {"thread": THREAD_ONLY} | (
    {"kernel": PARENT, "starting": STARTING} if sys.platform == "linux" else {}
)


@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
def test_when_the_host_is_killed_its_worker_and_the_workers_children_are_gone(
    tmp_path: Path, parent: str
) -> None:
    """The kernel half, with a handler that holds the interpreter's lock in C, and with a worker that does
    not watch yet; the thread half, alone.

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
