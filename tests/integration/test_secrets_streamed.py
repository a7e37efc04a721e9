"""Secrets in what a run says bit by bit: masked across chunks, counted, and told to the operator."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leaking import SECRET, URL
from waiting import until
from workerkit.testing import Server

HANDLER = """
import os, time
from workerkit import worker_function

@worker_function(max_starts=1)
def stream(job):
    url, how = job["input"]
    token = job["token"]
    yield from token
    yield {"delta": "so " + token[:9]}
    yield {"delta": token[9:] + "."}
    if how != "keep":
        job.exempt(url)
    job.progress([url, token])
    yield url
    yield "the end 0"
    if how in ("wait", "cancel"):
        job.progress("waits")
        time.sleep(60)
    if how == "die":
        os._exit(3)
    if how == "raise":
        raise ValueError(f"no {url} {token}")
    job.note("noted", [url, token])
    print(url)
    os.write(1, f"{url}\\n".encode())

@worker_function
def clean(job):
    job.exempt(job["input"])
    return [job["input"], "wrapped"]
"""
#: What the handler yields, as a client sees it.
SHOWN = ["***", *[""] * 15, {"delta": "so ***"}, {"delta": "."}, URL, "the end 0"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    settings = '[plugins]\nload = ["leaking:Tokens"]\n'
    environ = {"PYTHONPATH": str(Path(__file__).parents[1])}
    with Server(tmp_path, HANDLER, settings=settings, environ=environ) as server:
        yield server


def run(server: Server, how: str, **more: Any) -> tuple[str, dict[str, Any], list[Any]]:
    """A job's id, its end and what it streamed."""
    id = server.submit("stream", [URL, how], token=SECRET, **more)
    if how == "cancel":
        until("it waits", lambda: server.get(f"/v2/stream/status/{id}")[1].get("output") == "waits")
        server.post(f"/v2/stream/cancel/{id}")
    end = server.wait("stream", id)
    return id, end, [item["output"] for item in server.get(f"/v2/stream/stream/{id}")[1]["stream"]]


def test_no_part_of_a_secret_comes_back_in_chunks_and_an_exempt_url_does(server: Server) -> None:
    id, end, streamed = run(server, "return")

    assert end["status"] == "COMPLETED"
    assert (streamed, end["output"]) == (SHOWN, SHOWN)
    until("its log is there", lambda: server.get(f"/jobs/{id}/logs")[1]["over"])
    printed = server.get(f"/jobs/{id}/logs")[1]["text"]
    assert printed.count(URL.replace(SECRET, "***")) == 2
    assert SECRET not in server.log()


@pytest.mark.parametrize(
    ("how", "status", "more"),
    [
        ("raise", "FAILED", {}),
        ("die", "FAILED", {}),
        ("wait", "TIMED_OUT", {"policy": {"executionTimeout": 5000}}),
        ("cancel", "CANCELLED", {}),
    ],
)
def test_a_chunk_that_waited_for_the_next_one_is_there_however_a_run_ends(
    server: Server, how: str, status: str, more: dict[str, Any]
) -> None:
    _, end, streamed = run(server, how, **more)

    assert end["status"] == status
    assert streamed == SHOWN
    if how == "raise":
        assert f"no {URL} ***" in json.loads(end["error"])["error_message"]


def test_an_operator_is_told_once_a_run_and_can_count(server: Server) -> None:
    id, _, _ = run(server, "return")
    server.run("clean", URL)

    text = server.http.request("GET", f"{server.url}/metrics").data.decode()
    counted = dict(
        re.findall(r'^workerkit_secrets_masked_total\{endpoint="stream",place="(\w+)"\} (\S+)$', text, re.M)
    )
    assert {place: float(count) for place, count in counted.items()} == {
        "chunk": 2,
        "progress": 1,
        "notes": 1,
        "output": 0,
        "error": 0,
        "refresh": 0,
    }
    warned = re.findall(r"WARNING +job (\S+) of (\S+): a secret .*", server.log())
    assert warned == [(id, "stream")]


def test_a_url_is_exempt_in_no_run_but_the_one_that_said_so(server: Server) -> None:
    _, _, before = run(server, "return")
    _, _, after = run(server, "keep")

    assert (before[18], after[18]) == (URL, URL.replace(SECRET, "***"))
