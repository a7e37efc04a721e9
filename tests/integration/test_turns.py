"""Whose turn it is to be replaced, and what a worker does until then."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from waiting import alive, until
from workerkit.testing import Server

HANDLERS = """
import os, time
from workerkit import worker_function

VERSION = 1

@worker_function
def work(job):
    if job["input"]:
        open(f"runs-{job['input']}", "w").close()
    deadline = time.monotonic() + 60
    while job["input"] and not os.path.exists("go") and time.monotonic() < deadline:
        time.sleep(0.02)
    return [VERSION, os.getpid()]

@worker_function
def fickle(job):
    return {"refresh_worker": True}
"""
GATE = """
import os, time
from workerkit import hookimpl

class Gate:
    @hookimpl
    def worker_start(self, worker):
        if os.path.exists("closed"):
            open("waits", "a").write(".")
        while os.path.exists("closed"):
            time.sleep(0.01)
"""
ORDER = """
from workerkit import hookimpl

class Gate:
    @hookimpl
    def worker_start(self, worker):
        open("order", "a").write("start ")
    @hookimpl
    def worker_stop(self, worker):
        open("order", "a").write("stop ")
"""


def counted(server: Server, endpoint: str = "work") -> dict[str, int]:
    return dict(server.get(f"/v2/{endpoint}/health")[1]["workers"])


def gated(folder: Path, count: str, more: str = "") -> Server:
    (folder / "gate.py").write_text(GATE)
    settings = f'[plugins]\nload = ["gate:Gate"]\n[workers]\ncount = "{count}"\n{more}'
    return Server(folder, HANDLERS, settings=settings)


def test_max_jobs_holds_for_workers_that_wait_for_their_turn(tmp_path: Path) -> None:
    """Three workers come to the end together, and the first replacement takes its time."""
    with gated(tmp_path, "work=3,fickle=0", "[plugin.refresh]\nmax_jobs = 2\n") as server:
        until("all are ready", lambda: counted(server)["ready"] == 3)
        (tmp_path / "closed").touch()
        with ThreadPoolExecutor(12) as clients:
            answers = [clients.submit(server.run, "work") for _ in range(12)]
            until("six have run", lambda: sum(answer.done() for answer in answers) == 6)
            until("a replacement starts", (tmp_path / "waits").exists)
            assert counted(server)["ready"] == 0
            assert counted(server)["initializing"] == 3
            assert server.get("/readyz")[0] == 200
            (tmp_path / "closed").unlink()
            ran = Counter(answer.result()["output"][1] for answer in answers)

        assert set(ran.values()) == {2}


def test_max_jobs_holds_for_a_worker_whose_replacement_is_on_its_way_for_its_age(tmp_path: Path) -> None:
    slow = "import time\nopen('imports', 'a').write('.')\ntime.sleep(1.5)\n" + HANDLERS
    settings = (
        '[plugin.refresh]\nmax_age = 1\nmax_jobs = 2\n[workers]\nprewarm = "off"\ncount = "work=1,fickle=0"\n'
    )
    with Server(tmp_path, slow, settings=settings) as server:
        until("the replacement loads", lambda: len((tmp_path / "imports").read_text()) == 2)
        ran = Counter(server.run("work")["output"][1] for _ in range(6))

        assert max(ran.values()) == 2


def test_idle_workers_come_first_and_busy_ones_hold_nobody_up(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, settings='[workers]\ncount = "work=3,fickle=0"\n') as server:
        until("all are ready", lambda: counted(server)["ready"] == 3)
        long = [server.submit("work", name) for name in "ab"]
        until("two run", lambda: all((tmp_path / f"runs-{name}").exists() for name in "ab"))
        (tmp_path / "handler.py").write_text(HANDLERS.replace("VERSION = 1", "VERSION = 2"))
        os.kill(server.pid, signal.SIGHUP)
        until("the idle one is replaced", lambda: server.run("work")["output"][0] == 2, seconds=15)
        until("the others will be", lambda: server.log().count("is refreshed: reload") == 3, seconds=15)
        # The queue is full when their jobs end, and they take none of these.
        others = [server.submit("work", name) for name in "cdefg"]
        (tmp_path / "go").touch()

        assert [server.wait("work", id)["output"][0] for id in long] == [1, 1]
        assert [server.wait("work", id)["output"][0] for id in others] == [2] * 5
        until("there are three again", lambda: counted(server)["ready"] == 3)
        assert server.get("/v2/work/health")[1]["jobs"]["retried"] == 0


def test_a_refresh_of_the_only_worker_leaves_the_server_ready_and_its_death_does_not(tmp_path: Path) -> None:
    with gated(tmp_path, "work=1,fickle=1") as server:
        (tmp_path / "closed").touch()
        server.run("fickle")
        until("its replacement starts", (tmp_path / "waits").exists)
        assert counted(server, "fickle")["ready"] == 0
        assert server.get("/readyz")[0] == 200

        os.kill(server.run("work")["output"][1], signal.SIGKILL)
        until("the other starts too", lambda: len((tmp_path / "waits").read_text()) == 2)
        status, answer = server.get("/readyz")
        assert (status, answer["waiting_for"]) == (503, ["work"])
        (tmp_path / "closed").unlink()
        until("all is well again", lambda: server.get("/readyz")[0] == 200)


@pytest.mark.parametrize("how", ["killed", "reloaded"])
def test_who_comes_for_a_replacement_that_waited_waits_as_it_did(tmp_path: Path, how: str) -> None:
    """Its predecessor still runs a job, and two that have started are never there together."""
    (tmp_path / "gate.py").write_text(ORDER)
    imports = "import os\nopen('imports', 'a').write(f'{os.getpid()}\\n')\n"
    settings = '[plugins]\nload = ["gate:Gate"]\n[workers]\nprewarm = "off"\ncount = "work=1,fickle=0"\n'

    def pids() -> list[int]:
        return [int(pid) for pid in (tmp_path / "imports").read_text().split()]

    with Server(tmp_path, imports + HANDLERS, settings=settings) as server:
        id = server.submit("work", "a")
        until("it runs", (tmp_path / "runs-a").exists)
        os.kill(server.pid, signal.SIGHUP)
        until("the replacement waits", lambda: "is refreshed: reload" in server.log())
        waits = pids()[-1]
        os.kill(*((waits, signal.SIGKILL) if how == "killed" else (server.pid, signal.SIGHUP)))
        until("it is gone", lambda: not alive(waits))
        until("it has loaded", lambda: len(pids()) == (4 if how == "killed" else 5))
        (tmp_path / "go").touch()

        assert server.wait("work", id)["status"] == "COMPLETED"
        until("the last is ready", lambda: counted(server)["ready"] == 1)
        assert (tmp_path / "order").read_text().split() == ["start", "stop", "start"]
