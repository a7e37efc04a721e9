"""Decorate one function; get a serverless-style worker.

Every public name is here. They are imported at first use, so that a process pays only for what
it needs.
"""

from __future__ import annotations

# What `typing` calls so; type checkers know the name, and a process that needs no `typing` does without.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from workerkit.delivery import Delivery, Receipt, Verdict
    from workerkit.errors import (
        ApiError,
        CannotServe,
        InvalidOutput,
        JobCancelled,
        JobFailed,
        PluginError,
        PluginFailed,
        QueueError,
        QueueOwned,
        Refused,
        Retry,
        SettingsError,
        TargetError,
        Unfit,
        WorkerkitError,
    )
    from workerkit.event import JobEvent
    from workerkit.files import InputFile, OutputFile, content_type_of
    from workerkit.function import WorkerFunction, start, worker_function
    from workerkit.hooks.implementations import hookimpl
    from workerkit.hookspecs import HOOKS_VERSION
    from workerkit.job import Field, Job, Output, Policy, Request, Result
    from workerkit.resource import Resource
    from workerkit.resources import Bucket, InputFiles, StoredObject
    from workerkit.secret import Secret
    from workerkit.states import Status
    from workerkit.worker_info import WorkerInfo

__version__ = "0.1.0"

__all__ = [
    "HOOKS_VERSION",
    "ApiError",
    "Bucket",
    "CannotServe",
    "Delivery",
    "Field",
    "InputFile",
    "InputFiles",
    "InvalidOutput",
    "Job",
    "JobCancelled",
    "JobEvent",
    "JobFailed",
    "Output",
    "OutputFile",
    "PluginError",
    "PluginFailed",
    "Policy",
    "QueueError",
    "QueueOwned",
    "Receipt",
    "Refused",
    "Request",
    "Resource",
    "Result",
    "Retry",
    "Secret",
    "SettingsError",
    "Status",
    "StoredObject",
    "TargetError",
    "Unfit",
    "Verdict",
    "WorkerFunction",
    "WorkerInfo",
    "WorkerkitError",
    "__version__",
    "content_type_of",
    "hookimpl",
    "start",
    "worker_function",
]

_HOMES = {
    "delivery": ("Delivery", "Receipt", "Verdict"),
    "event": ("JobEvent",),
    "function": ("WorkerFunction", "start", "worker_function"),
    "hooks.implementations": ("hookimpl",),
    "hookspecs": ("HOOKS_VERSION",),
    "job": ("Field", "Job", "Output", "Policy", "Request", "Result"),
    "files": ("InputFile", "OutputFile", "content_type_of"),
    "resource": ("Resource",),
    "resources": ("Bucket", "InputFiles", "StoredObject"),
    "secret": ("Secret",),
    "states": ("Status",),
    "worker_info": ("WorkerInfo",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
