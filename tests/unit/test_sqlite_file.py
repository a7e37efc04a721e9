from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from workerkit.errors import QueueError
from workerkit.location import Location, sqlite_path
from workerkit.queue.file import MIGRATIONS, open_for_writing, prepare_folder
from workerkit.queue.owner import check_filesystem, filesystem_of
from workerkit.queue.reading import Reader


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("sqlite:///queue.db", Location(Path("queue.db"))),
        ("sqlite:///.workerkit/queue.db", Location(Path(".workerkit/queue.db"))),
        ("sqlite:////var/lib/my%20queue.db", Location(Path("/var/lib/my queue.db"))),
        ("sqlite:///queue.db?unsafe_filesystem=1", Location(Path("queue.db"), unsafe_filesystem=True)),
    ],
)
def test_a_url_names_a_file(url: str, location: Location) -> None:
    assert sqlite_path(url) == location


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://host/db", "install the plugin that opens such a queue"),
        ("queue.db", "write sqlite:///queue.db"),
        ("sqlite://queue.db", "three slashes"),
        ("sqlite:///", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite:///queue.db?unsafe_filesytem=1", "did you mean 'unsafe_filesystem'"),
    ],
)
def test_a_url_that_names_none_is_refused_with_the_cure(url: str, sentence: str) -> None:
    with pytest.raises(QueueError, match=sentence):
        sqlite_path(url)


def test_a_new_file_is_private(tmp_path: Path) -> None:
    path = prepare_folder(Location(tmp_path / "deep" / "queue.db"))
    open_for_writing(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueueError, match="cannot be made"):
        prepare_folder(Location(tmp_path / "file" / "queue.db"))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_bytes(b"once upon a time, there was a text" * 100)
    with pytest.raises(QueueError, match="is not a SQLite database"):
        open_for_writing(tmp_path / "queue.db")
    with pytest.raises(QueueError, match="is not a SQLite database"):
        Reader.open(tmp_path / "queue.db")


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "queue.db")
    db.execute("CREATE TABLE contacts (name TEXT)")
    db.close()
    with pytest.raises(QueueError, match="database of another program"):
        open_for_writing(tmp_path / "queue.db")


def test_a_newer_queue_is_refused(tmp_path: Path) -> None:
    db = open_for_writing(tmp_path / "queue.db")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(QueueError, match="upgrade workerkit"):
        open_for_writing(tmp_path / "queue.db")


def test_an_older_queue_is_migrated_and_a_failed_step_changes_nothing(tmp_path: Path) -> None:
    open_for_writing(tmp_path / "queue.db").close()
    broken = (*MIGRATIONS, "CREATE TABLE extra (a); CREATE TABLE job (a);")
    with pytest.raises(QueueError, match="already exists"):
        open_for_writing(tmp_path / "queue.db", broken)
    db = open_for_writing(tmp_path / "queue.db", (*MIGRATIONS, "CREATE TABLE extra (a);"))
    assert db.execute("PRAGMA user_version").fetchone() == (2,)
    assert db.execute("SELECT count(*) FROM extra").fetchone() == (0,)
    db.close()


def test_a_reader_says_when_there_is_no_queue(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match="there is no queue at"):
        Reader.open(tmp_path / "queue.db")


MOUNTS = (
    "/dev/sda1 / ext4 rw 0 0\n"
    "server:/home /home nfs4 rw 0 0\n"
    "host /mnt/my\\040share fuse.sshfs rw 0 0\n"
    "tmpfs /home/me/local tmpfs rw 0 0\n"
)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home/me", "nfs4"),
        ("/home/me/local/x", "tmpfs"),
        ("/mnt/my share/q", "fuse.sshfs"),
        ("/homes", "ext4"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount(folder: str, kind: str) -> None:
    assert filesystem_of(Path(folder), MOUNTS) == kind


def test_a_network_file_system_is_refused() -> None:
    with pytest.raises(QueueError, match=r"nfs4 file system.*unsafe_filesystem=1"):
        check_filesystem(Path("/home/me"), MOUNTS)
    check_filesystem(Path("/var/lib"), MOUNTS)
    check_filesystem(Path("/var/lib"), "")
