"""What workers of an earlier host have left is known by its queue, and ended; the first worker of this one is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workerkit.host.leftovers import end_leftovers, marks


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
def test_all_with_the_mark_are_ended_but_the_first_worker_and_what_it_has_started(tmp_path: Path) -> None:
    queue = tmp_path / "queue.db"
    environ = {**os.environ, **marks(queue)}
    script = "import subprocess, sys; subprocess.run(['sleep', '600'])"
    mine = subprocess.Popen([sys.executable, "-c", script], env=environ, start_new_session=True)
    left = subprocess.Popen(["sleep", "600"], env=environ, start_new_session=True)
    try:
        assert end_leftovers(queue, mine.pid) == 1
        assert left.wait(10) == -9
        assert mine.poll() is None
        assert end_leftovers(queue) >= 1
        assert mine.wait(10) == -9
    finally:
        for process in (mine, left):
            process.kill()
            process.wait()
