"""For tests of handlers, of plugins and of queues.

`run_job` runs one job in the test's own process. `Server`, `Receiver` and `s3_server` are the real
things on loopback. `PluginContract` and `StoreContract` are every promise of a plugin and of a
queue, one test each. With pytest, the fixtures `workerkit_serve`, `workerkit_receiver`,
`workerkit_bucket`, `workerkit_clock` and `workerkit_recorder` are there without an import.

The names are imported at first use, as those of `workerkit` are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workerkit.testing.bucket import S3Server, s3_server
    from workerkit.testing.clock import ManualClock
    from workerkit.testing.fixtures import Serve
    from workerkit.testing.job_run import JobRun, run_job
    from workerkit.testing.plugin_contract import PluginContract
    from workerkit.testing.queue_contracts import FeedContract, StoreContract
    from workerkit.testing.receiver import Received, Receiver
    from workerkit.testing.recorder import Recorded, Recorder
    from workerkit.testing.server import Server
    from workerkit.testing.waiting import until

__all__ = [
    "FeedContract",
    "JobRun",
    "ManualClock",
    "PluginContract",
    "Received",
    "Receiver",
    "Recorded",
    "Recorder",
    "S3Server",
    "Serve",
    "Server",
    "StoreContract",
    "run_job",
    "s3_server",
    "until",
]

_HOMES = {
    "bucket": ("S3Server", "s3_server"),
    "clock": ("ManualClock",),
    "fixtures": ("Serve",),
    "job_run": ("JobRun", "run_job"),
    "plugin_contract": ("PluginContract",),
    "queue_contracts": ("FeedContract", "StoreContract"),
    "receiver": ("Received", "Receiver"),
    "recorder": ("Recorded", "Recorder"),
    "server": ("Server",),
    "waiting": ("until",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
