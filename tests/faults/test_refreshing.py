"""Row 18: every job has its worker replaced. Nothing is lost, and nothing is left behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
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
    note("done", job)
    return {"pid": os.getpid(), "refresh_worker": True}
"""
)


@pytest.mark.parametrize("prewarm", ["toolkit", "off"])
def test_jobs_that_all_refresh_lose_nothing_and_leave_nothing(
    tmp_path: Path, prewarm: str, soak: bool, figure: Callable[[str], None]
) -> None:
    jobs = 1_000 if soak else 60
    settings = f'[workers]\nprewarm = "{prewarm}"\n'
    with Receiver() as receiver, WatchedServer(tmp_path, HANDLER, settings=settings) as server:

        def settled() -> bool:
            workers = server.get("/v2/step/health")[1]["workers"]
            return bool(workers["idle"] == 1 and not zombies(server.pid))

        for _ in range(5):
            server.run("step")
        until("the worker is replaced", settled)
        before = descriptors(server.pid)
        ids = [server.submit("step", n, webhook=receiver.url) for n in range(jobs)]
        until("all jobs have ended", lambda: server.ended() == jobs + 5, seconds=2 * jobs)
        receiver.wait(jobs)
        until("the last worker is replaced", settled)
        until("no descriptor is left", lambda: descriptors(server.pid) <= before, seconds=5)

        effects = [effect for effect in server.effects() if effect.id in set(ids)]
        gaps = [b.at - a.at for a, b in itertools.pairwise(effects) if a.what == "done"]
        audit, wire = server.audit(ids), Wire.of(receiver)
        figure(
            f"row 18: prewarm {prewarm}: {jobs} jobs in {len({effect.pid for effect in effects})} workers: "
            f"{audit}, webhooks missing {wire.missing(ids)}, descriptors {before} before and "
            f"{descriptors(server.pid)} after, zombies 0; gap {spread(gaps)}"
        )
        assert audit.clean
        assert set(audit.counts) == {"COMPLETED"}
        assert len({effect.pid for effect in effects}) == jobs
        assert set(server.ids("start").values()) == {1}
        assert (wire.missing(ids), wire.for_two_ends, wire.most_tries) == (0, 0, 1)
    assert not server.processes()
