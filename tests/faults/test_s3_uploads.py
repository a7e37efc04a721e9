"""Row 21: uploads that are cut off. No object is there that is not whole, and no upload stays open."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator

import attrs
import pytest

from faulting import NOTES, WatchedServer
from s3_servers import S3Service
from waiting import until

MIB = 1 << 20
#: Of every object, in MiB: by the middle, each way has sent a part of it.
SIZE = 40
SETTINGS = '[workers]\nstop_grace = 3\nprewarm = "off"\nscratch = "jobs"\n[guard]\nloopback = true\n'
HANDLER = (
    NOTES
    + f"""
from pathlib import Path
from workerkit import Bucket

BLOCK = bytes(range(256)) * 4096
SIZE = {SIZE}
"""
    + '''
class Source:
    """A file of blocks, at whose middle the handler comes to its end."""

    name = "source"

    def __init__(self, job):
        self.job, self.blocks = job, 0

    def read(self, size=-1):
        self.blocks += 1
        if self.blocks == SIZE // 2 + 1:
            end(self.job)
        return BLOCK if self.blocks <= SIZE else b""

def end(job):
    note("sent", job)
    how = job["input"]["end"] if job.attempt == 1 else "well"
    if how == "exit":
        os._exit(7)
    if how == "raise":
        raise ZeroDivisionError
    if how == "wait" and job["input"]["how"] != "upload_a_path":
        time.sleep(60)

def open_with(job, bucket):
    with bucket.open(job.id, "wb") as file:
        source = Source(job)
        while block := source.read():
            file.write(block)

def open_without(job, bucket):
    file, source = bucket.open(job.id, "wb"), Source(job)
    while block := source.read():
        file.write(block)
    file.close()

def upload_a_file(job, bucket):
    bucket.upload(Source(job), job.id)

def upload_a_path(job, bucket):
    path = job.directory / "whole"
    path.write_bytes(BLOCK * SIZE)
    told = []

    def progress(done, total):
        if done > total // 2:
            if not told:
                told.append(done)
                end(job)
            elif job["input"]["end"] == "wait":
                time.sleep(0.1)

    bucket.upload(path, job.id, progress=progress)

def client(job, bucket):
    place, source, parts = {"Bucket": bucket.name, "Key": job.id}, Source(job), []
    place["UploadId"] = bucket.client().create_multipart_upload(**place)["UploadId"]
    for number in range(1, SIZE // 8 + 1):
        body = b"".join(source.read() for _ in range(8))
        answer = bucket.client().upload_part(**place, Body=body, PartNumber=number)
        parts.append({"ETag": answer["ETag"], "PartNumber": number})
    bucket.client().complete_multipart_upload(**place, MultipartUpload={"Parts": parts})

@worker_function
def store(job, bucket: Bucket):
    note("start", job)
    globals()[job["input"]["how"]](job, bucket)

@worker_function(max_starts=1)
def store_once(job, bucket: Bucket):
    (job.shared_directory / "large").write_bytes(BLOCK)
    globals()[job["input"]["how"]](job, bucket)
'''
)
#: Says what was done; gives how many objects are truncated then, and how many uploads open.
Left = Callable[[str], tuple[int, int]]
NOTHING = (0, 0)
WAYS = ("open_with", "open_without", "upload_a_file", "upload_a_path", "client")


@attrs.define
class Storing:
    """A server whose jobs store objects under their ids, in a bucket of its own."""

    server: WatchedServer
    s3: S3Service
    bucket: str

    def submit(self, how: str, end: str, **more: object) -> str:
        return self.server.submit(
            "store", {"how": how, "end": end}, s3Config=self.s3.config(self.bucket), **more
        )

    def pid(self, what: str, id: str) -> int:
        """The worker that wrote this of a job first, once it has."""

        def found() -> list[int]:
            return [effect.pid for effect in self.server.effects() if (effect.what, effect.id) == (what, id)]

        until(f"the job has written {what!r}", found, seconds=60)
        return found()[0]

    def wait(self, id: str) -> str:
        return str(self.server.wait("store", id)["status"])

    def left(self) -> tuple[int, int]:
        """How many objects are truncated, and how many uploads open. Whole objects are taken away."""
        truncated = 0
        with self.s3.client() as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
            for each in [each for page in pages for each in page.get("Contents", [])]:
                if each["Size"] == SIZE * MIB:  # or rclone would read it again for each list
                    client.delete_object(Bucket=self.bucket, Key=each["Key"])
                else:
                    truncated += 1
        return truncated, self.open()

    def open(self) -> int:
        return len(self.s3.uploads(self.bucket))


@pytest.fixture(scope="module")
def storing(s3: S3Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storing]:
    folder = tmp_path_factory.mktemp("storing")
    server = WatchedServer(folder, HANDLER, settings=SETTINGS, arguments=["--workers", "1"])
    with server:
        s3.make("storing")
        yield Storing(server, s3, "storing")
    assert not server.processes()


@pytest.fixture
def left(storing: Storing, figure: Callable[[str], None]) -> Left:
    """What is left after this, which is a line for the table too."""

    def line(what: str) -> tuple[int, int]:
        truncated, open = storing.left()
        figure(f"row 21: {storing.s3.name}: {what}: {truncated} truncated objects, {open} open uploads")
        return truncated, open

    return line


@pytest.mark.parametrize("how", WAYS)
def test_a_worker_that_exits_in_the_middle_is_tidied_up_after_by_the_next_run(
    storing: Storing, how: str, left: Left
) -> None:
    id = storing.submit(how, "exit")

    assert storing.wait(id) == "COMPLETED"

    assert left(f"os._exit in the middle, {how}, then the next run") == NOTHING
    assert storing.server.ids("start")[id] == 2


def test_a_job_that_failed_so_is_tidied_up_after_when_it_is_retried_by_hand(
    storing: Storing, left: Left
) -> None:
    server, jobs = storing.server, storing.server.folder / "jobs"
    given = {"how": "open_with", "end": "exit"}
    id = server.submit("store_once", given, s3Config=storing.s3.config(storing.bucket))
    assert server.wait("store_once", id)["status"] == "FAILED"
    [note] = jobs.glob(f"*/{id}/s3-uploads.notes/*")
    until("all else is gone", lambda: list(note.parents[1].iterdir()) == [note.parent])
    assert storing.open() == 1

    assert server.post(f"/v2/store_once/retry/{id}")[0] == 200

    assert server.wait("store_once", id)["status"] == "COMPLETED"
    assert left("os._exit in the middle of the last run, then /retry") == NOTHING
    assert not note.exists()


def test_workers_killed_at_any_time_leave_nothing_after_the_next_run(
    storing: Storing, soak: bool, left: Left
) -> None:
    chosen = random.Random(seed := random.randrange(1 << 30))
    print(f"seed {seed}")
    rounds, hit = 40 if soak else 2, 0
    for number, how in enumerate(WAYS * rounds):
        in_the_middle = number < len(WAYS)
        id = storing.submit(how, "wait" if in_the_middle else "well")
        pid = storing.pid("start", id)
        if in_the_middle:
            storing.pid("sent", id)
            until("an upload is open", storing.open)
        else:
            threading.Event().wait(chosen.uniform(0, 0.4))
        os.kill(pid, signal.SIGKILL)
        hit += bool(storing.open())
        assert storing.wait(id) == "COMPLETED"
        assert storing.left() == NOTHING

    done = f"{len(WAYS) * rounds} workers killed, {hit} with an upload open, then the next runs"
    assert left(done) == NOTHING
    assert hit >= len(WAYS)


@pytest.mark.parametrize("how", WAYS)
def test_a_handler_that_raises_leaves_nothing(storing: Storing, how: str, left: Left) -> None:
    id = storing.submit(how, "raise")

    assert storing.wait(id) == "FAILED"

    assert left(f"an exception in the middle, {how}") == NOTHING


@pytest.mark.parametrize("how", WAYS)
def test_a_handler_that_is_cancelled_leaves_nothing(storing: Storing, how: str, left: Left) -> None:
    id = storing.submit(how, "wait")
    storing.pid("sent", id)

    assert storing.server.post(f"/v2/store/cancel/{id}")[0] == 200

    assert storing.wait(id) == "CANCELLED"
    until("the run has ended", lambda: not storing.open(), seconds=20)
    assert left(f"/cancel in the middle, {how}") == NOTHING


# A run is stopped as by a cancel, so one server shall do for what takes five seconds at least.
@pytest.mark.parametrize("s3", ["weed"], indirect=True, scope="session")
@pytest.mark.parametrize("how", ["open_with", "upload_a_file"])
def test_a_handler_whose_time_is_over_leaves_nothing(storing: Storing, how: str, left: Left) -> None:
    id = storing.submit(how, "wait", policy={"executionTimeout": 5000})

    storing.pid("sent", id)

    assert storing.wait(id) == "TIMED_OUT"
    until("the run has ended", lambda: not storing.open(), seconds=20)
    assert left(f"execution timeout in the middle, {how}") == NOTHING
