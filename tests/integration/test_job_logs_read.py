"""What handlers print, as the command line shows it, as it is stored, and as settings have it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from printing_jobs import HANDLER, Operator, ended, gate, open_gate
from waiting import until
from workerkit.testing import Server


def workerkit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workerkit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_command_shows_them_with_and_without_a_server(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        id, quiet = ended(server, "crashing"), ended(server, "silent")
        online = [workerkit(tmp_path, "jobs", "logs", id, *more) for more in ((), ("--attempt", "1"))]
        nothing = workerkit(tmp_path, "jobs", "logs", quiet, "--follow")
        unknown = workerkit(tmp_path, "jobs", "logs", "nonsense")
    offline = [workerkit(tmp_path, "jobs", "logs", id, *more) for more in (("-f",), ("--attempt", "1"))]
    nothing_offline = workerkit(tmp_path, "jobs", "logs", quiet)
    unknown_offline = workerkit(tmp_path, "jobs", "logs", "nonsense")
    wrong = workerkit(tmp_path, "jobs", "logs", id, "--attempt", "9")

    assert [done.stdout for done in (*online, *offline)] == ["attempt 3\n", "attempt 1\n"] * 2
    for done in (nothing, nothing_offline):
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "attempt 1 has printed nothing\n")
    for done in (unknown, unknown_offline):
        assert done.returncode == 1
        assert done.stderr.startswith("workerkit: there is no job 'nonsense'")
    assert (wrong.returncode, wrong.stderr) == (1, "workerkit: the job has no attempt 9; its latest is 3\n")


def test_what_was_printed_last_is_stored_when_the_server_stops(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        fifo = gate(tmp_path)
        id = server.submit("gated", {"gate": str(fifo)})
        until("it has begun", lambda: bool(Operator(server).logs(id)["text"]))
        assert server.process is not None
        server.process.terminate()
        open_gate(fifo)
        server.process.wait(30)

    assert workerkit(tmp_path, "jobs", "logs", id).stdout == "before\nafter\n"


def test_settings_turn_off_what_is_logged_and_what_is_kept(tmp_path: Path) -> None:
    def came(logs: Mapping[str, Any]) -> tuple[bool, str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        with Server(folder, HANDLER, settings={"logs": logs}) as server:
            id = ended(server, "chatty")
            text = Operator(server).whole(id)["text"]
        return "on stdout" in server.log(), text  # all of it, now that it has stopped

    logged, kept = came({"output": False})
    assert (logged, kept[:10]) == (False, "on stdout\n")
    assert came({"tail": 0}) == (True, "")
    assert came({"tail": 8})[1] == "begun \n"


def test_the_servers_log_as_json(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER, arguments=("--log-format", "json")) as server:
        id = ended(server, "chatty")
        until("it is logged", lambda: "from a child" in server.log())
    wrong = workerkit(tmp_path, "serve", "handler.py", "--log-format", "xml")

    lines = [json.loads(line) for line in server.log().splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    [told] = [line for line in lines if line["message"].endswith(" | on stdout")]
    assert (told["job"], told["endpoint"]) == (id, "chatty")
    assert told["message"] == f"{told['worker']} {id} | on stdout"
    assert (wrong.returncode, "there is no 'xml'" in wrong.stderr) == (2, True)
