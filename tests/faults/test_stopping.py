"""Row 17: whatever a handler does, its job is stopped within the grace and a second, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faulting import NOTES, Effect, WatchedServer, descriptors, gone, pids, proc_file, zombies
from waiting import alive, until

GRACE = 1
SETTINGS = f'[workers]\nstop_grace = {GRACE}\nprewarm = "off"\n'
#: What handlers start. No other process is called so, and it is found without its environment too.
NAP = f"sleep 600.{os.getpid()}"
HANDLER = (
    NOTES
    + '''
import contextlib, subprocess

def started(job, command, **more):
    """Start a program, and write down its process."""
    descriptor = os.open("effects.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    process = subprocess.Popen(command, **more)
    os.write(descriptor, f"child {job.id} {job.attempt} {process.pid} {time.monotonic_ns()}\\n".encode())
    os.close(descriptor)

def python_loop(job):
    while True:
        pass

def sleep(job):
    time.sleep(600)

def c_loop(job):
    sum(range(10**12))

def swallows(job):
    while True:
        with contextlib.suppress(BaseException):
            while True:
                time.sleep(0.01)

def deaf(job):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_IGN)
    swallows(job)

def blocks_signals(job):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    swallows(job)

def without_output(job):
    os.closerange(0, 3)
    swallows(job)

def without_wire(job):
    os.closerange(3, 4096)
    swallows(job)

def daemons(job):
    script = 'NAP & setsid NAP & sh -c "setsid NAP & exit" & exec setsid NAP'
    started(job, ["sh", "-c", script])
    started(job, "NAP".split(), start_new_session=True, env={})
    started(job, ["sh", "-c", "NAP & setsid NAP & sleep 0.1"], env={"PATH": os.environ["PATH"]})
    swallows(job)

def burst(job):
    for number in range(200):
        if os.fork() == 0:
            if number % 2:
                os.setsid()
            if number % 3 and os.fork():
                os._exit(0)
            note("child", job)
            time.sleep(600)
    swallows(job)

HANDLERS = {each.__name__: each for each in (
    python_loop, sleep, c_loop, swallows, deaf, blocks_signals, without_output, without_wire, daemons, burst
)}

def hold(job):
    if job["input"] != "quick":
        note("start", job)
        try:
            HANDLERS[job["input"]](job)
        finally:
            note("stopped", job)
    return "quick"

@worker_function
def one(job):
    return hold(job)

@worker_function(concurrency=3)
def slots(job):
    if job["input"] == "neighbour":
        note("start", job)
        while not os.path.exists("gate"):
            time.sleep(0.02)
        return "done"
    return hold(job)

@worker_function
async def loop(job):
    if job["input"] == "cancels":
        note("start", job)
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(600)
    return hold(job)

@worker_function(max_starts=1)
def leaves(job):
    note("start", job)
    started(job, "NAP".split())
    started(job, "NAP".split(), start_new_session=True, env={})
    started(job, ["sh", "-c", "setsid NAP & setsid NAP & exit"], env={"PATH": os.environ["PATH"]})
    subprocess.Popen(["true"], start_new_session=True)
    if job["input"] == "exit":
        os._exit(3)
    if job["input"] == "segfault":
        import ctypes
        ctypes.string_at(0)
    job.refresh_worker()
'''.replace("NAP", NAP)
)
PLAIN = [
    "python_loop",
    "sleep",
    "c_loop",
    "swallows",
    "deaf",
    "blocks_signals",
    "without_output",
    "without_wire",
    "daemons",
    "burst",
    "sigstop",
]
#: Without its wire a worker is killed at once, so that the job is not there any more when its time is over.
TIMED = [how for how in PLAIN if how != "without_wire"]


class Stopping(WatchedServer):
    """A server whose jobs have to be stopped, with so many workers at rest."""

    workers = 4

    def begin(self, endpoint: str, how: str, **fields: object) -> tuple[str, Effect]:
        """Submit a job and wait until its handler is at it."""
        id = self.submit(endpoint, "sleep" if how == "sigstop" else how, **fields)
        [start] = until(f"{how} begins", lambda: self.said("start", id))
        if how == "sigstop":
            os.kill(start.pid, signal.SIGSTOP)
        children = {"daemons": 3, "burst": 100}.get(how, 0)
        until(f"{how} goes on", lambda: len(self.said("child", id)) >= children)
        return id, start

    def cancel(self, endpoint: str, id: str, start: Effect) -> tuple[float, float]:
        """Seconds until the handler was stopped, and until its process was gone."""
        begin = time.monotonic()
        assert self.post(f"/v2/{endpoint}/cancel/{id}")[0] == 200
        gone([start.pid])
        end = time.monotonic()
        assert self.wait(endpoint, id)["status"] == "CANCELLED"
        stopped = self.said("stopped", id)
        return (stopped[0].at if stopped else end) - begin, end - begin

    def said(self, what: str, id: str) -> list[Effect]:
        """What a job has written of this kind."""
        return [effect for effect in self.effects() if (effect.what, effect.id) == (what, id)]

    def rest(self) -> None:
        """Remember how it is before anything has happened."""
        until("all workers are there", lambda: len(self.processes()) == 1 + self.workers)
        self.at_rest = descriptors(self.pid)

    def nothing_left(self, *ids: str) -> None:
        """Nothing of these jobs is there, and the server is as it was."""
        left = [effect.pid for id in ids for effect in self.said("child", id)]
        until("what it started is gone", lambda: not [pid for pid in {*left, *naps()} if alive(pid)])
        until("only the server's own processes are left", lambda: len(self.processes()) == 1 + self.workers)
        until("no zombie is left", lambda: not zombies(self.pid))
        until("no descriptor is left", lambda: descriptors(self.pid) <= self.at_rest)


def naps() -> list[int]:
    """Processes that handlers have started, and what those have."""
    name = NAP.replace(" ", "\0").encode()
    return [pid for pid in pids() if name in proc_file(f"/proc/{pid}/cmdline")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopping]:
    with Stopping(tmp_path_factory.mktemp("stopping"), HANDLER, settings=SETTINGS) as server:
        assert server.run("one", "quick")["output"] == "quick"
        server.rest()
        yield server
        server.stop()
        assert not server.processes()


@pytest.mark.parametrize("how", PLAIN)
def test_a_cancelled_handler_is_stopped_whatever_it_does(
    server: Stopping, how: str, figure: Callable[[str], None]
) -> None:
    id, start = server.begin("one", how)

    stopped, ended = server.cancel("one", id, start)

    figure(f"row 17: /cancel, {how}: stopped after {stopped:.3f} s, process gone after {ended:.3f} s")
    assert ended <= GRACE + 1
    assert server.run("one", "quick")["output"] == "quick"
    server.nothing_left(id)


@pytest.mark.parametrize("how", ["cancels", "sleep"])
def test_an_async_handler_that_ignores_its_cancellation_is_stopped(server: Stopping, how: str) -> None:
    id, start = server.begin("loop", how)

    _, ended = server.cancel("loop", id, start)

    assert ended <= GRACE + 1
    assert server.run("loop", "quick")["output"] == "quick"
    server.nothing_left(id)


def test_neighbours_of_a_stopped_handler_go_back_to_the_queue_and_complete(server: Stopping) -> None:
    neighbours = [server.begin("slots", "neighbour")[0] for _ in range(2)]
    id, start = server.begin("slots", "daemons")

    _, ended = server.cancel("slots", id, start)
    (server.folder / "gate").touch()

    assert ended <= GRACE + 1
    assert [server.wait("slots", each)["output"] for each in neighbours] == ["done", "done"]
    assert [len(server.said("start", each)) for each in neighbours] == [2, 2]
    server.nothing_left(id)


@pytest.mark.parametrize(
    ("how", "end"), [("exit", "FAILED"), ("segfault", "FAILED"), ("refresh", "COMPLETED")]
)
def test_what_a_worker_leaves_behind_goes_with_it(server: Stopping, how: str, end: str) -> None:
    id = server.submit("leaves", how)

    assert server.wait("leaves", id)["status"] == end
    gone([effect.pid for effect in server.said("start", id)])
    assert len(server.said("child", id)) == 3
    server.nothing_left(id)


def test_jobs_whose_time_is_over_are_stopped_whatever_they_do(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """All of them at once, each in a worker of its own."""
    with Stopping(
        tmp_path, HANDLER, settings=SETTINGS, arguments=["--workers", f"one={len(TIMED)}"]
    ) as server:
        server.workers = len(TIMED) + 3
        server.rest()
        for name, limit in (("executionTimeout", 5), ("ttl", 10)):
            begun = [server.begin("one", how, policy={name: 1000 * limit}) for how in TIMED]
            late = {how: -start.at - limit for how, (_, start) in zip(TIMED, begun, strict=True)}
            waiting = {start.pid: how for how, (_, start) in zip(TIMED, begun, strict=True)}

            def watch(waiting: dict[int, str] = waiting, late: dict[str, float] = late) -> bool:
                for pid in [pid for pid in waiting if not alive(pid)]:
                    late[waiting.pop(pid)] += time.monotonic()
                return not waiting

            until("all are stopped", watch, limit + GRACE + 5)
            ids = [id for id, _ in begun]
            figure(
                f"row 17: {name}: {len(ids)} handlers' processes gone at most {max(late.values()):.2f} s after it"
            )
            assert {server.wait("one", id)["status"] for id in ids} == {"TIMED_OUT"}
            assert max(late.values()) <= GRACE + 1, late
            assert server.run("one", "quick")["output"] == "quick"
            server.nothing_left(*ids)
    assert not server.processes()


def test_by_default_a_handler_has_five_seconds(tmp_path: Path, figure: Callable[[str], None]) -> None:
    with Stopping(tmp_path, HANDLER, settings='[workers]\nprewarm = "off"\n') as server:
        server.rest()
        id, start = server.begin("one", "c_loop")

        _, ended = server.cancel("one", id, start)

        figure(f"row 17: /cancel, c_loop with the default grace: gone after {ended:.2f} s")
        assert 5 <= ended <= 6
        assert server.run("one", "quick")["output"] == "quick"
        server.nothing_left(id)
