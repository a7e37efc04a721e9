"""Row 18: every job has its worker replaced. Nothing is lost, and nothing is left behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from faulting import NOTES, WatchedServer, Wire, descriptors, spread, zombies
from waiting import until
from workerkit.testing import Receiver

HANDLER = (
    NOTES
    + """
@worker_function
def step(job):
    note("start", job)
    time.sleep(job["input"])
    note("done", job)
    return {"pid": os.getpid(), "refresh_worker": True}
"""
)


LONG, LONG_JOBS = 0.5, 8


def gaps(server: WatchedServer, ids: Sequence[str]) -> str:
    """How long it was from the end of each of these jobs to the start of the next."""
    effects = [effect for effect in server.effects() if effect.id in set(ids)]
    return spread([b.at - a.at for a, b in itertools.pairwise(effects) if a.what == "done"])


@pytest.mark.parametrize("prewarm", ["toolkit", "off"])
def test_jobs_that_all_refresh_lose_nothing_and_leave_nothing(
    tmp_path: Path, prewarm: str, soak: bool, figure: Callable[[str], None]
) -> None:
    jobs = 1_000 if soak else 25
    settings = f'[workers]\nprewarm = "{prewarm}"\n'
    with Receiver() as receiver, WatchedServer(tmp_path, HANDLER, settings=settings) as server:

        def settled() -> bool:
            workers = server.get("/v2/step/health")[1]["workers"]
            return bool(workers["idle"] == 1 and not zombies(server.pid))

        for _ in range(5):
            server.run("step", 0)
        until("the worker is replaced", settled)
        before = descriptors(server.pid)
        ids = [server.submit("step", 0, webhook=receiver.url) for _ in range(jobs)]
        until("all jobs have ended", lambda: server.ended() == jobs + 5, seconds=2 * jobs)
        # While one of these runs there is time to make the next standby ready.
        long = [server.submit("step", LONG, webhook=receiver.url) for _ in range(LONG_JOBS)]
        until("these too", lambda: server.ended() == jobs + 5 + LONG_JOBS, seconds=60)
        ids += long
        receiver.wait(len(ids))
        until("the last worker is replaced", settled)
        until("no descriptor is left", lambda: descriptors(server.pid) <= before, seconds=5)

        pids = {effect.pid for effect in server.effects() if effect.id in set(ids)}
        audit, wire = server.audit(ids), Wire.of(receiver)
        figure(
            f"row 18: prewarm {prewarm}: {len(ids)} jobs in {len(pids)} workers: {audit}, webhooks missing "
            f"{wire.missing(ids)}, descriptors {before} before and {descriptors(server.pid)} after, zombies 0; "
            f"gap of jobs that take nothing {gaps(server, ids[:jobs])}, {LONG} s {gaps(server, long)}"
        )
        assert audit.clean
        assert set(audit.counts) == {"COMPLETED"}
        assert len(pids) == len(ids)
        assert set(server.ids("start").values()) == {1}
        assert (wire.missing(ids), wire.for_two_ends, wire.most_tries) == (0, 0, 1)
    assert not server.processes()
