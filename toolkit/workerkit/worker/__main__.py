"""`python -m workerkit.worker --wire FD --death FD`: how a host starts a worker."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import faulthandler
import logging
import os
import signal
import socket
import sys

from workerkit.worker import deathpipe
from workerkit.worker.connection import Connection
from workerkit.worker.process import serve


def main() -> int:
    """Serve the host at the other end of the two descriptors; returns the exit code."""
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
    leaving = Leaving()
    atexit.register(leaving.leave)
    _prepare_process()
    code = serve(Connection(socket.socket(fileno=wire)))
    leaving.in_good_order = code == 0
    return code


class Leaving:
    """The last thing at the exit of a worker that ends well: registered first, so called last."""

    in_good_order = False

    def leave(self) -> None:
        """End here: to take the interpreter apart takes long, and a replacement waits for the end."""
        if not self.in_good_order:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # a handler may have closed it
                stream.flush()
        ctypes.CDLL(None).fflush(None)
        os._exit(0)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _prepare_process() -> None:
    faulthandler.enable()
    # As before, but a handler of ours: no Ctrl-C comes here, so hooks take an interrupt for a plugin's.
    signal.signal(signal.SIGINT, _interrupted)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    form = "%(levelname)s %(name)s %(job)s %(message)s"
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(form, defaults={"job": "-"}))
    # Our own logger only: the root logger is the handler's to set up.
    ours = logging.getLogger("workerkit")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False


if __name__ == "__main__":
    sys.exit(main())
