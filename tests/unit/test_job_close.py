"""What a job's end makes of what plugins have provided, and of its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workerkit import Job, JobCancelled, Resource


def job(scratch: Path) -> Job:
    return Job(id="j", endpoint="e", input=None, scratch=scratch)


class Door(Resource):
    """Notes when it is closed, and raises that."""

    def __init__(self, closed: list[str], name: str, error: BaseException | None = None) -> None:
        self.closed = closed
        self.name = name
        self.error = error

    def run_ended(self) -> None:
        self.closed.append(self.name)
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [OSError("stuck"), SystemExit("stuck"), JobCancelled("stuck")], ids=repr)
def test_whatever_one_resource_raises_the_others_are_told_and_the_folder_goes(
    tmp_path: Path, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []
    run = job(tmp_path)
    for door in (Door(closed, "outer"), Door(closed, "inner", error)):
        run.provide(door)
    run.provide("no resource")
    folder = run.directory

    run.close()
    run.close()

    assert closed == ["inner", "outer"]
    assert not folder.exists()
    assert f"Door.run_ended: {type(error).__name__}: stuck" in caplog.text


def test_one_that_is_being_told_is_still_there_for_itself(tmp_path: Path) -> None:
    run = job(tmp_path)
    found: list[Resource] = []

    class Curious(Resource):
        def run_ended(self) -> None:
            found.append(run.use(Curious))

    run.provide(curious := Curious())
    run.close()

    assert found == [curious]


def test_a_forked_process_closes_nothing_of_its_parents(tmp_path: Path) -> None:
    run = job(tmp_path)
    run.provide(Door([], "parent's", SystemExit("told in the child")))
    folder = run.directory
    if (child := os.fork()) == 0:
        run.close()
        os._exit(run.find(Door) is None)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert folder.is_dir()
    run.close()
    assert not folder.exists()
