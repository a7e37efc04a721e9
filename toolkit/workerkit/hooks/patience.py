"""Waiting for a plugin's blocking code from the event loop, and giving up on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

#: Seconds that a hook of the host may take when it is not inline.
DEADLINE = 5.0
#: Calls past their deadline and still running, above which no new ones are begun.
MOST_LATE = 32


class Patience:
    """Runs functions of one plugin in threads and waits for each at most `deadline` seconds.

    Every call has a thread of its own, not a pool's: one that hangs must not use up a place, nor
    keep the process from ending.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._late: set[Future[Any]] = set()

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """What `function` returns or raises; `TimeoutError` when it takes too long.

        A SystemExit or a CancelledError that it raises would be taken for the caller's own: it
        comes as a RuntimeError that is caused by it.
        """
        # Imported here: workers have hooks too, and never come this way.
        import asyncio

        if len(self._late) >= MOST_LATE:
            raise TimeoutError(f"{MOST_LATE} earlier calls of it have not returned")
        future = _spawn(function, *args)
        waiter = asyncio.wrap_future(future)
        try:
            await asyncio.wait({waiter}, timeout=self._deadline)
        finally:
            given_up = waiter.cancel()
        if not given_up:
            return waiter.result()
        self._late.add(future)
        future.add_done_callback(self._late.discard)
        raise TimeoutError(f"it did not return within {self._deadline:g} s")


def _spawn(function: Callable[..., Any], *args: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as exc:
            future.set_exception(_carried(exc))

    threading.Thread(target=run, name="workerkit-hook", daemon=True).start()
    return future


def _carried(error: BaseException) -> Exception:
    """The exception as a future can carry it to an event loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    carried = RuntimeError(f"it raised {type(error).__name__}")
    carried.__cause__ = error
    return carried
