"""What a failed job says about an exception: RunPod's JSON string, under RunPod's keys."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import msgspec

from workerkit import __version__

#: Packages whose frames say nothing to the author of a handler: ours, and those through which ours call.
OURS = ("workerkit", "workerkit_plugins", "importlib", "concurrent")
#: Characters of an error that are kept; nobody reads more, and it travels with every status.
MOST = 100_000
#: Of a longer one at its beginning and at its end, where the exception stands that came last.
HALF = MOST // 2 - 50


def describe(
    error: BaseException, *, worker_id: str, tracebacks: bool, fit: Callable[[str], str] | None = None
) -> str:
    """A handler's exception as the `error` of its job; `fit` makes each text in it `sendable`.

    The traceback begins in code that is not ours: our own frames say nothing to its author. What came
    through no other code, such as an input's file that cannot be fetched, has none but its last line.
    """
    facts = {"error_type": str(type(error)), "error_message": message_of(error)}
    if tracebacks:
        facts["error_traceback"] = theirs(error)
    facts |= {"hostname": os.uname().nodename, "worker_id": worker_id, "workerkit_version": __version__}
    return msgspec.json.encode({name: (fit or sendable)(text) for name, text in facts.items()}).decode()


def cause(error: BaseException, file: str) -> str:
    """The type of an exception, and the last line of `file` that it went through: `KeyError at handler.py:12`.

    It quotes nothing that the exception says, so it is fit for a log.
    """
    lines = [
        line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file
    ]
    kind = sendable(type(error).__qualname__)
    return f"{kind} at {_shown(file)}:{lines[-1]}" if lines else kind


def theirs(error: BaseException) -> str:
    """The traceback of what other people's code raised, without frames of ours before it."""
    return "".join(traceback.format_exception(type(error), error, _from_handler(error.__traceback__)))


def readable(error: str) -> str:
    """The traceback in the error of a job; one that holds none as it is."""
    try:
        told = msgspec.json.decode(error)
    except msgspec.DecodeError:
        return error
    if not isinstance(told, dict) or "error_type" not in told:
        return error
    text = told.get("error_traceback") or f"{told['error_type']}: {told.get('error_message')}"
    return str(text).rstrip()


def writable(text: Any) -> str:
    """A text that UTF-8 can hold, whatever was given."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def sendable(text: Any) -> str:
    """The same, of reasonable length. What must not be in it is masked before: here, it may be cut in two."""
    clean = writable(text)
    if len(clean) <= MOST:
        return clean
    return f"{clean[:HALF]}… {len(clean) - 2 * HALF:,} characters left out …{clean[-HALF:]}"


def message_of(error: BaseException) -> str:
    """An exception's text, whatever its `__str__` does."""
    try:
        return str(error)
    except BaseException as fault:
        return f"(its text cannot be had: {type(fault).__name__} in __str__)"


def _shown(file: str) -> str:
    """A path from the working directory when it is in there."""
    with suppress(OSError, ValueError):
        near = os.path.relpath(file)
        return file if near.startswith(os.pardir) else near
    return file


def _from_handler(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and _package(trace) in OURS:
        trace = trace.tb_next
    return trace


def _package(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
