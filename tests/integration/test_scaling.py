"""Ranges of workers: they grow by how long jobs wait, and shrink when nothing is left to do."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from waiting import alive, until
from workerkit.testing import Server

HANDLERS = """
import os, time
from workerkit import worker_function

@worker_function
def work(job):
    open("pids", "a").write(f"{os.getpid()}\\n")
    deadline = time.monotonic() + 60
    while job["input"] and not os.path.exists(job["input"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")]

@worker_function
def fickle(job):
    return {"pid": os.getpid(), "refresh_worker": True}
"""


def workers(server: Server, endpoint: str = "work") -> dict[str, int]:
    return dict(server.get(f"/v2/{endpoint}/health")[1]["workers"])


def serve(folder: Path, count: str, more: str = "") -> Server:
    settings = f'[workers]\ncount = "{count}"\nscale_delay = 0.3\nidle_timeout = 0.8\n{more}'
    return Server(folder, HANDLERS, settings=settings)


def test_workers_grow_while_jobs_wait_and_shrink_when_they_idle(tmp_path: Path) -> None:
    with serve(tmp_path, "work=1..3,fickle=0") as server:
        assert workers(server)["ready"] == 1
        ids = [server.submit("work", "go") for _ in range(5)]
        until("there are three", lambda: workers(server)["running"] == 3)
        (tmp_path / "go").touch()

        assert {server.wait("work", id)["status"] for id in ids} == {"COMPLETED"}
        until("one is left", lambda: workers(server)["ready"] == 1)
        assert server.run("work")["status"] == "COMPLETED"


def test_no_more_workers_start_than_jobs_wait(tmp_path: Path) -> None:
    with serve(tmp_path, "work=1..5,fickle=0") as server:
        ids = [server.submit("work", "go") for _ in range(2)]
        until("both run", lambda: workers(server)["running"] == 2)
        assert workers(server)["ready"] == 2
        (tmp_path / "go").touch()

        assert {server.wait("work", id)["status"] for id in ids} == {"COMPLETED"}


def test_from_zero_the_first_job_starts_a_worker_and_an_idle_one_is_freed(tmp_path: Path) -> None:
    with serve(tmp_path, "work=0..2,fickle=0") as server:
        until("all are freed", lambda: sum(workers(server).values()) == 0)
        assert server.get("/readyz")[0] == 200
        pid, _ = server.run("work")["output"]

        until("it is freed again", lambda: not alive(pid))
        other, _ = server.run("work")["output"]
        assert other != pid


def test_each_first_job_after_idling_starts_a_worker_at_once_and_is_started_once(tmp_path: Path) -> None:
    settings = '[workers]\ncount = "work=0..1,fickle=0"\nscale_delay = 8\nidle_timeout = 0.2\n'
    with Server(tmp_path, HANDLERS, settings=settings) as server:
        for _ in range(3):
            until("all are freed", lambda: sum(workers(server).values()) == 0)
            answer = server.run("work")
            assert "retries" not in answer
            assert server.get(f"/jobs/{answer['id']}")[1]["attempt"] == 1
            assert answer["delayTime"] < 4000


def test_a_refresh_counts_against_no_bound(tmp_path: Path) -> None:
    with serve(tmp_path, "work=0,fickle=1..1") as server:
        answers = [server.run("fickle") for _ in range(4)]

        assert len({answer["output"]["pid"] for answer in answers}) == 4
        until("one is ready", lambda: workers(server, "fickle")["ready"] == 1)
    with serve(tmp_path, "work=0,fickle=0..1") as server:
        answers = [server.run("fickle") for _ in range(3)]

        assert len({answer["output"]["pid"] for answer in answers}) == 3


def test_each_worker_gets_a_gpu_of_its_own_before_anything_is_imported(tmp_path: Path) -> None:
    settings = '[workers]\ncount = "work=2,fickle=0"\ngpus = "3,5"\n'
    handlers = HANDLERS + '\nopen("devices", "a").write(os.environ["CUDA_VISIBLE_DEVICES"] + "\\n")\n'
    with Server(tmp_path, handlers, settings=settings) as server:
        ids = [server.submit("work", "go") for _ in range(2)]
        until("both run", lambda: workers(server)["running"] == 2)
        (tmp_path / "go").touch()
        outputs = [server.wait("work", id)["output"] for id in ids]

        assert sorted(device for _, device in outputs) == ["3", "5"]
        assert sorted((tmp_path / "devices").read_text().split()) == ["3", "5"]


def test_a_replacement_gets_the_gpu_of_the_worker_that_it_replaces(tmp_path: Path) -> None:
    settings = '[workers]\ncount = "work=0,fickle=2"\ngpus = "3,5"\n'
    handlers = HANDLERS.replace('"pid": os.getpid()', '"gpu": os.environ["CUDA_VISIBLE_DEVICES"]')
    with Server(tmp_path, handlers, settings=settings) as server:
        gpus = []
        for _ in range(6):
            gpus.append(server.run("fickle")["output"]["gpu"])
            until("both are ready", lambda: workers(server, "fickle")["ready"] == 2)
        # The one that was idle longest is not the one that was used last.
        assert set(gpus) <= {"3", "5"}
        ids = [server.submit("fickle") for _ in range(2)]
        assert {server.wait("fickle", id)["status"] for id in ids} == {"COMPLETED"}


def test_after_a_reload_workers_have_the_gpus_that_are_listed_then(tmp_path: Path) -> None:
    def settings(gpus: str) -> str:
        return f'[workers]\ncount = "work=2,fickle=0"\ngpus = "{gpus}"\n'

    with Server(tmp_path, HANDLERS, settings=settings("0,1")) as server:
        until("both are ready", lambda: workers(server)["ready"] == 2)
        (tmp_path / "workerkit.toml").write_text(settings("2,3"))
        os.kill(server.pid, signal.SIGHUP)
        until("both are replaced", lambda: server.log().count("is ready for work") == 4)
        ids = [server.submit("work", "go") for _ in range(2)]
        until("both run", lambda: workers(server)["running"] == 2)
        (tmp_path / "go").touch()

        assert sorted(server.wait("work", id)["output"][1] for id in ids) == ["2", "3"]
