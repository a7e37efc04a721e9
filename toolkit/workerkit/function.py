"""`@worker_function`: an ordinary function becomes one that workers can serve.

What the decorator must know, it finds out once: the kind of function, and how it is called.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

import attrs

from workerkit.errors import TargetError, suggest
from workerkit.signature import signature_of

if TYPE_CHECKING:
    from workerkit.elastic import Elastic
    from workerkit.job import Job
    from workerkit.wire import Descriptor

P = ParamSpec("P")
R = TypeVar("R")

NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")


@attrs.frozen(kw_only=True)
class Options:
    """What the decorator was told. Times are in seconds; None leaves it to the settings."""

    timeout: float | None = None
    concurrency: int | Callable[[int], int] = 1
    max_starts: int | None = None
    retries: int | None = None
    retry_delay: float = 1.0
    aggregate: bool = True
    version: str = ""


class WorkerFunction(Generic[P, R]):
    """A decorated function. Calling it calls the plain function, with the same signature.

    `name` is its endpoint; `kind` is "function", "coroutine", "generator" or "async_generator".
    """

    def __init__(
        self, function: Callable[P, R], name: str | None, options: Options, plugins: Sequence[object]
    ) -> None:
        _check_is_function(function)
        functools.update_wrapper(self, function)
        self.function = function
        self.name = _checked_name(function.__name__ if name is None else name)
        self.kind = _kind(function)
        self.options = _checked(self.name, options)
        wanted = self.options.concurrency
        self._slots = wanted if isinstance(wanted, int) else 1
        #: Says how many jobs a worker runs at a time, where a function decides that.
        self.elastic = None if isinstance(wanted, int) else _elastic(self.name, wanted)
        self.plugins = tuple(plugins)
        self._signature = signature_of(self.name, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<worker_function {self.name!r} ({self.kind})>"

    def bind(self, job: Job) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """The arguments with which a run of `job` calls the function.

        Raises `JobFailed` when the input does not fit, when a file of it cannot be fetched, and when
        no plugin provided a resource that it asks for.
        """
        return ((job,), {}) if self._signature.job_only else self._signature.arguments(job)

    def descriptor(self) -> Descriptor:
        """What the host is told about this function."""
        from workerkit.wire import Descriptor  # here: it is its workers' host that asks

        timeout = self.options.timeout
        return Descriptor(
            name=self.name,
            kind=self.kind,
            concurrency=self.elastic.wanted(1) if self.elastic else self._slots,
            elastic=self.elastic is not None,
            timeout=None if timeout is None else round(timeout * 1000),
            max_starts=self.options.max_starts,
            retries=self.options.retries,
            retry_delay=round(self.options.retry_delay * 1000),
            aggregate=self.options.aggregate,
            usage=f"{self.function.__name__}({self._signature})",
            schema=self._signature.inputs.schema().decode() if self._signature.inputs else "",
            version=self.options.version or _source_hash(self.function),
        )

    def start(self) -> None:
        """Serve this function when its file is run as a script; `start(function)` is the same."""
        _start(self, sys._getframe(1))


@overload
def worker_function(function: Callable[P, R], /) -> WorkerFunction[P, R]: ...
@overload
def worker_function(
    *,
    name: str | None = None,
    timeout: float | None = None,
    concurrency: int | Callable[[int], int] = 1,
    max_starts: int | None = None,
    retries: int | None = None,
    retry_delay: float = 1.0,
    aggregate: bool = True,
    plugins: Sequence[object] = (),
    version: str = "",
) -> Callable[[Callable[P, R]], WorkerFunction[P, R]]: ...
def worker_function(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    timeout: float | None = None,
    concurrency: int | Callable[[int], int] = 1,
    max_starts: int | None = None,
    retries: int | None = None,
    retry_delay: float = 1.0,
    aggregate: bool = True,
    plugins: Sequence[object] = (),
    version: str = "",
    **unknown: Any,
) -> Any:
    """Make a function servable by workers, under its own name or under `name`.

    A parameter called `job` or `event`, or annotated `Job`, or the only one without annotation,
    gets the job; one annotated with a `Resource` class gets what a plugin provided. Every other one
    is a key of the input: `job["input"]` is checked against the annotations, and a job whose input
    does not fit ends FAILED with a sentence that says where. Beside a job, a parameter without
    annotation keeps its default. Keys that no parameter has are refused unless there is `**kwargs`.

    `timeout` is the seconds one run may take. `concurrency` is how many jobs one worker runs at
    the same time; a function is given the current number, 1 at first, and returns the one that it
    wants, each time a job has ended and once a second. `max_starts` is after how many dead workers a
    job is given up. `retries` is how many more runs a job has that raised; without it those that
    raise `Retry` have 3, and others none. Before the first the wait is `retry_delay` seconds, and
    twice as long before each one after it, at most 600. With `aggregate=False` a generator's chunks
    are streamed but not collected into the output. `plugins` are for this function's jobs only.
    `version` replaces the hash of the source file.

    Raises `TargetError` when the function or an option cannot be used.
    """
    if unknown:
        wrong = next(iter(unknown))
        raise TargetError(f"@worker_function has no option {wrong!r}{suggest(wrong, OPTIONS)}")
    options = Options(
        timeout=timeout,
        concurrency=concurrency,
        max_starts=max_starts,
        retries=retries,
        retry_delay=retry_delay,
        aggregate=aggregate,
        version=version,
    )

    def decorate(decorated: Callable[..., Any]) -> WorkerFunction[..., Any]:
        return WorkerFunction(decorated, name, options, plugins)

    return decorate if function is None else decorate(function)


def start(function: WorkerFunction[..., Any]) -> None:
    """Serve `function` when the calling file is run as a script: put it at the file's end.

    The process becomes `workerkit serve FILE:NAME` with the script's own arguments. It returns at
    once when the file is imported, as a worker does. Raises `TargetError` where there is no file.
    """
    _start(function, sys._getframe(1))


def _start(function: WorkerFunction[..., Any], caller: FrameType) -> None:
    if caller.f_globals.get("__name__") != "__main__":
        return
    file = caller.f_globals.get("__file__")
    if file is None:
        raise TargetError(
            "start() serves a file, and this code is in none; save it and run `workerkit serve FILE.py`"
        )
    sys.stdout.flush()
    target = f"{os.path.abspath(file)}:{function.name}"
    # Nothing is executed from outside: our own interpreter, our own command, the user's arguments.
    os.execv(sys.executable, [sys.executable, "-m", "workerkit", "serve", target, *sys.argv[1:]])  # noqa: S606


def _check_is_function(function: object) -> None:
    if not inspect.isroutine(function):
        raise TargetError(
            f"@worker_function decorates a function, and {function!r} is none; wrap it in a def"
        )


def _elastic(name: str, function: Callable[[int], int]) -> Elastic:
    from workerkit.elastic import Elastic

    return Elastic(name, function)


def _kind(function: Callable[..., Any]) -> str:
    if inspect.isasyncgenfunction(function):
        return "async_generator"
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(function) else "function"


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise TargetError(
            f"{name!r} cannot be an endpoint's name: use 1 to 63 letters, digits, '-' or '_', "
            'with @worker_function(name="...")'
        )
    return name


#: What the decorator takes.
OPTIONS = ("name", *(field.name for field in attrs.fields(Options)), "plugins")


def _is_whole(value: object, least: int, most: float = inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < inf


def _is_concurrency(value: object) -> bool:
    return _is_whole(value, 1) or (callable(value) and not inspect.iscoroutinefunction(value))


_WHOLE, _SECONDS = "a whole number of at least 1", "a number of seconds above 0"
#: What each option may be, and how that is said.
CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "timeout": (lambda value: value is None or _is_time(value), _SECONDS),
    "concurrency": (_is_concurrency, f"{_WHOLE}, or a plain function from the current number to another"),
    "max_starts": (lambda value: value is None or _is_whole(value, 1), _WHOLE),
    "retries": (lambda value: value is None or _is_whole(value, 0, 100), "a whole number from 0 to 100"),
    "retry_delay": (_is_time, _SECONDS),
}


def _checked(name: str, options: Options) -> Options:
    for option, (fits, expected) in CHECKS.items():
        value = getattr(options, option)
        if not fits(value):
            raise TargetError(f"worker function {name!r}: {option} is {value!r}; it must be {expected}")
    return options


def _source_hash(function: Callable[..., Any]) -> str:
    """A function's version: it changes when its file does. Empty where there is no file."""
    file = inspect.getsourcefile(inspect.unwrap(function))
    if file is None or not os.path.exists(file):
        return ""
    import hashlib  # here: OpenSSL takes its time

    with open(file, "rb") as source:
        return hashlib.sha256(source.read()).hexdigest()[:12]
