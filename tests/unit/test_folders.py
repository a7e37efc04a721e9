"""The folders of jobs: one for each run, in one that the runs of a job share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from workerkit.errors import WorkerkitError
from workerkit.folders import RunFolder, job_of, name_of, own, remove
from workerkit.job import Job

NOBODY = 65534


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def job(scratch: Path | None, attempt: int = 1) -> Job:
    return Job(id="job-u1", endpoint="f", input=None, attempt=attempt, scratch=scratch)


def test_nothing_is_made_for_a_job_that_asks_for_nothing(scratch: Path) -> None:
    job(scratch).close()

    assert not scratch.exists()


def test_a_run_has_a_folder_that_this_user_alone_may_enter(scratch: Path) -> None:
    run = job(scratch, 3)
    folder = run.directory

    assert folder == scratch / "job-u1" / "3"
    assert folder == run.directory
    assert run.shared_directory == folder.parent
    assert [path.stat().st_mode & 0o777 for path in (scratch, folder.parent, folder)] == [0o700] * 3
    run.close()
    assert list(scratch.iterdir()) == []


def test_what_a_run_leaves_for_the_next_is_found_and_its_own_folder_is_gone(scratch: Path) -> None:
    first, second = job(scratch, 1), job(scratch, 2)
    (first.directory / "own").touch()
    (first.shared_directory / "kept").write_text("for you")
    first.close()

    assert sorted(path.name for path in second.shared_directory.iterdir()) == ["2", "kept"]
    assert (second.shared_directory / "kept").read_text() == "for you"


def test_who_looks_for_what_was_left_makes_nothing(scratch: Path) -> None:
    looking = job(scratch, 2)
    assert looking.shared_directory_if_any is None
    assert job(None, 2).shared_directory_if_any is None
    assert not scratch.exists()

    (job(scratch, 1).shared_directory / "kept").touch()
    assert looking.shared_directory_if_any == scratch / "job-u1"
    assert not (scratch / "job-u1" / "2").exists()
    assert looking.shared_directory_if_any == looking.shared_directory


def test_a_run_that_ends_late_takes_nothing_from_the_next(scratch: Path) -> None:
    late, next_ = job(scratch, 1), job(scratch, 2)
    (late.directory / "own").touch()
    (next_.directory / "own").touch()

    late.close()

    assert (next_.directory / "own").exists()


def test_without_a_host_all_of_it_is_temporary() -> None:
    run = job(None)
    (run.directory / "own").touch()
    shared = run.shared_directory
    (shared / "kept").touch()
    assert shared.stat().st_mode & 0o777 == 0o700

    run.close()

    assert not shared.exists()


def test_threads_of_a_job_have_one_folder() -> None:
    folder = RunFolder(None, "job-u1", 1)
    with ThreadPoolExecutor(8) as threads:
        paths = list(threads.map(lambda _: folder.path, range(32)))
    folder.leave()

    assert len(set(paths)) == 1


@pytest.mark.parametrize("id", ["..", ".", "../../etc", "a/b", "/tmp/x", ".lock", "ö %2F", "job-u1"])
def test_no_id_leads_out_of_the_scratch_folder(scratch: Path, id: str) -> None:
    folder = RunFolder(scratch, id, 1)

    assert folder.path.resolve().parent.parent == scratch.resolve()
    assert job_of(name_of(id)) == id
    assert not name_of(id).startswith(".")
    folder.leave()
    assert list(scratch.iterdir()) == []


def test_a_link_in_the_place_of_the_scratch_folder_is_not_followed(scratch: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    scratch.symlink_to(theirs)

    with pytest.raises(WorkerkitError, match=r"no folder of this user; .* \[workers\] scratch"):
        _ = job(scratch).directory
    assert list(theirs.iterdir()) == []


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(theirs, NOBODY, -1)
    else:
        theirs = Path("/")

    with pytest.raises(WorkerkitError, match="is no folder of this user"):
        own(theirs)


def test_a_folder_that_others_may_enter_and_a_file_are_refused(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    folder.chmod(0o750)
    file.touch(mode=0o600)

    with pytest.raises(WorkerkitError, match=f"chmod 700 {folder}"):
        own(folder)
    with pytest.raises(WorkerkitError, match="is no folder of this user"):
        own(file)
    with pytest.raises(WorkerkitError, match="cannot be made: Not a directory; name another place"):
        own(file / "below")


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """As a user whom permissions hold back; `folder` is theirs."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, -1, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_folders_that_cannot_be_written_are_removed_and_links_in_them_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    outside = home / "outside"
    outside.mkdir(parents=True)
    (outside / "precious").touch()
    outside.chmod(0o500)
    locked = home / "unpacked" / "locked"
    locked.mkdir(parents=True)
    (locked / "file").touch()
    (locked / "link").symlink_to("../../outside")
    locked.chmod(0o500)
    locked.parent.chmod(0o500)
    monkeypatch.chdir(home)  # the way there is closed to the other user

    with unprivileged(home):
        remove(Path("unpacked"))

    assert list(home.iterdir()) == [outside]
    assert outside.stat().st_mode & 0o777 == 0o500
    assert (outside / "precious").exists()


def test_whatever_is_there_is_removed_and_what_is_not_there_does_not_matter(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(tmp_path)

    for path in (file, link, tmp_path / "nothing"):
        remove(path)

    assert list(tmp_path.iterdir()) == []
