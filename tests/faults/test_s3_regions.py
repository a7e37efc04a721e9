"""Buckets in other regions than their endpoints say: boto3 asks there, and the guard is asked first."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from workerkit import JobFailed, Secret
from workerkit.guard import Guard
from workerkit.guard.resolving import Answers
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config

CONFIG = S3Config(
    accessId="id",
    accessSecret=Secret("hush"),
    bucketName="photos",
    endpointUrl="http://s3.us-east-1.amazonaws.com",
)
HERE, THERE = "photos.s3.us-east-1.amazonaws.com", "photos.s3.eu-west-1.amazonaws.com"


class Amazon:
    """A server on this machine's port 80, which is where all of Amazon's hosts are found."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 80))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                head = connection.recv(65536).decode()
                self.hosts.append(head.partition("\r\nHost: ")[2].partition("\r\n")[0])
                status = "301 Moved Permanently" if self.hosts[-1] == HERE else "200 OK"
                connection.sendall(
                    f"HTTP/1.1 {status}\r\nx-amz-bucket-region: eu-west-1\r\n"
                    "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
                )

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def amazon() -> Iterator[Amazon]:
    server = Amazon()
    yield server
    server.close()


def guard(**addresses: str) -> Guard:
    def resolve(host: str, port: int) -> Answers:
        address = addresses["here"] if host == HERE else addresses["there"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return Guard(loopback=True, resolver=resolve)


@pytest.mark.root
def test_a_bucket_of_another_region_is_found_and_urls_are_signed_for_it(amazon: Amazon) -> None:
    client = Clients().connect(CONFIG, guard(here="127.0.0.1", there="127.0.0.1"))
    client.put_object(Bucket="photos", Key="k", Body=b"x")
    signed = client.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "k"})
    client.close()

    assert amazon.hosts == [HERE, THERE, THERE]
    assert signed.startswith(f"http://{THERE}/k?")
    assert "%2Feu-west-1%2Fs3%2Faws4_request" in signed


@pytest.mark.root
@pytest.mark.parametrize("inside", ["10.1.2.3", "169.254.169.254"])
def test_a_region_that_leads_inside_is_not_gone_to(amazon: Amazon, inside: str) -> None:
    with pytest.raises(JobFailed, match=rf"s3Config\.endpointUrl: the host '{THERE}' is {inside}, a "):
        Clients().connect(CONFIG, guard(here="127.0.0.1", there=inside))
    assert amazon.hosts == [HERE]
