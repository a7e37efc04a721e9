from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable

import pytest

from workerkit.bridge import Bridge, Cancel

WAIT = 5.0


async def doubled(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_a_coroutine_runs_on_the_loop_thread_and_its_result_comes_back(bridge: Bridge) -> None:
    async def where() -> tuple[str, int]:
        return threading.current_thread().name, await doubled(21)

    assert bridge.run(where()) == ("workerkit-loop", 42)


def test_what_a_coroutine_raises_is_raised_by_run(bridge: Bridge) -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        bridge.run(fails())


def test_context_variables_arrive(bridge: Bridge) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("from the slot")

    async def read() -> str:
        return variable.get()

    assert bridge.run(read()) == "from the slot"


def test_system_exit_in_a_coroutine_does_not_end_the_loop(bridge: Bridge) -> None:
    async def leaves() -> None:
        raise SystemExit(3)

    async def leaves_behind() -> None:
        raise KeyboardInterrupt

    async def starts_a_leaver() -> None:
        task = asyncio.create_task(leaves_behind())
        await asyncio.wait([task])
        task.exception()

    with pytest.raises(SystemExit):
        bridge.run(leaves())
    bridge.run(starts_a_leaver())
    assert bridge.run(doubled(1)) == 2


def test_run_on_the_loop_thread_is_refused(bridge: Bridge) -> None:
    async def waits_for_itself() -> int:
        return bridge.run(doubled(1))

    with pytest.raises(RuntimeError, match="own loop thread; await the coroutine instead"):
        bridge.run(waits_for_itself())


def test_a_running_coroutine_is_cancelled_from_another_thread_and_cleans_up(bridge: Bridge) -> None:
    begun, cancel, cleaned = threading.Event(), Cancel(), []

    async def waits() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    def stop() -> None:
        assert begun.wait(WAIT)
        cancel.request()
        cancel.request()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(asyncio.CancelledError):
        bridge.run(waits(), cancel)
    stopper.join(WAIT)
    assert cleaned == [True]


def test_a_coroutine_that_was_cancelled_before_it_began_does_not_run(bridge: Bridge) -> None:
    cancel, ran = Cancel(), []
    cancel.request()

    async def runs() -> None:
        ran.append(True)

    with pytest.raises(asyncio.CancelledError):
        bridge.run(runs(), cancel)
    assert ran == []


def test_a_cancel_that_comes_when_the_coroutine_is_over_is_none(
    bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    class Late(Cancel):
        """Is requested between the end of the coroutine and the moment when that is seen."""

        def watch(self, act: Callable[[], object] | None) -> None:
            if act is None:
                self.request()
            super().watch(act)

    assert bridge.run(doubled(1), Late()) == 2
    assert bridge.run(doubled(2)) == 4  # what was handed to the loop before has been done
    assert caplog.records == []


async def counting(closed: list[bool], upto: int = 3) -> AsyncGenerator[int, None]:
    try:
        for number in range(upto):
            yield number
    finally:
        await asyncio.sleep(0)
        closed.append(True)


def test_an_async_generator_is_iterated_from_a_thread(bridge: Bridge) -> None:
    closed: list[bool] = []
    assert list(bridge.iterate(counting(closed))) == [0, 1, 2]
    assert closed == [True]


def test_an_async_generator_goes_on_only_when_asked_to(bridge: Bridge) -> None:
    made: list[int] = []

    async def values() -> AsyncGenerator[int, None]:
        for number in range(3):
            made.append(number)
            yield number

    iterator = bridge.iterate(values())
    assert (next(iterator), next(iterator)) == (0, 1)
    assert made == [0, 1]
    iterator.close()


def test_a_time_out_may_span_a_yield(bridge: Bridge) -> None:
    async def values() -> AsyncGenerator[object, None]:
        yield asyncio.current_task()
        yield asyncio.current_task()

    first, second = bridge.iterate(values())
    assert first is second


def test_closing_early_closes_the_async_generator(bridge: Bridge) -> None:
    closed: list[bool] = []
    iterator = bridge.iterate(counting(closed))
    next(iterator)
    iterator.close()
    assert closed == [True]


def test_what_an_async_generator_raises_is_raised(bridge: Bridge) -> None:
    async def fails() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("after one")

    iterator = bridge.iterate(fails())
    assert next(iterator) == 1
    with pytest.raises(ValueError, match="after one"):
        next(iterator)


def test_an_async_generator_is_cancelled_while_its_value_is_in_use(bridge: Bridge) -> None:
    closed: list[bool] = []
    cancel = Cancel()
    iterator = bridge.iterate(counting(closed), cancel)
    next(iterator)
    cancel.request()
    with pytest.raises(asyncio.CancelledError):
        next(iterator)
    assert closed == [True]


def test_close_cancels_what_is_left_and_ends_the_thread() -> None:
    bridge = Bridge()
    ended: list[str] = []

    async def stays() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def starts() -> None:
        asyncio.current_task().stays = asyncio.create_task(stays())  # type: ignore[union-attr]
        await asyncio.sleep(0)

    bridge.run(starts())
    bridge.close()
    bridge.close()
    assert ended == ["cancelled"]
    assert "workerkit-loop" not in {thread.name for thread in threading.enumerate()}


def test_a_closed_bridge_begins_nothing() -> None:
    bridge = Bridge()
    bridge.run(asyncio.sleep(0))
    bridge.close()

    with pytest.raises(RuntimeError, match="is closing"):
        bridge.run(asyncio.sleep(0))


def test_whoever_calls_while_the_bridge_closes_is_never_left_waiting() -> None:
    for _ in range(100):
        bridge, ends = Bridge(), []
        bridge.run(asyncio.sleep(0))
        together = threading.Barrier(2)

        def call(
            bridge: Bridge = bridge, ends: list[str] = ends, together: threading.Barrier = together
        ) -> None:
            together.wait(10)
            try:
                bridge.run(asyncio.sleep(3600))
            except (asyncio.CancelledError, RuntimeError) as error:
                ends.append(type(error).__name__)

        caller = threading.Thread(target=call, daemon=True)
        caller.start()
        together.wait(10)
        bridge.close()
        caller.join(10)

        assert len(ends) == 1
