"""What host and worker say to each other: msgpack frames behind a 4-byte big-endian length.

JSON travels inside as bytes and is not encoded again. Both ends know this module and nothing else
of each other.
"""

from __future__ import annotations

from typing import Any

import msgspec

from workerkit.states import Status

PROTOCOL = 1
HEADER = 4
#: No frame may announce more than this; a larger length means that the two ends lost step.
MAX_FRAME = 64 * 1024 * 1024
#: What a job may put into one frame; the rest is for what surrounds it.
MAX_PAYLOAD = MAX_FRAME - 1024 * 1024


class Frame(msgspec.Struct, frozen=True, tag_field="t", omit_defaults=True):
    """Base of all frames."""


class PluginRef(msgspec.Struct, frozen=True):
    """A plugin that the worker loads: `module:attribute`, its name and its settings section."""

    name: str
    ref: str
    settings: dict[str, Any] = {}


class GuardRules(msgspec.Struct, frozen=True):
    """What a worker's guard lets pass; see `workerkit.guard.Guard`."""

    allow: list[str] = []
    deny: list[str] = []
    loopback: bool = False


class Start(Frame, tag="start", frozen=True):
    """First frame to a worker: what to load, and what its jobs may send."""

    protocol: int
    worker_id: str
    target: str
    plugins: list[PluginRef]
    output_limit: int
    chunk_limit: int
    depth: int
    tracebacks: bool = True
    #: Set before anything of the target or of a plugin is imported.
    environ: dict[str, str] = {}
    #: Number of the signal that interrupts a plain handler in the main thread; 0 for none.
    stop_signal: int = 0
    #: What marks a printed line as a job's: `\x1e{tag}:{id}:{attempt}\x1f` stands before it.
    tag: str = ""
    #: For plugins that ask for a guard.
    guard: GuardRules = GuardRules()
    #: Where jobs have their folders; empty for temporary ones.
    scratch: str = ""


class Assign(Frame, tag="assign", frozen=True):
    """Serve this function with this many jobs at a time."""

    function: str
    slots: int


class RunJob(Frame, tag="job", frozen=True):
    """Run this attempt, after those that came for this slot before. `fields` are the declared fields as JSON by
    name, secret ones included."""

    slot: int
    id: str
    attempt: int
    input: bytes
    fields: dict[str, bytes] = {}


class Stop(Frame, tag="stop", frozen=True):
    """Cancel this attempt; the slot answers with a `JobEnd` when it is free again."""

    id: str
    attempt: int
    reason: str


class Hidden(Frame, tag="hidden", frozen=True):
    """A secret is masked from now on, also in what is printed, which comes beside the wire."""

    number: int


class Recall(Frame, tag="recall", frozen=True):
    """Run nothing that has come so far and has not begun: say `Untouched` of it."""


class Drain(Frame, tag="drain", frozen=True):
    """Take nothing more, run `worker_stop`, exit with code 0."""


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function of the target, as its `@worker_function` options say. Times are milliseconds."""

    name: str
    kind: str
    concurrency: int = 1
    #: How many it takes at a time changes.
    elastic: bool = False
    timeout: int | None = None
    max_starts: int | None = None
    #: Runs after a failed one; None: none for an exception, a few for `Retry`.
    retries: int | None = None
    #: Before the first of them; each waits twice as long as the one before.
    retry_delay: int = 1000
    aggregate: bool = True
    usage: str = ""
    #: Of its input, when that is typed: JSON schema.
    schema: str = ""
    version: str = ""


class Hello(Frame, tag="hello", frozen=True):
    """The target is imported; these are its functions."""

    protocol: int
    functions: list[Descriptor]


class Ready(Frame, tag="ready", frozen=True):
    """`worker_start` has passed; the slots are open."""


class Unfit(Frame, tag="unfit", frozen=True):
    """The worker cannot serve: the target or a plugin did not load, or `worker_start` raised.

    `passing` says that another try may do, since `worker_start` raised `Unfit`.
    """

    reason: str
    passing: bool = False


class Refresh(Frame, tag="refresh", frozen=True):
    """The worker asks to be replaced when it is its turn; until its successor is there it goes on.

    `last` says that it begins nothing more from now on.
    """

    reason: str
    last: bool = False


class Resize(Frame, tag="resize", frozen=True):
    """The worker runs this many jobs at a time from now on."""

    slots: int


class News(Frame, frozen=True):
    """Base of what a run says before its end."""

    id: str
    attempt: int


class Chunk(News, tag="chunk", frozen=True):
    """One yielded value, JSON; `n` counts from 0 within the attempt."""

    n: int
    value: bytes


class Progress(News, tag="progress", frozen=True):
    """A value to show while the job runs, JSON."""

    value: bytes


class Exempt(News, tag="exempt", frozen=True):
    """A URL that may leave this attempt although it holds a secret, in whatever comes after this frame."""

    url: str


class Hide(News, tag="hide", frozen=True):
    """Mask this secret in whatever comes from this worker, and answer with `Hidden` and the same `number`."""

    number: int
    secret: str


class Untouched(Frame, tag="untouched", frozen=True):
    """These attempts, each an id and a number, have not begun here, and will not. They stand as they came."""

    runs: list[tuple[str, int]]


class JobEnd(Frame, tag="result", frozen=True):
    """The run is over and its slot is free. `output` is JSON.

    `chunks` counts the `Chunk` frames that came before, or is None for a plain function.
    """

    slot: int
    id: str
    attempt: int
    status: Status
    output: bytes | None = None
    error: str | None = None
    notes: dict[str, Any] = {}
    refresh: str | None = None
    chunks: int | None = None
    #: How long the run took.
    seconds: float = 0.0
    #: Whether another run may do: "" no, "failed" the handler raised, "asked" it raised `Retry`.
    retry: str = ""
    #: Seconds that `Retry` wants to wait.
    retry_after: float | None = None
    #: The stop signal was raised in it: the process is not to be trusted any more.
    interrupted: bool = False
    #: What it failed of, in words that quote neither input nor output.
    cause: str = ""


ToWorker = Start | Assign | RunJob | Stop | Hidden | Recall | Drain
ToHost = Hello | Ready | Unfit | Refresh | Resize | Chunk | Progress | Exempt | Hide | Untouched | JobEnd

_encoder = msgspec.msgpack.Encoder()
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_to_host = msgspec.msgpack.Decoder(ToHost).decode


def pack(frame: Frame) -> bytearray:
    """A frame with its length in front, ready to be written in one piece."""
    buffer = bytearray(HEADER)
    _encoder.encode_into(frame, buffer, HEADER)
    buffer[:HEADER] = (len(buffer) - HEADER).to_bytes(HEADER, "big")
    return buffer


class Unpacker:
    """Cuts a byte stream into frame bodies. Raises ValueError when a length cannot be true."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[memoryview]:
        """Add bytes; return the bodies that are now whole, in order."""
        buffer = self._buffer
        buffer += data
        bodies: list[memoryview] = []
        start = 0
        while len(buffer) - start >= HEADER:
            size = int.from_bytes(buffer[start : start + HEADER], "big")
            if size > MAX_FRAME:
                raise ValueError(f"a frame announces {size} bytes; at most {MAX_FRAME} are allowed")
            end = start + HEADER + size
            if len(buffer) < end:
                break
            bodies.append(memoryview(buffer)[start + HEADER : end])
            start = end
        if start:  # and what was read stays where it is
            self._buffer = buffer[start:]
        return bodies
