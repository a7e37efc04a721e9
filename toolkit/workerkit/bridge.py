"""One event-loop thread for everything `async`: the rest of the toolkit is plain threads.

The thread that needs a coroutine's result hands it over and waits. So there is one engine, without
an async twin, and a slow coroutine delays only the slot that waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
log = logging.getLogger(__name__)


#: Seconds that the loop thread has to end; one that is blocked is left behind.
CLOSE_WAIT = 5.0


class Cancel:
    """A request to cancel the async handler of one job, made from any thread at any time.

    It holds whether the handler has begun or not. A plain function is not interrupted by it, but
    perhaps by a signal, which says so in `interrupted`.
    """

    def __init__(self) -> None:
        self.requested = False
        self.interrupted = False
        self._lock = threading.Lock()
        self._act: Callable[[], object] | None = None

    def request(self) -> None:
        """Cancel what runs, or will run. Only the first call counts."""
        with self._lock:
            act, self._act = self._act, None
            self.requested = True
        if act is not None:
            act()

    def watch(self, act: Callable[[], object] | None) -> None:
        """Call `act` once it is requested, or now if it was; None ends that."""
        with self._lock:
            late = self.requested
            self._act = None if late else act
        if late and act is not None:
            act()


class Bridge:
    """Runs coroutines on a loop thread of its own, which starts with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def run(self, coroutine: Coroutine[Any, Any, T], cancel: Cancel | None = None) -> T:
        """Run a coroutine on the loop thread; block until it is over, and return what it returned.

        A cancelled one raises `asyncio.CancelledError` here, after it has cleaned up. On the loop
        thread itself this is a RuntimeError, since it would wait for itself.
        """
        outcome: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        task = self._begin(coroutine, lambda value, error: outcome.put((value, error)))
        if cancel is not None:
            cancel.watch(task.cancel)
        value, error = outcome.get()
        if cancel is not None:
            cancel.watch(None)
        if error is not None:
            try:
                raise error
            finally:
                # The traceback holds this frame, so each would keep the other alive.
                del error
        result: T = value
        return result

    def iterate(
        self, values: AsyncGenerator[T, None], cancel: Cancel | None = None
    ) -> Generator[T, None, None]:
        """An async generator as a plain one: it goes on when the next value is asked for.

        One task runs it from start to end, so that time-outs and cancel scopes may span a yield.
        """
        walk = _Walk(values)
        task = self._begin(walk.run(), walk.over)
        if cancel is not None:
            cancel.watch(task.cancel)
        try:
            while walk.next():
                yield walk.value
                task.soon(walk.go, True)
        finally:
            if cancel is not None:
                cancel.watch(None)
            if not walk.ended:
                task.soon(walk.go, False)
                walk.next()

    def close(self) -> None:
        """Cancel what still runs and end the loop thread. May be called twice; then `run` is a RuntimeError."""
        with self._lock:
            already, loop, thread = self._closing.is_set(), self._loop, self._thread
            self._closing.set()
            if loop is not None and not already:
                # Under the lock, so that what was begun before is there to be cancelled.
                loop.call_soon_threadsafe(loop.stop)
        if thread is not None:
            thread.join(CLOSE_WAIT)

    def _started(self) -> asyncio.AbstractEventLoop:
        """The loop, started at first use. The lock is held."""
        if self._loop is None:
            # Imported here: a worker of plain functions needs no loop. uvloop halves the hand-over.
            import uvloop

            self._loop = uvloop.new_event_loop()
            self._thread = threading.Thread(
                target=_serve, args=(self._loop, self._closing), name="workerkit-loop", daemon=True
            )
            self._thread.start()
        return self._loop

    def _begin(
        self, coroutine: Coroutine[Any, Any, Any], over: Callable[[Any, BaseException | None], None]
    ) -> _Task:
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("the bridge was called on its own loop thread; await the coroutine instead")
        with self._lock:
            if self._closing.is_set():
                coroutine.close()
                raise RuntimeError("the toolkit is closing, and begins nothing async any more")
            task = _Task(self._started(), coroutine, over)
            task.soon(task.begin)
        return task


class _Task:
    """A coroutine as a task that reports its end, however it ends, and never ends the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        over: Callable[[Any, BaseException | None], None],
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._over = over
        self._task: asyncio.Task[None] | None = None
        self._value: Any = None
        self._error: BaseException | None = None

    def soon(self, act: Callable[..., object], *args: object) -> None:
        """Have the loop thread do something."""
        self._loop.call_soon_threadsafe(act, *args)

    def begin(self) -> None:
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._report)

    def cancel(self) -> None:
        self.soon(self._cancel)

    def _cancel(self) -> None:
        # `begin` was handed to the loop before; so when there is no task, it is over.
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            self._value = await self._coroutine
        except BaseException as error:
            # A SystemExit that leaves a task would stop the loop, and with it every other job.
            self._error = error

    def _report(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            # Cancelled before its first step: nothing of the coroutine has run.
            self._coroutine.close()
            import asyncio

            self._error = asyncio.CancelledError()
        value, error = self._value, self._error
        self._value = self._error = self._task = None
        self._over(value, error)


class _Walk:
    """The two ends of an async generator: a task that steps it, a thread that takes its values."""

    def __init__(self, values: AsyncGenerator[Any, None]) -> None:
        self.value: Any = None
        self.ended = False
        self._values = values
        self._out: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self._turn: asyncio.Future[bool] | None = None

    async def run(self) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        try:
            async for value in self._values:
                self._turn = loop.create_future()
                self._out.put((True, value))
                if not await self._turn:
                    return
        finally:
            await self._values.aclose()

    def over(self, value: Any, error: BaseException | None) -> None:
        self._out.put((False, error))

    def go(self, on: bool) -> None:
        """Answer the yield, on the loop thread; nobody waits for it after a cancel."""
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(on)

    def next(self) -> bool:
        """Wait for the next value or the end; raises what the generator raised."""
        alive, self.value = self._out.get()
        self.ended = not alive
        if alive:
            return True
        error, self.value = self.value, None
        if error is not None:
            raise error
        return False


def _serve(loop: asyncio.AbstractEventLoop, closing: threading.Event) -> None:
    """Run the loop until the bridge is closed, then cancel what is left."""
    import asyncio

    asyncio.set_event_loop(loop)
    while not closing.is_set():
        try:
            loop.run_forever()
            if not closing.is_set():
                log.warning("a handler or a hook stopped the event loop, which others use; it goes on")
        except (SystemExit, KeyboardInterrupt):
            log.warning("a background task raised SystemExit or KeyboardInterrupt; the loop goes on")
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
