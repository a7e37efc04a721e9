"""Every end that a job can come to, each with a queue that stores what `post_job` asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import msgspec

from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.host.ends import Ends, cancelled, timed_out
from workerkit.job import Result
from workerkit.local import Local
from workerkit.opening import store_of
from workerkit.queue import DeliveryState, Record, Settled, Store, Tried
from workerkit.settings import QueueSettings, Settings
from workerkit.states import Status

TRACEBACK = {"error_type": "ValueError", "error_message": "too wet", "error_traceback": "Traceback …"}
DIED = {"error_type": "WorkerDied", "error_message": "the worker was killed while it ran this job"}
#: Milliseconds that a job of these took.
TOOK = 40


@attrs.frozen
class Ending:
    """One way for a job to end. `runs` is whether a worker had it by then."""

    name: str
    runs: bool
    result: Callable[[Record, int], Result]


@attrs.frozen
class Ended:
    """What came of one end: what `/status` answers, and what was sent."""

    ending: Ending
    status: Status
    shown: dict[str, object]
    tried: list[tuple[Delivery, Receipt]]


def _done(status: Status, output: object = None, error: object = None) -> Callable[[Record, int], Result]:
    def result(record: Record, now: int) -> Result:
        told = error if isinstance(error, str | None) else msgspec.json.encode(error).decode()
        return Result(
            status=status,
            attempt=record.attempt,
            output=None if output is None else msgspec.json.encode(output),
            error=told,
            delay_time=1,
            execution_time=TOOK,
            worker_id="w1",
        )

    return result


ENDINGS: Sequence[Ending] = (
    Ending("COMPLETED", True, _done(Status.COMPLETED, {"answer": 42})),
    Ending("COMPLETED without an output", True, _done(Status.COMPLETED)),
    Ending("FAILED with a traceback", True, _done(Status.FAILED, error=TRACEBACK)),
    Ending("FAILED with a text and an output", True, _done(Status.FAILED, {"left": 1}, "no paper")),
    Ending("FAILED because its worker died", True, _done(Status.FAILED, error=DIED)),
    Ending("CANCELLED while it ran", True, cancelled),
    Ending("CANCELLED while it waited", False, cancelled),
    Ending("TIMED_OUT while it ran", True, lambda record, now: timed_out(record, now, expired=False)),
    Ending("TIMED_OUT while it waited", False, lambda record, now: timed_out(record, now, expired=True)),
)


def every_end(local: Local, body: bytes, folder: Path) -> Iterator[Ended]:
    """Bring a job with this body to each end in turn, and try once what was asked for."""
    url = f"sqlite:///{folder / 'ends.db'}"
    for ending in ENDINGS:
        store = store_of(Settings(queue=QueueSettings(url=url)), local.hooks, "contract")
        yield asyncio.run(_ended(store, local, ending, body))


async def _ended(store: Store, local: Local, ending: Ending, body: bytes) -> Ended:
    await store.open()
    try:
        record = await _begun(store, local, ending, body)
        result = ending.result(record, store.now())
        await Ends(store, local.hooks).end(record, result)
        view = await store.view(record.id)
        assert view is not None
        assert view.body is not None
        tried = [(one, await _try(store, local, one)) for one in await store.claim_deliveries(64, {}, 64)]
        return Ended(ending, result.status, msgspec.json.decode(view.body), tried)
    finally:
        await store.close()


async def _begun(store: Store, local: Local, ending: Ending, body: bytes) -> Record:
    """A job that waits or runs, as its end will find it."""
    submission = (await asyncio.to_thread(local.admit, body)).submission
    await store.submit([submission])
    if not ending.runs:
        record = await store.record(submission.id)
        assert record is not None
        return record
    (claim,) = await store.claim(submission.endpoint, 1, "contract", 0)
    await claim.committed
    return claim.record


async def _try(store: Store, local: Local, delivery: Delivery) -> Receipt:
    receipt = await asyncio.to_thread(local.hooks.deliver, delivery)
    state = DeliveryState.DELIVERED if receipt.verdict is Verdict.DELIVERED else DeliveryState.DEAD
    tried = Tried(
        number=delivery.number, at=store.now(), took=0, outcome=receipt.verdict.value, detail=receipt.detail
    )
    await store.settle_deliveries([Settled(delivery.id, delivery.number, state, tried, None)])
    return receipt
