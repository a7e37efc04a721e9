"""Which files of jobs a handler may return: those of its own job."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from workerkit import Job, JobFailed
from workerkit_plugins.files.places import Places

#: What the folders of two queues are called, and that of a second server of the first one.
MINE, SECOND, THEIRS = f"workerkit-{'1f' * 8}", f"workerkit-{'1f' * 8}-2", f"workerkit-{'0a' * 8}"
Make = Callable[[str, Path | None], Job]


@pytest.fixture(autouse=True)
def places_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory and a folder for temporary files that hold nothing else."""
    for name in ("here", "temporary", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes jobs, by an id and where the folders of jobs are."""
    with ExitStack() as made:
        yield lambda name, scratch: made.enter_context(
            closing(Job(id=name, endpoint="e", input={}, scratch=scratch))
        )


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("seen")
    return path


def read(path: Path, job: Job, *folders: Path) -> str:
    with Places([str(folder) for folder in folders]).open(str(path), job) as file:
        return file.read().decode()


@pytest.mark.parametrize("scratch", [None, "temporary/jobs", "here/jobs", "elsewhere/jobs"])
def test_another_jobs_folder_is_not_this_ones(tmp_path: Path, make: Make, scratch: str | None) -> None:
    folder = None if scratch is None else tmp_path / scratch
    mine, other = make("a", folder), make("b", folder)
    theirs = write(other.directory / "x")

    with pytest.raises(JobFailed, match="which is another job's"):
        read(theirs, mine, tmp_path / "elsewhere")
    assert read(theirs, other) == "seen"


@pytest.mark.parametrize("place", ["temporary", "here", "here/jobs", "elsewhere/a/b"])
@pytest.mark.parametrize("name", [THEIRS, SECOND])
def test_nor_is_one_of_another_server_wherever_both_have_their_folders(
    tmp_path: Path, make: Make, place: str, name: str
) -> None:
    theirs = write(tmp_path / place / name / "b/1/x")
    beside, apart = make("a", tmp_path / place / MINE), make("c", tmp_path / "scratch" / MINE)

    for job in (beside, apart):
        with pytest.raises(JobFailed, match="which is another job's; write what may be seen into"):
            read(theirs, job, tmp_path / "elsewhere")
        assert read(write(job.directory / "x"), job) == "seen"


def test_a_folder_that_is_only_called_like_them_is_like_any_other(tmp_path: Path, make: Make) -> None:
    for name in ("workerkit-pictures", "workerkit"):
        assert read(write(tmp_path / "here" / name / "x"), make("a", tmp_path / "here" / MINE)) == "seen"
