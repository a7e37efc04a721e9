"""Whatever a plugin raises is its own failure: nothing of it ends the host, a worker or the caller's task."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest

from bench import Bench
from noting import REQUEST, RESULT, job
from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.errors import PluginFailed
from workerkit.hooks import Hooks, hookimpl
from workerkit.hooks.patience import Patience
from workerkit.job import Job, Output
from workerkit.states import Status
from workerkit.worker_info import WorkerInfo

Build = Callable[..., Hooks]

WORKER = WorkerInfo(id="w", endpoint="e")
#: What no plugin should raise, and each does some day: `sys.exit()` is in many command lines' helpers.
ESCAPES = [SystemExit(2), StopIteration("odd"), GeneratorExit(), asyncio.CancelledError()]


@pytest.fixture(params=ESCAPES, ids=lambda error: type(error).__name__)
def error(request: pytest.FixtureRequest) -> BaseException:
    raised: BaseException = request.param
    return raised


@pytest.fixture(params=["inline", "in a thread", "async"])
def breaks(request: pytest.FixtureRequest, error: BaseException) -> object:
    """A plugin that raises it in each hook of the host."""
    inline = request.param == "inline"

    class Plain:
        @hookimpl(inline=inline)
        def accept(self) -> None:
            raise error

        @hookimpl(inline=inline)
        def post_job(self) -> None:
            raise error

        @hookimpl
        def deliver(self) -> Receipt:
            raise error

        @hookimpl
        def open_queue(self) -> None:
            raise error

    class Async:
        @hookimpl
        async def accept(self) -> None:
            raise error

        @hookimpl
        async def post_job(self) -> None:
            raise error

        @hookimpl
        async def deliver(self) -> Receipt:
            raise error

        @hookimpl
        async def open_queue(self) -> None:
            raise error

    return Async() if request.param == "async" else Plain()


def test_a_gate_of_the_host_names_the_plugin(build: Build, breaks: object) -> None:
    hooks = build(a=breaks)

    with pytest.raises(PluginFailed, match=r"plugin 'a' failed in accept: (?!TimeoutError)"):
        asyncio.run(hooks.accept(REQUEST))
    with pytest.raises(PluginFailed, match="plugin 'a' failed in open_queue: "):
        hooks.open_queue("mine://x")


def test_a_notice_of_the_host_is_logged(
    build: Build, breaks: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncio.run(build(a=breaks).post_job(REQUEST, RESULT)) == []

    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage().startswith("plugin 'a' failed in post_job: ")
    assert "TimeoutError" not in record.getMessage()
    assert "Traceback" in record.getMessage()


def test_a_delivery_has_failed_once(build: Build, breaks: object) -> None:
    receipt = build(a=breaks).deliver(Delivery(target="x", plugin="a"))

    assert receipt.verdict is Verdict.RETRY
    assert receipt.detail.startswith("plugin 'a' failed in deliver: ")


def test_deliveries_that_a_plugin_makes_one_by_one_may_fail_on_the_way(
    build: Build, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Asks:
        @hookimpl(inline=True)
        def post_job(self) -> Iterator[Delivery]:
            yield Delivery(target="x")
            raise error

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.delivered()

    assert asyncio.run(build(a=Asks()).post_job(REQUEST, RESULT)) == []
    assert "plugin 'a' failed in post_job: " in caplog.text


def test_hooks_of_a_worker_name_the_plugin_too(
    build: Build, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaks:
        @hookimpl
        def pre_job(self) -> None:
            raise error

        @hookimpl
        def on_output(self) -> None:
            raise error

        @hookimpl
        def worker_start(self) -> None:
            raise error

        @hookimpl
        def worker_stop(self) -> None:
            raise error

        @hookimpl
        def run_job(self) -> None:
            raise error

    hooks = build(a=Breaks())

    for hook, call in {
        "pre_job": lambda: hooks.pre_job(job()),
        "run_job": lambda: hooks.run_job(job(), lambda: Output(1)),
        "on_output": lambda: hooks.on_output(job(), Output(1)),
        "worker_start": lambda: hooks.worker_start(WORKER),
    }.items():
        with pytest.raises(PluginFailed, match=f"plugin 'a' failed in {hook}: "):
            call()
    hooks.worker_stop(WORKER)
    assert "plugin 'a' failed in worker_stop: " in caplog.text


def test_a_job_fails_and_its_worker_goes_on(bench: Bench, error: BaseException) -> None:
    class Breaks:
        @hookimpl
        def pre_job(self) -> None:
            raise error

    def handler(job: Job) -> int:
        return 1

    run = bench.run(handler, Breaks())

    assert run.status is Status.FAILED
    assert str(run.error).startswith("plugin 'Breaks' failed in pre_job: ")


@pytest.mark.parametrize("early", [True, False])
def test_a_wrapper_that_raises_it_is_named(build: Build, error: BaseException, early: bool) -> None:
    class Wraps:
        @hookimpl(wrapper=True)
        def run_job(self) -> Generator[None, Output, Output]:
            if early:
                raise error
            yield
            raise error

    with pytest.raises(PluginFailed, match="plugin 'a' failed in run_job: "):
        build(a=Wraps()).run_job(job(), lambda: Output(1))


def test_ctrl_c_in_the_main_thread_is_nobodys_failure(build: Build) -> None:
    class Interrupted:
        @hookimpl
        def pre_job(self, job: Job) -> None:
            raise KeyboardInterrupt

    hooks = build(a=Interrupted())
    with pytest.raises(KeyboardInterrupt):
        hooks.pre_job(job())

    elsewhere: list[BaseException] = []

    def run() -> None:
        try:
            hooks.pre_job(job())
        except BaseException as error:
            elsewhere.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert isinstance(elsewhere[0], PluginFailed)


def test_an_interrupt_where_the_toolkit_handles_the_signal_is_the_plugins(build: Build) -> None:
    class Interrupted:
        @hookimpl
        def pre_job(self, job: Job) -> None:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        with pytest.raises(PluginFailed, match="plugin 'a' failed in pre_job: KeyboardInterrupt"):
            build(a=Interrupted()).pre_job(job())
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("hook", ["accept", "post_job"])
def test_a_cancel_of_whoever_waits_is_no_failure_of_the_plugin(build: Build, hook: str) -> None:
    begun, release = threading.Event(), threading.Event()

    class Slow:
        @hookimpl
        def accept(self) -> None:
            begun.set()
            release.wait(10)

        @hookimpl
        def post_job(self) -> None:
            begun.set()
            release.wait(10)

    hooks = build(a=Slow())

    async def main() -> None:
        waits: Coroutine[Any, Any, object]
        waits = hooks.accept(REQUEST) if hook == "accept" else hooks.post_job(REQUEST, RESULT)
        task = asyncio.create_task(waits)
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    try:
        asyncio.run(main())
    finally:
        release.set()


def test_what_would_end_an_event_loop_comes_out_of_a_thread_as_an_error(error: BaseException) -> None:
    def breaks() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(RuntimeError, match=f"it raised {type(error).__name__}") as caught:
            await Patience().run(breaks)
        assert caught.value.__cause__ is error

    asyncio.run(main())


def test_an_exception_without_a_text_of_its_own_is_told_all_the_same(build: Build) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit(1)

    class Breaks:
        @hookimpl
        def pre_job(self) -> None:
            raise Mute

    with pytest.raises(PluginFailed, match=r"failed in pre_job: Mute: \(its text cannot be had: SystemExit"):
        build(a=Breaks()).pre_job(job())
