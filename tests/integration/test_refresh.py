"""Refresh: without a gap, without a loss, and without a change in the number of workers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from waiting import alive, until
from workerkit.testing import Server

HANDLERS = """
import asyncio, os, time
from workerkit import worker_function

open("imports", "a").write(f"{os.getpid()} {time.monotonic()}\\n")

@worker_function
def once(job):
    began = time.monotonic()
    return {"pid": os.getpid(), "began": began, "refresh_worker": True}

@worker_function(concurrency=3)
async def shared(job):
    if job["input"] == "refresh":
        return {"pid": os.getpid(), "refresh_worker": True}
    open(f"runs-{job['input']}", "a").write(f"{os.getpid()}\\n")
    for _ in range(1200):
        if os.path.exists(f"go-{job['input']}"):
            break
        await asyncio.sleep(0.05)
    return os.getpid()
"""
GATE = """
import os, time
from workerkit import hookimpl

class Gate:
    @hookimpl
    def worker_start(self, worker):
        open("order", "a").write(f"start {os.getpid()}\\n")
    @hookimpl
    def worker_stop(self, worker):
        time.sleep(0.3)
        open("order", "a").write(f"stop {os.getpid()}\\n")
"""


def workers(server: Server, endpoint: str) -> dict[str, int]:
    return dict(server.get(f"/v2/{endpoint}/health")[1]["workers"])


def pids(path: Path) -> list[int]:
    return [int(line.split()[0]) for line in path.read_text().splitlines()]


def test_every_job_refreshes_and_none_is_lost_or_counted_as_a_failure(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        ids = [server.submit("once") for _ in range(12)]
        answers = [server.wait("once", id) for id in ids]
        until("a worker is ready again", lambda: workers(server, "once")["ready"] == 1)
        jobs = server.get("/v2/once/health")[1]["jobs"]

        assert {answer["status"] for answer in answers} == {"COMPLETED"}
        assert len({answer["output"]["pid"] for answer in answers}) == 12
        assert (jobs["failed"], jobs["retried"]) == (0, 0)
        assert workers(server, "once")["unhealthy"] == 0
        assert server.log().count(" is refreshed: flag: ") == 12


def test_while_a_worker_is_refreshed_the_number_of_workers_stays(tmp_path: Path) -> None:
    """Two workers that refresh all the time: never more than two are counted."""
    seen: list[int] = []
    with Server(tmp_path, HANDLERS, arguments=["--workers", "2"]) as server:
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                counted = workers(server, "once")
                seen.append(counted["ready"] + counted["initializing"] + counted["unhealthy"])

        watcher = threading.Thread(target=watch)
        watcher.start()
        with ThreadPoolExecutor(4) as clients:
            answers = list(clients.map(lambda _: server.run("once"), range(16)))
        over.set()
        watcher.join()

        assert {answer["status"] for answer in answers} == {"COMPLETED"}
        assert set(seen) == {2}


@pytest.mark.parametrize("prewarm", ["off", "toolkit", "module"])
def test_worker_start_waits_until_the_old_worker_has_ended(tmp_path: Path, prewarm: str) -> None:
    (tmp_path / "gate.py").write_text(GATE)
    settings = (
        f'[plugins]\nload = ["gate:Gate"]\n[workers]\nprewarm = "{prewarm}"\ncount = "once=1,shared=0"\n'
    )
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        for _ in range(2):
            server.run("once")
        until("a worker is ready again", lambda: workers(server, "once")["ready"] == 1)
        order = [line.split()[0] for line in (tmp_path / "order").read_text().splitlines()]

        assert order == ["start", "stop", "start", "stop", "start"]


def test_a_module_standby_has_imported_the_target_before_it_is_needed(tmp_path: Path) -> None:
    settings = '[workers]\nprewarm = "module"\ncount = "once=1,shared=0"\n'
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        until("the standby has imported", lambda: len(pids(tmp_path / "imports")) == 2)
        server.run("once")
        second = server.run("once")["output"]

        lines = dict(line.split() for line in (tmp_path / "imports").read_text().splitlines())
        assert float(lines[str(second["pid"])]) < second["began"]


def test_neighbours_go_on_while_the_replacement_takes_the_slots_that_are_free(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, arguments=["--workers", "once=0,shared=1"]) as server:
        neighbour = server.submit("shared", "a")
        until("the neighbour runs", (tmp_path / "runs-a").exists)
        old = server.run("shared", "refresh")["output"]["pid"]
        others = [server.submit("shared", name) for name in "bcd"]
        until("two run in the new worker", lambda: all((tmp_path / f"runs-{n}").exists() for n in "bc"))

        [new] = {*pids(tmp_path / "runs-b"), *pids(tmp_path / "runs-c")}
        assert pids(tmp_path / "runs-a") == [old] != [new]
        assert not (tmp_path / "runs-d").exists(), "the pool ran more than its three slots"
        assert alive(old)
        for name in "abcd":
            (tmp_path / f"go-{name}").touch()
        assert server.wait("shared", neighbour)["output"] == old
        assert {server.wait("shared", id)["output"] for id in others} == {new}
        until("the old worker has gone", lambda: not alive(old))


def test_neighbours_past_the_grace_go_back_without_blame(tmp_path: Path) -> None:
    settings = '[workers]\nrefresh_grace = 0.3\ncount = "once=0,shared=1"\nmax_starts = 1\n'
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        neighbour = server.submit("shared", "a")
        until("the neighbour runs", (tmp_path / "runs-a").exists)
        old = server.run("shared", "refresh")["output"]["pid"]
        until("it runs again elsewhere", lambda: len(pids(tmp_path / "runs-a")) == 2)
        (tmp_path / "go-a").touch()
        answer = server.wait("shared", neighbour)

        assert (answer["status"], answer["retries"]) == ("COMPLETED", 1)
        assert answer["output"] != old


def test_without_overlap_the_replacement_is_not_even_started_before_the_old_one_has_gone(
    tmp_path: Path,
) -> None:
    settings = '[workers]\noverlap = false\nprewarm = "off"\ncount = "once=0,shared=1"\n'
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        neighbour = server.submit("shared", "a")
        until("the neighbour runs", (tmp_path / "runs-a").exists)
        server.run("shared", "refresh")
        waiting = server.submit("shared", "b")
        assert workers(server, "shared")["ready"] == 0
        assert len(pids(tmp_path / "imports")) == 1
        for name in "ab":
            (tmp_path / f"go-{name}").touch()

        assert server.wait("shared", neighbour)["status"] == "COMPLETED"
        assert server.wait("shared", waiting)["output"] == pids(tmp_path / "imports")[-1]


def test_workers_that_ask_together_are_replaced_one_at_a_time(tmp_path: Path) -> None:
    """Three workers reach `max_age` at about the same time; at least two are always ready."""
    settings = '[plugin.refresh]\nmax_age = 3\n[workers]\ncount = "once=0,shared=3"\n'
    seen: list[int] = []
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        until("all are ready", lambda: workers(server, "shared")["ready"] == 3)
        until(
            "two rounds of refreshes",
            lambda: seen.append(workers(server, "shared")["ready"]) or server.log().count("max_age") >= 6,
        )

        assert min(seen) >= 2


def test_a_refresh_that_can_wait_leaves_the_old_worker_at_work_until_the_new_one_has_loaded(
    tmp_path: Path,
) -> None:
    """Jobs come all the time; the module takes a second to import, and no job waits for that."""
    slow = "import time\ntime.sleep(1)\n" + HANDLERS
    settings = '[plugin.refresh]\nmax_age = 2\n[workers]\nprewarm = "off"\ncount = "once=0,shared=1"\n'
    with Server(tmp_path, slow, settings=settings) as server:
        (tmp_path / "go-x").touch()
        served = [server.run("shared", "x")]
        while len({answer["output"] for answer in served}) < 3 and len(served) < 5000:
            served.append(server.run("shared", "x"))

        assert len({answer["output"] for answer in served}) == 3
        assert max(answer["delayTime"] for answer in served) < 700
        assert server.get("/v2/shared/health")[1]["jobs"]["retried"] == 0


def test_when_the_new_worker_does_not_load_the_old_one_goes_on(tmp_path: Path) -> None:
    settings = '[plugin.refresh]\nmax_age = 1\n[workers]\nprewarm = "off"\ncount = "once=0,shared=1"\n'
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        (tmp_path / "go-x").touch()
        pid = server.run("shared", "x")["output"]
        (tmp_path / "handler.py").write_text("import no_torch")
        until("a start has failed twice", lambda: "as before" in server.log())
        assert server.run("shared", "x")["output"] == pid
        (tmp_path / "handler.py").write_text(HANDLERS)

        until("a new one serves", lambda: server.run("shared", "x")["output"] != pid)
        assert server.get("/v2/shared/health")[1]["jobs"]["retried"] == 0
