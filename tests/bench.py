"""A runner outside of any worker, for tests of what becomes of one run."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any

import attrs

from workerkit import Job, Output, hookimpl, worker_function
from workerkit.bridge import Bridge, Cancel
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.runner import Run, Runner


@attrs.define
class Bench:
    """Runs one function with plugins, and keeps what was emitted."""

    bridge: Bridge
    chunks: list[tuple[int, bytes]] = attrs.field(factory=list)
    shown: list[bytes] = attrs.field(factory=list)
    job: Job | None = None

    def runner(self, function: Callable[..., Any], *plugins: object, **options: Any) -> Runner:
        loaded = [LoadedPlugin(name=type(plugin).__name__, plugin=plugin, dist="test") for plugin in plugins]
        decorated = worker_function(plugins=options.pop("own", ()))(function)
        return Runner(decorated, Hooks(loaded, self.bridge), self.bridge, worker_id="w1", **options)

    def run(
        self,
        function: Callable[..., Any],
        *plugins: object,
        input: Any = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Run:
        runner = self.runner(function, *plugins, **options)
        self.job = runner.job(id="j1", input=json.dumps(input).encode(), progress=self.shown.append)
        return runner.run(self.job, lambda n, value: self.chunks.append((n, value)), cancel)


def returning(value: Any) -> Callable[[Job], Any]:
    def returns(job: Job) -> Any:
        return value

    return returns


def raising(error: BaseException) -> Callable[[Job], Any]:
    def raises(job: Job) -> Any:
        raise error

    return raises


class Tracer:
    """Notes every call of a worker-side hook."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    @hookimpl
    def pre_job(self, job: Job) -> None:
        self.calls.append("pre_job")

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        self.calls.append("enter")
        try:
            return (yield)
        finally:
            self.calls.append("leave")

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        self.calls.append((output.index, output.value, output.final))
        if isinstance(output.value, dict):
            output.value = {**output.value, "seen": True}
