"""What handlers print: in the log and through the API, live and afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from printing_jobs import HANDLER, Operator, ended, gate, open_gate
from waiting import until
from workerkit.testing import Server

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("logs"), HANDLER) as running:
        yield running


def test_all_that_a_run_prints_is_its_own_when_it_is_the_only_one(server: Server) -> None:
    id = ended(server, "chatty")

    found = Operator(server).whole(id)

    lines = ["on stdout", "on stderr", "logged", "from C", "from a child", "begun "]
    text = "".join(f"{line}\n" for line in lines)
    assert found == {
        "id": id,
        "attempt": 1,
        "attempts": [1],
        "status": "COMPLETED",
        "text": text,
        "after": len(text),
        "dropped": 0,
        "over": True,
    }
    assert [line for line in lines if f" {id} | {line}\n" not in server.log()] == []
    assert "\x1e" not in server.log()


def test_a_line_without_an_end_does_not_reach_the_next_job(server: Server) -> None:
    first, second = server.submit("unended", "the first"), server.submit("unended", "the second")
    server.wait("unended", second)

    until("the first has its line", lambda: Operator(server).logs(first)["text"] == "of the first\n")
    assert Operator(server).logs(second)["text"] == ""


@pytest.mark.parametrize("endpoint", ["several", "slots"])
def test_runs_beside_each_other_do_not_mix(server: Server, endpoint: str) -> None:
    ids = {name: server.submit(endpoint, name) for name in "abcdefgh"}

    for name, id in ids.items():
        server.wait(endpoint, id)
        lines = Operator(server).whole(id)["text"].splitlines()
        if endpoint == "several":
            assert lines == [*(f"{name} {n}" for n in range(20)), f"{name} in a thread"]
        else:
            assert lines == [*(f"{name * 5000} {n}" for n in range(10)), "in a thread"]


def test_every_attempt_keeps_its_own_those_that_crashed_too(server: Server) -> None:
    id = ended(server, "crashing")

    texts = {n: Operator(server).whole(id, attempt=n)["text"] for n in (1, 2, 3)}
    status, answer = server.get(f"/jobs/{id}/logs?attempt=4")

    assert texts == {n: f"attempt {n}\n" for n in (1, 2, 3)}
    assert Operator(server).logs(id)["attempts"] == [1, 2, 3]
    assert (status, answer["error"]) == (404, "the job has no attempt 4; its latest is 3")


def test_secrets_of_the_request_are_masked_everywhere(server: Server) -> None:
    fields = {"accessId": "AKIAIOSFODNN7EXAMPLE", "accessSecret": SECRET}
    id = ended(server, "telling", s3Config={**fields, "bucketName": "b", "endpointUrl": "http://127.0.0.1:9"})

    assert Operator(server).whole(id)["text"] == "the secret is ***\nagain: ***\n"
    assert SECRET not in server.log()


def test_of_a_run_that_prints_without_end_the_end_is_kept(server: Server) -> None:
    id = ended(server, "endless")

    found = Operator(server).whole(id)
    resumed = Operator(server).logs(id, after=found["after"] - len("the end\n"))

    assert found["text"].endswith("\nthe end\n")
    assert len(found["text"]) <= 65_536
    assert found["dropped"] + len(found["text"]) == found["after"]
    assert (resumed["text"], resumed["dropped"]) == ("the end\n", 0)
    assert len(server.log()) < 11_000_000


def test_a_caller_who_waits_is_told_while_the_job_runs_and_when_it_ends(server: Server) -> None:
    fifo = gate(server.folder)
    id = server.submit("gated", {"gate": str(fifo)})
    until("it has begun", lambda: bool(Operator(server).logs(id, wait=20)["text"]))
    live = Operator(server).logs(id)
    nothing = Operator(server).logs(id, after=live["after"])
    open_gate(fifo)
    later = Operator(server).logs(id, attempt=1, after=live["after"], wait=20)
    last = Operator(server).logs(id, attempt=1, after=later["after"], wait=20)

    assert (live["text"], live["status"], live["over"]) == ("before\n", "IN_PROGRESS", False)
    assert (nothing["text"], nothing["over"]) == ("", False)
    assert later["text"] == "after\n"
    assert (last["text"], last["status"], last["over"]) == ("", "COMPLETED", True)


def test_following_goes_from_attempt_to_attempt_and_ends_with_the_job(server: Server) -> None:
    fifo = gate(server.folder)
    held = server.submit("crashing", {"gate": str(fifo)})
    command = [sys.executable, "-m", "workerkit", "jobs", "logs", "-f", held]
    with subprocess.Popen(
        command, cwd=server.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        open_gate(fifo)
        rest, complaint = following.communicate(timeout=30)

    assert first == "attempt 1\n"
    assert (following.returncode, rest, complaint) == (0, "attempt 2\nattempt 3\n", "")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("attempt=x", "attempt is 'x'; it must be a whole number"),
        ("after=-1", "after is '-1'; it must be a whole number"),
        ("wait=61", "wait is '61'; it must be a whole number from 0 to 60"),
        ("atempt=1", "'atempt' is no filter here; did you mean 'attempt'?"),
    ],
)
def test_a_wrong_query_is_answered_with_a_sentence(server: Server, query: str, sentence: str) -> None:
    status, answer = server.get(f"/jobs/nonsense/logs?{query}")

    assert (status, answer["code"]) == (400, "bad_query")
    assert sentence in answer["error"]
