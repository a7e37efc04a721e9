"""Row 1: workers are killed at random while they work. Nothing is lost, and nothing happens twice at a time."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faulting import NOTES, WatchedServer, Wire, overlaps, submit
from waiting import alive, until
from workerkit.testing import Receiver

HANDLER = (
    NOTES
    + """
@worker_function(max_starts=9)
def step(job):
    note("start", job)
    time.sleep(job["input"])
    note("done", job)
    return job["input"]
"""
)


class Killer(threading.Thread):
    """Kills a worker each 0.2 s, give or take the half: whichever has run a job, busy or not."""

    def __init__(self, server: WatchedServer, seed: int, most: int) -> None:
        super().__init__(daemon=True)
        #: When each was killed, or a moment earlier.
        self.deaths: dict[int, float] = {}
        self._server = server
        self._most = most
        self._random = random.Random(seed)
        self._over = threading.Event()

    def run(self) -> None:
        while len(self.deaths) < self._most and not self._over.wait(self._random.uniform(0.1, 0.3)):
            seen = {effect.pid for effect in self._server.effects(last=30_000)}
            living = sorted(pid for pid in seen - set(self.deaths) if alive(pid))
            if living:
                victim = self._random.choice(living)
                self.deaths[victim] = time.monotonic()
                os.kill(victim, signal.SIGKILL)

    def stop(self) -> None:
        self._over.set()
        self.join()


def test_of_jobs_whose_workers_are_killed_none_is_lost_and_none_ends_twice(
    tmp_path: Path, soak: bool, figure: Callable[[str], None]
) -> None:
    jobs, kills = (20_000, 2_000) if soak else (400, 40)
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    seconds = random.Random(seed)
    with (
        Receiver() as receiver,
        WatchedServer(tmp_path, HANDLER, arguments=["--workers", "3"]) as server,
        ThreadPoolExecutor(4) as clients,
    ):
        killer = Killer(server, seed, kills + kills // 4)
        killer.start()
        submitting = [
            clients.submit(submit, server, "step", seconds.uniform(0.04, 0.09), webhook=receiver.url)
            for _ in range(jobs)
        ]
        ids = [str(future.result(60)) for future in submitting]
        until("all jobs have ended", lambda: server.ended() >= jobs, seconds=jobs / 4)
        killer.stop()
        receiver.wait(jobs, seconds=60)

        audit, wire = server.audit(ids), Wire.of(receiver)
        overlapping = overlaps(server.effects(), killer.deaths)
        figure(
            f"row 1: {jobs} jobs, {len(killer.deaths)} workers killed: {audit}, "
            f"webhooks missing {wire.missing(ids)}, overlapping runs {len(overlapping)}; {dict(audit.counts)}"
        )
        assert len(killer.deaths) >= kills
        assert audit.clean
        assert not overlapping
        assert wire.missing(ids) == 0
        assert (wire.for_two_ends, wire.most_tries) == (0, 1)
    assert not server.processes()
