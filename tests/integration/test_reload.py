"""SIGHUP: code and settings are read again, worker by worker, and what is wrong changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from waiting import alive, until
from workerkit.testing import Server

HANDLERS = """
import os, time
from workerkit import worker_function

@worker_function
def version(job):
    open("runs", "a").write(".")
    deadline = time.monotonic() + 60
    while job["input"] and not os.path.exists(job["input"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return 1
"""


def hang_up(server: Server, sentence: str, times: int = 1) -> None:
    os.kill(server.pid, signal.SIGHUP)
    until(f"the log says {sentence!r}", lambda: server.log().count(sentence) >= times)


def test_new_code_serves_after_a_reload_and_running_jobs_end_by_the_old_one(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        running = server.submit("version", "go")
        until("it runs", (tmp_path / "runs").exists)
        (tmp_path / "handler.py").write_text(
            HANDLERS.replace("return 1", "return 2")
            + "\n@worker_function\ndef added(job):\n    return 'new'\n"
        )
        hang_up(server, "reloaded handler.py")
        waiting = server.submit("version")
        assert server.run("added")["output"] == "new"
        (tmp_path / "go").touch()

        assert server.wait("version", running)["output"] == 1
        assert server.wait("version", waiting)["output"] == 2
        assert server.get("/v2/version/health")[1]["jobs"]["retried"] == 0


def test_code_that_does_not_import_leaves_the_old_workers_at_work(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        (tmp_path / "handler.py").write_text("import no_such_module\n")
        hang_up(server, "nothing was reloaded: ")

        assert "No module named 'no_such_module'" in server.log()
        assert [server.run("version")["output"] for _ in range(3)] == [1, 1, 1]
        assert server.get("/readyz")[0] == 200
        (tmp_path / "handler.py").write_text(HANDLERS.replace("return 1", "return 3"))
        hang_up(server, "reloaded handler.py")
        until("the new code serves", lambda: server.run("version")["output"] == 3)


def test_a_function_that_is_gone_is_not_served_any_more(tmp_path: Path) -> None:
    both = HANDLERS + "\n@worker_function\ndef old(job):\n    return 0\n"
    with Server(tmp_path, both) as server:
        assert server.run("old")["output"] == 0
        (tmp_path / "handler.py").write_text(HANDLERS)
        hang_up(server, "reloaded handler.py")

        assert server.post("/v2/old/run", {"input": None})[0] == 404
        assert server.run("version")["output"] == 1
        assert "old is no longer served" in server.log()


def test_numbers_of_workers_and_plugins_settings_are_read_again(tmp_path: Path) -> None:
    def ready() -> int:
        return int(server.get("/v2/version/health")[1]["workers"]["ready"])

    settings = tmp_path / "workerkit.toml"
    with Server(tmp_path, HANDLERS, settings='[workers]\ncount = "1"\n') as server:
        settings.write_text('[workers]\ncount = "3"\n[plugin.refresh]\nalways = true\n')
        hang_up(server, "reloaded handler.py")
        until("there are three", lambda: ready() == 3)
        server.run("version")
        until("it is refreshed", lambda: "is refreshed: always" in server.log())
        settings.write_text('[workers]\ncount = "1"\n')
        hang_up(server, "reloaded handler.py", times=2)
        until("there is one", lambda: ready() == 1)


def test_settings_that_are_wrong_are_said_and_not_used(tmp_path: Path) -> None:
    settings = tmp_path / "workerkit.toml"
    with Server(tmp_path, HANDLERS, settings='[workers]\ncount = "1"\n') as server:
        for text, sentence in {
            '[workers]\ncount = "many"\n': "workers: 'many' is not a number of workers",
            "[workers]\nstop_grace = -1\n": "stop_grace is -1",
            "[plugin.refresh]\nmax_jobs = 0\n": "max_jobs",
            "[workers\n": "workerkit.toml",
            "[plugin.refesh]\nalways = true\n": "[plugin.refesh] is a section of no plugin; did you mean 'refresh'?",
            "[plugins]\ndisable = ['webhok']\n": "the unknown plugin 'webhok'; did you mean 'webhook'?",
        }.items():
            settings.write_text(text)
            before = server.log().count("nothing was reloaded: ")
            hang_up(server, "nothing was reloaded: ", before + 1)
            assert sentence in server.log().rpartition("nothing was reloaded: ")[2]
        settings.write_text("[server]\nheader_timeout = 9\n")
        hang_up(server, "read at the next start only: [server]")

        assert server.run("version")["output"] == 1


def test_what_is_read_at_the_next_start_only_is_named_to_the_section(tmp_path: Path) -> None:
    settings = tmp_path / "workerkit.toml"
    with Server(tmp_path, HANDLERS, settings='[workers]\ncount = "1"\n') as server:
        settings.write_text(
            "[workers]\nscratch = 'x'\n[limits]\nrun_body = 5\noutput = 9000\n[plugin.webhook]\nattempts = 5\n[plugin.refresh]\nmax_jobs = 9\n"
        )
        hang_up(server, "reloaded handler.py")

        [told] = [line for line in server.log().splitlines() if "next start only" in line]
        assert told.endswith(
            "read at the next start only: [workers] scratch, [limits] run_body, [plugin.webhook]"
        )


def test_the_command_reloads_the_server_of_the_queue_and_names_its_process(tmp_path: Path) -> None:
    def reload() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workerkit", "reload"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    with Server(tmp_path, HANDLERS) as server:
        assert f"process {server.pid} listens on {server.url}, and loads handler.py" in server.log()
        (tmp_path / "handler.py").write_text(HANDLERS.replace("return 1", "return 2"))
        done = reload()
        until("it is reloaded", lambda: "reloaded handler.py" in server.log())
        until("the new code serves", lambda: server.run("version")["output"] == 2)
    nobody = reload()

    assert (done.returncode, done.stdout) == (
        0,
        f"process {server.pid} reads its code and settings again; its log says what comes of it\n",
    )
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr.startswith(f"workerkit: no server has the queue {tmp_path}/.workerkit/queue.db open")


def test_a_second_reload_leaves_no_worker_that_was_still_loading_the_code_of_the_first(
    tmp_path: Path,
) -> None:
    """The first import of the middle code finds the functions; the second is that of a replacement."""
    slow = """
import os, time
open("imports", "a").write(".")
while len(open("imports").read()) > 1 and os.path.exists("hold"):
    time.sleep(0.02)
"""
    with Server(tmp_path, HANDLERS, settings='[workers]\nprewarm = "off"\n') as server:
        (tmp_path / "hold").touch()
        (tmp_path / "handler.py").write_text(slow + HANDLERS.replace("return 1", "return 2"))
        hang_up(server, "reloaded handler.py")
        until("a replacement loads", lambda: (tmp_path / "imports").read_text() == "..")
        (tmp_path / "handler.py").write_text(HANDLERS.replace("return 1", "return 3"))
        hang_up(server, "reloaded handler.py", times=2)
        (tmp_path / "hold").unlink()

        until("the newest code serves", lambda: server.run("version")["output"] == 3, seconds=15)
        assert server.get("/v2/version/health")[1]["jobs"]["retried"] == 0


def test_a_reload_that_comes_to_nothing_leaves_no_process_behind(tmp_path: Path) -> None:
    handlers = HANDLERS + "\nopen('pids', 'a').write(f'{os.getpid()}\\n')\n"
    settings = '[workers]\nprewarm = "off"\n'
    with Server(tmp_path, handlers, settings=settings) as server:
        (tmp_path / "workerkit.toml").write_text(settings + 'count = "nobody=1"\n')
        hang_up(server, "nothing was reloaded: workers: there is no function 'nobody'")
        serving, aside = map(int, (tmp_path / "pids").read_text().split())

        until("the process that looked is gone", lambda: not alive(aside))
        assert alive(serving)


REMOVED = """
@worker_function
def old(job):
    open("began", "a").write(".")
    while not os.path.exists("go"):
        open("beat", "w").close()
        time.sleep(0.02)
    return "ended"
"""


def removed(server: Server) -> str:
    """A running job whose function is not served any more."""
    id = server.submit("old")
    until("it runs", (server.folder / "began").exists)
    (server.folder / "handler.py").write_text(HANDLERS)
    hang_up(server, "reloaded handler.py")
    return id


def test_a_running_job_of_a_function_that_is_gone_can_be_cancelled(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS + REMOVED) as server:
        id = removed(server)
        assert server.post(f"/jobs/{id}/cancel")[1]["status"] == "CANCELLED"

        def stands_still() -> bool:
            beat = tmp_path / "beat"
            return beat.exists() and time.time() - beat.stat().st_mtime > 1

        until("its handler has ended", stands_still, seconds=15)


def test_a_running_job_of_a_function_that_is_gone_is_kept_and_waited_for(tmp_path: Path) -> None:
    def jobs() -> list[dict[str, object]]:
        return [job for job in server.get("/jobs")[1]["jobs"] if job["id"] == id]

    settings = "[queue]\nlease = 3\n"
    with Server(tmp_path, HANDLERS + REMOVED, settings=settings) as server:
        id = removed(server)
        lapsed = time.monotonic() + 6
        until("its lease would be over", lambda: time.monotonic() > lapsed)
        assert [(job["status"], job["attempt"]) for job in jobs()] == [("IN_PROGRESS", 1)]
        os.kill(server.pid, signal.SIGTERM)
        until("it stops", lambda: "stopping" in server.log() or not server.get("/readyz")[1]["ready"])
        (tmp_path / "go").touch()
        assert server.process is not None
        assert server.process.wait(30) == 0

        server.start()
        assert [(job["status"], job["attempt"]) for job in jobs()] == [("COMPLETED", 1)]
        assert (tmp_path / "began").read_text() == "."
