"""The signal that interrupts a plain handler: its number on this system."""

from __future__ import annotations

import signal

from workerkit.errors import SettingsError

#: Numbered from the first real-time signal; macOS has none of those.
REAL_TIME = "SIGRTMIN+"
#: Signals that mean something else to a worker, or cannot be caught.
TAKEN = (
    "SIGKILL",
    "SIGSTOP",
    "SIGINT",
    "SIGSEGV",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGILL",
    "SIGCHLD",
    "SIGPIPE",
)


def number_of(name: str) -> int:
    """`SIGRTMIN+5`, `SIGUSR1` and the like as a number; 0 for an empty name. Raises `SettingsError`."""
    name = name.strip().upper()
    if not name:
        return 0
    if name.startswith(REAL_TIME) and name[len(REAL_TIME) :].isdecimal():
        return _real_time(name)
    found = getattr(signal, name, None)
    if not isinstance(found, signal.Signals) or name in TAKEN:
        raise SettingsError(
            f"workers.stop_signal: {name!r} cannot be used; write SIGRTMIN+5, SIGUSR1, or '' for no interrupts"
        )
    return int(found)


def _real_time(name: str) -> int:
    least = getattr(signal, "SIGRTMIN", None)
    if least is None:
        return int(signal.SIGUSR1)
    number = int(least) + int(name[len(REAL_TIME) :])
    if number > int(signal.SIGRTMAX):
        most = int(signal.SIGRTMAX) - int(least)
        raise SettingsError(f"workers.stop_signal: {name!r} is too high; SIGRTMIN+{most} is the last one")
    return number
