"""Endpoints that do not answer, or do not stop: nobody waits for them for long."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from receivers import Behaviour, Talk, drips, hangs, receiver
from s3_failing import NOTHING, at, failure, typed
from workerkit import Bucket
from workerkit.testing import run_job


def test_endpoints_that_are_silent_are_given_up_within_20_seconds() -> None:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        port, full_port = listening.getsockname()[1], full.getsockname()[1]
        urls = [f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}", f"http://127.0.0.1:{full_port}"]
        with ThreadPoolExecutor() as threads:
            said = list(threads.map(lambda url: failure(typed(at(url))), urls))
    assert said == [
        f"{urls[0]} did not answer within 8 s",
        f"{urls[1]} shook no hands in TLS within 5 s; if it speaks plain HTTP, write http://",
        f"{urls[2]} cannot be reached: not connected within 5 s",
    ]


@pytest.fixture
def vanishing() -> Iterator[str]:
    """An endpoint that answers once, and refuses connections from then on."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        listener.close()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + NOTHING)

    with ThreadPoolExecutor() as threads, listener:
        threads.submit(serve)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def written(bucket: Bucket) -> object:
    with bucket.open("k", "wb") as file:
        return file.write(b"x")


def uploaded(bucket: Bucket) -> object:
    return bucket.upload(b"x")


def listed(bucket: Bucket) -> object:
    return bucket.client().list_buckets()


@pytest.mark.parametrize("use", [written, uploaded, listed])
def test_an_endpoint_that_vanishes_is_not_waited_for(vanishing: str, use: Callable[[Bucket], object]) -> None:
    def handler(bucket: Bucket) -> None:
        use(bucket)

    began = time.monotonic()
    error = json.loads(run_job(handler, {}, fields={"s3Config": at(vanishing)}).error or "{}")
    assert time.monotonic() - began < 20
    assert error["error_message"].endswith("cannot be reached: Connection refused")


def slow(seconds: float, status: bytes, then: Behaviour | None = None) -> Behaviour:
    """Answers every request after so many seconds; `then` answers what comes after the HEAD."""

    def behave(talk: Talk) -> None:
        while talk.read():
            threading.Event().wait(seconds)
            talk.sock.sendall(b"HTTP/1.1 " + status + b"\r\n" + NOTHING)
            if then is not None:
                then(talk)

    return behave


CHUNKED = b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answers",
    [
        [
            (slow(0, b"403 Forbidden", drips(CHUNKED, b"1\r\nx\r\n")), "did not end its answer within 8 s"),
            (slow(0, b"403 Forbidden", drips(CHUNKED, b"0")), "did not end its answer within 8 s"),
            (slow(7, b"503 Slow Down"), "answered 503"),
            (slow(7.5, b"400 Bad Request"), "answered ListObjectsV2 with 400: Bad Request"),
            (slow(6, b"429 Too Many"), "answered ListObjectsV2 with 429: Too Many Requests"),
            (slow(7.5, b"403 Forbidden", hangs), "did not answer within 8 s"),
        ]
    ],
    ids=["all at a time"],
)
def test_answers_that_are_slow_or_never_end_are_given_up_within_20_seconds(
    answers: list[tuple[Behaviour, str]],
) -> None:
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        servers = [stack.enter_context(receiver(behave)) for behave, _ in answers]
        urls = [f"http://127.0.0.1:{server.port}" for server in servers]
        told = list(threads.map(lambda url: failure(typed(at(url))), urls))
    # A second request has what the first has left.
    said = [
        re.sub(r"did not answer within 7\.\d s", "did not answer within 8 s", sentence) for sentence in told
    ]
    assert said == [f"{url} {sentence}" for url, (_, sentence) in zip(urls, answers, strict=True)]


def test_an_answer_does_not_fill_the_memory() -> None:
    def behave(talk: Talk) -> None:
        if talk.read().startswith(b"HEAD"):
            talk.sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            talk.read()
        talk.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            talk.sock.sendall(bytes(1_000_000))

    with receiver(behave) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert failure(typed(at(url))) == f"{url} answered with more than 32,000,000 bytes"


def test_an_answer_whose_head_is_dripped_is_given_up() -> None:
    with receiver(drips(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a")) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert failure(typed(at(url))) == f"{url} did not answer within 8 s"
