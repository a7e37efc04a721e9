"""A worker's process as it is started: before anybody watches it, and before an event loop is imported."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping

from workerkit import deathpipe
from workerkit.environment import worker_environment
from workerkit.errors import QueueError
from workerkit.host.leftovers import marks
from workerkit.host.tree import MARK, Tree
from workerkit.location import file_of

#: `-m workerkit.worker` where no `queue.py` in the working directory shadows what the worker itself imports.
MODULE = (
    ("-P", "-m", "workerkit.worker")
    if sys.version_info >= (3, 11)
    else ("-c", "import sys; del sys.path[0]; from workerkit.worker.__main__ import main; main()")
)
#: Bytes on the wire that nobody has read yet, each way, if the kernel allows: a frame of a megabyte goes out at once.
SENT = 1_048_576


class Launch:
    """A started `python -m workerkit.worker` in a session of its own.

    The worker holds one end of `wire` and the reading end of a pipe whose writing end is ours, `death`:
    when this process is gone, the pipe closes and the worker is ended. Raises `OSError` when it cannot be.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        #: Somebody watches it, and sees to its end.
        self.watched = False
        with contextlib.ExitStack() as undo:
            self.wire, theirs = socket.socketpair()
            undo.callback(self.wire.close)
            for end in (self.wire, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT)
            with theirs:
                reading, self.death = os.pipe()
                undo.callback(os.close, self.death)
                command = [sys.executable, *MODULE, "--wire", str(theirs.fileno()), "--death", str(reading)]
                try:
                    self.process, self.tree = _start(command, environment, theirs.fileno(), reading)
                finally:
                    os.close(reading)
            undo.pop_all()

    def abandon(self) -> None:
        """End it, since nobody watches it."""
        with self.process:  # closes its output, and waits for its end
            self.tree.end(last=True)
            self.process.kill()
        self.wire.close()
        os.close(self.death)


@contextlib.contextmanager
def ahead(queue: str) -> Iterator[Launch | None]:
    """The first worker's process for a queue, started while the host has still much to import.

    When nobody has taken it by the end, it is ended. There is none where it cannot be started yet, such as
    for a queue whose folder is to be made; whoever needs a worker says what is wrong.
    """
    launch = None
    with contextlib.suppress(OSError, ValueError, QueueError):
        launch = Launch(worker_environment() | marks(file_of(queue)))
    try:
        yield launch
    finally:
        if launch is not None and not launch.watched:
            launch.abandon()


def _start(
    command: list[str], environment: Mapping[str, str], wire: int, death: int
) -> tuple[subprocess.Popen[bytes], Tree]:
    """Start the process; arm its death pipe, and mark it before it can have started anything itself."""
    mark = os.urandom(8).hex()
    process = subprocess.Popen(  # noqa: S603 - our own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(wire, death),
        env={**environment, MARK: mark},
        start_new_session=True,
    )
    try:
        deathpipe.arm(death, process.pid)
    except BaseException:  # nobody would end it
        with process:
            process.kill()
        raise
    return process, Tree(process.pid, mark)
