"""Files that change while they are uploaded: no object by half, and nobody waits for what does not come."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from s3_runs import run
from s3_servers import S3Service
from workerkit import Bucket

MIB = 1 << 20
SHORTER = "what is uploaded to 'k' became shorter meanwhile; upload it when it is whole"


@pytest.fixture
def config(s3: S3Service, bucket_name: str) -> dict[str, str]:
    return s3.config(bucket_name)


def once(act: Callable[[], object]) -> Callable[[int, int | None], None]:
    """Acts when the first bytes are on their way."""
    seen: list[int] = []

    def progress(done: int, total: int | None) -> None:
        seen.append(done)
        if len(seen) == 1:
            act()

    return progress


@pytest.mark.parametrize("size", [12 * MIB, 40 * MIB])
def test_a_file_that_becomes_shorter_is_not_stored(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(size))
    began = time.monotonic()

    with pytest.raises(OSError, match=SHORTER):
        run(config, lambda bucket: bucket.upload(path, "k", progress=once(lambda: os.truncate(path, MIB))))

    assert time.monotonic() - began < 20
    assert s3.objects(bucket_name) == {}
    assert s3.uploads(bucket_name) == {}


def test_a_file_that_grows_is_stored_as_it_was(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "growing.log"
    path.write_bytes(b"a" * 20 * MIB)

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b"b" * 5 * MIB)

    run(config, lambda bucket: bucket.upload(path, "k", progress=once(grow)))
    assert s3.objects(bucket_name) == {"k": b"a" * 20 * MIB}


class Ending(io.BytesIO):
    """A file that ends sooner than it says."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(1000, 2000 - self.tell()))


@pytest.mark.parametrize("size", [5000, 5 * MIB, 30 * MIB])
def test_an_open_file_that_ends_too_early_is_not_stored(
    s3: S3Service, config: dict[str, str], bucket_name: str, size: int
) -> None:
    acts: list[Callable[[Bucket], object]] = [
        lambda bucket: bucket.upload(Ending(bytes(size)), "k"),
        lambda bucket: bucket.upload_many({"k": Ending(bytes(size))}),
    ]
    for act in acts:
        with pytest.raises(OSError, match=SHORTER):
            run(config, act)
    assert s3.objects(bucket_name) == {}
    assert s3.uploads(bucket_name) == {}


def test_a_body_of_the_clients_own_is_not_waited_for(config: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(100))

    def handler(bucket: Bucket) -> None:
        with path.open("rb") as file:
            bucket.client().put_object(Bucket=bucket.name, Key="k", Body=file, ContentLength=200)

    began = time.monotonic()
    with pytest.raises(Exception, match="what is uploaded became shorter while it was sent"):
        run(config, handler)
    assert time.monotonic() - began < 20
