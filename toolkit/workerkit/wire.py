"""What host and worker say to each other: msgpack frames behind a 4-byte big-endian length.

JSON travels inside as bytes and is not encoded again. Both ends know this module and nothing else
of each other.
"""

from __future__ import annotations

from typing import Any

import msgspec

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


class Assign(Frame, tag="assign", frozen=True):
    """Serve this function with this many jobs at a time."""

    function: str
    slots: int


class RunJob(Frame, tag="job", frozen=True):
    """Run this attempt. `fields` are the declared fields as JSON by name, secret ones included."""

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


class Drain(Frame, tag="drain", frozen=True):
    """Take nothing more, run `worker_stop`, exit with code 0."""


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function of the target, as its `@worker_function` options say. Times are milliseconds."""

    name: str
    kind: str
    concurrency: int = 1
    timeout: int | None = None
    max_starts: int | None = None
    aggregate: bool = True
    usage: str = ""
    version: str = ""


class Hello(Frame, tag="hello", frozen=True):
    """The target is imported; these are its functions."""

    protocol: int
    functions: list[Descriptor]


class Ready(Frame, tag="ready", frozen=True):
    """`worker_start` has passed; the slots are open."""


class Unfit(Frame, tag="unfit", frozen=True):
    """The worker cannot serve: the target or a plugin did not load, or `worker_start` raised."""

    reason: str


class Chunk(Frame, tag="chunk", frozen=True):
    """One yielded value, JSON; `n` counts from 0 within the attempt."""

    id: str
    attempt: int
    n: int
    value: bytes


class Progress(Frame, tag="progress", frozen=True):
    """A value to show while the job runs, JSON."""

    id: str
    attempt: int
    value: bytes


class JobEnd(Frame, tag="result", frozen=True):
    """The run is over and its slot is free. `output` is JSON; `status` a `Status` value.

    `chunks` counts the `Chunk` frames that came before, or is None for a plain function.
    """

    slot: int
    id: str
    attempt: int
    status: str
    output: bytes | None = None
    error: str | None = None
    notes: dict[str, Any] = {}
    refresh: str | None = None
    chunks: int | None = None
    #: How long the run took.
    seconds: float = 0.0


ToWorker = Start | Assign | RunJob | Stop | Drain
ToHost = Hello | Ready | Unfit | Chunk | Progress | JobEnd

_encoder = msgspec.msgpack.Encoder()
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_to_host = msgspec.msgpack.Decoder(ToHost).decode


def pack(frame: Frame) -> bytes:
    """A frame with its length in front, ready to be written in one piece."""
    buffer = bytearray(HEADER)
    _encoder.encode_into(frame, buffer, HEADER)
    buffer[:HEADER] = (len(buffer) - HEADER).to_bytes(HEADER, "big")
    return bytes(buffer)


class Unpacker:
    """Cuts a byte stream into frame bodies. Raises ValueError when a length cannot be true."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes; return the bodies that are now whole, in order."""
        buffer = self._buffer
        buffer += data
        bodies: list[bytes] = []
        start = 0
        while len(buffer) - start >= HEADER:
            size = int.from_bytes(buffer[start : start + HEADER], "big")
            if size > MAX_FRAME:
                raise ValueError(f"a frame announces {size} bytes; at most {MAX_FRAME} are allowed")
            end = start + HEADER + size
            if len(buffer) < end:
                break
            bodies.append(bytes(memoryview(buffer)[start + HEADER : end]))
            start = end
        if start:
            del buffer[:start]
        return bodies
