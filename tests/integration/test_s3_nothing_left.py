"""No object is published that is not whole, and no multipart upload outlives its job."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from s3_runs import Runs, run
from s3_servers import S3Service
from workerkit import Bucket

MIB = 1 << 20
SIZES = {"small": 4, "of several parts": 40 * MIB}


@pytest.fixture
def config(s3: S3Service, bucket_name: str) -> dict[str, str]:
    return s3.config(bucket_name)


@pytest.fixture
def is_clean(s3: S3Service, bucket_name: str) -> Callable[[], bool]:
    """Whether the bucket is as it was, also when all is collected that can be."""

    def check() -> bool:
        gc.collect()
        return s3.objects(bucket_name) == {} and s3.uploads(bucket_name) == {}

    return check


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_writer_left_open_publishes_nothing(
    config: dict[str, str],
    is_clean: Callable[[], bool],
    mode: str,
    size: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handler(bucket: Bucket) -> None:
        bucket.open("half", mode).write(size * "x" if mode == "w" else bytes(size))
        gc.collect()

    with caplog.at_level(logging.WARNING):
        run(config, handler)

    assert is_clean()
    assert "was left open by its job; it is not stored" in caplog.text


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("managed", [True, False], ids=["with", "without with"])
def test_a_handler_that_raises_publishes_nothing(
    config: dict[str, str], is_clean: Callable[[], bool], mode: str, managed: bool, size: int
) -> None:
    def handler(bucket: Bucket) -> None:
        file = bucket.open("half", mode)
        file.write(size * "x" if mode == "w" else bytes(size))
        if managed:
            with file:
                raise ZeroDivisionError
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(config, handler)

    assert is_clean()


def test_a_writer_that_failed_once_publishes_nothing_when_it_is_closed_all_the_same(
    s3: S3Service, config: dict[str, str], is_clean: Callable[[], bool], bucket_name: str
) -> None:
    def handler(bucket: Bucket) -> None:
        file = bucket.open("gap", "wb")
        file.write(bytes(20 * MIB))
        [id] = s3.uploads(bucket_name)
        with s3.client() as client:
            client.abort_multipart_upload(Bucket=bucket_name, Key="gap", UploadId=id)
        with pytest.raises(OSError, match="the upload of 'gap' was aborted by somebody else"):
            file.write(bytes(20 * MIB))
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file.write(b"more")

    run(config, handler)
    assert is_clean()


def test_an_upload_that_the_handler_began_with_the_client_is_aborted(
    config: dict[str, str],
    is_clean: Callable[[], bool],
    bucket_name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handler(bucket: Bucket) -> None:
        client = bucket.client()
        for key in ("a", "b", "c"):
            begun = client.create_multipart_upload(Bucket=bucket_name, Key=key)
            client.upload_part(**_place(begun), PartNumber=1, Body=b"x")
        client.abort_multipart_upload(**_place(begun))

    with caplog.at_level(logging.WARNING):
        run(config, handler)

    assert is_clean()
    assert [record.args[0] for record in caplog.records if "left open" in record.msg] == ["a", "b"]  # type: ignore[index]


def test_a_thread_that_outlives_its_job_can_store_nothing_more(
    config: dict[str, str], is_clean: Callable[[], bool]
) -> None:
    over = threading.Event()
    refused: list[str] = []

    def later(act: Callable[[], object]) -> None:
        over.wait(20)
        try:
            act()
        except Exception as exc:
            refused.append(str(exc))

    def handler(bucket: Bucket) -> None:
        file, client = bucket.open("file", "wb"), bucket.client()
        file.write(bytes(20 * MIB))
        acts: list[Callable[[], object]] = [
            lambda: file.write(b"more"),
            lambda: client.put_object(Bucket=bucket.name, Key="k", Body=b""),
            lambda: bucket.upload(b"late"),
            lambda: bucket.upload(bytes(20 * MIB)),
        ]
        threads.extend(threading.Thread(target=later, args=(act,)) for act in acts)
        for thread in threads:
            thread.start()

    threads: list[threading.Thread] = []
    run(config, handler)
    over.set()
    for thread in threads:
        thread.join(20)

    assert len(refused) == 4
    assert sum("the bucket was closed when its job ended" in text for text in refused) == 3
    assert is_clean()


def test_what_a_killed_run_left_open_is_aborted_by_the_next_before_its_handler_begins(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    runs = Runs(config, tmp_path / "scratch")

    def killed(bucket: Bucket) -> None:
        with bucket.open("opened", "wb") as opened, bucket.open("again", "wb") as again:
            opened.write(bytes(20 * MIB))
            again.write(bytes(20 * MIB))
            begun = bucket.client().create_multipart_upload(Bucket=bucket_name, Key="by client")
            bucket.client().upload_part(**_place(begun), PartNumber=1, Body=b"x")
            os._exit(9)

    _in_a_process_that_dies(lambda: runs.run(killed))
    with s3.client() as client:
        foreign = client.create_multipart_upload(Bucket=bucket_name, Key="another's")
    assert sorted(s3.uploads(bucket_name).values()) == ["again", "another's", "by client", "opened"]

    def handler(bucket: Bucket) -> dict[str, str]:
        return s3.uploads(bucket_name)

    assert runs.run(handler, attempt=2) == {foreign["UploadId"]: "another's"}
    assert s3.objects(bucket_name) == {}
    assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []


def test_an_upload_whose_begin_was_never_answered_is_found_by_its_key(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    runs = Runs(config, tmp_path / "scratch")

    def killed(bucket: Bucket) -> None:
        client = bucket.client()
        client.meta.events.register_first("after-call.s3.CreateMultipartUpload", lambda **event: os._exit(9))
        client.create_multipart_upload(Bucket=bucket_name, Key="k")

    _in_a_process_that_dies(lambda: runs.run(killed))
    with s3.client() as client:
        client.create_multipart_upload(Bucket=bucket_name, Key="k2")
    assert sorted(s3.uploads(bucket_name).values()) == ["k", "k2"]

    runs.run(lambda bucket: None, attempt=2)

    assert sorted(s3.uploads(bucket_name).values()) == ["k2"]


def test_uploads_that_cannot_be_aborted_are_named_and_the_job_runs(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = Runs(config, tmp_path / "scratch")

    def killed(bucket: Bucket) -> None:
        bucket.client().create_multipart_upload(Bucket=bucket_name, Key="stays")
        os._exit(9)

    _in_a_process_that_dies(lambda: runs.run(killed))
    runs.config = {**config, "accessSecret": "another"}
    with caplog.at_level(logging.WARNING):
        assert runs.run(lambda bucket: "ran", attempt=2) == "ran"
    assert list(s3.uploads(bucket_name).values()) == ["stays"]
    assert bucket_name in caplog.text

    runs.config = config
    runs.run(lambda bucket: None, attempt=3)
    assert s3.uploads(bucket_name) == {}


def test_an_upload_that_cannot_be_noted_is_made_all_the_same(
    s3: S3Service,
    config: dict[str, str],
    bucket_name: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "scratch").write_text("a file, where the folders of jobs would be")
    runs = Runs(config, tmp_path / "scratch")

    def handler(bucket: Bucket) -> None:
        with bucket.open("whole", "wb") as file:
            file.write(bytes(20 * MIB))
        bucket.open("half", "wb").write(bytes(20 * MIB))

    runs.run(handler)

    assert {key: len(data) for key, data in s3.objects(bucket_name).items()} == {"whole": 20 * MIB}
    assert s3.uploads(bucket_name) == {}
    assert "an open upload cannot be noted" in caplog.text


def _place(begun: object) -> dict[str, str]:
    return {name: begun[name] for name in ("Bucket", "Key", "UploadId")}  # type: ignore[index]


def _in_a_process_that_dies(act: Callable[[], object]) -> None:
    """Runs it in a copy of this process, which is to end by `os._exit(9)`."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
