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
from types import FrameType
from typing import Any, Generic, ParamSpec, TypeVar, overload

import attrs

from workerkit.errors import TargetError
from workerkit.job import EMPTY, Job
from workerkit.signature import filling
from workerkit.wire import Descriptor

P = ParamSpec("P")
R = TypeVar("R")

NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")


@attrs.frozen(kw_only=True)
class Options:
    """What the decorator was told. `timeout` is in seconds; None leaves it to the settings."""

    timeout: float | None = None
    concurrency: int = 1
    max_starts: int | None = None
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
        self.plugins = tuple(plugins)
        self._filling = filling(self.name, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<worker_function {self.name!r} ({self.kind})>"

    def bind(self, job: Job) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """The arguments with which a run of `job` calls the function.

        Raises `JobFailed` when no plugin provided a resource that it asks for.
        """
        if self._filling.job_only:
            return (job,), EMPTY
        positional = tuple(_argument(kind, job) for kind in self._filling.positional)
        return positional, {name: _argument(kind, job) for name, kind in self._filling.keyword.items()}

    def descriptor(self) -> Descriptor:
        """What the host is told about this function."""
        timeout = self.options.timeout
        return Descriptor(
            name=self.name,
            kind=self.kind,
            concurrency=self.options.concurrency,
            timeout=None if timeout is None else round(timeout * 1000),
            max_starts=self.options.max_starts,
            aggregate=self.options.aggregate,
            usage=f"{self.function.__name__}({self._filling})",
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
    concurrency: int = 1,
    max_starts: int | None = None,
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
    concurrency: int = 1,
    max_starts: int | None = None,
    aggregate: bool = True,
    plugins: Sequence[object] = (),
    version: str = "",
) -> Any:
    """Make a function servable by workers, under its own name or under `name`.

    A parameter called `job` or `event`, or annotated `Job`, or the only one without annotation,
    gets the job; one annotated with a `Resource` class gets what a plugin provided.

    `timeout` is the seconds one run may take. `concurrency` is how many jobs one worker runs at
    the same time. `max_starts` is after how many dead workers a job is given up. With
    `aggregate=False` a generator's chunks are streamed but not collected into the output.
    `plugins` are for this function's jobs only. `version` replaces the hash of the source file.

    Raises `TargetError` when the function or an option cannot be used.
    """
    options = Options(
        timeout=timeout,
        concurrency=concurrency,
        max_starts=max_starts,
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


def _argument(kind: type, job: Job) -> Any:
    return job if kind is Job else job.use(kind)


def _check_is_function(function: object) -> None:
    if not inspect.isroutine(function):
        raise TargetError(
            f"@worker_function decorates a function, and {function!r} is none; wrap it in a def"
        )


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


def _checked(name: str, options: Options) -> Options:
    for option in ("timeout", "concurrency", "max_starts"):
        value = getattr(options, option)
        if value is None and option != "concurrency":
            continue
        whole = option != "timeout"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not value > 0:
            expected = "a whole number of at least 1" if whole else "a number of seconds above 0"
            raise TargetError(f"worker function {name!r}: {option} is {value!r}; it must be {expected}")
    return options


def _source_hash(function: Callable[..., Any]) -> str:
    """A function's version: it changes when its file does. Empty where there is no file."""
    file = inspect.getsourcefile(inspect.unwrap(function))
    if file is None or not os.path.exists(file):
        return ""
    # Imported here: the decorator is on everybody's start-up path, and OpenSSL takes its time.
    import hashlib

    with open(file, "rb") as source:
        return hashlib.sha256(source.read()).hexdigest()[:12]
