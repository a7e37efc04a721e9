"""Folders of jobs in a server: shared by a job's runs, and gone after its end, whoever was killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from waiting import alive, until
from workerkit.testing import Server

HANDLER = """
import os, signal, time
from workerkit import Retry, worker_function

def found(job):
    return {path.name: path.read_text() for path in job.shared_directory.iterdir() if path.is_file()}

def fill(job):
    (job.directory / "large").write_bytes(bytes(100_000))
    (job.shared_directory / "left").write_text(f"by attempt {job.attempt}")

def hang():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

@worker_function
def work(job):
    how = job["input"]
    if how == "idle":
        return "done"
    before = found(job)
    if how == "look":
        return before
    fill(job)
    if job.attempt == 1 and how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.attempt == 1 and how == "again":
        raise Retry("once more", after=0)
    if how == "hang" and not before:
        job.progress("hangs")
        hang()
    return before
"""
SETTINGS = "[queue]\nlease = 5\n[workers]\nstop_grace = 0\n"


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def server(tmp_path: Path, temporary: Path) -> Iterator[Server]:
    with serving(tmp_path, temporary) as server:
        yield server


def serving(folder: Path, temporary: Path, settings: str = SETTINGS) -> Server:
    folder.mkdir(exist_ok=True)
    return Server(folder, HANDLER, settings=settings, environ={"TMPDIR": str(temporary)})


def left(temporary: Path) -> list[str]:
    """What jobs have left, beside the lock of the server's own folder."""
    # Not with rglob, which fails when a folder goes that it has just seen.
    found = [Path(at, name) for at, folders, files in os.walk(temporary) for name in (*folders, *files)]
    within = [path.relative_to(temporary) for path in found if path.name != ".lock"]
    return sorted(str(path) for path in within if len(path.parts) > 1)


def hanging(server: Server, **fields: Any) -> str:
    id = server.submit("work", "hang", **fields)
    until("it hangs", lambda: server.get(f"/v2/work/status/{id}")[1].get("output") == "hangs")
    return id


def test_a_killed_workers_files_are_found_by_the_next_run_and_gone_after_it(
    server: Server, temporary: Path
) -> None:
    answer = server.run("work", "die")

    assert (answer["status"], answer["output"]) == ("COMPLETED", {"left": "by attempt 1"})
    assert answer["retries"] == 1
    until("nothing is left", lambda: left(temporary) == [])


def test_a_run_that_asks_for_another_leaves_what_it_shares(server: Server, temporary: Path) -> None:
    answer = server.run("work", "again")

    assert (answer["status"], answer["output"]) == ("COMPLETED", {"left": "by attempt 1"})
    until("nothing is left", lambda: left(temporary) == [])


def test_nothing_is_left_of_a_run_that_is_killed_because_it_was_cancelled(
    server: Server, temporary: Path
) -> None:
    id = hanging(server)
    assert any(place.endswith("large") for place in left(temporary))

    assert server.post(f"/v2/work/cancel/{id}")[1]["status"] == "CANCELLED"

    until("nothing is left", lambda: left(temporary) == [])


def test_nothing_is_left_of_a_run_that_is_killed_because_its_time_was_over(
    server: Server, temporary: Path
) -> None:
    id = hanging(server, policy={"executionTimeout": 5_000})

    assert server.wait("work", id)["status"] == "TIMED_OUT"

    until("nothing is left", lambda: left(temporary) == [])


def test_a_killed_hosts_files_are_found_by_the_next_one(server: Server, temporary: Path) -> None:
    id = hanging(server)
    server.kill()
    assert any(place.endswith("large") for place in left(temporary))

    server.start()

    answer = server.wait("work", id)
    assert (answer["status"], answer["output"]) == ("COMPLETED", {"left": "by attempt 1"})
    until("nothing is left", lambda: left(temporary) == [])
    assert server.stop() == 0
    assert list(temporary.iterdir()) == []


def test_a_job_that_ends_without_another_run_leaves_nothing_after_a_killed_host(
    server: Server, temporary: Path, tmp_path: Path
) -> None:
    id = hanging(server)
    server.kill()
    (tmp_path / "workerkit.toml").write_text(SETTINGS + "count = 0\n")
    server.start()
    assert left(temporary)

    assert server.post(f"/v2/work/cancel/{id}")[0] == 200

    until("nothing is left", lambda: left(temporary) == [])


def test_another_queues_server_touches_nothing(server: Server, temporary: Path, tmp_path: Path) -> None:
    id = hanging(server)
    before = left(temporary)

    with serving(tmp_path / "other", temporary) as other:
        assert other.run("work", "die")["status"] == "COMPLETED"
        until("only the first one's is left", lambda: left(temporary) == before)

    assert left(temporary) == before
    server.post(f"/v2/work/cancel/{id}")


def test_jobs_that_ask_for_no_folder_make_none(server: Server, temporary: Path) -> None:
    assert server.run("work", "idle")["output"] == "done"

    [folder] = temporary.iterdir()
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_what_lies_in_the_place_is_not_followed_and_only_jobs_that_need_it_fail(
    server: Server, temporary: Path, tmp_path: Path
) -> None:
    [folder] = temporary.iterdir()
    server.stop()
    theirs = tmp_path / "theirs"
    (theirs / "precious").mkdir(parents=True)
    folder.symlink_to(theirs)

    server.start()

    assert server.run("work", "idle")["output"] == "done"
    error = json.loads(server.run("work", "look")["error"])["error_message"]
    for text in (error, server.log()):
        assert f"{folder}, where files of jobs belong, is no folder of this user" in text
        assert "name another place in [workers] scratch" in text
    assert [path.name for path in theirs.rglob("*")] == ["precious"]


def test_the_place_is_a_setting(tmp_path: Path, temporary: Path) -> None:
    place = tmp_path / "disk" / "jobs"
    with serving(tmp_path, temporary, f'[workers]\nscratch = "{place}"\n') as server:
        assert server.run("work", "look")["output"] == {}
        [folder] = place.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_a_place_that_cannot_be_had_stops_the_start(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "file").touch()
    server = serving(tmp_path, temporary, '[workers]\nscratch = "file"\n')

    with pytest.raises(
        AssertionError, match=r"exit code 1: .*/file/workerkit-.* cannot be made: Not a directory"
    ):
        server.start()
    assert server.process is not None
    assert not alive(server.process.pid)
