"""Row 3: the host is killed while it is given jobs and sends webhooks. What it acknowledged is there."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faulting import NOTES, WatchedServer, Wire, gone, overlaps, submit
from waiting import until
from workerkit.testing import Receiver

LEASE = 5
SETTINGS = f"[queue]\nlease = {LEASE}\n[plugin.webhook]\nretry_delay = 0.2\n"
HANDLER = (
    NOTES
    + """
@worker_function
def step(job):
    note("start", job)
    time.sleep(job["input"])
    note("done", job)
"""
)


class Clients:
    """Four of them submit without repeating anything, until so many jobs are acknowledged.

    Then they submit one now and again, so that there is a job to begin with after the last kill too.
    """

    def __init__(self, server: WatchedServer, webhook: str, wanted: int) -> None:
        self.ids: list[str] = []
        self._server = server
        self._webhook = webhook
        self._wanted = wanted
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(4)

    def __enter__(self) -> Clients:
        self._submitting = [self._pool.submit(self._submit) for _ in range(4)]
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._pool.shutdown()

    def wait(self, count: int) -> None:
        until(f"{count} jobs are acknowledged", lambda: len(self.ids) >= count, seconds=60)

    def _submit(self) -> None:
        pause = threading.Event()
        while len(self.ids) < self._wanted or not self._over.is_set():
            id = submit(self._server, "step", 0.02, webhook=self._webhook)
            if id is not None:
                self.ids.append(id)
            if len(self.ids) >= self._wanted:
                pause.wait(0.2)
            else:
                pause.wait(0.05 if id is None else 0.005)


def test_a_killed_host_has_lost_nothing_that_it_acknowledged(
    tmp_path: Path, soak: bool, figure: Callable[[str], None]
) -> None:
    jobs, kills = (5_000, 50) if soak else (200, 5)
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    moments = random.Random(seed)
    last_child: list[float] = []
    back: list[float] = []
    #: The same without what the processes of a host take to start, which is up to the machine.
    recovered: list[float] = []
    deaths: dict[int, float] = {}
    with (
        Receiver() as receiver,
        WatchedServer(tmp_path, HANDLER, arguments=["--workers", "2"], settings=SETTINGS) as server,
    ):
        with Clients(server, receiver.url, jobs) as clients:
            for kill in range(kills):
                clients.wait(int(jobs * (kill + moments.uniform(0.2, 1)) / kills))
                children = server.processes() - {server.pid}
                killed = time.monotonic()
                deaths |= dict.fromkeys(children, killed)
                server.kill()
                last_child.append(gone(children, 2))
                begin = time.monotonic()
                server.start()
                starting = time.monotonic() - begin
                before = {effect.pid for effect in server.effects() if effect.at < killed}
                back.append(first_start(server, before) - killed)
                recovered.append(back[-1] - starting)
        until("all is over", lambda: not server.unfinished(), seconds=60)

        audit, wire = server.audit(clients.ids), Wire.of(receiver)
        figure(
            f"row 3: {len(clients.ids)} jobs, {kills} hosts killed: {audit}, webhooks missing "
            f"{wire.missing(clients.ids)}, tries of one at most {wire.most_tries}; children gone after at "
            f"most {1000 * max(last_child):.0f} ms, jobs running again after {max(back):.1f} s"
        )
        assert (audit.lost, audit.unended) == (0, 0)
        assert audit.twice == 0
        assert wire.missing(clients.ids) == 0
        assert wire.for_two_ends == 0
        assert wire.most_tries <= 2
        assert max(last_child) <= 1
        assert max(recovered) <= LEASE + 2
        assert not overlaps(server.effects(), deaths)
    assert not server.processes()


def first_start(server: WatchedServer, before: set[int]) -> float:
    """When a worker that was not there before has begun a job."""

    def begun() -> list[float]:
        return [effect.at for effect in server.effects() if effect.pid not in before]

    return until("a job runs again", begun)[0]
