"""The values that travel along a job's path: what was asked, one run of it, what came out."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
import msgspec

from workerkit.errors import JobFailed
from workerkit.folders import RunFolder
from workerkit.resource import Provided, Resource
from workerkit.secret import LONGEST, Secret, secrets_of
from workerkit.states import Status

T = TypeVar("T")
EMPTY: Mapping[str, Any] = MappingProxyType({})
#: What may be exempt from masking: JSON writes its characters as they are, so it has one form only. And
#: characters of one, and of all of a run, which the host keeps in memory.
EXEMPT, LONGEST_EXEMPT, MOST_EXEMPT = re.compile(r"https?://[!#-\[\]-~]+"), 8192, 64_000_000
#: How many secrets a run may hide: all that comes from it is searched for each.
MOST_HIDDEN = 100


@attrs.frozen
class Field:
    """A top-level field of a request that a plugin declares in its `fields` attribute.

    `type` is what the field's JSON is checked against: a plain type or an attrs class whose
    member names are the JSON keys. A secret field is sealed before it is stored, given to the
    worker only, and wiped when the job can no longer need it.
    """

    type: Any
    secret: bool = False


@attrs.frozen(kw_only=True)
class Policy:
    """How long a job may take. Times are milliseconds."""

    execution_timeout: int = 600_000
    ttl: int = 86_400_000
    low_priority: bool = False


@attrs.frozen(kw_only=True, eq=False)
class Request:
    """What a client asked for. `fields` holds the fields that plugins declared, as typed values.

    In the host's `post_job` the secret fields are absent.
    """

    id: str
    endpoint: str
    raw_input: bytes = attrs.field(repr=False)
    policy: Policy = Policy()
    submitted_at: int = 0
    fields: Mapping[str, Any] = attrs.field(default=EMPTY, repr=False)
    #: Who gave the job to this host and tells its sender of the end, such as "RunPod"; empty for nobody.
    platform: str = ""

    @cached_property
    def input(self) -> Any:
        """The request's `input`, decoded from JSON at first use."""
        return msgspec.json.decode(self.raw_input)


@attrs.define(eq=False)
class Output:
    """One value on its way out. A hook may replace `value`.

    `index` counts a job's outputs from 0. `final` marks the return value; a generator's yields
    come before it with `final=False`.
    """

    value: Any = attrs.field(repr=False)
    index: int = 0
    final: bool = True


@attrs.frozen(kw_only=True, eq=False)
class Result:
    """How a job ended. Times are milliseconds; `output` is JSON, as it will be shown."""

    status: Status
    attempt: int
    output: bytes | None = attrs.field(default=None, repr=False)
    #: Text; for an exception of the handler the JSON of its type, message and traceback.
    error: str | None = attrs.field(default=None, repr=False)
    #: From the submit to the start of the run.
    delay_time: int | None = None
    #: Of the run that ended; None when none had begun.
    execution_time: int | None = None
    worker_id: str | None = None
    #: What `job.note` left in the worker.
    notes: Mapping[str, Any] = attrs.field(default=EMPTY, repr=False)
    #: Why the worker is replaced; None when it stays.
    refresh: str | None = None

    @cached_property
    def value(self) -> Any:
        """The job's `output`, decoded from JSON at first use; None when there is none."""
        return None if self.output is None else msgspec.json.decode(self.output)


class Job(Mapping[str, Any]):
    """One run of a request, as the handler and the worker-side hooks see it.

    It is also the mapping that RunPod handlers expect: `job["id"]`, `job["input"]`,
    `job.get("webhook")`, `job["s3Config"]`.
    """

    def __init__(
        self,
        *,
        id: str,
        endpoint: str,
        input: Any,
        attempt: int = 1,
        worker_id: str = "local",
        fields: Mapping[str, Any] = EMPTY,
        raw_fields: Mapping[str, Any] = EMPTY,
        send_progress: Callable[[Any], None] = lambda value: None,
        send_exempt: Callable[[str], None] = lambda url: None,
        send_hide: Callable[[str], None] = lambda secret: None,
        scratch: Path | None = None,
    ) -> None:
        self.id = id
        self.endpoint = endpoint
        self.input = input
        self.attempt = attempt
        self.worker_id = worker_id
        #: Declared fields as typed values.
        self.fields = fields
        self._notes: dict[str, Any] = {}
        self.refresh_reason: str | None = None
        self._mapping = {"id": id, "input": input, **raw_fields}
        self._provided = Provided()
        self._send_progress = send_progress
        self._send_exempt = send_exempt
        self._send_hide = send_hide
        self._exempted = 0
        self._hidden: list[str] = []
        self._folder = RunFolder(scratch, id, attempt)

    @cached_property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Logs for this job."""
        return logging.LoggerAdapter(logging.getLogger("workerkit.job"), {"job": self.id})

    def progress(self, value: Any) -> None:
        """Show `value` (anything JSON can hold) as the job's `output` while it runs."""
        self._send_progress(value)

    def exempt(self, url: str) -> None:
        """Let this URL leave the job although its query holds a secret, as a presigned one's a session token.

        Outputs, chunks, progress, notes and errors are searched for the request's secrets. From now on
        what is behind the first `?` of this URL stays as it is there, wherever the URL comes whole; in
        logs it is masked, and so is a secret before the `?`. Raises ValueError for what is no http or
        https URL in quoted form, or has more than 8,192 characters; and where those of a run have more
        than 64,000,000 together.
        """
        if len(url) > LONGEST_EXEMPT or not EXEMPT.fullmatch(url):
            raise ValueError(
                "only an http or https URL can be exempt, quoted as `urllib.parse.quote` does it, "
                f"of at most {LONGEST_EXEMPT:,} characters"
            )
        if self._exempted + len(url) > MOST_EXEMPT:
            raise ValueError(f"a job can exempt {MOST_EXEMPT:,} characters of URLs; exempt fewer")
        self._send_exempt(url)
        self._exempted += len(url)

    def hide(self, secret: Secret | str) -> None:
        """Mask this secret, too, in whatever comes from this run: outputs, errors, notes, printed lines.

        The request's own are hidden anyway. Hide another, as of a plugin's settings, before anybody can
        return or print it. It takes about a millisecond; what has less than 8 characters is not masked.
        Raises TypeError for what is no text, ValueError for more than 4,096 characters or 100 secrets,
        and RuntimeError in a process that the handler forked.
        """
        text = secret.reveal() if isinstance(secret, Secret) else secret
        if not isinstance(text, str):
            raise TypeError(f"a Secret or a str can be hidden, and this is {type(text).__name__}")
        if text in self.secrets:
            return
        if len(text) > LONGEST or len(self._hidden) >= MOST_HIDDEN:
            raise ValueError(
                f"a job can hide {MOST_HIDDEN} secrets of at most {LONGEST:,} characters; "
                "hide what opens doors, not data"
            )
        self._send_hide(text)
        self._hidden.append(text)

    @property
    def secrets(self) -> list[str]:
        """What is masked in whatever comes from this run: the request's own secrets, and those that were hidden."""
        return [*secrets_of(self.fields), *self._hidden]

    def refresh_worker(self, reason: str = "asked by the handler") -> None:
        """Have this worker replaced by a fresh process once the job's result is stored."""
        self.refresh_reason = reason

    def note(self, name: str, value: Any) -> None:
        """Leave JSON for `post_job` in the host, where it is `result.notes[name]`."""
        self._notes[name] = value

    @property
    def notes(self) -> dict[str, Any]:
        """What `note` has left so far."""
        return self._notes

    def provide(self, value: Any) -> None:
        """Offer `value` to the handler and to later hooks, which find it by its type."""
        self._provided.add(value)

    def use(self, kind: type[T]) -> T:
        """The last provided value of type `kind`; raises `JobFailed` when there is none."""
        if (value := self.find(kind)) is not None:
            return value
        cure = kind.cure if issubclass(kind, Resource) else Resource.cure
        raise JobFailed(f"no plugin provided a {kind.__name__} for this job; {cure}")

    def find(self, kind: type[T]) -> T | None:
        """The last provided value of type `kind`; None when there is none."""
        return self._provided.find(kind)

    @property
    def directory(self) -> Path:
        """A private folder for this run, made at first use and removed at its end."""
        return self._folder.path

    @property
    def shared_directory(self) -> Path:
        """A folder that the job's runs share, in which `directory` is; removed once the job has ended.

        What a run leaves in it, also one that is killed, the next one finds when the same server runs it; of a
        job that has failed only folders called `NAME.notes` stay, small ones, while it may be retried.
        """
        return self._folder.path.parent

    @property
    def shared_directory_if_any(self) -> Path | None:
        """The same where there is one, as after an earlier run that used it; None where not, and none is made."""
        return self._folder.shared_if_any

    def close(self) -> None:
        """Tell what plugins provided, the last first, and remove the folder; the runner calls it at the end.

        May be called again. Does nothing in a process that the handler forked, to which none of it belongs.
        """
        self._provided.close(self.id)
        try:
            self._folder.leave()
        except OSError as error:  # something still writes there
            self.log.warning("the job's folder could not be removed: %s", error)

    def __getitem__(self, key: str) -> Any:
        return self._mapping[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping)

    def __len__(self) -> int:
        return len(self._mapping)

    def __repr__(self) -> str:
        return f"Job(id={self.id!r}, endpoint={self.endpoint!r}, attempt={self.attempt})"
