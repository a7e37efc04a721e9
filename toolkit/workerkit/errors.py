"""Every error a caller of workerkit can meet.

WorkerkitError
├── SettingsError       a setting, a flag or a variable is wrong
├── PluginError         a plugin cannot be found, built or registered
│   └── PluginFailed    a plugin's gate hook raised while a job ran
├── TargetError         a handler file or module cannot be loaded, or holds no function
│   └── CannotServe     its workers do not start, so `serve` ends with exit code 3
├── QueueError          the queue cannot be opened or used
│   └── QueueOwned      another process owns the queue's file
├── InvalidOutput       a handler's output cannot travel as JSON
├── Refused             verdict of `accept`: the request is answered 400 with this sentence
├── ApiError            an answer of the job API that is not 200
├── Unfit               verdict of `worker_start`: this worker takes no job for now
├── JobFailed           verdict of a handler or hook: the job ends FAILED with this text
└── Retry               verdict of a handler or hook: the job runs again later

JobCancelled is no error and no Exception: it is raised inside a plain handler whose job has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Protocol

#: Characters of a name that is compared with others, which takes the longer the longer it is.
LONGEST_NAME = 100


class Culprit(Protocol):
    """A plugin at fault, as far as it was loaded."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def dist(self) -> str:
        """The distribution that it comes from; empty for none."""

    @property
    def ref(self) -> str:
        """Its `module:attribute`."""


class WorkerkitError(Exception):
    """Base of all errors that workerkit raises on purpose; its text is a sentence for a person.

    `culprits` are the plugins that `workerkit plugins` must leave out to show the others.
    """

    culprits: tuple[Culprit, ...] = ()
    #: Of a command that ends with it.
    exit_code = 1


class SettingsError(WorkerkitError):
    """A setting, a flag or an environment variable is wrong."""


class PluginError(WorkerkitError):
    """A plugin cannot be found, built or registered."""


class PluginFailed(PluginError):
    """A plugin's hook raised; the cause is chained.

    `fault` is what it raised, as text, and `trace` its traceback; the plugin's secrets are masked in both.
    """

    def __init__(self, plugin: str, hook: str, fault: str, trace: str = "", whole: str = "") -> None:
        super().__init__(f"plugin {plugin!r} failed in {hook}: {fault}")
        self.plugin = plugin
        self.hook = hook
        self.fault = fault
        self.trace = trace
        #: The same sentence at any length, for whoever knows of more secrets: those of the job.
        self.whole = f"plugin {plugin!r} failed in {hook}: {whole or fault}"


class TargetError(WorkerkitError):
    """A handler file or module cannot be loaded, or holds no decorated function."""


class CannotServe(TargetError):
    """Workers do not start: the target raises as it is imported, or they die of it. The exit code is 3."""

    exit_code = 3


class QueueError(WorkerkitError):
    """The queue cannot be opened or used."""


class QueueOwned(QueueError):
    """Another process owns the queue's file."""


class InvalidOutput(WorkerkitError):
    """A value cannot travel as JSON; the text names the path, such as `output.images[2]`."""


class Refused(WorkerkitError):
    """Raised by an `accept` hook: the request is refused with status 400 and this sentence."""


class JobFailed(WorkerkitError):
    """Raised by a handler or a worker-side hook: the job ends FAILED with `message` as its error.

    `output`, when given, is kept beside the error.
    """

    def __init__(self, message: str, output: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.output = output


class Retry(WorkerkitError):
    """Raised by a handler or a worker-side hook: run the job again, `after` seconds from now.

    Without `after` the wait is that of `@worker_function(retry_delay=…)`. It counts against
    `retries=`, or is honoured three times where that is not given; then the job is FAILED with
    `message` as its error.
    """

    def __init__(
        self, message: str = "the handler asked for another run", *, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.after = after


class Unfit(WorkerkitError):
    """Raised by `worker_start`: this worker takes no job for now, and another is tried a little later."""


class JobCancelled(BaseException):
    """Raised in the main thread of a worker whose plain handler runs a job that has ended.

    It was cancelled, or its time is over. Clean up and let it pass: the process is replaced.
    """


class ApiError(WorkerkitError):
    """A request to the job API is answered with `status`, and `{"error": sentence, "code": code}`."""

    def __init__(
        self, status: int, code: str, sentence: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.headers = headers


@contextmanager
def blaming(*culprits: Culprit) -> Iterator[None]:
    """Whatever is raised inside and blames nobody yet is the fault of these plugins."""
    try:
        yield
    except WorkerkitError as error:
        error.culprits = error.culprits or culprits
        raise


def text_of(error: BaseException) -> str:
    """What an exception says, in text that can be stored; some cannot even say it."""
    try:
        return str(error).encode("utf-8", "replace").decode()
    except Exception:
        return "(its text could not be had)"


def suggest(name: str, known: Iterable[str]) -> str:
    """A tail for an error about an unknown name: the nearest known one, then all of them."""
    names = sorted(known)
    near = nearest(name, names)
    hint = f"; did you mean {near!r}?" if near else ""
    listed = ", ".join(names) or "none"
    return f"{hint} (known: {listed})"


def nearest(name: str, names: Sequence[str]) -> str:
    """The one of `names` that may have been meant; empty when none is near, or the name is far too long."""
    import difflib  # here: only a mistake needs it

    near = difflib.get_close_matches(name, names, n=1) if len(name) <= LONGEST_NAME else []
    return near[0] if near else ""
