from __future__ import annotations

import asyncio
import threading

import pytest

from workerkit.hooks.patience import MOST_CALLS, MOST_LATE, Patience


def test_returns_and_raises_what_the_function_does() -> None:
    async def main() -> None:
        patience = Patience()
        assert await patience.run(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await patience.run(divmod, 7, 0)

    asyncio.run(main())


def test_gives_up_on_what_hangs_and_begins_no_more_when_too_many_do() -> None:
    release = threading.Event()

    async def main() -> None:
        patience = Patience(deadline=0.05)
        hung = [patience.run(release.wait) for _ in range(MOST_LATE)]
        answers = await asyncio.gather(*hung, return_exceptions=True)
        assert {str(answer) for answer in answers} == {"it did not return within 0.05 s"}
        with pytest.raises(TimeoutError, match="earlier calls of it have not returned"):
            await patience.run(print)

    try:
        asyncio.run(main())
    finally:
        release.set()


def test_a_thread_that_is_done_takes_the_next_call() -> None:
    async def main() -> None:
        patience = Patience()
        threads = [await patience.run(threading.current_thread) for _ in range(5)]
        assert len(set(threads)) == 1

    asyncio.run(main())


def test_calls_at_the_same_time_have_threads_of_their_own() -> None:
    together = threading.Barrier(3)

    async def main() -> None:
        patience = Patience()
        await asyncio.gather(*(patience.run(together.wait, 10) for _ in range(3)))

    asyncio.run(main())


def test_a_flood_of_calls_is_no_flood_of_threads() -> None:
    release, full = threading.Event(), threading.Event()
    begun: list[int] = []

    def wait(number: int) -> int:
        begun.append(number)
        if len(begun) >= MOST_CALLS:
            full.set()
        assert release.wait(10)
        return number

    async def main() -> list[int]:
        patience = Patience()
        calls = [asyncio.ensure_future(patience.run(wait, n)) for n in range(MOST_CALLS + 50)]
        assert await asyncio.to_thread(full.wait, 10)
        assert len(begun) == MOST_CALLS
        release.set()
        return await asyncio.gather(*calls)

    try:
        assert asyncio.run(main()) == list(range(MOST_CALLS + 50))
    finally:
        release.set()
