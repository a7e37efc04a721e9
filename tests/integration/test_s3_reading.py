"""Objects that are read as files: every byte where it is, and none of another object."""

from __future__ import annotations

import io
import os
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from s3_between import between
from s3_runs import run
from s3_servers import S3Service
from workerkit import Bucket

MIB = 1 << 20


@pytest.fixture
def config(s3: S3Service, bucket_name: str) -> dict[str, str]:
    return s3.config(bucket_name)


def test_an_empty_object_is_an_empty_file(config: dict[str, str]) -> None:
    def handler(bucket: Bucket) -> list[object]:
        bucket.upload(b"", "empty")
        with bucket.open("empty") as file, bucket.open("empty", "r") as text:
            return [file.read(), file.read(5), file.seek(0, io.SEEK_END), file.readline(), list(text)]

    assert run(config, handler) == [b"", b"", 0, b"", []]


def test_what_is_sought_is_read_as_in_a_file(config: dict[str, str]) -> None:
    data = os.urandom(2 * MIB)
    chance = random.Random(7)
    moves = [(chance.randrange(2 * MIB), chance.randrange(1, 300_000)) for _ in range(12)]

    def reads(file: io.BufferedIOBase) -> list[object]:
        found: list[object] = []
        for place, size in moves:
            found += [file.seek(place), file.read(size), file.tell()]
        found += [file.seek(-100, io.SEEK_END), file.read(), file.seek(-5, io.SEEK_CUR), file.read(3)]
        return [*found, file.seek(0), file.read()]

    def handler(bucket: Bucket) -> list[object]:
        bucket.upload(data, "k")
        with bucket.open("k") as file:
            return reads(file)  # type: ignore[arg-type]

    assert run(config, handler) == reads(io.BytesIO(data))


def test_an_archive_is_written_and_read_where_it_is(config: dict[str, str]) -> None:
    def handler(bucket: Bucket) -> bytes:
        with bucket.open("a.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
            archive.writestr("first", b"1" * 1000)
            archive.writestr("second", b"2" * 1000)
        with bucket.open("a.zip") as file, zipfile.ZipFile(file) as archive:
            return archive.read("second")

    assert run(config, handler) == b"2" * 1000


def read(bucket: Bucket) -> bytes:
    with bucket.open("k") as file:
        return file.read()  # type: ignore[no-any-return]


def in_steps(bucket: Bucket) -> bytes:
    with bucket.open("k") as file:
        return b"".join(iter(lambda: file.read(100_000), b""))


def downloaded(bucket: Bucket) -> bytes:
    return bucket.download("k").read_bytes()


@pytest.mark.parametrize("use", [read, in_steps, downloaded])
def test_an_object_that_breaks_off_is_gone_on_with(
    s3: S3Service, config: dict[str, str], bucket_name: str, use: Callable[[Bucket], bytes]
) -> None:
    data = os.urandom(3 * MIB)
    cuts: list[str] = []

    def passed(operation: str, body: bytes) -> bytes:
        if operation != "GET" or len(cuts) == 2 or len(body) < MIB:
            return body
        cuts.append(operation)
        return body[: len(body) // 2]

    with s3.client() as client, between(s3, lambda operation: None, passed) as url:
        client.put_object(Bucket=bucket_name, Key="k", Body=data)
        assert run({**config, "endpointUrl": url}, use) == data
    assert len(cuts) == 2


def test_an_object_that_breaks_off_each_time_is_named_soon(
    s3: S3Service, config: dict[str, str], bucket_name: str
) -> None:
    with (
        s3.client() as client,
        between(s3, lambda operation: None, lambda operation, body: body[:100]) as url,
    ):
        client.put_object(Bucket=bucket_name, Key="k", Body=bytes(MIB))
        began = time.monotonic()
        with pytest.raises(ConnectionError) as caught:
            run({**config, "endpointUrl": url}, in_steps)
        assert time.monotonic() - began < 10
    assert str(caught.value) == f"{url} broke off in the midst of the object 'k'"


@pytest.mark.parametrize("other", [b"short", os.urandom(MIB)])
def test_no_two_versions_of_an_object_are_read_as_one(config: dict[str, str], other: bytes) -> None:
    def handler(bucket: Bucket) -> None:
        bucket.upload(bytes(MIB), "k")
        with bucket.open("k") as file:
            file.read(10)
            bucket.upload(other, "k")
            with pytest.raises(
                OSError, match="the object 'k' was replaced or removed while it was read; open it again"
            ):
                file.seek(MIB // 2)

    run(config, handler)


def test_a_folder_is_no_place_for_an_object(config: dict[str, str], tmp_path: Path) -> None:
    def handler(bucket: Bucket) -> None:
        bucket.upload(b"x", "k")
        bucket.download("k", tmp_path)

    with pytest.raises(IsADirectoryError, match="is a folder; name the file in it that the object becomes"):
        run(config, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "said"),
    [("", "the key '' names no object"), ("k" * 2000, "has 2,000 bytes in UTF-8; S3 takes 1,024")],
)
def test_a_key_that_no_object_can_have_is_refused(config: dict[str, str], key: str, said: str) -> None:
    acts: list[Callable[[Bucket], object]] = [
        lambda bucket: bucket.open(key),
        lambda bucket: bucket.download(key, "anywhere"),
        lambda bucket: bucket.presign(key),
        lambda bucket: bucket.upload(b"x", key),
    ]
    for act in acts:
        with pytest.raises(ValueError, match=said):
            run(config, act)


@pytest.mark.parametrize("mode", ["rb", "wb"])
def test_bytes_have_no_encoding(config: dict[str, str], mode: str) -> None:
    with pytest.raises(
        ValueError, match=f"mode '{mode}' is for bytes, which have no encoding; use '{mode[0]}'"
    ):
        run(config, lambda bucket: bucket.open("k", mode, encoding="utf-8"))


def test_an_unknown_encoding_opens_nothing(config: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(LookupError, match="unknown encoding: klingon"):
        run(config, lambda bucket: bucket.open("k", "w", encoding="klingon"))
    assert "left open" not in caplog.text
