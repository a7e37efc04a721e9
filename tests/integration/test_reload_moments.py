"""SIGHUP at a bad moment: while the server starts, and while another reload is under way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from waiting import alive, until
from workerkit.testing import Server

HANDLERS = """
import os
from workerkit import worker_function

@worker_function
def version(job):
    open("runs", "a").write(".")
    return 1
"""
#: It does not get past its import as long as it is told not to.
GATED = """
import os, time
open("pids", "a").write(f"{os.getpid()}\\n")
while os.path.exists("hold"):
    time.sleep(0.02)
"""


def hang_up(server: Server) -> None:
    os.kill(server.pid, signal.SIGHUP)


def write(folder: Path, answer: int, before: str = "") -> None:
    (folder / "handler.py").write_text(before + HANDLERS.replace("return 1", f"return {answer}"))


def pids(folder: Path) -> list[int]:
    """Of the processes that have begun to import the gated handler."""
    file = folder / "pids"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def test_one_that_comes_while_the_server_starts_is_done_once_it_has_started(tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    with Server(tmp_path, GATED + HANDLERS, settings="[queue]\nlease = 3\n", ready=False) as server:
        until("the first worker imports", lambda: bool(pids(tmp_path)))
        write(tmp_path, 2)
        for _ in range(3):
            hang_up(server)
        until("it is said", lambda: "it reads code and settings again once it has started" in server.log())
        (tmp_path / "hold").unlink()
        until("it is reloaded", lambda: "reloaded handler.py" in server.log())

        assert [server.run("version")["output"] for _ in range(3)] == [2, 2, 2]
        assert (tmp_path / "runs").read_text() == "..."
        # One more: had there been others before, there would be more than two by then.
        hang_up(server)
        until("it is reloaded again", lambda: server.log().count("reloaded handler.py") > 1)
        assert server.log().count("reloaded handler.py") == 2
        assert server.log().count("once it has started") == 1
        assert server.stop() == 0


def test_one_that_comes_while_another_imports_code_that_hangs_ends_that(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        (tmp_path / "hold").touch()
        write(tmp_path, 2, GATED)
        hang_up(server)
        until("the new code is imported", lambda: bool(pids(tmp_path)))
        write(tmp_path, 3)
        hang_up(server)
        until("the newest code is loaded", lambda: "reloaded handler.py" in server.log(), seconds=15)

        until("the newest code serves", lambda: server.run("version")["output"] == 3, seconds=15)
        assert "another reload was asked for" in server.log()
        [hanging] = pids(tmp_path)
        until("what hung is gone", lambda: not alive(hanging))


def test_however_many_come_during_a_reload_there_is_one_more(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, settings='[workers]\nprewarm = "off"\n') as server:
        (tmp_path / "hold").touch()
        write(tmp_path, 2, GATED)
        hang_up(server)
        until("the new code is imported", lambda: len(pids(tmp_path)) == 1)
        for _ in range(4):
            hang_up(server)
        until("it is imported anew", lambda: len(pids(tmp_path)) > 1)
        (tmp_path / "hold").unlink()
        until("it is reloaded", lambda: "reloaded handler.py" in server.log())
        until("the new code serves", lambda: server.run("version")["output"] == 2)

        hang_up(server)
        until("it is reloaded again", lambda: server.log().count("reloaded handler.py") > 1)
        assert server.log().count("reloaded handler.py") == 2


def test_a_stop_during_a_reload_waits_for_no_import(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        (tmp_path / "hold").touch()
        write(tmp_path, 2, GATED)
        hang_up(server)
        until("the new code is imported", lambda: bool(pids(tmp_path)))

        assert server.stop() == 0
        [hanging] = pids(tmp_path)
        until("what hung is gone", lambda: not alive(hanging))


def test_another_profile_is_named(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS, settings='[workers]\ncount = "1"\n') as server:
        (tmp_path / "workerkit.toml").write_text('profile = "runpod"\n')
        hang_up(server)
        until("it is reloaded", lambda: "reloaded handler.py" in server.log())

        assert "the settings build on profile runpod now, and built on no profile before" in server.log()
