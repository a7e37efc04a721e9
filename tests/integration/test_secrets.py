"""Secrets of a request: given to its worker, found nowhere else, whatever the handler does with them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from waiting import until
from workerkit.testing import Receiver, Server

SECRET = "canary/7f3+q Zr=9x?Lk"
HANDLER = """
import base64, json, logging, os, sys
from urllib.parse import quote
from workerkit import JobFailed, worker_function

@worker_function(max_starts=1)
def leak(job):
    if job["input"] == "crash":
        os._exit(9)
    secret = job["s3Config"]["accessSecret"]
    forms = [secret, "x" + secret + "y", quote(secret), base64.b64encode(secret.encode()).decode(), json.dumps(secret)]
    how = job["input"]
    print("printed", secret)
    print("printed", secret, file=sys.stderr)
    job.log.warning("logged %s", secret)
    logging.getLogger("anyone").warning("logged %s", secret)
    job.progress(forms)
    job.note("noted", forms)
    if how == "raise":
        raise ValueError(f"raised {secret}")
    if how == "fail":
        raise JobFailed(f"failed {secret}", output=forms)
    if how == "die":
        os.write(2, f"last words {secret}\\n".encode())
        os._exit(3)
    if how == "refresh":
        job.refresh_worker(f"because of {secret}")
    return {"forms": forms, secret: 1}

@worker_function
def stream(job):
    yield {"chunk": job["s3Config"]["accessSecret"]}
    yield job["s3Config"]["accessSecret"]
"""
FORMS = [
    form.encode()
    for form in (
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode()[:-4],
        json.dumps(SECRET)[1:-1],
    )
]


def config(endpoint: str = "http://127.0.0.1:9") -> dict[str, str]:
    return {"accessId": "someone", "accessSecret": SECRET, "bucketName": "b", "endpointUrl": endpoint}


def leaks(data: bytes) -> list[bytes]:
    return [form for form in FORMS if form in data]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, HANDLER) as server:
        yield server


def run(server: Server, receiver: Receiver, endpoint: str, how: Any) -> bytes:
    """Every answer there is about one job, and its webhook."""
    path = f"/{endpoint}-{how}"
    body = {"input": how, "webhook": receiver.url + path, "s3Config": config()}
    asked = server.http.request("POST", f"{server.url}/v2/{endpoint}/run", body=json.dumps(body)).data
    id = json.loads(asked)["id"]
    answers = [asked]
    for place in (
        f"/v2/{endpoint}/status-sync/{id}?wait=20000",
        f"/v2/{endpoint}/status/{id}",
        f"/v2/{endpoint}/stream/{id}",
        f"/jobs/{id}",
        f"/deliveries?job={id}",
        "/jobs",
    ):
        answers.append(server.http.request("GET", server.url + place).data)
    [received] = receiver.wait(1, path)
    return b"\n".join([*answers, received.body, json.dumps(received.headers).encode()])


def test_no_secret_comes_back_whatever_the_handler_does_with_it(server: Server, tmp_path: Path) -> None:
    with Receiver() as receiver:
        seen = [run(server, receiver, "leak", how) for how in ("return", "raise", "fail", "refresh", "die")]
        seen.append(run(server, receiver, "stream", None))

    assert b"***" in seen[0]
    for answers in seen:
        assert leaks(answers) == []
    assert leaks(server.log().encode()) == []
    assert "printed ***" in server.log()
    for file in (tmp_path / ".workerkit").iterdir():
        assert leaks(file.read_bytes()) == [], file.name


def test_what_an_earlier_job_printed_is_not_in_another_jobs_error(server: Server) -> None:
    body = {"input": "return", "s3Config": config()}
    assert server.post("/v2/leak/runsync", body)[1]["status"] == "COMPLETED"

    answer = server.post("/v2/leak/runsync", {"input": "crash"})[1]

    error = json.loads(answer["error"])
    assert error["error_type"] == "WorkerDied"
    assert error["error_traceback"] == ""


KEEPING = """
import os
from workerkit import worker_function

clients = []

class Client:
    def __init__(self, secret):
        self.secret = secret

    def __repr__(self):
        return f"Client(secret={self.secret!r})"

@worker_function
def keep(job):
    if "s3Config" in job:
        clients.append(Client(job["s3Config"]["accessSecret"]))
        os.environ["ACCESS_SECRET"] = job["s3Config"]["accessSecret"]
    job.progress(repr(clients))
    job.note("clients", repr(clients))
    if job["input"] == "raise":
        raise ValueError(f"no {clients[0]}")
    return {"environ": os.environ["ACCESS_SECRET"], "clients": repr(clients)}
"""


def test_what_a_handler_keeps_of_one_job_is_in_no_answer_to_another(tmp_path: Path) -> None:
    with Server(tmp_path, KEEPING, settings="[workers]\ncount = 1\n") as server:
        server.run("keep", s3Config=config())
        returned, raised = server.run("keep"), server.run("keep", "raise")
        files = [file.read_bytes() for file in (tmp_path / ".workerkit").iterdir()]

    assert returned["output"] == {"environ": "***", "clients": "[Client(secret='***')]"}
    assert json.loads(raised["error"])["error_message"] == "no Client(secret='***')"
    for data in (json.dumps([returned, raised]).encode(), server.log().encode(), *files):
        assert leaks(data) == []


KEPT_LONG = """
import os
from workerkit import worker_function

kept = []

@worker_function
def keep(job):
    if job.get("s3Config"):
        kept.append(job["s3Config"]["accessSecret"])
    else:
        print("x" * (63 * 1024 - 12) + kept[0])
        raise Exception("x" * (49_950 - 12) + kept[0] + "x" * 9 + kept[0] + "x" * (49_950 - 12))
"""


def test_no_half_of_what_a_handler_has_kept_is_left_where_a_long_text_is_cut(tmp_path: Path) -> None:
    with Server(tmp_path, KEPT_LONG, settings="[workers]\ncount = 1\n") as server:
        server.run("keep", s3Config=config())
        id = server.submit("keep")
        error = server.wait("keep", id)["error"]
        until("its log is there", lambda: server.get(f"/jobs/{id}/logs")[1]["over"])
        printed = server.get(f"/jobs/{id}/logs")[1]["text"]

    assert "characters left out" in error
    for text in (error, printed):
        assert "***" in text
        assert SECRET[:5] not in text
        assert SECRET[-5:] not in text


def test_a_planted_leak_is_found() -> None:
    assert leaks(f"so {SECRET} is here".encode())
    assert leaks(b"x" + base64.b64encode(SECRET.encode()))


LONG = """
import os
from workerkit import worker_function

@worker_function
def leak(job):
    secret = job["s3Config"]["accessSecret"]
    print("x" * (63 * 1024 - 12) + secret)
    print("x" * (63 * 1024 - 12) + secret, end="")
    print("x" * 100)
    os.write(1, b"x" * (64 * 1024 - 12) + secret.encode() + b"\\n")
    raise Exception("x" * (49_950 - 12) + secret + "x" * 9 + secret + "x" * (49_950 - 12))
"""


def test_no_half_of_a_secret_is_left_where_what_is_long_is_cut(tmp_path: Path) -> None:
    with Server(tmp_path, LONG, settings="[logs]\ntail = 1000000\n") as server:
        id = server.submit("leak", s3Config=config())
        error = server.wait("leak", id)["error"]
        until("all of it is there", lambda: server.get(f"/jobs/{id}/logs")[1]["over"])
        printed = server.get(f"/jobs/{id}/logs")[1]["text"]

        for text in (error, printed, server.log()):
            assert SECRET[:6] not in text
            assert SECRET[-6:] not in text
        assert printed.count("***") >= 3


HALVES = """
import os
from pathlib import Path
from workerkit import worker_function

def halves(job):
    if job["input"] is None:
        return
    if job["input"] == "die":
        os.write(1, b"half a line")
        os._exit(3)
    secret = job["s3Config"]["accessSecret"].encode()
    os.write(1, f"begun {job.endpoint}\\n".encode() + secret[:9])
    if job.endpoint == "alone":
        print("from Python")
    Path(job["input"]).read_bytes()  # a FIFO: waits until somebody opens it
    os.write(1, secret[9:] + f" whole {job.endpoint}\\n".encode())

alone = worker_function(name="alone")(halves)
shared = worker_function(name="shared", concurrency=2)(halves)
"""


@pytest.fixture(scope="module")
def halving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("halves"), HALVES) as server:
        yield server


@pytest.mark.parametrize(("endpoint", "read"), [("alone", "from Python"), ("shared", "begun shared")])
def test_a_secret_written_past_python_in_two_pieces_is_masked_whatever_comes_between(
    halving: Server, endpoint: str, read: str
) -> None:
    gate = halving.folder / f"gate-{endpoint}"
    os.mkfifo(gate)
    id = halving.submit(endpoint, str(gate), s3Config=config())
    until("the first half is read", lambda: f"| {read}\n" in halving.log())
    if endpoint == "shared":  # another job begins and ends in the same worker
        halving.wait(endpoint, halving.submit(endpoint))
    gate.write_bytes(b"")
    halving.wait(endpoint, id)
    until("the second half is read", lambda: f" whole {endpoint}\n" in halving.log())
    until("all of it is there", lambda: halving.get(f"/jobs/{id}/logs")[1]["over"])

    text = halving.get(f"/jobs/{id}/logs")[1]["text"]
    assert text == ("" if endpoint == "shared" else "begun alone\nfrom Python\n*** whole alone\n")
    assert f"| *** whole {endpoint}\n" in halving.log()
    assert [half for half in (SECRET[:9], SECRET[9:]) if half in halving.log()] == []


def test_a_half_line_is_shown_when_its_worker_dies(halving: Server) -> None:
    error = halving.wait("alone", halving.submit("alone", "die"))["error"]

    assert json.loads(error)["error_traceback"] == "half a line"
    assert "| half a line\n" in halving.log()
