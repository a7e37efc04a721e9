"""The place where the jobs of a queue have their folders, and what the host removes there."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from waiting import until
from workerkit.errors import WorkerkitError
from workerkit.folders import RunFolder
from workerkit.host.scratch import AGAIN, MOST_BYTES, MOST_FILES, Scratch
from workerkit.opening import identity
from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import QueueSettings
from workerkit.states import Status
from workerkit.testing.queue_contracts import end, submission

NOBODY = 65534


def opened(place: Path, queue: str = "/var/queue.db") -> Scratch:
    scratch = Scratch(queue, str(place))
    scratch.open()
    return scratch


def left(scratch: Scratch) -> list[str]:
    """The jobs that have folders, and what is still being removed."""
    if not scratch.path.exists():
        return []
    return sorted(path.name for path in scratch.path.iterdir() if path.name != ".lock")


def play(folder: Path, scenario: Callable[[SQLiteStore, Scratch], Awaitable[None]]) -> None:
    async def run() -> None:
        store = SQLiteStore(folder / "q.db", lease_ms=30_000, keep_ms=60_000, queue_length=9, holder="host")
        await store.open()
        scratch = opened(folder / "place")
        try:
            await scenario(store, scratch)
        finally:
            scratch.close()
            await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_queue_has_one_place_now_and_later_and_no_other_queue_has_it(tmp_path: Path) -> None:
    first = opened(tmp_path)
    other = opened(tmp_path, "/var/other.db")
    (first.path / "job").mkdir()
    first.close()

    again = opened(tmp_path)

    assert again.path == first.path != other.path
    assert left(again) == ["job"]
    assert again.path.stat().st_mode & 0o777 == 0o700
    again.close()
    other.close()


def test_servers_of_one_queue_have_a_place_each(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)

    assert second.path == first.path.with_name(f"{first.path.name}-2")
    first.close()
    third = opened(tmp_path)
    assert third.path == first.path
    third.close()
    second.close()
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_a_queue_is_told_by_its_file_however_it_is_named_or_by_its_url_without_the_password(
    tmp_path: Path,
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").symlink_to("here")
    names = {identity(QueueSettings(url=f"sqlite:///{tmp_path}/{at}/q.db")) for at in ("here", "there")}

    assert names == {str(tmp_path / "here" / "q.db")}
    assert identity(QueueSettings(url="pg://me:hush@db:5432/jobs?x=1")) == "pg://db:5432/jobs?x=1"


def test_what_is_in_the_place_of_another_user_or_a_link_is_refused(tmp_path: Path) -> None:
    place, theirs = tmp_path / "place", tmp_path / "theirs"
    place.mkdir()
    theirs.mkdir(mode=0o700)
    scratch = Scratch("/var/queue.db", str(place))
    scratch.path.symlink_to(theirs)

    with pytest.raises(WorkerkitError, match=r"is no folder of this user; .* \[workers\] scratch"):
        scratch.open()
    scratch.close()
    assert list(theirs.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a folder of another user")
def test_what_another_user_has_put_there_is_passed_over(tmp_path: Path) -> None:
    """Nobody's server is kept from starting by who can foresee its folder's name in /tmp."""
    first = Scratch("/var/queue.db", str(tmp_path)).path
    first.mkdir(mode=0o777)
    second = first.with_name(f"{first.name}-2")
    second.symlink_to("/etc")
    for path in (first, second):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    scratch = opened(tmp_path)

    assert scratch.path == first.with_name(f"{first.name}-3")
    scratch.close()
    assert list(first.iterdir()) == []


def test_only_folders_of_jobs_that_are_over_go(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, scratch: Scratch) -> None:
        jobs = [submission() for _ in range(4)]
        await store.submit(jobs)
        done, stopping, failed = await store.claim("render", 3, "host", 5)
        for claim, status in (
            (done, Status.COMPLETED),
            (stopping, Status.CANCELLED),
            (failed, Status.FAILED),
        ):
            assert await store.finish([end(claim, status)])
        waiting = jobs[3].id
        for job in [*(job.id for job in jobs), "nobodys/job"]:
            (RunFolder(scratch.path, job, 1).path / "file").touch()
        (scratch.path / "stray file").touch()

        await scratch.tidy(store, lambda job: job == stopping.record.id)

        until("the others are gone", lambda: left(scratch) == sorted([stopping.record.id, waiting]))
        await scratch.tidy(store, lambda job: False)
        until("the stopped one is gone", lambda: left(scratch) == [waiting])

    play(tmp_path, scenario)


def test_of_a_job_that_may_be_retried_small_notes_stay_and_nothing_else(tmp_path: Path) -> None:
    def kept() -> list[str]:
        # What is being deleted meanwhile is passed over, where `glob` would raise.
        walked = [(Path(folder), [*folders, *files]) for folder, folders, files in os.walk(scratch.path)]
        inside = [(folder, names) for folder, names in walked if folder.parent == scratch.path]
        return sorted(f"{folder.name}/{name}" for folder, names in inside for name in names)

    async def scenario(store: SQLiteStore, mine: Scratch) -> None:
        nonlocal now
        ends = [Status.FAILED, Status.TIMED_OUT, Status.COMPLETED, Status.CANCELLED, Status.FAILED]
        await store.submit([submission() for _ in ends])
        ids = []
        for claim, status in zip(await store.claim("render", len(ends), "host", 5), ends, strict=True):
            await store.finish([end(claim, status)])
            ids.append(claim.record.id)
            fill(scratch.path, claim.record.id)
        failed, timed_out, *_, large = ids
        for n in range(MOST_FILES):
            (scratch.path / large / "plugin.notes" / str(n)).touch()

        await scratch.tidy(store, lambda job: False)

        notes = sorted([f"{failed}/plugin.notes", f"{timed_out}/plugin.notes"])
        until("the rest is gone", lambda: kept() == notes)
        assert (scratch.path / failed / "plugin.notes" / "note").read_text() == "of an upload"

        await store.retry(failed)
        fill(scratch.path, failed)
        (scratch.path / timed_out / "plugin.notes" / "note").unlink()
        now += AGAIN
        await scratch.tidy(store, lambda job: False)
        until("what is empty is gone", lambda: not (scratch.path / timed_out).exists())
        assert f"{failed}/1" in kept()

    now = 0.0
    scratch = Scratch("/var/queue.db", str(tmp_path / "notes"), lambda: now)
    scratch.open()
    play(tmp_path, scenario)
    scratch.close()


def fill(place: Path, job: str) -> None:
    """Files of all kinds in the folder of a job."""
    run = RunFolder(place, job, 1).path
    (run / "file").touch()
    for name, text in (("plugin.notes", "of an upload"), ("large.notes", "x" * (MOST_BYTES + 1))):
        (run.parent / name).mkdir(exist_ok=True)
        (run.parent / name / "note").write_text(text)
    (run.parent / "file.notes").touch()
    if not (run.parent / "linked.notes").is_symlink():
        (run.parent / "linked.notes").symlink_to("plugin.notes")


def test_what_a_killed_host_was_removing_is_removed(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, scratch: Scratch) -> None:
        (scratch.path / ".gone" / "half" / "of" / "it").mkdir(parents=True)

        await scratch.tidy(store, lambda job: False)

        until("it is gone", lambda: left(scratch) == [])

    play(tmp_path, scenario)


def test_a_large_folder_is_out_of_the_way_at_once_and_holds_nobody_up(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, scratch: Scratch) -> None:
        folder = RunFolder(scratch.path, "gone", 1).path
        for n in range(20_000):
            (folder / str(n)).touch()
        lags = []

        await scratch.tidy(store, lambda job: False)

        assert not folder.exists()
        while (scratch.path / ".gone").exists():
            began = time.perf_counter()
            await asyncio.sleep(0)
            lags.append(time.perf_counter() - began)
        assert len(lags) > 10
        assert max(lags) < 0.25

    play(tmp_path, scenario)


def test_a_place_that_somebody_has_cleaned_up_is_no_trouble(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, scratch: Scratch) -> None:
        (scratch.path / ".lock").unlink()
        scratch.path.rmdir()

        await scratch.tidy(store, lambda job: False)

        folder = RunFolder(scratch.path, "job", 1)
        assert folder.path.is_dir()
        folder.leave()

    play(tmp_path, scenario)
