"""Row 19: code that does not start. It is tried a few times, with pauses; then it is said, and that is all."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from faulting import NOTES, WatchedServer
from waiting import until

GOOD = (
    NOTES
    + """
@worker_function
def step(job):
    note("start", job)
    return os.getpid()
"""
)
BAD = """
with open("starts", "a") as file:
    file.write(".")
import no_such_module
"""
REASON = "No module named 'no_such_module'"
#: Starts in 60 seconds.
MOST_STARTS = 6


def starts(folder: Path) -> int:
    path = folder / "starts"
    return len(path.read_text()) if path.exists() else 0


def test_a_module_that_cannot_be_imported_ends_the_start_with_code_3(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    begin = time.monotonic()
    with WatchedServer(tmp_path, BAD, ready=False) as server:
        assert server.process is not None
        code = server.process.wait(60)

        figure(
            f"row 19: ImportError at the start: exit code {code} after {time.monotonic() - begin:.1f} s, "
            f"starts {starts(tmp_path)}"
        )
        assert code == 3
        assert REASON in server.log()
        assert starts(tmp_path) <= MOST_STARTS
    assert not server.processes()


def test_a_module_that_breaks_later_is_given_up_and_its_jobs_wait_for_a_better_one(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with WatchedServer(tmp_path, GOOD, arguments=["--workers", "2"]) as server:
        until("both workers are idle", lambda: server.get("/v2/step/health")[1]["workers"]["idle"] == 2)
        (tmp_path / "handler.py").write_text(BAD)
        begin = time.monotonic()
        workers = server.processes() - {server.pid}
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        until("they are gone", lambda: not workers & server.processes())
        id = server.submit("step")

        until("/health says why", lambda: REASON in str(server.get("/v2/step/health")[1]))
        status, ready = server.get("/readyz")
        assert (status, ready["ready"]) == (503, False)
        assert "step" in ready["failing"]
        assert server.process is not None
        code = server.process.wait(65)

        figure(
            f"row 19: a module that breaks later: {starts(tmp_path)} starts, exit code {code} after "
            f"{time.monotonic() - begin:.0f} s; reason in /health and log, /readyz 503"
        )
        assert code == 3
        assert starts(tmp_path) <= MOST_STARTS
        assert REASON in server.log()

        (tmp_path / "handler.py").write_text(GOOD)
        server.start()
        assert server.wait("step", id)["status"] == "COMPLETED"
        assert server.audit([id]).clean
    assert not server.processes()
