"""Secrets that are none of the request's: masked from when a job hides them, whatever the handler does with them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import until
from worker_host import Host, worker_in
from workerkit.testing import Server
from workerkit.wire import Hidden, Hide, Progress, RunJob, Stop, Untouched

SECRET = "open sesame, please"
HANDLER = f"""
import os, threading
from contextvars import copy_context
from workerkit import worker_function

SECRET = {SECRET!r}

def tell(job):
    for number in range(2000):
        print("noise", number)
    job.hide(SECRET)
    os.write(1, (SECRET + "\\n").encode())
    print("x" * (63 * 1024 - 9) + SECRET)
    print("told", SECRET)
    job.progress(SECRET)

@worker_function
def plain(job):
    tell(job)
    return {{SECRET: [SECRET]}}

@worker_function
async def later(job):
    tell(job)
    return SECRET

@worker_function(concurrency=2)
def threads(job):
    thread = threading.Thread(target=copy_context().run, args=[tell, job])
    thread.start()
    thread.join()
    raise ValueError(SECRET)

@worker_function
def parts(job):
    yield "nothing yet"
    tell(job)
    yield from SECRET
    yield {{"delta": SECRET[:5]}}
    yield {{"delta": SECRET[5:]}}
    raise Exception("x" * (49_950 - 9) + SECRET + "y" * 999 + SECRET + "z" * (49_950 - 9))

@worker_function
def free(job):
    return SECRET
"""
HIDING = """
import os
from workerkit import worker_function

@worker_function
def hide(job):
    job.hide(job["input"])
    job.progress(os.path.exists("answered"))

@worker_function
def fork(job):
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            job.hide(job["input"])
        except RuntimeError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    return os.read(reading, 1000).decode()
"""


def log_of(server: Server, id: str) -> str:
    until("its log is there", lambda: server.get(f"/jobs/{id}/logs")[1]["over"])
    text: str = server.get(f"/jobs/{id}/logs")[1]["text"]
    return text


def test_it_is_masked_in_every_kind_of_handler_and_in_no_job_that_has_not_hidden_it(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER, settings="[logs]\ntail = 1000000\n") as server:
        ended = {}
        for endpoint in ("plain", "later", "threads", "parts"):
            id = server.submit(endpoint)
            ended[endpoint] = server.wait(endpoint, id)
            printed = log_of(server, id)
            assert "told ***\n" in printed
            assert SECRET[:5] not in printed
            assert SECRET[-5:] not in printed
        streamed = [item["output"] for item in server.get(f"/v2/parts/stream/{id}")[1]["stream"]]
        warned = server.log().count("a secret came out of the handler")
        for file in (tmp_path / ".workerkit").iterdir():
            assert SECRET.encode() not in file.read_bytes(), file.name
        free = server.run("free")

        assert streamed[0] == "nothing yet"
        assert "".join(map(str, streamed[1:])) == "***{'delta': '***'}{'delta': ''}"
        assert ended["plain"]["output"] == {"***": ["***"]}
        assert ended["later"]["output"] == "***"
        assert json.loads(ended["threads"]["error"])["error_message"] == "***"
        assert SECRET[:5] not in ended["parts"]["error"]
        assert SECRET[-5:] not in ended["parts"]["error"]
        assert SECRET not in server.log()
        assert warned == 4
        assert free["output"] == SECRET


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "hiding.py").write_text(HIDING)
    with worker_in(tmp_path) as host:
        yield host


def hides(worker: Host) -> Hide:
    """Runs a job until it hides a secret."""
    worker.serve("hide", target="hiding.py", stop_signal=signal.SIGUSR1)
    worker.send(RunJob(0, "j", 1, json.dumps(SECRET).encode()))
    frame = worker.receive()
    assert isinstance(frame, Hide)
    assert (frame.id, frame.attempt, frame.secret) == ("j", 1, SECRET)
    return frame


def test_a_handler_goes_on_once_the_host_masks_what_it_hides(worker: Host, tmp_path: Path) -> None:
    frame = hides(worker)
    (tmp_path / "answered").touch()
    worker.send(Hidden(frame.number + 1), Hidden(frame.number))

    assert worker.receive() == Progress("j", 1, b"true")
    assert worker.receive_end().status == "COMPLETED"
    assert worker.drain()[0] == 0


def test_one_that_waits_for_that_can_be_stopped(worker: Host) -> None:
    frame = hides(worker)
    worker.send(Stop("j", 1, "cancelled"))
    assert worker.receive_end().status == "CANCELLED"

    worker.send(Hidden(frame.number), RunJob(0, "k", 1, json.dumps(SECRET).encode()))
    assert worker.receive() == Untouched([("k", 1)]), "nothing begins where a job was interrupted"
    assert worker.drain()[0] == 0


def test_a_forked_process_is_told_that_nobody_would_hear_it(worker: Host) -> None:
    worker.serve("fork", target="hiding.py")
    end = worker.run(SECRET)

    assert b"a secret cannot be hidden in a process that the handler forked" in (end.output or b"")
    assert worker.drain()[0] == 0
