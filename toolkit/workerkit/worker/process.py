"""A worker's life: load what the host names, say what is there, serve one function, end."""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from workerkit import wire
from workerkit.bridge import Bridge
from workerkit.environment import add_to_environment
from workerkit.errors import PluginFailed, TargetError, Unfit, WorkerkitError, suggest
from workerkit.failures import sendable, theirs
from workerkit.function import WorkerFunction
from workerkit.handlers import shown
from workerkit.hooks import Hooks
from workerkit.loading import load_refs
from workerkit.runner import Limits, Runner
from workerkit.target import load_target
from workerkit.wire import PROTOCOL, Assign, Drain, Hello, Hidden, Ready, Recall, RunJob, Start, Stop
from workerkit.worker.connection import Connection
from workerkit.worker.interrupt import Interrupt
from workerkit.worker.printing import Printing
from workerkit.worker.slots import Slots
from workerkit.worker_info import WorkerInfo

#: Exit code of a worker that cannot serve.
UNFIT = 3
#: The package of the plugins that come with the toolkit.
BUILT_IN = "workerkit_plugins"
#: Lines of a traceback that go to the host with the reason.
TRACE_LINES = 30


def serve(connection: Connection) -> int:
    """Serve the host until it drains this worker or is gone; returns the exit code."""
    bridge = Bridge()
    os.register_at_fork(after_in_child=connection.abandon)
    try:
        return _serve(connection, bridge)
    except WorkerkitError as error:
        connection.send(wire.Unfit(_reason(error), passing=isinstance(error, Unfit)))
        return UNFIT
    except OSError:
        # The host closed the wire. There is nobody left to tell.
        return 1
    finally:
        bridge.close()


def _serve(connection: Connection, bridge: Bridge) -> int:
    if connection.quiet:
        import_ahead()
    start = connection.receive()
    if not isinstance(start, Start):
        return 1
    add_to_environment(start.environ)
    # Before the target is imported: a handler that it sets for the same signal has its way.
    interrupt = Interrupt(start.stop_signal) if start.stop_signal else None
    printing = Printing(start.tag)
    printing.install()
    runners = _load(start, bridge, printing)
    functions = [runner.function.descriptor() for runner in runners.values()]
    connection.send(Hello(PROTOCOL, functions))
    assign = connection.receive()
    if not isinstance(assign, Assign):
        return 0
    if assign.function not in runners:
        raise TargetError(
            f"{shown(start.target)} has no function {assign.function!r}{suggest(assign.function, runners)}"
        )
    runner = runners[assign.function]
    slots = Slots(
        runner,
        connection.send,
        assign.slots,
        interrupt=interrupt if _is_interruptible(runner.function, assign.slots) else None,
        printing=printing if start.tag else None,
    )
    info = WorkerInfo(
        id=start.worker_id, endpoint=assign.function, slots=assign.slots, ask=slots.ask_for_refresh
    )
    runner.hooks.worker_start(info)
    threading.Thread(target=_read, args=(connection, slots), name="workerkit-reader", daemon=True).start()
    connection.send(Ready())
    slots.serve()
    runner.hooks.worker_stop(info)
    return 0


def import_ahead() -> None:
    """A standby has time: it imports the plugins that come with the toolkit, which hardly anybody is without.

    Those of others may look at what `Start.environ` sets when they are imported.
    """
    from importlib import import_module
    from pkgutil import iter_modules  # not by entry points: to read those takes longer than the plugins do

    with suppress(ImportError):  # they are not all there; loading says it
        for module in iter_modules(import_module(BUILT_IN).__path__, f"{BUILT_IN}."):
            import_module(module.name)


def _load(start: Start, bridge: Bridge, printing: Printing) -> dict[str, Runner]:
    """Import plugins and target. Raises `WorkerkitError` for whatever is wrong with them."""
    if start.protocol != PROTOCOL:
        raise WorkerkitError(
            f"the host speaks protocol {start.protocol} and this worker {PROTOCOL}; "
            "install the same version of workerkit for both"
        )
    hooks = Hooks(load_refs(start.plugins, start.guard), bridge)
    limits = Limits(output=start.output_limit, chunk=start.chunk_limit, depth=start.depth)
    scratch = Path(start.scratch) if start.scratch else None
    gc.enable()
    return {
        name: Runner(
            function,
            hooks,
            bridge,
            limits=limits,
            worker_id=start.worker_id,
            tracebacks=start.tracebacks,
            scratch=scratch,
            clean=printing.clean,
        )
        for name, function in load_target(start.target).functions.items()
    }


def _is_interruptible(function: WorkerFunction[..., Any], slots: int) -> bool:
    """A plain handler that the main thread runs, now and later; the loop's thread cancels async ones."""
    return slots == 1 and function.elastic is None and function.kind in ("function", "generator")


def _read(connection: Connection, slots: Slots) -> None:
    """Take frames until the host is gone; a worker that drains has runs that can still be stopped."""
    try:
        while (frame := connection.receive()) is not None:
            if isinstance(frame, RunJob):
                slots.add(frame)
            elif isinstance(frame, Stop):
                slots.stop(frame)
            elif isinstance(frame, Hidden):
                slots.hidden(frame)
            elif isinstance(frame, Recall):
                slots.return_untouched()
            elif isinstance(frame, Drain):
                slots.close()
    except OSError:
        # The host broke off. Its death pipe ends this process if the host is dead.
        return
    finally:
        slots.close()


def _reason(error: WorkerkitError) -> str:
    """The sentence, and where it comes from when other people's code raised it."""
    cause, trace = error.__cause__, ""
    if isinstance(error, PluginFailed):
        trace = error.trace
    elif cause is not None:
        trace = theirs(cause)
    return sendable("\n".join([str(error), *trace.splitlines()[-TRACE_LINES:]]))
