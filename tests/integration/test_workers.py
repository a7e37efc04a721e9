"""Worker processes: refreshed, kept from the host's secrets, drained, and recovered after a kill."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from waiting import alive, until
from workerkit.testing import Server

HANDLERS = """
import asyncio, os, time
from workerkit import worker_function

open("imported-by", "a").write(f"{os.getpid()}\\n")

@worker_function
def whoami(job):
    wanted = job["input"] or {}
    if wanted.get("note"):
        open(wanted["note"], "a").write(f"{job.attempt}\\n")
    time.sleep(wanted.get("seconds", 0))
    answer = {"pid": os.getpid(), "environ": sorted(os.environ)}
    return {**answer, "refresh_worker": wanted["refresh"]} if "refresh" in wanted else answer

@worker_function
def stream(job):
    yield {"pid": os.getpid(), "refresh_worker": True}
    yield {"pid": os.getpid()}

@worker_function(concurrency=4)
async def together(job):
    await asyncio.sleep(job["input"])
    return os.getpid()
"""


def whoami(server: Server, **wanted: Any) -> dict[str, Any]:
    status, answer = server.post("/v2/whoami/runsync", {"input": wanted})
    assert (status, answer["status"]) == (200, "COMPLETED")
    return dict(answer["output"])


def test_a_refresh_gives_a_fresh_process_and_takes_the_flag_out(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        first = whoami(server)
        refreshed = whoami(server, refresh=True)
        after = whoami(server, refresh=False)

        assert first["pid"] == refreshed["pid"] != after["pid"]
        assert "refresh_worker" not in refreshed
        assert "refresh_worker" not in after
        assert whoami(server)["pid"] == after["pid"]
        until("the old process is gone", lambda: not alive(first["pid"]))
        workers = server.get("/v2/whoami/health")[1]["workers"]
        assert (workers["ready"], workers["unhealthy"]) == (1, 0)


def test_a_refresh_from_a_generator_is_honoured(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        first = server.post("/v2/stream/runsync", {"input": None})[1]["output"]
        second = server.post("/v2/stream/runsync", {"input": None})[1]["output"]

        assert [set(chunk) for chunk in first] == [{"pid"}, {"pid"}]
        assert first[0]["pid"] == first[1]["pid"] != second[0]["pid"]


def test_the_host_never_imports_the_handler_and_hides_its_settings(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, environ={"WORKERKIT_QUEUE__KEEP": "60"}) as server:
        environ = whoami(server)["environ"]
        importers = {int(line) for line in (tmp_path / "imported-by").read_text().split()}

        assert server.pid not in importers
        assert len(importers) == 3
        assert not [name for name in environ if name.startswith("WORKERKIT")]


def test_concurrent_jobs_share_one_worker(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server, ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        answers = list(
            pool.map(lambda _: server.post("/v2/together/runsync", {"input": 1})[1]["output"], range(4))
        )

        assert len(set(answers)) == 1
        assert time.monotonic() - began < 3


def test_sigterm_lets_a_running_job_end(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        id = server.post("/v2/whoami/run", {"input": {"seconds": 1.5, "note": "started"}})[1]["id"]
        until("the job runs", (tmp_path / "started").exists)

        assert server.stop() == 0

        server.start()
        status, answer = server.get(f"/v2/whoami/status/{id}")
        assert (status, answer["status"]) == (200, "COMPLETED")
        assert (tmp_path / "started").read_text() == "1\n"


def test_what_still_runs_after_the_grace_goes_back_without_blame(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, settings="[workers]\nshutdown_grace = 0.2\n") as server:
        id = server.post("/v2/whoami/run", {"input": {"seconds": 3, "note": "started"}})[1]["id"]
        until("the job runs", (tmp_path / "started").exists)

        assert server.stop() == 0
        server.start()

        answer = server.get(f"/v2/whoami/status-sync/{id}?wait=20000")[1]
        assert (answer["status"], answer["retries"]) == ("COMPLETED", 1)
        assert (tmp_path / "started").read_text() == "1\n2\n"


def test_a_killed_host_takes_its_workers_along_and_loses_no_job(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        pid = whoami(server)["pid"]
        running = server.post("/v2/whoami/run", {"input": {"seconds": 2, "note": "started"}})[1]["id"]
        waiting = [server.post("/v2/whoami/run", {"input": {}})[1]["id"] for _ in range(5)]
        until("the job runs", (tmp_path / "started").exists)

        server.kill()
        until("the worker is gone", lambda: not alive(pid), seconds=1.0)
        server.start()

        for id in [running, *waiting]:
            answer = server.get(f"/v2/whoami/status-sync/{id}?wait=20000")[1]
            assert answer["status"] == "COMPLETED"
        assert (tmp_path / "started").read_text() == "1\n2\n"


def test_a_killed_worker_is_noticed_and_its_job_runs_again_at_once(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        pid = whoami(server)["pid"]
        id = server.post("/v2/whoami/run", {"input": {"seconds": 0.5, "note": "started"}})[1]["id"]
        until("the job runs", (tmp_path / "started").exists)

        os.kill(pid, 9)

        until("it runs again", lambda: (tmp_path / "started").read_text() == "1\n2\n", seconds=2.0)
        answer = server.get(f"/v2/whoami/status-sync/{id}?wait=20000")[1]
        assert (answer["status"], answer["retries"]) == ("COMPLETED", 1)
        assert answer["output"]["pid"] != pid


def test_several_workers_are_named_by_function(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, arguments=["--workers", "whoami=2,together=0"]) as server:
        until("both are ready", lambda: server.get("/v2/whoami/health")[1]["workers"]["ready"] == 2)
        assert server.get("/v2/stream/health")[1]["workers"]["ready"] == 1
        workers = server.get("/v2/together/health")[1]["workers"]
        assert not any(workers.values())


def test_a_file_named_like_a_standard_module_does_not_break_the_worker(tmp_path: Path) -> None:
    for name in ("queue", "logging", "signal"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong module')\n")
    with Server(tmp_path, HANDLERS) as server:
        assert whoami(server)["pid"] != server.pid
