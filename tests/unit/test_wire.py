from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerkit.states import Status
from workerkit.wire import (
    HEADER,
    MAX_FRAME,
    PROTOCOL,
    Assign,
    Chunk,
    Descriptor,
    Drain,
    Exempt,
    Frame,
    Hello,
    Hidden,
    Hide,
    JobEnd,
    PluginRef,
    Progress,
    Ready,
    Recall,
    RunJob,
    Start,
    Stop,
    Unfit,
    Unpacker,
    Untouched,
    decode_to_host,
    decode_to_worker,
    pack,
)

TO_WORKER: list[Frame] = [
    Start(PROTOCOL, "w", "handler.py", [PluginRef("s3", "m:C", {"a": 1})], 1, 2, 3, tracebacks=False),
    Assign("render", 4),
    RunJob(0, "j", 1, b'{"a":1}', {"s3Config": b"{}"}),
    Stop("j", 1, "cancelled"),
    Hidden(3),
    Recall(),
    Drain(),
]
TO_HOST: list[Frame] = [
    Hello(PROTOCOL, [Descriptor("render", "function", timeout=5)]),
    Ready(),
    Unfit("no torch"),
    Chunk("j", 1, 0, b"1"),
    Progress("j", 1, b"2"),
    Exempt("j", 1, "https://a.example/b?c"),
    Hide("j", 1, 3, "open sesame"),
    Untouched([("j", 1), ("k", 2)]),
    JobEnd(0, "j", 1, Status.COMPLETED, b"{}", notes={"a": [1]}, refresh="asked", chunks=3),
]


@pytest.mark.parametrize("frame", TO_WORKER)
def test_frames_to_the_worker_come_out_as_they_went_in(frame: Frame) -> None:
    assert decode_to_worker(pack(frame)[HEADER:]) == frame


@pytest.mark.parametrize("frame", TO_HOST)
def test_frames_to_the_host_come_out_as_they_went_in(frame: Frame) -> None:
    assert decode_to_host(pack(frame)[HEADER:]) == frame


@given(st.lists(st.integers(1, 40), max_size=60))
def test_frames_survive_being_cut_anywhere(pieces: list[int]) -> None:
    stream = b"".join(pack(frame) for frame in TO_HOST)
    unpacker = Unpacker()
    bodies: list[memoryview] = []
    for size in [*pieces, len(stream)]:
        bodies += unpacker.feed(stream[:size])
        stream = stream[size:]
    assert [decode_to_host(body) for body in bodies] == TO_HOST


def test_a_body_stays_as_it_is_while_more_arrives() -> None:
    unpacker, frame = Unpacker(), pack(Progress("j", 1, b"1" * 100))
    [first] = unpacker.feed(bytes(frame + frame[:-1]))
    [second] = unpacker.feed(bytes(frame[-1:]))
    assert first == second == frame[HEADER:]


def test_a_length_that_cannot_be_true_is_refused() -> None:
    with pytest.raises(ValueError, match="a frame announces"):
        Unpacker().feed((MAX_FRAME + 1).to_bytes(HEADER, "big"))
