"""Requests that only wait for news: a stop answers them at once, with what there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Answer = Coroutine[Any, Any, bytes]


class Waits:
    """Every such request of one server."""

    def __init__(self) -> None:
        self._over = asyncio.Event()

    def end(self) -> None:
        """Answer those that wait, and let nobody wait any more."""
        self._over.set()

    async def ask(self, answer: Callable[[float], Answer], seconds: float) -> bytes:
        """The answer that waits up to so many seconds; when waiting is over, the one that does not."""
        asking = asyncio.ensure_future(answer(0.0 if self._over.is_set() else seconds))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((asking, over), return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
        finally:
            asking.cancel()
            over.cancel()
        return await answer(0.0)
