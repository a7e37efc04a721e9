"""Very short jobs, which workers are sent before it is their turn: real servers, and what befalls their workers."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from faulting import NOTES, Effect, WatchedServer, gone
from waiting import until

HANDLER = (
    NOTES
    + """
@worker_function
def work(job):
    note("start", job)
    what = job["input"]
    if what == "refresh":
        job.refresh_worker("it asked")
    elif what == "exit":
        os._exit(9)
    elif isinstance(what, str):
        deadline = time.monotonic() + 60
        while not os.path.exists(what) and time.monotonic() < deadline:
            time.sleep(0.01)
    note("done", job)
    return what
"""
)
#: So many quick jobs, and it is known that they are.
ENOUGH = 80


def serving(folder: Path, workers: int = 1, settings: str = "") -> WatchedServer:
    return WatchedServer(folder, HANDLER, arguments=("--workers", str(workers)), settings=settings)


def queued(server: WatchedServer, *inputs: Any) -> list[str]:
    """Jobs that are all in the queue before the first of them begins; every worker waits for the gate until then."""
    workers = int(server.get("/v2/work/health")[1]["workers"]["ready"])
    for _ in range(workers):
        server.submit("work", "gate")
    until("they wait", lambda: len(server.ids("start")) == workers)
    ids = [server.submit("work", value) for value in inputs]
    (server.folder / "gate").touch()
    return ids


def outputs(server: WatchedServer, ids: list[str]) -> list[Any]:
    """Once all have ended."""
    return [server.wait("work", id).get("output") for id in ids]


def begun(server: WatchedServer, id: str) -> Effect:
    return until(
        "it begins", lambda: next((e for e in server.effects() if (e.what, e.id) == ("start", id)), None)
    )


def starts(server: WatchedServer, ids: list[str]) -> list[int]:
    counted = server.ids("start")
    return [counted[id] for id in ids]


def returned(server: WatchedServer) -> set[str]:
    """The jobs of which a run was cut off, be it counted as a crash or not."""
    return {id for (id,) in server.query("SELECT id FROM job WHERE crashes + returns > 0")}


def test_none_begins_in_a_process_after_a_job_that_asked_for_a_refresh(tmp_path: Path) -> None:
    inputs = [*range(ENOUGH), *("refresh" if n % 20 == 0 else n for n in range(1, 301))]
    with serving(tmp_path, 2) as server:
        ids = queued(server, *inputs)
        assert outputs(server, ids) == inputs

        assert starts(server, ids) == [1] * len(ids)
        assert returned(server) == set()
        asked = {id for id, what in zip(ids, inputs, strict=True) if what == "refresh"}
        ran: dict[int, list[str]] = {}
        for effect in server.effects():
            if effect.what == "start":
                ran.setdefault(effect.pid, []).append(effect.id)
        last = {jobs[-1] for jobs in ran.values()}
        assert asked <= last
        assert len(asked) == 15


def test_quick_jobs_do_not_wait_for_a_slow_one_that_they_were_sent_behind(tmp_path: Path) -> None:
    inputs = [*range(ENOUGH), "go", *range(100)]
    with serving(tmp_path, 2) as server:
        ids = queued(server, *inputs)
        slow = ids.pop(ENOUGH)
        outputs(server, ids)
        assert server.get(f"/v2/work/status/{slow}")[1]["status"] == "IN_PROGRESS"
        (tmp_path / "go").touch()
        assert outputs(server, [slow]) == ["go"]

        assert starts(server, [slow, *ids]) == [1] * len(inputs)
        assert returned(server) == set()


def test_of_a_worker_that_a_job_ends_only_that_job_is_to_blame(tmp_path: Path) -> None:
    inputs = [*range(ENOUGH), "exit", *range(30), "exit", *range(30)]
    with serving(tmp_path, settings="[workers]\nmax_starts = 1\n") as server:
        ids = queued(server, *inputs)
        outputs(server, ids)
        culprits = {id for id, what in zip(ids, inputs, strict=True) if what == "exit"}
        failed = {id for id, status in server.statuses().items() if status == "FAILED"}

        assert failed == culprits
        assert starts(server, ids) == [1] * len(ids)
        assert returned(server) == set(), "their only start was one too many"


def test_jobs_that_are_cancelled_while_they_wait_behind_a_slow_one_never_run(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        ids = queued(server, *range(ENOUGH), "go", *range(30))
        slow, behind = ids[ENOUGH], ids[ENOUGH + 1 :]
        begun(server, slow)
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(server.post, [f"/v2/work/cancel/{id}" for id in behind[:20]]))
        assert {answer["status"] for _, answer in answers} == {"CANCELLED"}
        (tmp_path / "go").touch()
        outputs(server, ids)

        assert starts(server, behind) == [0] * 20 + [1] * 10
        assert starts(server, [slow]) == [1]
        assert returned(server) == set()


def test_of_workers_that_are_killed_only_the_jobs_whose_turn_it_was_run_again(tmp_path: Path) -> None:
    kills, inputs = 4, list(range(ENOUGH + 600))
    with serving(tmp_path) as server:
        ids = queued(server, *inputs)
        killed: set[int] = set()
        for nth in range(1, kills + 1):
            until("so many have run", lambda least=100 * nth: len(server.ids("done")) > least)
            pid = until("another runs", lambda: next(iter({server.effects()[-1].pid} - killed), None))
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
            gone([pid])
        assert outputs(server, ids) == inputs

        audit = server.audit(ids)
        assert audit.clean, audit
        twice = {id for id, count in server.ids("start").items() if count > 1}
        assert twice <= returned(server)
        assert len(returned(server)) <= kills
        assert max(starts(server, ids)) <= 2


def test_what_waits_when_the_server_stops_has_not_run_and_does_at_the_next_start(tmp_path: Path) -> None:
    inputs = [*range(ENOUGH), "go", *range(30)]
    with serving(tmp_path) as server:
        ids = queued(server, *inputs)
        begun(server, ids[ENOUGH])
        os.kill(server.pid, signal.SIGTERM)
        until("it stops", lambda: "stopping: " in server.log())
        (tmp_path / "go").touch()
        assert server.process is not None
        assert server.process.wait(30) == 0
        assert starts(server, ids) == [1] * (ENOUGH + 1) + [0] * 30
        assert returned(server) == set()
        server.start()
        assert outputs(server, ids) == inputs

        assert starts(server, ids) == [1] * len(ids)
        assert returned(server) == set()
