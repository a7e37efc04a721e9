"""Leave each job's status object as a file in a folder."""

from __future__ import annotations

from pathlib import Path

import attrs

from workerkit import Delivery, Receipt, hookimpl


@attrs.frozen(kw_only=True)
class OutboxSettings:
    """`[plugin.outbox]`: where the files go."""

    #: It must be there; a mounted disk may be late.
    folder: str


class Outbox:
    """A delivery without a body carries the job's status object, as `/status` answers it."""

    Settings = OutboxSettings

    def __init__(self, settings: OutboxSettings) -> None:
        self._folder = settings.folder

    @hookimpl(inline=True)
    def post_job(self):
        return Delivery(target=self._folder, attempts=100, delays=(10.0,))

    @hookimpl
    def deliver(self, delivery):
        folder = Path(delivery.target)
        if folder.is_file():
            return Receipt.stop(f"{folder} is a file, not a folder")
        if not folder.exists():
            return Receipt.retry(f"the folder {folder} is not there", after=60)
        # Named by the delivery: one that comes twice, after a crash, is there once.
        path = folder / f"{delivery.id}.json"
        path.with_suffix(".part").write_bytes(delivery.body)
        path.with_suffix(".part").replace(path)
        return Receipt.delivered(f"stored as {path.name}")
