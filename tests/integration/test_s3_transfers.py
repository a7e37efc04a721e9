from __future__ import annotations

import gc
import os
import re
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from s3_runs import Runs, run
from s3_servers import S3Service
from waiting import until
from workerkit import Bucket, JobFailed

MIB = 1 << 20


@pytest.fixture
def config(s3: S3Service, bucket_name: str) -> dict[str, str]:
    return s3.config(bucket_name)


def files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number:03}.txt" for number in range(count)]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_many_files_arrive_and_their_urls_come_in_order(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []
    paths = files(tmp_path, 50)

    def handler(bucket: Bucket) -> list[str]:
        return bucket.upload_many(paths, progress=lambda done, total: told.append((done, total)))

    urls = run(config, handler)

    assert urls == [f"{s3.url}/{bucket_name}/job-1/1/{path.name}" for path in paths]
    assert s3.objects(bucket_name) == {f"job-1/1/{path.name}": path.name.encode() for path in paths}
    assert told == [(number + 1, 50) for number in range(50)]


def test_many_sources_of_every_kind_go_to_the_keys_they_are_given(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    [path] = files(tmp_path, 1)
    large = os.urandom(20 * MIB)

    def handler(bucket: Bucket) -> list[str]:
        with path.open("rb") as file:
            return bucket.upload_many({"z": path, "bytes": b"raw", "file": file, "large": large})

    urls = run(config, handler)

    assert [url.rpartition("/")[2] for url in urls] == ["z", "bytes", "file", "large"]
    assert s3.objects(bucket_name) == {"z": b"000.txt", "bytes": b"raw", "file": b"000.txt", "large": large}
    assert run(config, lambda bucket: bucket.upload_many([])) == []


def test_of_many_the_first_that_fails_is_raised_when_none_is_on_its_way_any_more(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    paths = files(tmp_path, 200)

    def handler(bucket: Bucket) -> None:
        sources: dict[str, Path] = {path.name: path for path in paths}
        os.unlink(paths[100])
        before = set(threading.enumerate())
        with pytest.raises(FileNotFoundError, match=re.escape("100.txt")):
            bucket.upload_many(sources)
        with pytest.raises(JobFailed, match="accessSecret"):
            run({**config, "accessSecret": "wrong"}, lambda other: other.upload_many(paths[:3]))
        until("all threads have ended", lambda: set(threading.enumerate()) <= before)

    run(config, handler)
    assert s3.uploads(bucket_name) == {}


def test_one_path_is_not_taken_for_many(config: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="takes a list of paths"):
        run(config, lambda bucket: bucket.upload_many("one.png"))


def test_progress_is_told_of_every_byte_and_of_the_whole(config: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(20 * MIB))
    up: list[tuple[int, int | None]] = []
    down: list[tuple[int, int | None]] = []

    def handler(bucket: Bucket) -> None:
        bucket.upload(path, "k", progress=lambda *done: up.append(done))
        bucket.upload(b"small", progress=lambda *done: up.append(done))
        bucket.download("k", tmp_path / "back", progress=lambda *done: down.append(done))

    runs = Runs(config)
    runs.run(handler)

    assert up[-2] == (20 * MIB, 20 * MIB)
    assert up[-1] == (5, 5)
    assert down[-1] == (20 * MIB, 20 * MIB)
    assert runs.shown == []
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


class Slow:
    """A file that takes its time: it is read when `gate` opens, four times."""

    name = "/far/away/slow.bin"

    def __init__(self) -> None:
        self.clock = threading.Event()
        self._left = 5

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            return b""
        self._left -= 1
        self.clock.wait(1.1)
        return bytes(8 * MIB)


def test_a_long_upload_is_the_jobs_progress_at_most_once_a_second(config: dict[str, str]) -> None:
    runs = Runs(config)

    runs.run(lambda bucket: bucket.upload(Slow()))  # type: ignore[arg-type]

    assert 2 <= len(runs.shown) <= 5
    assert [set(value) for value in runs.shown] == [{"uploading", "bytes", "of"}] * len(runs.shown)
    assert runs.shown[0]["uploading"] == "slow.bin"
    assert runs.shown[0]["of"] is None
    sizes = [value["bytes"] for value in runs.shown]
    assert sizes == sorted(sizes)
    assert 0 < sizes[0] < sizes[-1] <= 40 * MIB


def test_downloads_go_to_the_jobs_directory_under_their_keys(config: dict[str, str], tmp_path: Path) -> None:
    def handler(bucket: Bucket) -> list[tuple[str, bytes]]:
        assert runs.job is not None
        bucket.upload_many({"in/a.txt": b"a", "b.txt": b"b"})
        paths = [
            bucket.download("in/a.txt"),
            bucket.download("b.txt"),
            bucket.download("b.txt", tmp_path / "x/y"),
        ]
        return [
            (os.path.relpath(path, runs.job.directory.resolve()), path.read_bytes()) for path in paths[:2]
        ]

    runs = Runs(config)
    assert runs.run(handler) == [("in/a.txt", b"a"), ("b.txt", b"b")]
    assert (tmp_path / "x/y").read_bytes() == b"b"


@pytest.mark.parametrize("key", ["../out", "/etc/passwd", "a/../../out", "link/out", "folder/"])
def test_a_key_that_leads_out_of_the_jobs_directory_is_not_followed(
    config: dict[str, str], tmp_path: Path, key: str
) -> None:
    def handler(bucket: Bucket) -> None:
        assert runs.job is not None
        (runs.job.directory / "link").symlink_to(tmp_path)
        bucket.download(key)

    runs = Runs(config)
    with pytest.raises(ValueError, match="names no file within the job's directory; give a path"):
        runs.run(handler)
    assert list(tmp_path.iterdir()) == []


# boto3 leaves the rest of an answer to the collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_a_download_that_fails_leaves_what_was_there(config: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")

    def stop(done: int, total: int | None) -> None:
        raise ZeroDivisionError

    def handler(bucket: Bucket) -> None:
        bucket.upload(bytes(20 * MIB), "k")
        bucket.download("k", path, progress=stop)

    with pytest.raises(ZeroDivisionError):
        run(config, handler)
    gc.collect()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("s3", "count"), [("rclone", 20), ("weed", 1005)], indirect=["s3"])
def test_objects_are_listed_page_by_page_in_the_order_of_their_keys(
    config: dict[str, str], count: int
) -> None:
    keys = [f"many/{number:04}" for number in range(count)]

    def handler(bucket: Bucket) -> list[tuple[str, int]]:
        bucket.upload_many({**dict.fromkeys(keys, b"xyz"), "other": b""})
        assert abs(next(bucket.list()).modified - datetime.now(timezone.utc)) < timedelta(minutes=5)
        return [(each.key, each.size) for each in bucket.list("many/")]

    assert run(config, handler) == [(key, 3) for key in keys]


def test_threads_of_a_job_share_its_bucket_and_its_one_connection(
    s3: S3Service, config: dict[str, str], bucket_name: str
) -> None:
    def handler(bucket: Bucket) -> int:
        clients: list[int] = []

        def one(number: int) -> None:
            clients.append(id(bucket.client()))
            with bucket.open(f"opened-{number}", "wb") as file:
                file.write(b"x" * number)
            bucket.upload(b"y" * number, bucket.key("same"))

        started = [threading.Thread(target=one, args=(number,)) for number in range(12)]
        for each in started:
            each.start()
        for each in started:
            each.join()
        return len(set(clients))

    assert run(config, handler) == 1
    found = s3.objects(bucket_name)
    assert len(found) == 24
    assert {found[f"opened-{number}"] for number in range(12)} == {b"x" * number for number in range(12)}
