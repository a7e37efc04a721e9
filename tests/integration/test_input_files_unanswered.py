"""Objects that never come: a job that is cancelled, or has no time left, does not wait for them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from fetching import failure, fetched
from interrupting import interruptible
from receivers import Behaviour, Talk, hangs, receiver
from s3_failing import at
from waiting import until

OBJECT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nx-amz-request-id: 1\r\n\r\n"


def silent_at(stage: str, then: Callable[[], object] = lambda: None) -> Behaviour:
    """An S3 endpoint whose objects have 9 bytes, of which none comes; from this request on it says no more."""

    def behave(talk: Talk) -> None:
        while request := talk.read().decode():
            asked = request.partition(" HTTP")[0]
            if asked != stage or asked.startswith("GET"):
                talk.sock.sendall(OBJECT)
            if asked == stage:
                then()
                hangs(talk)

    return behave


def fetchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("workerkit-fetch")]


def test_a_download_of_an_object_is_cut_off_in_time() -> None:
    with receiver(silent_at("HEAD /photos/x")) as server:
        began = time.monotonic()
        said = failure(
            "s3://photos/x", fields={"s3Config": at(f"http://127.0.0.1:{server.port}")}, timeout=3.0
        )
        assert time.monotonic() - began < 10
        assert server.requests[-1].startswith(b"HEAD /photos/x ")
    assert said == (
        "cannot fetch s3://photos/x: it is not complete after 3 s, which is `timeout` under [plugin.files]"
    )
    until("nobody fetches it any more", lambda: not fetchers())


@pytest.mark.parametrize("stage", ["HEAD /photos", "HEAD /photos/x", "GET /photos/x"])
def test_a_job_that_is_cancelled_does_not_wait_for_an_object(stage: str) -> None:
    cancelled: list[float] = []

    with interruptible() as interrupt:

        def cancel() -> None:
            cancelled.append(time.monotonic())
            interrupt()

        with receiver(silent_at(stage, cancel)) as server:
            config = at(f"http://127.0.0.1:{server.port}")
            run = fetched("s3://photos/x", fields={"s3Config": config})
            assert time.monotonic() - cancelled[0] < 5
    assert json.loads(run.error or "")["error_message"] == "it was cancelled"
    until("nobody fetches it any more", lambda: not fetchers())
