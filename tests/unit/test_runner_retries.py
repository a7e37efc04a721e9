"""Which ends of a run may be followed by another one."""

from __future__ import annotations

from typing import Any

import pytest

from bench import Bench, raising, returning
from workerkit import InvalidOutput, Job, JobCancelled, JobFailed, Output, Retry, Status, hookimpl
from workerkit.bridge import Cancel


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), JobCancelled("of its own")], ids=repr)
def test_an_exception_of_the_handler_may_be_tried_again(bench: Bench, error: BaseException) -> None:
    run = bench.run(raising(error))
    assert (run.status, run.retry, run.retry_after) == (Status.FAILED, "failed", None)


@pytest.mark.parametrize("error", [JobFailed("no"), InvalidOutput("no")], ids=repr)
def test_a_verdict_is_final(bench: Bench, error: Exception) -> None:
    assert bench.run(raising(error)).retry == ""


def test_an_output_that_cannot_travel_is_final(bench: Bench) -> None:
    run = bench.run(returning({1}))
    assert (run.status, run.retry) == (Status.FAILED, "")


def test_success_asks_for_nothing(bench: Bench) -> None:
    assert bench.run(returning(1)).retry == ""


def test_a_handler_asks_for_another_run_with_its_own_words(bench: Bench) -> None:
    run = bench.run(raising(Retry("the GPU is busy", after=2)))
    assert (run.status, run.error, run.retry) == (Status.FAILED, "the GPU is busy", "asked")
    assert run.retry_after == 2.0


def test_without_a_time_the_wait_is_left_to_the_host(bench: Bench) -> None:
    run = bench.run(raising(Retry()))
    assert (run.error, run.retry_after) == ("the handler asked for another run", None)


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf"), 10**400, "5", True], ids=str)
def test_a_wait_that_cannot_be_is_a_failure_that_says_so(bench: Bench, after: Any) -> None:
    run = bench.run(raising(Retry("busy", after=after)))
    assert (run.status, run.retry) == (Status.FAILED, "")
    assert "it must be a number of seconds from 0 to 604,800" in str(run.error)


class Before:
    def __init__(self, error: Exception) -> None:
        self.error = error

    @hookimpl
    def pre_job(self, job: Job) -> None:
        raise self.error


class After(Before):
    @hookimpl
    def pre_job(self, job: Job) -> None: ...

    @hookimpl
    def on_output(self, output: Output) -> None:
        raise self.error


class Around(Before):
    @hookimpl
    def pre_job(self, job: Job) -> None: ...

    @hookimpl(wrapper=True)
    def run_job(self) -> Any:
        yield
        raise self.error


@pytest.mark.parametrize("kind", [Before, After, Around])
def test_a_plugin_may_ask_or_fail_in_the_handlers_place(bench: Bench, kind: type[Before]) -> None:
    asked = bench.run(returning(1), kind(Retry("no licence is free", after=0.5)))
    failed = bench.run(returning(1), kind(OSError("down")))

    assert (asked.error, asked.retry, asked.retry_after) == ("no licence is free", "asked", 0.5)
    assert failed.retry == "failed"
    assert "OSError: down" in str(failed.error)


def test_a_cancelled_run_is_not_tried_again(bench: Bench) -> None:
    cancel = Cancel()

    def handler(job: Job) -> None:
        cancel.request()
        raise JobCancelled

    run = bench.run(handler, cancel=cancel)
    assert (run.status, run.retry) == (Status.CANCELLED, "")
