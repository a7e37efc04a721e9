"""The lock beside a queue, where it cannot be taken for another reason than that somebody has it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workerkit.errors import QueueError
from workerkit.queue.owner import Owner, find_owner


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full, which no write fits into")
def test_a_disk_that_is_full_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "q.db.lock").symlink_to("/dev/full")
    owner = Owner(tmp_path / "q.db")

    with pytest.raises(QueueError, match=r"^the disk that holds .*/q\.db\.lock, .* is full; free some space"):
        owner.take()
    owner.release()
    with pytest.raises(QueueError, match="is not open"):
        owner.publish("http://127.0.0.1:1", "token")


def test_a_lock_that_cannot_be_opened_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "q.db.lock").mkdir()
    sentence = (
        r"/q\.db\.lock, the lock of the queue, cannot be opened: Is a directory; .*choose another --queue"
    )

    with pytest.raises(QueueError, match=sentence):
        Owner(tmp_path / "q.db").take()
    with pytest.raises(QueueError, match=sentence):
        find_owner(tmp_path / "q.db")


def test_where_no_queue_is_nobody_owns_it(tmp_path: Path) -> None:
    assert find_owner(tmp_path / "nowhere" / "q.db") is None
