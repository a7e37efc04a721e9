"""`run_job` wrappers: generators nested around the run of a handler, the first one outermost."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from workerkit.errors import PluginFailed
from workerkit.hooks.calls import JOB_VERDICTS, Call
from workerkit.job import Job, Output


def surround(wrappers: Sequence[Call], job: Job, inner: Callable[[], Output]) -> Output:
    """Run `inner` inside all `wrappers`. An exception of `inner` passes through each of them.

    A wrapper that raises one of its own is named by a `PluginFailed`; `JobFailed` and `Retry` pass as
    they are.
    """
    if not wrappers:
        return inner()
    call = wrappers[0]
    generator = _entered(call, job)
    try:
        output = surround(wrappers[1:], job, inner)
    except BaseException as exc:
        return _left(call, generator, partial(generator.throw, exc), exc)
    return _left(call, generator, partial(generator.send, output), None)


def _entered(call: Call, job: Job) -> Generator[None, Output, Output]:
    try:
        generator: Generator[None, Output, Output] = call.function(job)
        next(generator)
    except StopIteration:
        raise _fault(call, "it ended without a yield") from None
    except JOB_VERDICTS:
        raise
    except BaseException as exc:
        raise call.failed(exc) from exc
    return generator


def _left(
    call: Call,
    generator: Generator[None, Output, Output],
    resume: Callable[[], Any],
    thrown: BaseException | None,
) -> Output:
    """Finish a wrapper and take its answer; `thrown` is what the inner run raised."""
    try:
        resume()
    except StopIteration as stop:
        return _checked(call, stop.value)
    except JOB_VERDICTS:
        raise
    except BaseException as exc:
        if exc is thrown:
            raise
        if isinstance(thrown, StopIteration) and exc.__cause__ is thrown:
            # Python turns a StopIteration that leaves a generator into a RuntimeError.
            raise thrown from None
        raise call.failed(exc) from exc
    _close(call, generator)
    raise _fault(call, "it yielded twice")


def _close(call: Call, generator: Generator[None, Output, Output]) -> None:
    try:
        generator.close()
    except BaseException as exc:
        raise call.failed(exc) from exc


def _checked(call: Call, value: Any) -> Output:
    if isinstance(value, Output):
        return value
    got = type(value).__name__
    raise _fault(call, f"it returned {got}; a wrapper returns the Output that its yield gave")


def _fault(call: Call, sentence: str) -> PluginFailed:
    return call.failed(TypeError(sentence))
