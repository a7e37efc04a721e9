"""A plugin that has a served toolkit, and another plugin, log all they can."""

from __future__ import annotations

import logging

import attrs

from workerkit.hooks import hookimpl
from workerkit.worker_info import WorkerInfo


@attrs.frozen(kw_only=True)
class LoudSettings:
    """`[plugin.loud]`."""

    #: Loggers that log from DEBUG on, beside the toolkit's own.
    loggers: tuple[str, ...] = ()


class Loud:
    """Logs from DEBUG on, in the host and in its workers."""

    Settings = LoudSettings

    def __init__(self, settings: LoudSettings) -> None:
        for name in ("workerkit", *settings.loggers):
            logging.getLogger(name).setLevel(logging.DEBUG)

    @hookimpl
    def worker_start(self, worker: WorkerInfo) -> None:
        """Be loaded in workers too."""
