"""Around the handler, and in place of it: `run_job`."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from noting import Notes, job
from workerkit.errors import JobFailed, PluginFailed
from workerkit.hooks import Hooks, hookimpl
from workerkit.job import Job, Output

Build = Callable[..., Hooks]


def test_the_first_plain_run_job_that_answers_replaces_the_handler(build: Build) -> None:
    class Passes:
        @hookimpl
        def run_job(self) -> None: ...

    class Answers:
        @hookimpl
        async def run_job(self, job: Job) -> Output:
            return Output(f"cached {job.id}")

    def handler() -> Output:
        raise AssertionError("the handler must not run")

    assert build(a=Passes(), b=Answers()).run_job(job(), handler).value == "cached j"
    assert build(a=Passes()).run_job(job(), lambda: Output("ran")).value == "ran"


@pytest.mark.parametrize(
    "error", [ValueError("boom"), StopIteration("odd"), KeyboardInterrupt(), JobFailed("no")]
)
def test_what_the_handler_raises_passes_through_the_wrappers_unchanged(
    build: Build, error: BaseException
) -> None:
    calls: list[str] = []

    def handler() -> Output:
        raise error

    with pytest.raises(type(error)) as caught:
        build(a=Notes("a", calls), b=Notes("b", calls)).run_job(job(), handler)

    assert caught.value is error
    assert calls[-2:] == ["leave b", "leave a"]


def test_a_wrapper_may_turn_an_error_into_an_output(build: Build) -> None:
    class Rescue:
        @hookimpl(wrapper=True)
        def run_job(self) -> Generator[None, Output, Output]:
            try:
                return (yield)
            except ValueError as exc:
                return Output(f"rescued from {exc}")

    def handler() -> Output:
        raise ValueError("boom")

    assert build(a=Rescue()).run_job(job(), handler).value == "rescued from boom"


def _forgets_to_return() -> Generator[None, Output, None]:
    yield


def _yields_twice() -> Generator[None, Output, Output]:
    yield
    return (yield)


def _never_yields() -> Generator[None, Output, Output]:
    if job() is None:
        yield
    return Output(None)


def _raises_before() -> Generator[None, Output, Output]:
    raise OSError("no disk")
    yield


def _raises_after() -> Generator[None, Output, Output]:
    yield
    raise OSError("disk full")


@pytest.mark.parametrize(
    ("wrapper", "sentence"),
    [
        (_forgets_to_return, "returned NoneType; a wrapper returns the Output that its yield gave"),
        (_yields_twice, "yielded twice"),
        (_never_yields, "ended without a yield"),
        (_raises_before, "OSError: no disk"),
        (_raises_after, "OSError: disk full"),
    ],
)
def test_a_wrapper_that_misbehaves_is_named(
    build: Build, wrapper: Callable[..., object], sentence: str
) -> None:
    class Bad:
        run_job = staticmethod(hookimpl(wrapper=True)(wrapper))

    with pytest.raises(PluginFailed, match=f"plugin 'bad' failed in run_job: .*{sentence}"):
        build(bad=Bad()).run_job(job(), lambda: Output(1))
