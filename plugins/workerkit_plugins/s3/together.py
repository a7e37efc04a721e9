"""Many things at a time, that nobody who is interrupted waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def together(acts: Iterable[Callable[[], object]], threads: int, stop: Callable[[], object]) -> None:
    """Do all, `threads` at a time; raises what the first of them raised that failed, when the others have ended.

    When the caller is interrupted meanwhile, what has not begun never does, and `stop` is called to
    have the others end soon.
    """
    pool = ThreadPoolExecutor(threads, "workerkit-s3")
    try:
        doing = [pool.submit(act) for act in acts]
        wait(doing, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    except BaseException:
        stop()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    for each in doing:
        if not each.cancelled():
            each.result()
