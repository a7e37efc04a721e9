"""What workers of an earlier host have left is known by its queue, and ended; the first worker of this one is not."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workerkit.host.leftovers import QUEUE_MARK, end_leftovers, marks


def test_a_queue_has_one_mark_however_one_comes_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").symlink_to("folder")
    (tmp_path / "folder" / "link.db").symlink_to("queue.db")
    monkeypatch.chdir(tmp_path)
    ways = ["folder/queue.db", "other/queue.db", "other/link.db", tmp_path / "folder" / "queue.db"]

    before = [marks(Path(way)) for way in ways]
    (tmp_path / "folder" / "queue.db").touch()
    after = [marks(Path(way)) for way in ways]

    assert all(mark == before[0] for mark in [*before, *after])
    assert marks(Path("folder/another.db")) != before[0]


def test_what_has_no_file_has_no_mark() -> None:
    assert marks(None) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_what_a_host_that_is_gone_has_left_is_ended_and_nothing_of_one_that_lives(tmp_path: Path) -> None:
    queue = tmp_path / "queue.db"
    program = f"from pathlib import Path; from workerkit.host.leftovers import marks; print(marks(Path({str(queue)!r})))"
    gone = ast.literal_eval(subprocess.check_output([sys.executable, "-c", program], text=True))
    script = "import subprocess, sys; subprocess.run(['sleep', '600'])"
    living, left, unsaid = (
        subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **mark}, start_new_session=True)
        for mark in (marks(queue), gone, {QUEUE_MARK: gone[QUEUE_MARK]})
    )
    try:
        assert end_leftovers(queue) >= 2
        assert [process.wait(10) for process in (left, unsaid)] == [-9, -9]
        assert living.poll() is None
    finally:
        for process in (living, left, unsaid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
