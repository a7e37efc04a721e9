"""Changing a queue that no server owns: take it over for a moment, as a server would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerkit.errors import WorkerkitError

if TYPE_CHECKING:
    from workerkit.settings import Settings


async def cancel(settings: Settings, path: Path, id: str) -> dict[str, Any]:
    """End a job as CANCELLED, through `post_job`, so that its webhook is stored with its end."""
    from workerkit.bridge import Bridge
    from workerkit.hooks import Hooks
    from workerkit.host.ends import Ends, cancelled
    from workerkit.loading import load_plugins
    from workerkit.queue.sqlite import SQLiteStore

    bridge, holder = Bridge(), "workerkit jobs cancel"
    hooks = Hooks(load_plugins(settings), bridge)
    store = SQLiteStore(
        path,
        lease_ms=int(settings.queue.lease * 1000),
        keep_ms=int(settings.queue.keep * 1000),
        queue_length=settings.limits.queue_length,
        holder=holder,
    )
    await store.open()
    try:
        await store.recover(holder)  # what its last server was running waits again
        record = await store.record(id)
        if record is None or record.status.ended:
            state = "gone" if record is None else record.status.value
            raise WorkerkitError(f"the job is {state}; it cannot be cancelled any more")
        if not await Ends(store, hooks).end(record, cancelled(record, store.now())):
            raise WorkerkitError("the job moved while it was being cancelled; try again")
    finally:
        await store.close()
        bridge.close()
    return {"id": id, "status": "CANCELLED"}
