"""A plugin that raises in one hook, beside which others must keep their promises."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from workerkit.errors import PluginFailed
from workerkit.hooks import LoadedPlugin, hookimpl
from workerkit.job import Job, Output, Request, Result
from workerkit.testing.job_run import JobRun
from workerkit.testing.promises.handlers import Trouble
from workerkit.testing.promises.subject import GOOD, Subject, broken, failure_in, fault_of
from workerkit.worker_info import WorkerInfo

#: Hooks whose failure refuses the request or the worker, fails the job, or is only logged.
REFUSING, FAILING, LOGGED = (
    ("accept", "worker_start"),
    ("pre_job", "run_job", "on_output"),
    ("post_job", "worker_stop"),
)


class Failing:
    """Raises in the hook of that name, and in no other; in `run_job` once the handler has run."""

    def __init__(self, name: str, hook: str) -> None:
        self.name = name
        self._hook = hook

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        """At submit."""
        self._raise("accept")

    @hookimpl
    def worker_start(self, worker: WorkerInfo) -> None:
        """Before the first job."""
        self._raise("worker_start")

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """Before the handler."""
        self._raise("pre_job")

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        """Around the handler."""
        output = yield
        self._raise("run_job")
        return output

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        """At each output."""
        self._raise("on_output")

    @hookimpl(inline=True)
    def post_job(self, request: Request, result: Result) -> None:
        """At the end."""
        self._raise("post_job")

    @hookimpl
    def worker_stop(self, worker: WorkerInfo) -> None:
        """After the last job."""
        self._raise("worker_stop")

    def _raise(self, hook: str) -> None:
        if hook == self._hook:
            raise Trouble(f"{self.name} raises in {hook}")


def check(subject: Subject, caplog: pytest.LogCaptureFixture) -> None:
    """Hold a plugin to what it owes its neighbours; fails the test with a sentence."""
    subject.must_go_well()
    for place in ("before", "after"):
        for hook in REFUSING:
            _check_refusal(subject, _beside(subject, place, hook), place, hook)
        for hook in FAILING:
            _check_failure(subject, _beside(subject, place, hook), place, hook)
        for hook in LOGGED:
            _check_deliveries(subject, subject.run(GOOD, _beside(subject, place, hook)), place, hook)
    for hook in LOGGED:
        if (failed := failure_in(caplog.records, hook, subject.name)) is not None:
            broken(f"its {hook} failed: {fault_of(failed)}", failed.__cause__)


def _beside(subject: Subject, place: str, hook: str) -> list[LoadedPlugin]:
    """The plugin with a neighbour that raises in a hook, before or after it in the list."""
    order = [place, subject.name, "*"] if place == "before" else [subject.name, place, "*"]
    return subject.load(neighbours=[Failing(place, hook)], order=order)


def _check_refusal(subject: Subject, plugins: list[LoadedPlugin], place: str, hook: str) -> None:
    try:
        subject.run(GOOD, plugins)
    except PluginFailed as error:
        if error.plugin != place:
            broken(f"when a plugin {place} it raises in {hook}, this one is blamed: {error}", error.__cause__)
    else:
        broken(f"a plugin {place} it raises in {hook}, and the job runs all the same")


def _check_failure(subject: Subject, plugins: list[LoadedPlugin], place: str, hook: str) -> None:
    run = subject.run(GOOD, plugins)
    what = f"a plugin {place} it raises in {hook}"
    if run.error is None:
        broken(f"{what}, and the job is {run.status.value} as if nothing had happened")
    if f"{place} raises in {hook}" not in run.error:
        broken(f"{what}, and the job's error says nothing of that: {run!r}")


def _check_deliveries(subject: Subject, run: JobRun, place: str, hook: str) -> None:
    here, there = (
        [(one.attempts, one.delays, one.lane) for one in subject.asked(either)]
        for either in (run, subject.good)
    )
    if here != there:
        broken(
            f"when a plugin {place} it raises in {hook}, it asks for {len(here)} deliveries instead of {len(there)}"
        )
