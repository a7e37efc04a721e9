"""`workerkit deliveries tail`: tries as they are made."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workerkit.testing import Receiver, Server

HANDLER = """
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]
"""
TWICE = "[plugin.webhook]\nattempts = 2\nretry_delay = 0.05\n"
COMMAND = [sys.executable, "-m", "workerkit", "deliveries", "tail"]


@pytest.mark.parametrize("form", ["people", "json"])
def test_tail_tells_of_each_try_as_it_is_made(tmp_path: Path, form: str) -> None:
    options = ["--json"] if form == "json" else []
    with (
        Receiver([503, 200]) as receiver,
        Server(tmp_path, HANDLER, settings=TWICE) as server,
        watching(tmp_path, *options) as tail,
    ):
        id = server.submit("echo", webhook=f"{receiver.url}/hook?token=hunter2")
        first, second = read_line(tail), read_line(tail)
        tail.send_signal(signal.SIGINT)
        assert tail.wait(30) == 130

    assert "hunter2" not in first + second
    if form == "json":
        assert [json.loads(line)["state"] for line in (first, second)] == ["pending", "delivered"]
        assert [json.loads(line)["status"] for line in (first, second)] == [503, 200]
        return
    place = receiver.url.removeprefix("http://")
    said = (
        rf"\d\d:\d\d:\d\d msg_{id}_1 webhook to {receiver.url}/hook\?… by {place}, try %d of 2, \d+ ms: %s\n"
    )
    assert re.fullmatch(said % (1, "pending: answered 503"), first)
    assert re.fullmatch(said % (2, "delivered: answered 200"), second)


@contextmanager
def watching(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`tail`, once it watches."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "watching; Ctrl-C ends it\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_tail_needs_a_server_and_says_so(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server, watching(tmp_path) as tail:
        server.kill()
        assert tail.wait(60) == 1
        assert tail.stderr is not None
        assert f"the server at {server.url} does not answer" in tail.stderr.read()
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "so nothing is being sent; start one with `workerkit serve`" in done.stderr
