"""Changing a queue that no server owns: take it over for a moment, as a server would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from workerkit.errors import WorkerkitError

if TYPE_CHECKING:
    from workerkit.hooks import Hooks
    from workerkit.queue import DeliveryFilter, Record, Store
    from workerkit.settings import Settings

HOLDER = "workerkit command line"


@asynccontextmanager
async def owning(settings: Settings) -> AsyncIterator[tuple[Store, Hooks]]:
    """The open queue, with the plugins that take part in a job's end."""
    from workerkit.bridge import Bridge
    from workerkit.hooks import Hooks
    from workerkit.loading import load_plugins
    from workerkit.opening import store_of

    bridge = Bridge()
    try:
        hooks = Hooks(load_plugins(settings), bridge)
        store = store_of(settings, hooks, HOLDER)
        await store.open()
        try:
            await store.recover(HOLDER)  # what its last server was running waits again
            yield store, hooks
        finally:
            await store.close()
    finally:
        bridge.close()


def plugins(settings: Settings) -> tuple[str, ...]:
    """The names of the plugins that the next server has, those that work."""
    from workerkit.bridge import Bridge
    from workerkit.loading import look_over

    bridge = Bridge()
    try:
        _, hooks = look_over(settings, bridge)
    finally:
        bridge.close()
    return hooks.names


async def cancel(settings: Settings, id: str) -> dict[str, Any]:
    """End a job as CANCELLED, through `post_job`, so that its webhook is stored with its end."""
    from workerkit.host.ends import Ends, cancelled

    async with owning(settings) as (store, hooks):
        record = await _record(store, id)
        if record.status.ended:
            raise WorkerkitError(f"the job is {record.status.value}; it cannot be cancelled any more")
        if not await Ends(store, hooks).end(record, cancelled(record, store.now())):
            raise WorkerkitError("the job moved while it was being cancelled; try again")
    return {"id": id, "status": "CANCELLED"}


async def retry(settings: Settings, id: str) -> dict[str, Any]:
    """Put a FAILED or TIMED_OUT job back in the queue, for the next server to run."""
    from workerkit.host.sealing import Sealer
    from workerkit.host.vault import Vault
    from workerkit.location import file_of

    async with owning(settings) as (store, hooks):
        record = await _record(store, id)
        Vault(Sealer.from_settings(settings.queue, file_of(settings.queue.url)), hooks).can_open(record)
        if not await store.retry(id):
            raise WorkerkitError(
                f"the job is {record.status.value}; only FAILED and TIMED_OUT jobs can be retried"
            )
    return {"id": id, "status": "IN_QUEUE"}


async def redeliver(settings: Settings, ids: Sequence[str]) -> dict[str, str]:
    """Have the next server send deliveries again; by id, why one cannot be, or empty."""
    from workerkit.host.outgoing import redeliver

    refused: dict[str, str] = {}
    async with owning(settings) as (store, hooks):
        for id in ids:
            try:
                await redeliver(store, hooks, id)
            except WorkerkitError as error:
                refused[id] = str(error)
    return {id: refused.get(id, "") for id in ids}


async def redeliver_all(settings: Settings, wanted: DeliveryFilter) -> int:
    """Have the next server send all again that a filter finds; how many they were."""
    from workerkit.host.outgoing import redeliver_all

    async with owning(settings) as (store, hooks):
        return await redeliver_all(store, hooks, wanted)


async def _record(store: Store, id: str) -> Record:
    record = await store.record(id)
    if record is None:
        raise WorkerkitError("the job is gone")
    return record
