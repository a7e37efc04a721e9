"""Transfers in threads, that nobody who is interrupted waits for: the end of the run ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait

#: Raises CancelledError when nobody waits for the transfer any more.
Check = Callable[[], None]


def together(acts: Iterable[Callable[[Check], object]], threads: int) -> None:
    """Do all, `threads` at a time; raises what the first of them raised that failed, when the others have ended.

    When the caller is interrupted meanwhile, what has not begun never does, and what goes on ends at its
    next check.
    """
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise CancelledError("the transfer was interrupted")

    pool = ThreadPoolExecutor(threads, "workerkit-s3")
    try:
        doing = [pool.submit(act, check) for act in acts]
        wait(doing, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    except BaseException:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    for each in doing:
        if not each.cancelled():
            each.result()


def checking(check: Check, tell: Callable[[int], object]) -> Callable[[int], None]:
    """Tell somebody how many more are done, after a check."""

    def moved(more: int) -> None:
        check()
        tell(more)

    return moved


def alone(act: Callable[[Check], object]) -> None:
    """Do one thing so."""
    together([act], 1)
