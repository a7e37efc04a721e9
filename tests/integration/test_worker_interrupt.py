"""Stopping a plain handler in a worker of one slot, by a signal that no other run may feel."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from worker_host import WAIT, Host, worker_in
from workerkit.states import Status
from workerkit.wire import Chunk, Drain, JobEnd, PluginRef, Progress, RunJob, Stop, Untouched

HANDLERS = """
import os, signal, subprocess, threading, time
from workerkit import JobCancelled, Resource, hookimpl, worker_function

def begun():
    print("begun", flush=True)

@worker_function
def stops(job):
    how = job["input"]
    try:
        begun()
        if how == "quick":
            return "done"
        if how == "sleep":
            time.sleep(600)
        elif how == "lock":
            threading.Event().wait()
        elif how == "child":
            subprocess.run(["sleep", "600"])
        elif how == "pipe":
            os.read(os.pipe()[0], 1)
        while True:
            pass
    except JobCancelled as error:
        print("cleaned up:", error, flush=True)
        raise

@worker_function
def swallows(job):
    begun()
    try:
        time.sleep(600)
    except BaseException:
        pass
    return "done anyway"

@worker_function
def turns(job):
    begun()
    try:
        time.sleep(600)
    except BaseException as error:
        raise ValueError("something else") from error

@worker_function
def streams(job):
    begun()
    while True:
        job.progress("y" * 50_000)
        yield "x" * 200_000

@worker_function
def gated(job):
    if job["input"]:
        begun()
        while not os.path.exists(job["input"]):
            time.sleep(0.01)
    return job["id"]

@worker_function
def short(job):
    job.progress("begun")
    end = time.monotonic() + job["input"]
    while time.monotonic() < end:
        pass
    return job["id"]

@worker_function
def raises_it(job):
    raise JobCancelled("of my own")

@worker_function(concurrency=2)
def in_slots(job):
    begun()
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "not hit"

class Slow:
    @hookimpl
    def pre_job(self, job):
        if job["input"] != "quick":
            begun()
            time.sleep(600)

class Door(Resource):
    def run_ended(self):
        print("closing", flush=True)
        for _ in range(1000):  # a minute at most
            time.sleep(0.06)
            if os.path.exists("go"):
                break
        print("closed", flush=True)

class Doors:
    @hookimpl
    def pre_job(self, job):
        job.provide(Door())
"""
OWN = """
import os, signal, time
from workerkit import worker_function

signal.signal(signal.SIGUSR1, lambda number, frame: print("mine", flush=True))

@worker_function
def own(job):
    print("begun", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "not hit"
"""
NUMBER = int(signal.SIGUSR1)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "stopping.py").write_text(HANDLERS)
    (tmp_path / "own.py").write_text(OWN)
    with worker_in(tmp_path) as host:
        yield host


def serve(host: Host, function: str, *, number: int = NUMBER, slots: int = 1, plugin: str = "") -> None:
    plugins = (PluginRef("slow", f"stopping:{plugin}"),) if plugin else ()
    target = "own.py" if function == "own" else "stopping.py"
    host.serve(function, slots, plugins, target=target, stop_signal=number)


def begin(host: Host, input: bytes) -> None:
    host.send(RunJob(0, "j", 1, input))
    assert host.line() == "begun"


def begins_nothing_more(host: Host) -> bool:
    """Its process is not to be trusted any more, and its host replaces it."""
    host.send(RunJob(0, "next", 1, b"null"))
    return bool(host.receive() == Untouched([("next", 1)]))


def end_of(host: Host, id: str) -> JobEnd:
    while isinstance(frame := host.receive(), Progress):
        pass
    assert isinstance(frame, JobEnd)
    assert frame.id == id
    return msgspec.structs.replace(frame, seconds=0.0)


@pytest.mark.parametrize("how", [b'"loop"', b'"sleep"', b'"lock"', b'"child"', b'"pipe"'])
def test_a_stop_interrupts_whatever_python_waits_for(host: Host, how: bytes) -> None:
    serve(host, "stops")
    begin(host, how)
    host.send(Stop("j", 1, "it was cancelled"))

    assert host.receive_end() == JobEnd(0, "j", 1, Status.CANCELLED, interrupted=True)
    assert host.line() == "cleaned up: it was cancelled"
    assert begins_nothing_more(host)


@pytest.mark.parametrize("function", ["swallows", "turns"])
def test_an_interrupted_job_is_cancelled_whatever_its_handler_makes_of_that(
    host: Host, function: str
) -> None:
    serve(host, function)
    begin(host, b"null")
    host.send(Stop("j", 1, "cancelled"))

    assert host.receive_end() == JobEnd(0, "j", 1, Status.CANCELLED, interrupted=True)


def test_a_hook_is_interrupted_as_the_handler_is(host: Host) -> None:
    serve(host, "stops", plugin="Slow")
    begin(host, b"null")
    host.send(Stop("j", 1, "cancelled"))

    assert host.receive_end() == JobEnd(0, "j", 1, Status.CANCELLED, interrupted=True)


def test_what_closes_a_runs_resources_is_not_interrupted(host: Host, tmp_path: Path) -> None:
    serve(host, "stops", plugin="Doors")
    begin(host, b'"quick"')
    assert host.line() == "closing"
    host.send(Stop("j", 1, "cancelled"))
    (tmp_path / "go").touch()

    assert host.line() == "closed"
    assert host.receive_end() == JobEnd(0, "j", 1, Status.COMPLETED, output=b'"done"')


@pytest.mark.parametrize("after", range(8))
def test_frames_stay_whole_when_a_run_is_interrupted_that_sends_all_the_time(host: Host, after: int) -> None:
    serve(host, "streams")
    begin(host, b"null")
    for _ in range(after):
        host.receive()
    host.send(Stop("j", 1, "cancelled"))
    chunks = after
    while not isinstance(frame := host.receive(), JobEnd):
        chunks += isinstance(frame, Chunk)

    assert (frame.status, frame.interrupted) == ("CANCELLED", True)
    assert begins_nothing_more(host)


def test_a_stop_for_a_job_that_waits_keeps_it_from_beginning_and_hits_no_other(
    host: Host, tmp_path: Path
) -> None:
    serve(host, "gated")
    host.send(RunJob(0, "running", 1, b'"go"'), RunJob(0, "waiting", 1, b'""'), RunJob(0, "last", 1, b'""'))
    assert host.line() == "begun"
    host.send(Stop("waiting", 1, "cancelled"), Stop("running", 2, "of another attempt"))
    (tmp_path / "go").touch()

    assert host.receive_end() == JobEnd(0, "running", 1, Status.COMPLETED, b'"running"')
    assert host.receive_end() == JobEnd(0, "waiting", 1, Status.CANCELLED)
    assert host.receive_end() == JobEnd(0, "last", 1, Status.COMPLETED, b'"last"')


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_a_stop_hits_the_job_that_it_names_or_none_whenever_it_comes(host: Host, first: int) -> None:
    """Stops race with the ends of jobs about as short as it takes a thread to get its turn (5 ms)."""
    serve(host, "short")
    for n in range(first, first + 200):
        a, b = f"a{n}", f"b{n}"
        host.send(RunJob(0, a, 1, f"{n % 25 * 4e-4:.4f}".encode()), RunJob(0, b, 1, b"0.0001"))
        if n % 3:  # at once, or when it has begun
            assert n % 3 == 1 or host.receive() == Progress(a, 1, b'"begun"')
            host.send(Stop(a, 1, "cancelled"))
        ended = end_of(host, a)
        if n % 3 == 0:
            host.send(Stop(a, 1, "late"))
        if ended.interrupted:
            assert (ended.status, bool(n % 3)) == ("CANCELLED", True)
            assert host.receive() == Untouched([(b, 1)])
            break
        assert end_of(host, b) == JobEnd(0, b, 1, Status.COMPLETED, f'"{b}"'.encode())

    assert ended.interrupted, "no stop has hit, so this test shows little"
    assert host.drain() == (0, "")


def test_a_handler_that_the_code_sets_for_the_signal_has_its_way(host: Host, tmp_path: Path) -> None:
    serve(host, "own")
    begin(host, b"null")
    host.send(Stop("j", 1, "cancelled"))
    assert host.line() == "mine"
    (tmp_path / "go").touch()

    assert host.receive_end() == JobEnd(0, "j", 1, Status.COMPLETED, b'"not hit"')


@pytest.mark.parametrize(("slots", "number"), [(2, NUMBER), (1, 0)], ids=["several slots", "no signal"])
def test_where_nothing_can_be_interrupted_the_job_goes_on(
    host: Host, tmp_path: Path, slots: int, number: int
) -> None:
    serve(host, "in_slots", slots=slots, number=number)
    begin(host, b"null")
    host.send(Stop("j", 1, "cancelled"))
    (tmp_path / "go").touch()

    assert host.receive_end() == JobEnd(0, "j", 1, Status.COMPLETED, b'"not hit"')


def test_a_worker_that_drains_can_still_be_stopped(host: Host) -> None:
    serve(host, "stops")
    begin(host, b"null")
    host.send(Drain(), Stop("j", 1, "cancelled"))

    assert host.receive_end() == JobEnd(0, "j", 1, Status.CANCELLED, interrupted=True)
    assert host.process.wait(WAIT) == 0


def test_a_handler_that_raises_job_cancelled_of_its_own_has_failed(host: Host) -> None:
    serve(host, "raises_it")
    host.send(RunJob(0, "j", 1, b"null"))
    end = host.receive_end()

    assert (end.status, end.interrupted, end.retry) == ("FAILED", False, "failed")
    assert "JobCancelled" in (end.error or "")
