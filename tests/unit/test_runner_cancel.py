from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from typing import Any

from bench import Bench, Tracer, returning
from workerkit import Job, Status
from workerkit.bridge import Cancel

WAIT = 5.0


def test_a_request_to_cancel_ends_an_async_handler_as_cancelled(bench: Bench) -> None:
    begun, cancel = threading.Event(), Cancel()

    async def handler(job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    def stop() -> None:
        assert begun.wait(WAIT)
        cancel.request()

    stopper = threading.Thread(target=stop)
    stopper.start()
    run = bench.run(handler, cancel=cancel)
    stopper.join(WAIT)
    assert (run.status, run.error, run.output) == (Status.CANCELLED, None, None)


def test_a_request_to_cancel_before_the_beginning_keeps_any_handler_from_it(bench: Bench) -> None:
    cancel, tracer = Cancel(), Tracer()
    cancel.request()
    assert bench.run(returning(1), tracer, cancel=cancel).status is Status.CANCELLED
    assert tracer.calls == []


def test_an_async_generator_that_is_cancelled_keeps_its_chunks(bench: Bench) -> None:
    cancel = Cancel()

    async def handler(job: Job) -> AsyncGenerator[Any, None]:
        yield 1
        cancel.request()
        await asyncio.Event().wait()

    run = bench.run(handler, cancel=cancel)
    assert (run.status, run.chunks, bench.chunks) == (Status.CANCELLED, 1, [(0, b"1")])


def test_a_cancellation_that_nobody_asked_for_is_a_failure(bench: Bench) -> None:
    async def handler(job: Job) -> None:
        raise asyncio.CancelledError

    run = bench.run(handler)
    assert run.status is Status.FAILED
    assert json.loads(run.error or "")["error_type"] == "<class 'asyncio.exceptions.CancelledError'>"
