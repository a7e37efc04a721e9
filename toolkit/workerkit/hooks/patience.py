"""Waiting for a plugin's blocking code from the event loop, and giving up on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Semaphore

#: Seconds that a hook of the host may take when it is not inline.
DEADLINE = 5.0
#: Calls past their deadline and still running, above which no new ones are begun.
MOST_LATE = 32
#: Calls at a time. More of them wait: a flood of requests must not become one of threads.
MOST_CALLS = 256
#: Seconds that a thread waits for another call before it ends.
IDLE = 10.0


class Patience:
    """Runs functions of one plugin in threads and waits for each at most `deadline` seconds.

    There are as many threads as calls: one that hangs must not use up a place, nor keep the process
    from ending. A thread that is done takes the next call.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._late: set[Future[Any]] = set()
        self._idle: list[_Thread] = []
        self._places: Semaphore | None = None

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """What `function` returns or raises; `TimeoutError` when it takes too long.

        A SystemExit or a CancelledError that it raises would be taken for the caller's own: it
        comes as a RuntimeError that is caused by it.
        """
        # Imported here: workers have hooks too, and never come this way.
        import asyncio

        if len(self._late) >= MOST_LATE:
            raise TimeoutError(f"{MOST_LATE} earlier calls of it have not returned")
        if self._places is None:
            self._places = asyncio.Semaphore(MOST_CALLS)
        async with self._places:
            future = self._begin(function, args)
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

    def _begin(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            thread = self._idle.pop()
        except IndexError:
            thread = _Thread(self._idle)
        thread.calls.put((future, function, args))
        return future


class _Thread:
    """Makes one call after another; between two it is in the list of the idle ones."""

    def __init__(self, idle: list[_Thread]) -> None:
        self.calls: SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = SimpleQueue()
        self._idle = idle
        threading.Thread(target=self._work, name="workerkit-hook", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                future, function, args = self.calls.get(timeout=IDLE)
            except Empty:
                try:
                    self._idle.remove(self)
                except ValueError:
                    continue  # it was taken at this moment: a call is on its way
                return
            self._call(future, function, args)
            del future, function, args  # what they hold may be large

    def _call(self, future: Future[Any], function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            result = function(*args)
        except BaseException as exc:
            self._idle.append(self)
            future.set_exception(_carried(exc))
        else:
            self._idle.append(self)
            future.set_result(result)


def _carried(error: BaseException) -> Exception:
    """The exception as a future can carry it to an event loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    carried = RuntimeError(f"it raised {type(error).__name__}")
    carried.__cause__ = error
    return carried
