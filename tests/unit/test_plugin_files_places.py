"""Which files a handler may return: it can be tricked into returning any path."""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from workerkit import Job, JobFailed
from workerkit_plugins.files.places import Places


@pytest.fixture(autouse=True)
def places_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory and a folder for temporary files that hold nothing else."""
    for name in ("here", "temporary", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def job() -> Iterator[Job]:
    made = Job(id="j", endpoint="e", input={})
    yield made
    made.close()


def write(path: Path | str, text: str = "seen") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return str(path)


def read(path: Path | str, job: Job, *folders: str) -> str:
    with Places(folders).open(str(path), job) as file:
        return file.read().decode()


def refusal(path: Path | str, job: Job, *folders: str) -> str:
    with pytest.raises(JobFailed) as caught:
        read(path, job, *folders)
    return caught.value.message


def test_files_of_the_job_of_the_working_directory_and_of_the_temporary_folder_are_read(
    tmp_path: Path, job: Job
) -> None:
    for path in (job.directory / "a", job.shared_directory / "b", tmp_path / "temporary/c", Path("d/e")):
        assert read(write(path), job) == "seen"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../elsewhere/x", "a/../../elsewhere/x", "/proc/self/environ"]
)
def test_any_other_is_refused_with_path_folders_and_setting(tmp_path: Path, job: Job, path: str) -> None:
    write(tmp_path / "elsewhere/x")
    said = refusal(path, job)

    assert repr(path) in said
    assert "which is in none of the folders that it may be in: the job's directory, " in said
    assert f"{tmp_path}/here, {tmp_path}/temporary;" in said
    assert "`folders` under [plugin.files]" in said


def test_a_file_that_may_not_be_taken_is_refused_alike_whether_it_exists_or_not(
    tmp_path: Path, job: Job
) -> None:
    there, missing = tmp_path / "elsewhere/x.there", tmp_path / "elsewhere/x.missing"
    write(there)

    assert refusal(there, job).replace("x.there", "x.missing") == refusal(missing, job)


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_link_is_judged_by_where_it_leads_and_both_are_named(tmp_path: Path, job: Job, link: str) -> None:
    target = Path(write(tmp_path / "elsewhere/x"))
    if link == "file":
        path = job.directory / "innocent"
        path.symlink_to(target)
    else:
        (job.directory / "folder").symlink_to(target.parent)
        path = job.directory / "folder/x"

    said = refusal(path, job)
    assert f"{str(path)!r} ({str(target)!r}), which is in none" in said
    assert read(path, job, str(tmp_path / "elsewhere")) == "seen"


def test_a_link_to_what_may_be_taken_is_followed(job: Job) -> None:
    write(job.directory / "seed-17.png")
    (job.directory / "latest.png").symlink_to("seed-17.png")
    assert read(job.directory / "latest.png", job) == "seen"


def test_a_link_that_is_put_in_between_is_not_followed(tmp_path: Path, job: Job) -> None:
    folder, aside, secrets = job.directory / "folder", job.directory / "aside", tmp_path / "elsewhere"
    write(folder / "x", "harmless")
    write(secrets / "x", "secret")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            folder.rename(aside)
            folder.symlink_to(secrets)
            folder.unlink()
            aside.rename(folder)

    def look() -> str:
        try:
            return read(folder / "x", job)
        except JobFailed:
            return "refused"

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {look() for _ in range(2000)}
    finally:
        over.set()
        thread.join()
    assert seen <= {"harmless", "refused"}
    assert look() == "harmless"


@pytest.mark.parametrize(
    ("kind", "said"),
    [("link", "cannot be read: too many levels of symbolic links"), ("pipe", "cannot be read: it is a pipe")],
)
def test_what_takes_a_files_place_after_it_was_looked_at_is_not_read(
    tmp_path: Path, job: Job, kind: str, said: str
) -> None:
    path = Path(write(job.directory / "x", "harmless"))
    secret = write(tmp_path / "elsewhere/x", "secret")

    def swap(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_return" and called is os.stat and frame.f_globals["__name__"] == Places.__module__:
            path.unlink()
            path.symlink_to(secret) if kind == "link" else os.mkfifo(path)

    sys.setprofile(swap)
    try:
        assert said in refusal(path, job)
    finally:
        sys.setprofile(None)
    assert not stat.S_ISREG(path.lstat().st_mode)


def test_more_folders_can_be_named_from_the_working_directory_or_in_full(tmp_path: Path, job: Job) -> None:
    path = write(tmp_path / "elsewhere/x")

    assert read(path, job, "../elsewhere") == "seen"
    assert read(path, job, str(tmp_path / "elsewhere")) == "seen"
    assert "none of the folders" in refusal(path, job, "../else")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Places(("../elsewhere", str(tmp_path / "mistyped"), "missing")).check()

    assert caplog.messages == [
        f"there is no folder {str(tmp_path / folder)!r}, which `folders` under [plugin.files] names"
        for folder in ("mistyped", "here/missing")
    ]


def test_the_working_directory_is_the_one_in_which_the_worker_started(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "here/x")
    places = Places(())
    monkeypatch.chdir(tmp_path / "elsewhere")

    with places.open(path, job) as file:
        assert file.read() == b"seen"
    assert "none of the folders" in refusal_of(places, write(tmp_path / "elsewhere/y"), job)


def refusal_of(places: Places, path: str, job: Job) -> str:
    with pytest.raises(JobFailed) as caught:
        places.open(path, job)
    return caught.value.message


def test_the_root_as_working_directory_is_no_leave_to_take_everything(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert "which is in none of the folders" in refusal("/etc/passwd", job)
    assert "which is in none of the folders" in refusal("etc/passwd", job)
    assert read("/etc/hostname", job, "/etc") == Path("/etc/hostname").read_text()


KEPT_BACK = {
    "'.env' is hidden": [".env"],
    "'.workerkit' is hidden": [".workerkit/queue.db", ".workerkit/queue.db.key"],
    "'.git' is hidden": ["a/.git/config"],
    "may be settings": ["workerkit.toml", "production.TOML", "production.env"],
    "may be a key": [
        "secret.key",
        "jobs.db.key",
        "jobs.db.key.0a1b",
        "tls/Server.PEM",
        "client.p12",
        "client.pfx",
    ],
    "may belong to a queue": ["other.db", "other.db-wal", "other.db-shm", "other.db-journal"],
    "belongs to a queue": ["jobs", "jobs-wal", "jobs-shm", "jobs.db.lock"],
}


@pytest.mark.parametrize(("path", "why"), [(path, why) for why, paths in KEPT_BACK.items() for path in paths])
def test_what_may_hold_secrets_is_kept_back(tmp_path: Path, job: Job, path: str, why: str) -> None:
    for place in (tmp_path / "here", tmp_path / "temporary", tmp_path / "elsewhere"):
        write(place / "jobs.db.lock")
        write(place / "jobs.lock")
        write(place / path)

        said = refusal(place / path, job, str(tmp_path / "elsewhere"))
        assert why in said
        assert "write what may be seen into job.directory" in said


def test_in_the_jobs_own_folder_nothing_is_kept_back(job: Job) -> None:
    for name in (".hidden/x", "pyproject.toml", "a.env", "a.key", "jobs.db", "jobs.db.lock"):
        assert read(write(job.directory / name), job) == "seen"


def test_a_hidden_folder_can_be_named(tmp_path: Path, job: Job) -> None:
    path = write(tmp_path / "here/.cache/blobs/x")

    assert "'.cache' is hidden" in refusal(path, job)
    assert read(path, job, ".cache/blobs") == "seen"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "which does not exist; it must stay until the job has ended"),
        ("folder", "cannot be read: it is a folder; pack it into one file first"),
        ("pipe", "cannot be read: it is a pipe"),
        ("socket", "cannot be read: it is a socket"),
        ("file/inside", "cannot be read: not a directory"),
        ("nul\0", "which leads nowhere: embedded null byte"),
        ("n" * 300, "cannot be read: file name too long"),
        ("circle", "cannot be read: it is no regular file"),
    ],
)
def test_what_is_no_file_is_said_without_waiting(job: Job, kind: str, said: str) -> None:
    folder = job.directory
    write(folder / "file")
    (folder / "folder").mkdir()
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "socket"))
        assert said in refusal(f"{folder}/{kind}", job)


def test_a_device_is_not_opened(job: Job) -> None:
    assert "cannot be read: it is no regular file, but a device" in refusal("/dev/null", job, "/dev")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_this_user_may_not_read_is_said(job: Job) -> None:
    Path(write(job.directory / "x")).chmod(0)
    assert "cannot be read: permission denied" in refusal(job.directory / "x", job)


def test_nothing_stays_open(job: Job) -> None:
    write(job.directory / "x")
    before = len(os.listdir("/dev/fd"))
    for path in ("x", "y", ".", "/etc/passwd"):
        with suppress(JobFailed):
            read(job.directory / path, job)
    assert len(os.listdir("/dev/fd")) == before
