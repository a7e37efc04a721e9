from __future__ import annotations

import io
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3_runs import run
from s3_servers import S3Service
from workerkit import Bucket

MIB = 1 << 20


@pytest.fixture
def config(s3: S3Service, bucket_name: str) -> dict[str, str]:
    return s3.config(bucket_name)


def test_what_is_written_can_be_read_back_as_bytes_and_as_text(
    s3: S3Service, config: dict[str, str], bucket_name: str
) -> None:
    def handler(bucket: Bucket) -> tuple[bytes, str]:
        with bucket.open("a/ picture?x=1#2.gz", "wb") as file:
            file.write(b"\x1f\x8b not compressed twice")
        with bucket.open("note.txt", "w") as file:
            file.write("grüße\n")
        with bucket.open("a/ picture?x=1#2.gz") as picture, bucket.open("note.txt", "r") as note:
            return picture.read(), note.read()

    assert run(config, handler) == (b"\x1f\x8b not compressed twice", "grüße\n")
    assert s3.objects(bucket_name)["note.txt"] == "grüße\n".encode()


@pytest.mark.parametrize("size", [0, 1, 16 * MIB, 16 * MIB + 1, 40 * MIB])
def test_an_object_of_any_size_arrives_whole_however_it_is_written(
    s3: S3Service, config: dict[str, str], bucket_name: str, size: int
) -> None:
    data = os.urandom(MIB) * (size // MIB) + b"x" * (size % MIB)

    def handler(bucket: Bucket) -> list[int]:
        with bucket.open("pieces", "wb") as file:
            for start in range(0, len(data), 1_000_000):
                file.write(data[start : start + 1_000_000])
            told = file.tell()
        with bucket.open("at-once", "wb") as file:
            return [told, file.write(memoryview(data))]

    assert run(config, handler) == [size, size]
    assert s3.objects(bucket_name) == {"pieces": data, "at-once": data}
    assert s3.uploads(bucket_name) == {}


def test_uploads_of_bytes_paths_and_files_get_keys_of_their_own_run(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"cat")
    given = io.BytesIO(b"given")

    def handler(bucket: Bucket) -> list[str]:
        return [
            bucket.upload(path),
            bucket.upload(str(path)),
            bucket.upload(b"raw"),
            bucket.upload(given, key="exact/ key?"),
            bucket.upload(b"named", bucket.key("sub/dir/cat.jpg")),
        ]

    urls = run({**config, "objectPath": "/out/"}, handler, id="j", attempt=3)

    base = f"{s3.url}/{bucket_name}"
    assert urls == [
        f"{base}/out/j/3/cat.jpg",
        f"{base}/out/j/3/1-cat.jpg",
        f"{base}/out/j/3/object",
        f"{base}/exact/%20key%3F",
        f"{base}/out/j/3/sub/dir/cat.jpg",
    ]
    assert s3.objects(bucket_name) == {
        "out/j/3/cat.jpg": b"cat",
        "out/j/3/1-cat.jpg": b"cat",
        "out/j/3/object": b"raw",
        "exact/ key?": b"given",
        "out/j/3/sub/dir/cat.jpg": b"named",
    }
    assert not given.closed


def test_keys_of_a_run_never_meet(config: dict[str, str]) -> None:
    def handler(bucket: Bucket) -> list[str]:
        return [bucket.key(name) for name in ("a.png", "1-a.png", "a.png", "a.png", "x/a.png", "x/a.png")]

    keys = run(config, handler)

    assert len(set(keys)) == 6
    assert all(key.startswith("job-1/1/") and key.endswith("a.png") for key in keys)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", ".", ".."])
def test_a_name_that_leads_out_of_the_runs_folder_makes_no_key(config: dict[str, str], name: str) -> None:
    with pytest.raises(ValueError, match="cannot be named"):
        run(config, lambda bucket: bucket.key(name))


def test_the_type_is_guessed_from_the_key_or_the_file_unless_it_is_given(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    (tmp_path / "cat.png").write_bytes(b"cat")

    def handler(bucket: Bucket) -> None:
        bucket.upload(tmp_path / "cat.png", "from-file")
        bucket.upload(tmp_path / "cat.png", "from-key.json")
        bucket.upload(b"x", "packed.csv.gz")
        bucket.upload(b"x", "packed.tar.xz")
        bucket.upload(b"x", "given.png", content_type="text/plain")
        bucket.upload(b"x" * (9 * MIB), "large.mp4")
        with bucket.open("written.html", "w") as file:
            file.write("<p>")
        with bucket.open("parts.html", "w") as file:
            file.write("<p>" * (6 * MIB))

    run(config, handler)

    with s3.client() as client:
        types = {
            key: client.head_object(Bucket=bucket_name, Key=key)["ContentType"]
            for key in s3.objects(bucket_name)
        }
    assert types == {
        "from-file": "image/png",
        "from-key.json": "application/json",
        "packed.csv.gz": "application/gzip",
        "packed.tar.xz": "application/x-xz",
        "given.png": "text/plain",
        "large.mp4": "video/mp4",
        "written.html": "text/html",
        "parts.html": "text/html",
    }


def test_what_cannot_be_uploaded_is_named(config: dict[str, str], tmp_path: Path) -> None:
    ended = io.BytesIO()
    ended.write(b"a picture")
    text = tmp_path / "text"
    text.write_text("text")

    def refused(source: object) -> str:
        with pytest.raises((TypeError, ValueError, OSError)) as caught:
            run(config, lambda bucket: bucket.upload(source))  # type: ignore[arg-type]
        return str(caught.value)

    with text.open() as file:
        assert "must give bytes, not str; open it with 'rb'" in refused(file)
    assert "seek(0)" in refused(ended)
    assert "not a value of type dict" in refused({})
    assert "is a folder" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "none")


class Trickle:
    """A file that gives less than it is asked for, as sockets do."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, 300_000))


def test_files_are_sent_from_where_they_stand_and_pipes_to_their_end(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    data = os.urandom(9 * MIB)
    (tmp_path / "data").write_bytes(data)

    def handler(bucket: Bucket) -> None:
        with (tmp_path / "data").open("rb") as file:
            file.seek(MIB)
            bucket.upload(file, "rest")
            assert not file.closed
        reading, writing = os.pipe()
        with open(reading, "rb") as pipe:
            os.write(writing, b"piped")
            os.close(writing)
            bucket.upload(pipe, "piped")
        bucket.upload(Trickle(data), "trickle")  # type: ignore[arg-type]
        bucket.upload(bytearray(b"array"), "array")  # type: ignore[arg-type]

    run(config, handler)

    assert s3.objects(bucket_name) == {
        "rest": data[MIB:],
        "piped": b"piped",
        "trickle": data,
        "array": b"array",
    }


def test_an_object_that_is_not_there_is_a_file_that_is_not_found(config: dict[str, str]) -> None:
    missing: list[Callable[[Bucket], object]] = [
        lambda bucket: bucket.open("none"),
        lambda bucket: bucket.download("none"),
    ]
    for use in missing:
        with pytest.raises(FileNotFoundError, match="there is no object 'none' in the bucket '") as caught:
            run(config, use)
        assert "botocore" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key", ["", "folder/", 5])
def test_a_key_that_names_no_object_is_refused_before_anything_is_stored(
    s3: S3Service, config: dict[str, str], bucket_name: str, key: Any
) -> None:
    def refused(act: Callable[[Bucket], object]) -> str:
        with pytest.raises((TypeError, ValueError)) as caught:
            run(config, act)
        return str(caught.value)

    said = {
        refused(lambda bucket: bucket.upload(b"x", key)),
        refused(lambda bucket: bucket.upload_many({"good": b"x", key: b"x"})),
        refused(lambda bucket: bucket.open(key, "w")),
    }
    assert said == {
        "an object's key must be a str, not a value of type int"
        if key == 5
        else f"the key {key!r} names no object; end it with a name, such as bucket.key('picture.png')"
    }
    assert s3.objects(bucket_name) == {}


def test_a_bucket_shows_its_name_and_endpoint_and_no_keys(
    s3: S3Service, config: dict[str, str], bucket_name: str
) -> None:
    assert run(config, repr) == f"S3Bucket({bucket_name!r} at {s3.url})"


def test_a_wrong_mode_says_which_ones_there_are(config: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="mode 'a'; use one of r, rb, w, wb"):
        run(config, lambda bucket: bucket.open("k", "a"))
