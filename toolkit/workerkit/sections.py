"""What there is to set: one attrs class for each section of the core, and one for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from workerkit import building
from workerkit.building import OutOfRange
from workerkit.guard import Guard
from workerkit.job import EMPTY
from workerkit.secret import Secret
from workerkit.wire import MAX_PAYLOAD, GuardRules

Origins = Mapping[str, tuple[tuple[str, Any], ...]]
Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]
#: Seconds.
DAY, YEAR = 86_400, 31_536_000


@attrs.frozen
class _within:
    """A validator for a number with bounds; a sentence says both, and in which unit they are."""

    least: float
    most: float
    unit: str = ""
    more: str = ""

    def __call__(self, instance: Any, attribute: attrs.Attribute[Any], value: float) -> None:
        if not self.least <= value <= self.most:
            numbers = (value, self.least, self.most)
            bare, low, high = (format(number, "," if self.unit else "") for number in numbers)
            unit = f" {self.unit}{self.more}" if self.unit else ""
            raise OutOfRange(attribute.name, f"is {bare}; it must be from {low} to {high}{unit}")


def _fit_one_frame(limits: LimitsSettings, attribute: attrs.Attribute[Any], chunk: int) -> None:
    """The end of a run carries an output and notes, which may be as large as a chunk."""
    if limits.output + chunk > MAX_PAYLOAD:
        larger, smaller = ("output", "chunk") if limits.output > chunk else ("chunk", "output")
        raise OutOfRange(
            larger,
            f"is {getattr(limits, larger):,} bytes and {smaller} {getattr(limits, smaller):,}; "
            f"a worker may send both at once, so together they must be at most {MAX_PAYLOAD:,}",
        )


def _one_of(*choices: str) -> Validator:
    """A validator for a word out of a few."""

    def check(instance: Any, attribute: attrs.Attribute[Any], value: str) -> None:
        if value not in choices:
            raise OutOfRange(attribute.name, f"is {value!r}; it must be one of {', '.join(choices)}")

    return check


def _places(instance: Any, attribute: attrs.Attribute[Any], items: tuple[str, ...]) -> None:
    """A validator for addresses, networks and hosts."""
    try:
        Guard(items)
    except ValueError as error:
        text = str(error).removeprefix("allow: ")
        raise OutOfRange(attribute.name, f"cannot be used: {text}") from None


_time = _within(0.001, 7 * DAY, "seconds")
_grace = _within(0, 7 * DAY, "seconds")
_payload = _within(1, MAX_PAYLOAD, "bytes", ", which a worker can be sent")


@attrs.frozen(kw_only=True)
class KeySettings:
    """`[server.keys.NAME]`: an API key, stored as the SHA-256 of what the client sends."""

    #: Of the key, in hexadecimal digits; `workerkit key new` prints it.
    sha256: str
    #: "client" for the job routes, "worker" for the worker API, "operator" for everything.
    role: str = "client"
    #: Endpoints the key is good for; empty for all.
    endpoints: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ServerSettings:
    """`[server]`: where the job API listens, and who may use it."""

    #: Address to listen on; another than loopback needs a key.
    host: str = "127.0.0.1"
    #: 0 for any free one.
    port: int = attrs.field(default=8000, validator=_within(0, 65_535))
    #: API keys by name; without one, every caller on this machine may do everything.
    keys: Mapping[str, KeySettings] = EMPTY
    #: Seconds in which a request's header must have arrived.
    header_timeout: float = attrs.field(default=10.0, validator=_time)
    #: Seconds from there until its body must have arrived.
    body_timeout: float = attrs.field(default=60.0, validator=_time)


@attrs.frozen(kw_only=True)
class QueueSettings:
    """`[queue]`: where jobs are kept. Times are seconds."""

    #: `sqlite:///FILE`, relative to the working directory; other schemes are plugins'.
    url: str = "sqlite:///.workerkit/queue.db"
    #: How long a run lives without a sign of its host, which gives one three times in that time.
    lease: float = attrs.field(default=30.0, validator=_within(1, DAY, "seconds"))
    #: How long results are kept after a job's end.
    keep: float = attrs.field(default=86_400.0, validator=_within(1, 10 * YEAR, "seconds"))
    #: How long the result of a `/runsync` job is kept; `keep` when not given.
    keep_sync: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_within(1, 10 * YEAR, "seconds"))
    )
    #: How long a dead delivery is kept to be sent again, also when the result of its job is gone.
    keep_dead: float = attrs.field(default=7 * DAY, validator=_within(0, 10 * YEAR, "seconds"))
    #: Base64 of 32 random bytes, several with commas; the first seals. `WORKERKIT_SECRET_KEY`.
    secret_key: Secret | None = None

    def kept(self, *, sync: bool) -> float:
        """Seconds that a result is kept: one of `/runsync`, or another."""
        return self.keep if not sync or self.keep_sync is None else self.keep_sync


@attrs.frozen(kw_only=True)
class WorkersSettings:
    """`[workers]`: the processes that run handlers. Times are seconds."""

    #: How many for each function: a number, a range such as 1..4, or `name=number` pairs joined by commas.
    count: str = attrs.field(default="1", metadata=building.OR_NUMBER)
    #: With a range: how long a job waits before a worker is added. The first starts at once.
    scale_delay: float = attrs.field(default=4.0, validator=_grace)
    #: With a range: how long a worker has nothing to do before it is let go.
    idle_timeout: float = attrs.field(default=60.0, validator=_time)
    #: What a standby has done ahead: "toolkit" has started Python and loaded workerkit, "module" has
    #: imported the target too; "off" for no standbys.
    prewarm: str = attrs.field(default="toolkit", validator=_one_of("toolkit", "module", "off"))
    #: How many standbys are kept; they serve whichever function needs a worker next.
    warm: int = attrs.field(default=1, validator=_within(0, 100))
    #: Whether a replacement may load while the worker that it replaces still runs.
    overlap: bool = True
    #: How long a refreshed worker's other jobs may go on before they return to the queue.
    refresh_grace: float = attrs.field(default=30.0, validator=_grace)
    #: GPUs to share out, one to a worker: "auto" for all there are, "0,1" for these; "none" leaves them alone.
    gpus: str = attrs.field(default="none", metadata=building.OR_NUMBER)
    #: From a cancel or timeout until the worker is killed.
    stop_grace: float = attrs.field(default=5.0, validator=_grace)
    #: The signal that raises `JobCancelled` in a plain handler; empty for none.
    stop_signal: str = "SIGRTMIN+5"
    #: From SIGTERM until running jobs go back to the queue.
    shutdown_grace: float = attrs.field(default=30.0, validator=_grace)
    #: Starts that may end with a dead worker before the job is FAILED.
    max_starts: int = attrs.field(default=3, validator=_within(1, 1000))
    #: How long the target may take to import, and `worker_start` to pass.
    start_timeout: float = attrs.field(default=600.0, validator=_time)
    #: Tracebacks in the errors of failed jobs.
    tracebacks: bool = True
    #: Where jobs have folders of their own, such as on a large disk; empty for the temporary folder.
    scratch: str = ""


@attrs.frozen(kw_only=True)
class LogsSettings:
    """`[logs]`: what the server says on stderr, and what is kept of what handlers print."""

    #: "human" lines, or one "json" object a line.
    format: str = attrs.field(default="human", validator=_one_of("human", "json"))
    #: One line for each job's end.
    jobs: bool = True
    #: What handlers print, line by line.
    output: bool = True
    #: Bytes of a run's output that are kept with the job: its end. 0 keeps none.
    tail: int = attrs.field(default=65_536, validator=_within(0, 1_000_000))


@attrs.frozen(kw_only=True)
class PolicySettings:
    """`[policy]`: what holds for a request without a `policy` of its own. Times are seconds."""

    #: How long one run may take.
    execution_timeout: float = attrs.field(default=600.0, validator=_within(5, 7 * DAY, "seconds"))
    #: How long a job may take in all, from its submit on, waiting included.
    ttl: float = attrs.field(default=86_400.0, validator=_within(10, 7 * DAY, "seconds"))


@attrs.frozen(kw_only=True)
class LimitsSettings:
    """`[limits]`: sizes in bytes."""

    #: Body of a `/run` request.
    run_body: int = attrs.field(default=10_000_000, validator=_payload)
    #: Body of a `/runsync` request.
    runsync_body: int = attrs.field(default=20_000_000, validator=_payload)
    #: A job's output, as JSON.
    output: int = attrs.field(default=20_000_000, validator=_payload)
    #: One yielded value, one progress value, or all notes of a run, as JSON.
    chunk: int = attrs.field(default=1_000_000, validator=[_payload, _fit_one_frame])
    #: Levels of nesting in bodies and outputs.
    depth: int = attrs.field(default=100, validator=_within(1, 500))
    #: Waiting jobs of one endpoint above which a submit is answered 429.
    queue_length: int = attrs.field(default=1_000_000, validator=_within(1, 1_000_000_000))


@attrs.frozen(kw_only=True)
class GuardSettings:
    """`[guard]`: where the server may connect to because a request says so. Public addresses always pass."""

    #: Private addresses, networks such as "10.0.0.0/8", and hosts that may be reached.
    allow: tuple[str, ...] = attrs.field(default=(), validator=_places)
    #: Addresses, networks and hosts that may not, whatever else is set.
    deny: tuple[str, ...] = attrs.field(default=(), validator=_places)
    #: Whether this machine's own loopback addresses may be; when not given, only without API keys.
    loopback: bool | None = None


@attrs.frozen(kw_only=True)
class PluginsSettings:
    """`[plugins]`: which plugins are active, and in what order."""

    #: Names from first to last; "*" stands for those that are not named, in alphabetical order.
    order: tuple[str, ...] = ("refresh", "error_key", "*", "files", "s3", "webhook")
    #: Plugins that are installed and not wanted.
    disable: tuple[str, ...] = ()
    #: Place to replacement: an installed entry point, or `module:attribute`.
    use: Mapping[str, str] = EMPTY
    #: More plugins, as `module:attribute`.
    load: tuple[str, ...] = ()
    #: Whether installed plugins are loaded: all, none, or only those of these distributions.
    autoload: bool | tuple[str, ...] = True


@attrs.frozen(kw_only=True)
class Settings:
    """All settings of one application. `plugin` holds the raw `[plugin.NAME]` sections."""

    server: ServerSettings = ServerSettings()
    queue: QueueSettings = QueueSettings()
    workers: WorkersSettings = WorkersSettings()
    policy: PolicySettings = PolicySettings()
    limits: LimitsSettings = LimitsSettings()
    logs: LogsSettings = LogsSettings()
    guard: GuardSettings = GuardSettings()
    plugins: PluginsSettings = PluginsSettings()
    plugin: Mapping[str, Mapping[str, Any]] = attrs.field(default=EMPTY, repr=False)
    #: Name of the profile that the others build on; empty for none.
    profile: str = ""
    #: The file they came from; empty when there was none.
    source: str = attrs.field(default="", metadata=building.NO_SETTING)
    #: Dotted path -> source and value of each source that set it, the weakest first. Secrets are as
    #: they were written.
    origins: Origins = attrs.field(default=EMPTY, metadata=building.NO_SETTING, eq=False, repr=False)

    def where(self, path: str) -> str:
        """The source that had the last word on a dotted path, or on what is in it; empty when unknown."""
        path = f"{path.partition('[')[0]}."
        told = [
            told
            for at, told in self.origins.items()
            if f"{at}.".startswith(path) or path.startswith(f"{at}.")
        ]
        return told[-1][-1][0] if told else ""

    def sources(self, section: str) -> str:
        """Every source that had the last word on something in a section, for people."""
        said = {told[-1][0]: None for path, told in self.origins.items() if path.startswith(f"{section}.")}
        return " and ".join(said)

    @property
    def guard_rules(self) -> GuardRules:
        """What the application's one guard is made of."""
        loopback = self.guard.loopback
        return GuardRules(
            list(self.guard.allow),
            list(self.guard.deny),
            not self.server.keys if loopback is None else loopback,
        )

    @property
    def provenance(self) -> str:
        """Where they came from, for people: a profile, a file, both; empty for neither."""
        profile = f"profile {self.profile}" if self.profile else ""
        return " and ".join(filter(None, (profile, self.source)))
