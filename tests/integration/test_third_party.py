"""Distributions of others, each installed into a fresh environment and run by the server from there."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from environments import Environment
from waiting import until
from workerkit.testing import Receiver, Server

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
HANDLER = """
import asyncio, os
from workerkit import worker_function

kept = []

@worker_function
async def work(job):
    what = job["input"]
    if what == "fail":
        raise ValueError("as asked")
    if what == "last":
        await asyncio.sleep(60)
    if what == "grow":
        kept.append(bytearray(os.urandom(1)) * 200_000_000)
    return {"pid": os.getpid(), "refresh_worker": what == "refresh"}
"""
Installed = Callable[[str], Environment]


def serve(environment: Environment, folder: Path, settings: str = "", handler: str = HANDLER) -> Server:
    return Server(folder, handler, settings=settings, program=environment.program)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def audited(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


def cancelled(server: Server) -> str:
    """A job that is cancelled while it runs."""
    id = server.submit("work", "last")
    until("it runs", lambda: server.get(f"/v2/work/status/{id}")[1]["status"] == "IN_PROGRESS")
    server.post(f"/v2/work/cancel/{id}")
    return id


def test_audit_writes_a_line_for_every_end_of_a_job(installed: Installed, tmp_path: Path) -> None:
    log = tmp_path / "jobs.jsonl"

    with serve(installed("workerkit-audit"), tmp_path, '[plugin.audit]\nfile = "jobs.jsonl"\n') as server:
        good, bad = server.run("work", 1), server.run("work", "fail")
        gone = cancelled(server)
        until("all three are written", lambda: len(lines(log)) == 3)

    ends = {entry["job"]: (entry["status"], entry["endpoint"], entry["attempt"]) for entry in audited(log)}
    assert ends == {
        good["id"]: ("COMPLETED", "work", 1),
        bad["id"]: ("FAILED", "work", 1),
        gone: ("CANCELLED", "work", 1),
    }


def test_audit_writes_after_a_crash_what_could_not_be_written_before(
    installed: Installed, tmp_path: Path
) -> None:
    log = tmp_path / "later" / "audit.log"

    with serve(
        installed("workerkit-audit"), tmp_path, '[plugin.audit]\nfile = "later/audit.log"\n'
    ) as server:
        job = server.run("work", 1)
        until("a try has failed", lambda: "No such file or directory" in server.log())
        server.kill()
        log.parent.mkdir()
        server.start()
        until("it is written", lambda: lines(log))

    assert [entry["job"] for entry in audited(log)] == [job["id"]]


def test_audit_writes_each_job_once_though_the_server_is_killed_amid_deliveries(
    installed: Installed, tmp_path: Path
) -> None:
    log = tmp_path / "audit.log"

    with serve(installed("workerkit-audit"), tmp_path) as server:
        ids = [server.submit("work", number) for number in range(40)]
        until("some are written", lambda: len(lines(log)) > 3)
        server.kill()
        server.start()
        for id in ids:
            server.wait("work", id)
        until("each is written", lambda: {entry["job"] for entry in audited(log)} >= {*ids})

    assert Counter(entry["job"] for entry in audited(log)) == Counter(ids)


def test_installing_cloudevents_changes_what_a_receiver_gets_and_uninstalling_it_changes_it_back(
    tmp_path: Path,
) -> None:
    environment = Environment(tmp_path / "env")
    environment.install(THIRD_PARTY / "workerkit-cloudevents")

    with Receiver() as receiver, serve(environment, tmp_path) as server:
        first = server.run("work", 1, webhook=f"{receiver.url}/done")
        [event] = receiver.wait(1)
        server.stop()
        environment.uninstall("workerkit-cloudevents")
        server.start()
        second = server.run("work", 1, webhook=f"{receiver.url}/done")
        [_, plain] = receiver.wait(2)

    assert event.headers["content-type"] == "application/cloudevents+json"
    assert json.loads(event.body)["data"] == first
    assert plain.headers["content-type"] == "application/json"
    assert json.loads(plain.body) == second


def test_a_cloud_event_has_what_the_specification_requires(installed: Installed, tmp_path: Path) -> None:
    settings = '[plugin.webhook]\nsource = "https://jobs.example.com"\nretry_delay = 0.1\n'

    with (
        Receiver([503, 200]) as receiver,
        serve(installed("workerkit-cloudevents"), tmp_path, settings) as server,
    ):
        failed = server.run("work", "fail", webhook=receiver.url)
        first, second = receiver.wait(2)

    event = json.loads(first.body)
    assert first.body == second.body
    assert {
        name: event[name] for name in ("specversion", "source", "type", "subject", "datacontenttype")
    } == {
        "specversion": "1.0",
        "source": "https://jobs.example.com",
        "type": "workerkit.job.failed",
        "subject": failed["id"],
        "datacontenttype": "application/json",
    }
    assert event["id"]
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)


def test_cloudevents_refuses_a_url_that_it_could_not_reach(installed: Installed, tmp_path: Path) -> None:
    with serve(installed("workerkit-cloudevents"), tmp_path) as server:
        status, answer = server.post("/v2/work/run", {"input": 1, "webhook": "ftp://receiver"})

    assert (status, answer["error"]) == (400, "webhook must begin with http:// or https://")


def test_memory_replaces_a_worker_that_has_grown_or_that_asks_for_it(
    installed: Installed, tmp_path: Path
) -> None:
    with serve(installed("workerkit-memory"), tmp_path, "[plugin.refresh]\nmax_mb = 150\n") as server:
        outputs = [server.run("work", what)["output"] for what in (1, "grow", "refresh", 1)]

    small, grown, asked, last = (output["pid"] for output in outputs)
    assert small == grown
    assert len({grown, asked, last}) == 3
    assert "is refreshed: its process holds" in server.log()
    assert "is refreshed: asked by the handler" in server.log()
    assert all("refresh_worker" not in output for output in outputs)


def test_async_hooks_run_where_the_others_would(installed: Installed, tmp_path: Path) -> None:
    with serve(installed("workerkit-asynchronous"), tmp_path) as server:
        refused = server.post("/v2/work/run", {"input": 1, "announce": ""})
        job = server.run("work", 1, announce="here")
        until("it is delivered", lambda: "deliver here" in lines(tmp_path / "journal.log"))

    id = job["id"]
    assert refused == (
        400,
        {"error": "announce is empty; give it a word, or leave it out", "code": "refused"},
    )
    assert job["output"]["announced"] == "here"
    assert lines(tmp_path / "journal.log") == [
        "worker_start work",
        "accept here",
        *(f"pre_job {id}", f"on_output {id}", f"post_job {id} COMPLETED"),
        "deliver here",
        "worker_stop work",
    ]


def test_a_plugin_written_for_version_1_of_the_hooks_is_called_at_every_one(
    installed: Installed, tmp_path: Path
) -> None:
    log = tmp_path / "vintage.log"
    handler = "from workerkit import worker_function\n\n@worker_function\ndef double(job):\n    return job['input'] * 2\n"

    with serve(installed("workerkit-vintage"), tmp_path, handler=handler) as server:
        output = server.run("double", 21)["output"]
        until("it is delivered", lambda: any(line.startswith("deliver") for line in lines(log)))
    unknown = installed("workerkit-vintage").workerkit(
        "serve", "handler.py", "--port", "0", "--queue", "vintage://here", cwd=tmp_path
    )

    assert output == [42, "vintage"]
    assert lines(log) == [
        "worker_start double 1",
        "accept double 21",
        "pre_job double 21",
        "run_job double 42",
        "on_output double 42 0 True",
        "post_job double COMPLETED",
        "deliver double COMPLETED 1",
        "worker_stop double 1",
        "open_queue vintage://here",
    ]
    assert "no plugin opens the queue vintage://" in unknown.stderr
