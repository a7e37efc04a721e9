"""A queue's file holds what its jobs are about, so no handler may return it, by whatever path."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from workerkit import Job, JobFailed
from workerkit.queue.file import open_for_writing
from workerkit_plugins.files.places import Places


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    made = Job(id="j", endpoint="e", input={})
    yield made
    made.close()


def refusal(path: str, job: Job) -> str:
    with pytest.raises(JobFailed) as caught:
        Places(()).open(path, job)
    return caught.value.message


@pytest.mark.parametrize("name", ["link.db", "data/real", "data/real-wal", "data/real-shm", "another-name"])
def test_a_queue_that_was_opened_by_a_link_is_kept_back(tmp_path: Path, job: Job, name: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link.db").symlink_to("data/real")
    with closing(open_for_writing(tmp_path / "link.db")) as db:
        db.execute("CREATE TABLE more (n)")  # for the log, which is empty at first
        os.link("data/real", "another-name")
        assert Path(name).stat().st_size > 0
        said = refusal(name, job)

    assert said.startswith(f"the output holds the file {name!r}")
    assert said.endswith("which is a database, as queues are; write what may be seen into job.directory")


def test_so_is_a_copy_of_one(job: Job) -> None:
    with closing(sqlite3.connect("data")) as db:
        db.execute("CREATE TABLE t (x)")
    shutil.copy("data", "backup.png")
    assert "which is a database" in refusal("backup.png", job)


def test_a_database_in_the_jobs_own_folder_is_read_from_its_beginning(job: Job) -> None:
    path = job.directory / "made.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")

    with Places(()).open(str(path), job) as file:
        assert file.read() == path.read_bytes()


def test_a_file_that_is_none_is_read_from_its_beginning(job: Job) -> None:
    for data in (b"", b"SQLite", b"SQLite format 4\0"):
        Path("x").write_bytes(data)
        with Places(()).open("x", job) as file:
            assert file.read() == data
