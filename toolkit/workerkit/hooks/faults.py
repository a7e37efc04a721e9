"""What a plugin's own code raises while it is loaded, turned into a sentence that names the plugin."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from workerkit.errors import PluginError, WorkerkitError
from workerkit.failures import message_of

CURE = "repair or uninstall it, or name it in [plugins] disable"


@contextmanager
def guarding(what: str) -> Iterator[None]:
    """Whatever is raised inside, a SystemExit too, is a `PluginError` that begins with `what`."""
    try:
        yield
    except WorkerkitError:
        raise
    except BaseException as exc:
        if is_ctrl_c(exc):
            raise
        raise PluginError(f"{what}: {type(exc).__name__}: {message_of(exc)}; {CURE}") from exc


def is_ctrl_c(error: BaseException) -> bool:
    """Whether a person may have raised it at a terminal; where the toolkit handles the signal, nobody has."""
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    main = threading.current_thread() is threading.main_thread()
    return isinstance(error, KeyboardInterrupt) and default and main
