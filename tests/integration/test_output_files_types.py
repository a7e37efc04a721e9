"""The content types of files in outputs: as they were given, or else as their names tell."""

from __future__ import annotations

import threading
import time
from typing import Any

import attrs
import pytest
import urllib3

from interrupting import interruptible
from workerkit import Bucket, Job, OutputFile, content_type_of, hookimpl
from workerkit.testing import JobRun, S3Server, run_job


def returned(value: Any, bucket: S3Server | None = None) -> JobRun:
    return run_job(lambda job: value, fields={} if bucket is None else {"s3Config": bucket.config()})


def stored_type(url: str) -> str | None:
    return urllib3.request("GET", url, retries=False).headers.get("Content-Type")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.br", "application/br"),
        ("a.tar.gz", "application/x-tar"),
        ("a.unknown", "application/octet-stream"),
        ("a.unknown", "application/x-own"),
        ("a.txt", "text/plain"),
        ("a.txt", "text/plain; charset=utf-8"),
    ],
)
def test_a_type_that_was_given_is_the_objects_whatever_its_name_tells(
    workerkit_bucket: S3Server, name: str, content_type: str
) -> None:
    assert (
        stored_type(returned(OutputFile(b"x", name, content_type), workerkit_bucket).output) == content_type
    )


@pytest.mark.parametrize("name", ["a.txt", "a.webp", "a.tar.gz", "a.json.bz2", "a.br"])
def test_a_name_tells_the_same_with_a_bucket_and_without(workerkit_bucket: S3Server, name: str) -> None:
    file = OutputFile(b"x", name)

    assert stored_type(returned(file, workerkit_bucket).output) == content_type_of(name)
    assert returned(file).output.partition(";")[0] == f"data:{content_type_of(name)}"


def test_a_name_that_is_too_long_for_an_object_is_named_with_the_cure(workerkit_bucket: S3Server) -> None:
    run = returned(OutputFile(b"x", "n" * 2000), workerkit_bucket)

    said = str(run.error)
    assert said.startswith(f"the output's file {'n' * 60!r}… cannot be stored: the key ")
    assert said.endswith(
        "bytes in UTF-8; S3 takes 1,024; give it a shorter or plainer name, such as OutputFile(source, 'cat.jpg')"
    )
    assert workerkit_bucket.objects() == {}


class Bucketlike(Bucket):
    """A bucket of another plugin."""

    name = "other"

    def key(self, name: str) -> str:
        return name

    def presign(self, key: str, expires: float = 3600) -> str:
        return f"https://signed.example/{key}"


@attrs.define(eq=False)
class Together(Bucketlike):
    """Its uploads end when four are on their way."""

    met: threading.Barrier = attrs.field(factory=lambda: threading.Barrier(4))
    types: dict[str, str] = attrs.field(factory=dict)

    def upload(self, source: Any, key: Any = None, *, content_type: Any = None, progress: Any = None) -> str:
        self.met.wait(20)
        self.types[key] = content_type
        return f"https://plain.example/{key}"


@attrs.define(eq=False)
class Stuck(Bucketlike):
    """Its first upload ends when it is let go, and tells that it has begun."""

    begun: Any
    free: threading.Event = attrs.field(factory=threading.Event)

    def upload(self, source: Any, key: Any = None, *, content_type: Any = None, progress: Any = None) -> str:
        self.begun()
        assert self.free.wait(20)
        return f"https://plain.example/{key}"


@attrs.frozen
class Provides:
    bucket: Bucket

    @hookimpl
    def pre_job(self, job: Job) -> None:
        job.provide(self.bucket)


def test_files_of_given_types_are_stored_several_at_a_time() -> None:
    bucket = Together()
    files = [OutputFile(b"x", f"{n}.png", f"image/x-{n}") for n in range(8)]
    run = run_job(lambda job: files, plugins=[Provides(bucket)])

    assert run.output == [f"https://signed.example/{n}.png" for n in range(8)]
    assert bucket.types == {f"{n}.png": f"image/x-{n}" for n in range(8)}


def test_a_job_that_is_cancelled_does_not_wait_for_them() -> None:
    with interruptible() as interrupt:
        bucket = Stuck(interrupt)
        began = time.monotonic()
        run = run_job(lambda job: OutputFile(b"x", "a.png", "image/png"), plugins=[Provides(bucket)])
        assert time.monotonic() - began < 10
        bucket.free.set()
    assert "it was cancelled" in str(run.error)
