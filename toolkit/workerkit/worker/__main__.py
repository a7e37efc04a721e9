"""`python -m workerkit.worker --wire FD --death FD`: how a host starts a worker."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import traceback
from typing import NoReturn

from workerkit import deathpipe
from workerkit.worker import termination
from workerkit.worker.connection import Connection
from workerkit.worker.printing import LOGGERS


def main() -> NoReturn:
    """Serve the host at the other end of the two descriptors, and end."""
    code = 1
    try:
        code = _serve()
    except BaseException:
        traceback.print_exc()
    _leave(code)


def _serve() -> int:
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    wire, death = int(options["--wire"]), int(options["--death"])
    # What the handler imports and starts must see neither our arguments nor our descriptors.
    del sys.argv[1:]
    os.set_inheritable(wire, False)
    os.set_inheritable(death, False)
    # A plugin named by module may be in the working directory; it comes last, as in the host.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    deathpipe.watch(death)
    _prepare_process()
    gc.disable()  # what is imported and made now stays; it is enabled before the target is imported
    from workerkit.worker.process import serve

    return serve(Connection(socket.socket(fileno=wire)))


def _leave(code: int) -> NoReturn:
    """Call exit functions, and end here.

    To wait for threads that a handler has left would take for ever, to take the interpreter apart takes
    long, and a replacement waits for the end.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a handler may have closed it
            stream.flush()
    ctypes.CDLL(None).fflush(None)
    os._exit(code)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _prepare_process() -> None:
    faulthandler.enable()
    termination.leave_to_host()
    # As before, but a handler of ours: no Ctrl-C comes here, so hooks take an interrupt for a plugin's.
    signal.signal(signal.SIGINT, _interrupted)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    form = "%(levelname)s %(name)s %(job)s %(message)s"
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(form, defaults={"job": "-"}))
    # Our own loggers only: the root logger is the handler's to set up.
    for ours in map(logging.getLogger, LOGGERS):
        ours.addHandler(handler)
        ours.setLevel(logging.INFO)
        ours.propagate = False


if __name__ == "__main__":
    main()
