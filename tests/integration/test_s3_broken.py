"""Endpoints that answer, but not as S3 does, or not to the end; and the sentence that a job fails with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from receivers import Talk, receiver
from s3_failing import LOCAL, NOTHING, at, failure, typed
from workerkit import Bucket
from workerkit.testing import run_job
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.refusals import explained

LARGE = 20_000_000
ENDLESS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
KNOWN = b"HTTP/1.1 200 OK\r\n" + NOTHING
BEGUN = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
OBJECT = b"<Contents><Key>a</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
MORE = b"<IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken>"
ELSEWHERE = b"HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: 10.0.0.1/#\r\n"


def answer(body: bytes, length: int | None = None) -> bytes:
    """An answer that says to have so many bytes."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (length or len(body)) + body


def page(content: bytes) -> bytes:
    return answer(b"<ListBucketResult>" + content + b"</ListBucketResult>")


def uploaded(bucket: Bucket) -> object:
    return bucket.upload(bytes(LARGE))


def written(bucket: Bucket) -> object:
    with bucket.open("k", "wb") as file:
        return file.write(bytes(LARGE))


def read(bucket: Bucket) -> object:
    with bucket.open("k") as file:
        return file.read()


def sought(bucket: Bucket) -> object:
    with bucket.open("k") as file:
        return file.seek(2)


def downloaded(bucket: Bucket) -> object:
    return bucket.download("k")


def listed(bucket: Bucket) -> object:
    return list(bucket.list())


NOT_S3 = "and so not as S3 does; is it an S3 endpoint?"


@pytest.mark.parametrize(
    ("use", "answers", "said"),
    [
        (uploaded, {b"POST": answer(b"<X></X>")}, f"answered without UploadId, {NOT_S3}"),
        (written, {b"POST": answer(b"<X></X>")}, f"answered without UploadId, {NOT_S3}"),
        (uploaded, {b"POST": answer(BEGUN), b"PUT": KNOWN}, f"answered without ETag, {NOT_S3}"),
        (written, {b"POST": answer(BEGUN), b"PUT": KNOWN}, f"answered without ETag, {NOT_S3}"),
        (read, {b"GET": ENDLESS + b"abc"}, f"answered without ContentLength, {NOT_S3}"),
        (sought, {b"GET": answer(b"abcdef")}, f"answered without ContentRange, {NOT_S3}"),
        (listed, {b"GET": page(OBJECT + MORE)}, f"gave the same page of a list again, {NOT_S3}"),
        (listed, {b"GET": page(b"<Contents><Key>a</Key></Contents>")}, f"answered without Size, {NOT_S3}"),
        (
            downloaded,
            {b"HEAD /photos/k": ENDLESS},
            f"answered without ContentLength, {NOT_S3}",
        ),
    ],
)
def test_an_answer_that_is_not_as_s3s_fails_the_job(
    use: Callable[[Bucket], object], answers: dict[bytes, bytes], said: str
) -> None:
    """For good: the next try would have the same answer."""
    url, error = told(use, answers)
    assert error == f"{url} {said}"


@pytest.mark.parametrize("use", [downloaded, read])
def test_an_object_that_breaks_off_each_time_may_be_whole_the_next_time(
    use: Callable[[Bucket], object],
) -> None:
    began = time.monotonic()
    url, error = told(use, {b"HEAD": answer(b"", 100), b"GET": answer(b"abc", 100)})
    assert time.monotonic() - began < 20
    assert json.loads(error)["error_type"] == "<class 'ConnectionError'>"
    assert json.loads(error)["error_message"] == f"{url} broke off in the midst of the object 'k'"


def test_an_object_that_breaks_off_while_it_is_read_is_told_too() -> None:
    with receiver(answering({b"GET": answer(b"abc", 100)})) as server:
        config = typed(at(f"http://127.0.0.1:{server.port}"))
        client = Clients().connect(config, LOCAL)
        with pytest.raises(ConnectionError) as caught, explained(config, "k"):
            client.get_object(Bucket="photos", Key="k")["Body"].read()
        client.close()
    assert str(caught.value) == f"{config.endpointUrl} broke off in the midst of the object 'k'"


@pytest.mark.parametrize("use", [uploaded, written])
def test_a_place_for_objects_that_is_not_there_is_told(use: Callable[[Bucket], object]) -> None:
    missing = b"HTTP/1.1 404 Not Found\r\n" + NOTHING
    url, error = told(use, {b"POST": missing})
    assert error == f"{url} answered CreateMultipartUpload with 404: Not Found"


def test_a_region_that_can_be_none_is_named() -> None:
    with receiver(answering({b"": ELSEWHERE + NOTHING})) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert failure(typed(at(url))) == f"{url} answered with a region that can be none, {NOT_S3}"


@pytest.mark.parametrize("error", [KeyError("etag"), OSError("disk full"), KeyError()])
def test_errors_of_the_handlers_own_come_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explained(typed(at("http://127.0.0.1:9"))):
        raise error
    assert caught.value is error


def told(use: Callable[[Bucket], object], answers: dict[bytes, bytes]) -> tuple[str, str]:
    """The endpoint's URL, and the error of a job that used its bucket."""

    def handler(bucket: Bucket) -> None:
        use(bucket)

    with receiver(answering(answers)) as server:
        url = f"http://127.0.0.1:{server.port}"
        return url, run_job(handler, {}, fields={"s3Config": at(url)}).error or ""


def answering(answers: dict[bytes, bytes]) -> Callable[[Talk], None]:
    """Answer requests by how they begin, others as S3 does a bucket that is there; close what is cut short."""

    def behave(talk: Talk) -> None:
        request = talk.read()
        while request:
            is_bucket = request.startswith(b"HEAD /photos ") and b"" not in answers
            fitting = [said for begin, said in answers.items() if request.startswith(begin) and not is_bucket]
            talk.sock.sendall(fitting[0] if fitting else KNOWN)
            if fitting:
                return
            request = talk.read()

    return behave
