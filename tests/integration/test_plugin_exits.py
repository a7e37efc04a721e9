"""A plugin that calls `sys.exit()` in every hook, as helpers of command lines do, against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from waiting import until
from workerkit.testing import Server

HANDLER = (
    "from workerkit import worker_function\n\n@worker_function\ndef hello(job):\n    return job['input']\n"
)
EXITS = """
import itertools, sys
from workerkit import Delivery, Field, Refused, hookimpl

class Mute(Exception):
    def __str__(self):
        raise ValueError

class Special(Delivery):
    def __init__(self, how):
        super().__init__(target=how)

class Exits:
    fields = {"exits": Field(str)}

    @hookimpl
    def accept(self, request):
        if request.fields["exits"] == "accept":
            sys.exit("usage: accept")
        if request.fields["exits"] == "mute":
            raise Mute
        if request.fields["exits"] == "half":
            raise ValueError("half \\ud800")
        if request.fields["exits"] == "refused":
            raise Refused("half \\ud800")

    @hookimpl(inline=True)
    def post_job(self, request, result):
        if request.fields.get("exits") == "post_job":
            sys.exit("usage: post_job")
        if request.fields.get("exits") == "deliver":
            return Delivery(target="x")
        if request.fields.get("exits") == "endless":
            return (Delivery(target="x") for _ in itertools.count())
        if request.fields.get("exits") == "special":
            return Special("special")

    @hookimpl
    def deliver(self, delivery):
        if delivery.target == "special":
            return 5
        sys.exit("usage: deliver")

    @hookimpl
    def pre_job(self, job):
        if job.fields.get("exits") == "pre_job":
            sys.exit("usage: pre_job")
        if job.fields.get("exits") == "interrupt":
            raise KeyboardInterrupt
        if job.fields.get("exits") == "notes":
            job.notes = [1]

    @hookimpl
    def worker_stop(self):
        sys.exit("usage: worker_stop")

class Unfit:
    @hookimpl
    def worker_start(self):
        sys.exit("usage: worker_start")

class Interrupts:
    @hookimpl
    def worker_start(self):
        raise KeyboardInterrupt
"""


def test_the_host_and_its_workers_go_on_and_each_failure_has_its_place(tmp_path: Path) -> None:
    (tmp_path / "exits.py").write_text(EXITS)
    with Server(tmp_path, HANDLER, settings='[plugins]\nload = ["exits:Exits"]\n') as server:
        pid = server.pid

        status, answer = server.post("/v2/hello/run", {"input": 1, "exits": "accept"})
        assert (status, answer["code"]) == (500, "plugin_failed")
        assert "plugin 'exits' failed in accept: SystemExit: usage: accept" in answer["error"]

        assert server.run("hello", 2, exits="post_job")["status"] == "COMPLETED"
        assert server.run("hello", 3, exits="deliver")["status"] == "COMPLETED"
        failed = server.run("hello", 4, exits="pre_job")
        assert failed["error"] == "plugin 'exits' failed in pre_job: SystemExit: usage: pre_job"

        [dead] = until("it is dead", lambda: server.get("/deliveries?state=dead")[1]["deliveries"])
        assert dead["detail"] == "plugin 'exits' failed in deliver: SystemExit: usage: deliver"
        assert server.run("hello", 5)["output"] == 5
        assert server.pid == pid

    log = server.log()
    for hook in ("accept", "post_job", "deliver", "worker_stop"):
        assert f"plugin 'exits' failed in {hook}: SystemExit: usage: {hook}" in log


@pytest.mark.parametrize(
    ("plugin", "fault"), [("Unfit", "SystemExit: usage: worker_start"), ("Interrupts", "KeyboardInterrupt")]
)
def test_a_worker_whose_start_a_plugin_ends_is_unfit_and_the_plugin_is_named(
    tmp_path: Path, plugin: str, fault: str
) -> None:
    (tmp_path / "exits.py").write_text(EXITS)
    settings = f'[plugins]\nload = ["exits:{plugin}"]\n'
    with Server(tmp_path, HANDLER, settings=settings, ready=False) as server:
        sentence = f"plugin {plugin.lower()!r} failed in worker_start: {fault}"
        until("it is named", lambda: sentence in server.log())


def test_whatever_a_plugin_answers_or_says_its_jobs_end_is_stored(tmp_path: Path) -> None:
    (tmp_path / "exits.py").write_text(EXITS)
    with Server(tmp_path, HANDLER, settings='[plugins]\nload = ["exits:Exits"]\n') as server:
        for how, fault in {"mute": "Mute: (its text cannot be had", "half": "ValueError: half "}.items():
            status, answer = server.post("/v2/hello/run", {"input": 1, "exits": how})
            assert (status, answer["code"]) == (500, "plugin_failed")
            assert f"plugin 'exits' failed in accept: {fault}" in answer["error"]
        status, answer = server.post("/v2/hello/run", {"input": 1, "exits": "refused"})
        assert (status, answer["error"][:5]) == (400, "half ")

        for how in ("endless", "special"):
            assert server.run("hello", 2, exits=how)["status"] == "COMPLETED"
        [dead] = until("it is dead", lambda: server.get("/deliveries?state=dead")[1]["deliveries"])
        assert dead["target"] == "special"

        interrupted = server.run("hello", 3, exits="interrupt")
        assert interrupted["error"].startswith("plugin 'exits' failed in pre_job: KeyboardInterrupt")
        replaced = server.run("hello", 4, exits="notes")
        assert replaced["error"].startswith("plugin 'exits' failed in pre_job: AttributeError: ")
        assert len({job["workerId"] for job in (interrupted, replaced, server.run("hello", 5))}) == 1

    assert "it returned more than 1,000 deliveries" in server.log()
