from __future__ import annotations

import asyncio
import threading

import pytest

from workerkit.hooks.patience import MOST_LATE, Patience


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
