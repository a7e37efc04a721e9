"""Workers that do not start: pauses, what is said of it, and when `serve` ends with code 3."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from waiting import until
from workerkit.testing import Server

HANDLER = """
import os
from workerkit import worker_function

@worker_function
def work(job):
    return os.getpid()
"""
UNFIT = """
import os
from workerkit import Unfit, hookimpl

class Fitness:
    @hookimpl
    def worker_start(self, worker):
        if os.path.exists("busy"):
            raise Unfit("the GPU is busy")
"""
ONE_BROKEN = """
import os, time
from workerkit import hookimpl

class Fitness:
    @hookimpl
    def worker_start(self, worker):
        if worker.endpoint == "work":
            raise RuntimeError("broken")
        while not os.path.exists("open"):
            time.sleep(0.02)
"""
ALL_BUT_ONE = """
import os, time
from workerkit import hookimpl

class Fitness:
    @hookimpl
    def worker_start(self, worker):
        try:
            os.close(os.open("first", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise RuntimeError("broken") from None
        while not os.path.exists("open"):
            time.sleep(0.02)
"""


def test_a_target_that_does_not_import_at_start_ends_with_code_3(tmp_path: Path) -> None:
    with Server(tmp_path, "import no_torch\n", ready=False) as server:
        assert server.process is not None
        assert server.process.wait(30) == 3
        assert (
            "handler.py cannot be imported: ModuleNotFoundError: No module named 'no_torch'" in server.log()
        )


def test_code_that_breaks_later_is_tried_with_pauses_then_serve_ends_with_code_3(tmp_path: Path) -> None:
    settings = '[workers]\nprewarm = "off"\n'
    with Server(tmp_path, HANDLER, settings=settings) as server:
        pid = server.run("work")["output"]
        (tmp_path / "handler.py").write_text("open('starts', 'a').write('.')\nimport no_torch\n")
        os.kill(pid, signal.SIGKILL)
        until("a start has failed", lambda: "problem" in server.get("/v2/work/health")[1])
        health = server.get("/v2/work/health")[1]
        ready, answer = server.get("/readyz")

        assert "No module named 'no_torch'" in health["problem"]
        assert health["workers"]["unhealthy"] + health["workers"]["initializing"] == 1
        assert (ready, answer["waiting_for"], answer["failing"]) == (503, ["work"], ["work"])
        assert server.process is not None
        assert server.process.wait(60) == 3
        assert (tmp_path / "starts").read_text() == "....."
        assert "5 starts" in server.log() or "do not start, and none is left" in server.log()


def test_an_unfit_worker_takes_no_job_and_is_tried_again_until_it_is_fit(tmp_path: Path) -> None:
    (tmp_path / "fitness.py").write_text(UNFIT)
    (tmp_path / "busy").touch()
    settings = '[plugins]\nload = ["fitness:Fitness"]\n'
    with Server(tmp_path, HANDLER, settings=settings, ready=False) as server:
        until("the function is known", lambda: server.get("/v2/work/health")[0] == 200)
        until("it is counted unhealthy", lambda: server.get("/v2/work/health")[1]["workers"]["unhealthy"])
        id = server.submit("work")
        until("it was tried again", lambda: "as before" in server.log())
        assert server.get(f"/v2/work/status/{id}")[1]["status"] == "IN_QUEUE"
        assert "the GPU is busy" in server.get("/v2/work/health")[1]["problem"]
        (tmp_path / "busy").unlink()

        assert server.wait("work", id)["status"] == "COMPLETED"
        assert "problem" not in server.get("/v2/work/health")[1]


@pytest.mark.parametrize("other", ["still loads", "has none while it idles"])
def test_one_function_that_cannot_start_takes_nothing_from_another(tmp_path: Path, other: str) -> None:
    (tmp_path / "fitness.py").write_text(ONE_BROKEN)
    both = HANDLER + "\n@worker_function\ndef other(job):\n    return 'fine'\n"
    settings = '[plugins]\nload = ["fitness:Fitness"]\n'
    if other != "still loads":
        (tmp_path / "open").touch()
        settings += '[workers]\ncount = "work=1,other=0..1"\nidle_timeout = 0.2\n'
    with Server(tmp_path, both, settings=settings, ready=False) as server:
        until("the function is known", lambda: server.get("/v2/work/health")[0] == 200)
        until(
            "five have failed", lambda: "5 starts" in server.get("/v2/work/health")[1].get("problem", ""), 60
        )

        (tmp_path / "open").touch()
        assert server.run("other")["output"] == "fine"
        assert server.get("/readyz")[1] == {"ready": False, "waiting_for": ["work"], "failing": ["work"]}


def test_workers_that_fail_together_are_one_failure(tmp_path: Path) -> None:
    (tmp_path / "fitness.py").write_text(ALL_BUT_ONE)
    settings = '[plugins]\nload = ["fitness:Fitness"]\n[workers]\ncount = "6"\n'
    with Server(tmp_path, HANDLER, settings=settings, ready=False) as server:
        until("five have failed", lambda: server.log().count("cannot serve: ") >= 5)
        assert "the last start of a worker failed" in server.get("/v2/work/health")[1]["problem"]
        (tmp_path / "open").touch()

        assert server.run("work")["status"] == "COMPLETED"


#: Each keeps a process from ending: a thread, if Python waited for it, and a child that an exit function waits for.
LINGERING = {
    "a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()\n",
    "a child": "import multiprocessing, time\nmultiprocessing.Process(target=time.sleep, args=(300,)).start()\n",
}


@pytest.mark.parametrize("what", LINGERING)
def test_what_a_target_has_begun_before_it_fails_holds_up_nobody(what: str, tmp_path: Path) -> None:
    broken = LINGERING[what] + "import no_torch\n"
    with Server(tmp_path, HANDLER) as server:
        (tmp_path / "handler.py").write_text(broken)
        os.kill(server.pid, signal.SIGHUP)
        until("nothing is reloaded", lambda: "nothing was reloaded: " in server.log(), seconds=60)
        assert "No module named 'no_torch'" in server.log()
        server.stop()
    with Server(tmp_path, broken, ready=False) as server:
        assert server.process is not None
        assert server.process.wait(60) == 3


def test_what_a_plugin_has_begun_before_its_worker_is_unfit_holds_up_nobody(tmp_path: Path) -> None:
    begin = LINGERING["a child"].replace("\n", "\n        ").rstrip()
    (tmp_path / "fitness.py").write_text(UNFIT.replace("if os.path", f"{begin}\n        if os.path"))
    (tmp_path / "busy").touch()
    settings = '[plugins]\nload = ["fitness:Fitness"]\n'
    with Server(tmp_path, HANDLER, settings=settings, ready=False) as server:
        until("it is tried again", lambda: "as before" in server.log(), seconds=60)
        assert "the GPU is busy" in server.get("/v2/work/health")[1]["problem"]
        (tmp_path / "busy").unlink()

        assert server.run("work")["status"] == "COMPLETED"
