"""Processes of the suite: each in a group of its own, so that its children end with it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

Process = subprocess.Popen[bytes]


class Failed(Exception):
    """A side did not do what is to be measured; the message says which and shows its log."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Process]:
    """The process while the block runs; then it and its children are ended."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=file,
            env={**os.environ, **(environ or {})},
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(done: Callable[[], bool], process: Process, log: Path, what: str, seconds: float = 60) -> None:
    """Wait until `done`; `Failed` with the log if the process ends badly or the time is over."""
    end = time.monotonic() + seconds
    while not done():
        if process.poll():
            raise Failed(f"{what}: the process ended with {process.returncode}:\n{tail(log)}")
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds:.0f} s:\n{tail(log)}")
        time.sleep(0.01)


def tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True
