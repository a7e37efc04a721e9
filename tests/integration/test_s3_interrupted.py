"""Jobs that are cancelled while the service is slow: nothing is published, nobody waits, nothing stays open."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from interrupting import interruptible
from s3_between import HELD, between
from s3_runs import Handler, run
from s3_servers import S3Service
from waiting import until
from workerkit import Bucket, JobCancelled

MIB = 1 << 20
#: Seconds for the end of a run, whatever the service does; a worker's `stop_grace` is 10.
SOON = 9.0


class Service:
    """An S3 server that holds the first requests of an operation, or all of it, until they are let go."""

    def __init__(self, s3: S3Service, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self.seen: list[str] = []
        self.let_go = threading.Event()
        #: The first request after this operation lets go what is held.
        self.let_go_after = ""
        #: Is told of each operation before it waits.
        self.before: Callable[[str], object] = lambda operation: None
        #: Which wait.
        self.is_held: Callable[[str], bool] = lambda operation: False

    @contextmanager
    def config(self) -> Iterator[dict[str, str]]:
        def before(operation: str) -> None:
            is_held = self.is_held(operation)
            if self.let_go_after in self.seen:
                self.let_go.set()
            self.seen.append(operation)
            self.before(operation)
            if is_held:
                self.let_go.wait(HELD)

        with between(self._s3, before) as url:
            yield {**self._s3.config(self._bucket), "endpointUrl": url}
            self.let_go.set()

    def is_clean(self) -> bool:
        """Whether the bucket is empty, also when all is collected that can be."""
        gc.collect()
        return self._s3.objects(self._bucket) == {} and self._s3.uploads(self._bucket) == {}


@pytest.fixture
def service(s3: S3Service, bucket_name: str) -> Service:
    return Service(s3, bucket_name)


def cancelled(service: Service, at: str, handler: Handler) -> float:
    """Cancels the handler when the service gets the first such request; the seconds from there to the run's end."""
    times: list[float] = []
    with interruptible() as interrupt, service.config() as config:

        def before(operation: str) -> None:
            if operation == at and not times:
                times.append(time.monotonic())
                interrupt()

        service.before = before
        with pytest.raises(JobCancelled):
            run(config, handler)
        return time.monotonic() - times[0]


def test_a_cancel_while_a_failed_object_is_aborted_publishes_nothing(service: Service) -> None:
    service.is_held = lambda operation: operation == "abort" and "abort" not in service.seen

    def fails(bucket: Bucket) -> None:
        with bucket.open("half", "wb") as file:
            file.write(bytes(20 * MIB))
            raise ZeroDivisionError

    def handler(bucket: Bucket) -> None:
        with pytest.raises(JobCancelled):
            fails(bucket)
        gc.collect()  # which has smart_open complete what it has not forgotten
        raise JobCancelled("it was cancelled")

    assert cancelled(service, "abort", handler) < SOON
    assert service.is_clean()
    assert "complete" not in service.seen


@pytest.mark.parametrize("at", ["begin", "part"])
def test_a_cancel_while_an_object_is_written_publishes_nothing(service: Service, at: str) -> None:
    service.is_held = lambda operation: operation == at and at not in service.seen

    def handler(bucket: Bucket) -> None:
        with bucket.open("half", "wb") as file:
            file.write(bytes(20 * MIB))
            file.write(bytes(20 * MIB))

    service.let_go_after = "list uploads"
    assert cancelled(service, at, handler) < SOON
    until("nothing is open", service.is_clean)
    assert "complete" not in service.seen


def test_a_cancel_of_many_uploads_waits_for_none_and_publishes_none(service: Service) -> None:
    service.is_held = lambda operation: operation == "part"

    def handler(bucket: Bucket) -> None:
        bucket.upload_many({f"{number}.bin": bytes(20 * MIB) for number in range(4)})

    assert cancelled(service, "part", handler) < SOON
    until("nothing is open", service.is_clean)
    assert "complete" not in service.seen


# boto3 leaves to the collector what it has opened for parts that it does not send any more.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("kind", ["bytes", "path", "file"])
def test_a_cancel_of_one_upload_waits_for_no_part_of_it(service: Service, tmp_path: Path, kind: str) -> None:
    service.is_held = lambda operation: operation == "part"
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(40 * MIB))

    def handler(bucket: Bucket) -> None:
        with path.open("rb") as file:
            sources: dict[str, Any] = {"bytes": path.read_bytes(), "path": path, "file": file}
            bucket.upload(sources[kind], "large.bin")

    assert cancelled(service, "part", handler) < SOON
    until("its threads have ended", lambda: not any(map(is_of_a_transfer, threading.enumerate())))
    until("nothing is open", service.is_clean)
    assert "complete" not in service.seen


def is_of_a_transfer(thread: threading.Thread) -> bool:
    return thread.name.startswith(("workerkit-s3", "ThreadPoolExecutor"))


def test_a_cancel_of_a_download_waits_for_no_byte_of_it(
    s3: S3Service, service: Service, bucket_name: str, tmp_path: Path
) -> None:
    s3.make(bucket_name)
    with s3.client() as client:
        client.put_object(Bucket=bucket_name, Key="large.bin", Body=bytes(20 * MIB))
    service.is_held = lambda operation: operation == "GET"

    def handler(bucket: Bucket) -> None:
        bucket.download("large.bin", tmp_path / "large.bin")

    assert cancelled(service, "GET", handler) < SOON
    until("nothing of it is left", lambda: list(tmp_path.iterdir()) == [])


def test_a_run_ends_soon_where_nothing_can_be_aborted(service: Service) -> None:
    service.is_held = lambda operation: operation == "abort"

    def handler(bucket: Bucket) -> float:
        for key in ("a", "b", "c"):
            bucket.client().create_multipart_upload(Bucket=bucket.name, Key=key)
        return time.monotonic()

    with service.config() as config:
        ended = run(config, handler)
        assert time.monotonic() - ended < SOON
    assert service.seen.count("abort") == 3


def test_an_upload_that_begins_while_the_run_ends_is_aborted(service: Service) -> None:
    service.is_held = lambda operation: operation == "begin"
    service.let_go_after = "list uploads"  # which finds nothing yet
    begins: list[threading.Thread] = []

    def handler(bucket: Bucket) -> None:
        client = bucket.client()

        def begin() -> None:
            with suppress(BotoCoreError):  # the end may come before the answer
                client.create_multipart_upload(Bucket=bucket.name, Key="late")

        begins.append(threading.Thread(target=begin))
        begins[0].start()
        until("the service is asked", lambda: "begin" in service.seen)

    with service.config() as config:
        run(config, handler)
        begins[0].join(HELD)
    assert "begin" in service.seen
    until("nothing is open", service.is_clean)
