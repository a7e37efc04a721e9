"""What a server does when it is sent a signal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stop_signals(reload: Callable[[], None]) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Two events: one for the first SIGTERM or SIGINT, one for the second. SIGHUP calls `reload`.

    A SIGHUP because the terminal has gone is one of the former.
    """
    loop, stop, hurry = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    had_terminal = has_terminal()

    def received() -> None:
        (hurry if stop.is_set() else stop).set()

    def hung_up() -> None:
        if had_terminal and not has_terminal():
            received()
        elif not stop.is_set():
            reload()

    handlers = {signal.SIGTERM: received, signal.SIGINT: received, signal.SIGHUP: hung_up}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield stop, hurry
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def has_terminal() -> bool:
    """Whether this process has one that can still be opened."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
