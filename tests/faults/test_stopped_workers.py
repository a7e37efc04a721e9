"""Row 2: workers that stand still, and results that come too late. A committed end stays as it is."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faulting import NOTES, WatchedServer, Wire, gone
from waiting import until
from workerkit.testing import Receiver

GRACE = 1
SETTINGS = f"[workers]\nstop_grace = {GRACE}\n"
HANDLER = (
    NOTES
    + """
import threading

@worker_function
def hold(job):
    note("start", job)
    if job["input"]:
        time.sleep(60)

# With two slots a plain handler cannot be interrupted: it returns.
@worker_function(concurrency=2)
def late(job):
    note("start", job)
    # To this very thread, or it might go on for a moment before the others stop it.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    note("done", job)
    return "too late"

@worker_function(concurrency=4)
async def brief(job):
    note("start", job)
    await asyncio.sleep(job["input"])
    note("done", job)
    return "in time"
"""
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    with WatchedServer(tmp_path_factory.mktemp("stopped"), HANDLER, settings=SETTINGS) as server:
        yield server
    assert not server.processes()


def standing_still(server: WatchedServer, **fields: object) -> tuple[str, int]:
    """A job whose worker has been stopped: its id, and the process."""
    id = server.submit("hold", 1, **fields)
    until("it runs", lambda: server.ids("start")[id])
    [pid] = [effect.pid for effect in server.effects() if effect.id == id]
    os.kill(pid, signal.SIGSTOP)
    return id, pid


def stale(server: WatchedServer) -> int:
    """How many reports of workers the host has refused."""
    text = server.http.request("GET", f"{server.url}/metrics").data.decode()
    counts = re.findall(r"^workerkit_stale_frames_total\{.*\} (\S+)$", text, re.MULTILINE)
    return int(sum(map(float, counts)))


def test_a_worker_that_stands_still_is_ended_by_a_cancel(
    server: WatchedServer, figure: Callable[[str], None]
) -> None:
    id, pid = standing_still(server)
    begin = time.monotonic()

    assert server.post(f"/v2/hold/cancel/{id}")[1]["status"] == "CANCELLED"

    answered, seconds = time.monotonic() - begin, gone([pid])
    figure(
        f"row 2: /cancel of a stopped worker: answered after {1000 * answered:.0f} ms, "
        f"gone after {seconds:.2f} s (grace {GRACE} s)"
    )
    assert seconds < GRACE + 1
    assert server.run("hold")["status"] == "COMPLETED"
    assert server.wait("hold", id)["status"] == "CANCELLED"


def test_a_worker_that_stands_still_is_ended_by_its_jobs_timeout(
    server: WatchedServer, figure: Callable[[str], None]
) -> None:
    begin = time.monotonic()
    id, pid = standing_still(server, policy={"executionTimeout": 5000})

    assert server.wait("hold", id)["status"] == "TIMED_OUT"
    gone([pid])

    seconds = time.monotonic() - begin - 5
    figure(f"row 2: execution timeout of a stopped worker: gone {seconds:.2f} s after it (grace {GRACE} s)")
    assert seconds < GRACE + 1
    assert server.run("hold")["status"] == "COMPLETED"


def test_a_result_behind_a_committed_cancel_is_refused(
    server: WatchedServer, figure: Callable[[str], None]
) -> None:
    before = stale(server)
    with Receiver() as receiver:
        id = server.submit("late", webhook=receiver.url)
        until("it runs", lambda: server.ids("start")[id])
        [pid] = [effect.pid for effect in server.effects() if effect.id == id]
        until("it stands still", lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "T")

        assert server.post(f"/v2/late/cancel/{id}")[1]["status"] == "CANCELLED"
        os.kill(pid, signal.SIGCONT)
        until("its result is refused", lambda: stale(server) > before)
        until("its worker is replaced", lambda: server.get("/v2/late/health")[1]["workers"]["idle"] == 1)

        assert server.ids("done")[id] == 1, "it was not a result that was refused"
        assert server.wait("late", id)["status"] == "CANCELLED"
        [received] = receiver.wait(1)
        assert received.json["status"] == "CANCELLED"
        figure(f"row 2: results behind a committed cancel: {stale(server) - before} refused")


def test_jobs_that_are_cancelled_as_they_end_have_one_end(
    server: WatchedServer, soak: bool, figure: Callable[[str], None]
) -> None:
    jobs, seed = 5_000 if soak else 400, random.randrange(1 << 30)
    print(f"seed {seed}")
    dice, before = random.Random(seed), stale(server)
    answers: dict[str, int] = {}
    pause = threading.Event()
    with Receiver() as receiver:
        for _ in range(jobs):
            id = server.submit("brief", dice.uniform(0, 0.01), webhook=receiver.url)
            pause.wait(dice.uniform(0, 0.01))
            answers[id] = server.post(f"/v2/brief/cancel/{id}")[0]
        until("all jobs have ended", lambda: not server.unfinished(), seconds=60)
        receiver.wait(jobs)

        statuses, wire = server.statuses(), Wire.of(receiver)
        wrong = [id for id, code in answers.items() if (code == 200) != (statuses[id] == "CANCELLED")]
        told = {received.json["id"]: received.json["status"] for received in receiver.requests}
        audit = server.audit(list(answers))
        figure(
            f"row 2: {jobs} jobs cancelled as they end: {dict(audit.counts)}, {audit}, "
            f"late results refused {stale(server) - before}"
        )
        assert not wrong
        assert audit.clean
        assert set(audit.counts) == {"COMPLETED", "CANCELLED"}, "all cancels came too early, or too late"
        assert told == {id: statuses[id] for id in answers}
        assert (wire.for_two_ends, wire.most_tries) == (0, 1)
