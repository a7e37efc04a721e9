"""`workerkit deliveries`: through the running server, and in the queue's file when none runs."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import attrs
import pytest

from waiting import until
from workerkit.cli import invoke
from workerkit.testing import Receiver, Server

HANDLER = """
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]

@worker_function
def other(job):
    return "other"
"""
ONCE = "[plugin.webhook]\nattempts = 1\n"
COMMAND = [sys.executable, "-m", "workerkit", "deliveries"]


@attrs.frozen
class Done:
    """What a command has printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def deliveries(folder: Path, *arguments: str) -> Done:
    """Run the command in this process, which is quicker."""
    before, out, err = Path.cwd(), io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    os.chdir(folder)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = invoke(["deliveries", *arguments])
    finally:
        os.chdir(before)
    out.seek(0)
    return Done(code, out.read(), err.getvalue())


def rows(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = deliveries(folder, "list", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def dead(folder: Path, count: int, answer: int = 503) -> Iterator[tuple[Server, Receiver]]:
    """A server with so many dead deliveries, oldest first of the jobs 0, 1, 2 …"""
    with Receiver(answer) as receiver, Server(folder, HANDLER, settings=ONCE) as server:
        for number in range(count):
            server.run("echo", number, webhook=f"{receiver.url}/hook?token=hunter2")
        until("all are dead", lambda: len(server.get("/deliveries?state=dead")[1]["deliveries"]) == count)
        yield server, receiver


def test_with_and_without_a_server_the_same_is_found_and_shown(tmp_path: Path) -> None:
    with dead(tmp_path, 3) as (server, receiver):
        host = receiver.url.removeprefix("http://")
        asked = [
            [],
            ["--state", "dead", "--since", "2h"],
            ["--host", host, "--plugin", "webhook", "--endpoint", "echo"],
            ["--host", f"{receiver.url}/hook?…", "--until", "2100-01-01"],
            ["--until", "2h"],
            ["--endpoint", "other"],
            ["--limit", "2"],
        ]
        online = [rows(tmp_path, *arguments) for arguments in asked]
        id = online[0][0]["id"]
        shown = deliveries(tmp_path, "show", id, "--json").stdout
        body = deliveries(tmp_path, "show", id, "--body").stdout
        raw = server.http.request("GET", f"{server.url}/v2/echo/status/{online[0][0]['job']}").data.decode()

    assert [len(found) for found in online] == [3, 3, 3, 3, 0, 0, 2]
    assert [rows(tmp_path, *arguments) for arguments in asked] == online
    assert rows(tmp_path, "--after", str(online[-1][-1]["seq"])) == online[0][2:]
    assert json.loads(shown)["delivery"] == online[0][0]
    assert body == raw
    assert deliveries(tmp_path, "show", id, "--json").stdout == shown
    assert deliveries(tmp_path, "show", id, "--body").stdout == body
    assert "hunter2" not in shown + str(online)


def test_a_delivery_is_shown_to_people_with_each_of_its_tries(tmp_path: Path) -> None:
    (tmp_path / "letters.py").write_text(LETTERS)
    with Server(tmp_path, HANDLER, settings='[plugins]\nload = ["letters:Letters"]\n') as server:
        job = server.run("echo", 1)["id"]
        until("it is delivered", lambda: server.get("/deliveries?state=delivered")[1]["deliveries"])
        done = deliveries(tmp_path, "show", f"msg_{job}_1")

    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == f"msg_{job}_1"
    assert "state   delivered after 2 of 3 tries" in lines
    assert f"job     {job} of echo" in lines
    assert "target  post://ann?…" in lines
    first, second = (line for line in lines if re.match(r"[12] ", line))
    assert re.fullmatch(
        r"1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+ ms +failed +503 +10\.0\.0\.1:25 +closed\\x1b\[2J", first
    )
    assert re.search(r"ms +delivered +- +- +-$", second)
    assert r"answer to try 1: come\nback\x07 later" in lines
    assert "\x1b" not in done.stdout


#: Says what a terminal must not obey.
LETTERS = """
from workerkit import Delivery, Receipt, hookimpl

class Letters:
    @hookimpl(inline=True)
    def post_job(self, request):
        return Delivery(target="post://ann?token=hunter2", attempts=3, delays=(0.0,))

    @hookimpl
    def deliver(self, delivery):
        if delivery.number == 1:
            return Receipt.retry("closed\\x1b[2J", status=503, address="10.0.0.1:25", answer="come\\nback\\x07 later")
        return Receipt.delivered()
"""


def test_one_and_several_are_sent_again_by_id(tmp_path: Path) -> None:
    with dead(tmp_path, 3) as (_, receiver):
        receiver.answer = 200
        first, second, third = (row["id"] for row in rows(tmp_path))

        done = deliveries(tmp_path, "redeliver", first, "msg_x", second)

        assert done.stdout == f"{first} is pending\n{second} is pending\n"
        assert done.stderr == (
            "workerkit: there is no delivery 'msg_x'; `workerkit deliveries list` shows those there are\n"
        )
        assert done.returncode == 1
        until("both are delivered", lambda: len(rows(tmp_path, "--state", "delivered")) == 2)
    offline = deliveries(tmp_path, "redeliver", third, "msg_x")
    again = deliveries(tmp_path, "redeliver", third)

    assert (offline.stdout, offline.returncode) == (f"{third} is pending\n", 1)
    assert "there is no delivery 'msg_x'" in offline.stderr
    assert f"delivery {third} is pending; it is on its way already" in again.stderr


def test_many_are_sent_again_only_when_that_is_said(tmp_path: Path) -> None:
    chosen = ("redeliver", "--state", "dead", "--since", "2d", "--endpoint", "echo")
    with dead(tmp_path, 3) as (_, receiver):
        receiver.answer = 200
        asked = deliveries(tmp_path, *chosen)
        assert (asked.returncode, asked.stdout) == (2, "")
        assert "3 deliveries would be sent again; add --yes to do it" in asked.stderr
        assert len(rows(tmp_path, "--state", "dead")) == 3

        done = deliveries(tmp_path, *chosen, "--yes")
        assert (done.returncode, done.stdout) == (0, "3 deliveries are pending\n"), done.stderr
        until("all are delivered", lambda: len(rows(tmp_path, "--state", "delivered")) == 3)
        nothing = deliveries(tmp_path, *chosen)

    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "no such deliveries\n")


def test_without_a_server_many_wait_for_the_next_one(tmp_path: Path) -> None:
    with dead(tmp_path, 3) as (server, receiver):
        server.stop()
        receiver.answer = 200
        asked = deliveries(tmp_path, "redeliver", "--state", "dead")
        done = deliveries(tmp_path, "redeliver", "--host", receiver.url, "--yes")

        assert "3 deliveries would be sent again" in asked.stderr
        assert done.stdout == "3 deliveries are pending\n", done.stderr
        assert len(rows(tmp_path, "--state", "pending")) == 3
        server.start()
        until("all are delivered", lambda: len(rows(tmp_path, "--state", "delivered")) == 3)


def test_a_single_one_is_sent_again_without_a_question(tmp_path: Path) -> None:
    with dead(tmp_path, 1):
        done = deliveries(tmp_path, "redeliver", "--state", "dead")

    assert (done.returncode, done.stdout) == (0, "1 delivery is pending\n")


@pytest.mark.parametrize(("typed", "code", "left"), [("y", 0, 0), ("n", 130, 2)])
def test_a_person_at_a_terminal_is_asked(tmp_path: Path, typed: str, code: int, left: int) -> None:
    with dead(tmp_path, 2) as (server, _):
        server.stop()  # so that nothing is sent
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "r+b", buffering=0) as terminal:
            process = subprocess.Popen(
                [*COMMAND, "redeliver", "--state", "dead"],
                cwd=tmp_path,
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            os.close(theirs)
            terminal.write(f"{typed}\n".encode())
            _, asked = process.communicate(timeout=60)

    assert "Send 2 deliveries again? [y/N]" in asked
    assert process.returncode == code
    assert len(rows(tmp_path, "--state", "dead")) == left


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["list", "--state", "ded"], 2, "there is no 'ded'; did you mean 'dead'?"),
        (
            ["list", "--since", "yesterday"],
            2,
            "'--since': 'yesterday' is no time; write an age such as 30m, 2h",
        ),
        (["list", "--until", "2 hours"], 2, "'--until': '2 hours' is no time"),
        (["list", "--since", "1h", "--until", "2h"], 1, "until is not later than since"),
        (["list", "--endpoint", "ecko"], 1, "the queue holds no function 'ecko'; did you mean 'echo'?"),
        (["list", "--plugin", "webhok"], 1, "none of that name has left deliveries; did you mean 'webhook'?"),
        (["list", "--job", "nope"], 1, "there is no job 'nope', and no delivery of one"),
        (["list", "--host", "nobody"], 0, "no such deliveries; a receiver has a port, such as nobody:443"),
        (["list", "--host", "http://"], 1, "host "),
        (
            ["show", "msg_x"],
            1,
            "there is no delivery 'msg_x'; `workerkit deliveries list` shows those there are",
        ),
        (["show", "msg_x", "--json", "--body"], 2, "--json has the body in it"),
        (["redeliver"], 2, "say which: an ID, or options such as --state dead --since 2d"),
        (
            ["redeliver", "msg_x", "--state", "dead"],
            2,
            "name deliveries by ID or find them by options, not both",
        ),
        (["redeliver", "--state", "pending"], 2, "deliveries that are pending are on their way already"),
        (["redeliver", "--state", "dead", "--endpoint", "ecko", "--yes"], 1, "did you mean 'echo'?"),
        (["redeliver", "--plugin", "webhok"], 1, "did you mean 'webhook'?"),
        (["redeliver", "--plugin", "webhok", "--yes"], 1, "did you mean 'webhook'?"),
        (["redeliver", "--job", "nope", "--yes"], 1, "there is no job 'nope'"),
        (["redeliver", "--host", "nobody"], 0, "no such deliveries; a receiver has a port"),
    ],
)
@pytest.mark.parametrize("runs", [True, False])
def test_a_mistake_is_a_sentence_with_and_without_a_server(
    queues: dict[bool, Path], runs: bool, arguments: list[str], code: int, sentence: str
) -> None:
    done = deliveries(queues[runs], *arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Path]]:
    """A folder whose server runs, and one whose server has run."""
    runs, ran = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("ran")
    with Server(ran, HANDLER):
        pass
    with Server(runs, HANDLER):
        yield {True: runs, False: ran}


def test_a_list_says_that_there_are_more_only_when_there_are(tmp_path: Path) -> None:
    with dead(tmp_path, 2):
        some, all_of_them = (
            deliveries(tmp_path, "list", "--limit", "1"),
            deliveries(tmp_path, "list", "--limit", "2"),
        )
        page = int(some.stderr.rpartition(" ")[2])
        rest = deliveries(tmp_path, "list", "--limit", "1", "--after", str(page))

    assert some.stderr == f"there are more: --after {page}\n"
    assert all_of_them.stderr == rest.stderr == ""
    assert rest.stdout.count("msg_") == 1
