"""Take no job on a disk that is nearly full."""

from __future__ import annotations

import shutil

import attrs

from workerkit import hookimpl


@attrs.frozen(kw_only=True)
class DiskSettings:
    """`[plugin.disk]`: what a worker needs."""

    #: Bytes that must be free.
    free: int = 1_000_000_000
    #: Where to look.
    path: str = "."


class Disk:
    """Looks once, when the worker starts."""

    Settings = DiskSettings

    def __init__(self, settings: DiskSettings) -> None:
        self._settings = settings

    @hookimpl
    def worker_start(self, worker):
        free = shutil.disk_usage(self._settings.path).free
        if free < self._settings.free:
            raise RuntimeError(f"{free:,} bytes are free for {worker.endpoint}, of {self._settings.free:,}")
