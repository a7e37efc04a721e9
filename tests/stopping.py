"""Handlers that are hard to stop, and a server that has to stop them."""

from __future__ import annotations

import os
import signal
import time

from faulting import NOTES, Effect, WatchedServer, descriptors, gone, pids, proc_file, zombies
from waiting import alive, until

GRACE = 0.5
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
