"""Several ends at once: stored together, and each for itself when one of them cannot be stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from workerkit.bridge import Bridge
from workerkit.errors import QueueError
from workerkit.hooks import Hooks
from workerkit.host.ends import Ended, Ends
from workerkit.host.metrics import PrometheusMeter
from workerkit.job import Result
from workerkit.queue import End, Record
from workerkit.states import Status


class Kept:
    """Where ends go: some it cannot store for a while, and some jobs have moved on."""

    def __init__(self, refused: dict[str, int], moved: Sequence[str] = ()) -> None:
        self.calls: list[list[str]] = []
        self._refused = refused
        self._moved = moved

    async def finish(self, ends: Sequence[End]) -> list[bool]:
        ids = [end.id for end in ends]
        self.calls.append(ids)
        if culprits := [id for id in ids if self._refused.get(id)]:
            for id in culprits:
                self._refused[id] -= 1
            raise QueueError(f"{culprits[0]} cannot be stored")
        return [id not in self._moved for id in ids]


def ended(id: str) -> Ended:
    record = Record(id=id, endpoint="render", status=Status.IN_PROGRESS, attempt=1, input=b"1")
    return Ended(record, Result(status=Status.COMPLETED, attempt=1, output=b"1"))


def stored(kept: Kept, *ids: str) -> tuple[list[bool], int]:
    """The answers, in their order, and how many ends were counted."""
    bridge, meter = Bridge(), PrometheusMeter()
    try:
        ends = Ends(kept, Hooks([], bridge), meter)
        answers = asyncio.run(ends.end_stubbornly(*map(ended, ids)))
    finally:
        bridge.close()
    return answers, meter.at["render"].ended["COMPLETED"]


def test_ends_that_come_together_are_stored_in_one_call_and_each_is_answered_for_itself() -> None:
    kept = Kept({}, moved=["b"])

    assert stored(kept, "a", "b", "c") == ([True, False, True], 2)
    assert kept.calls == [["a", "b", "c"]]


def test_what_cannot_be_stored_keeps_no_other_waiting_and_is_not_lost() -> None:
    kept = Kept({"b": 3}, moved=["c"])

    assert stored(kept, "a", "b", "c") == ([True, True, False], 2)
    assert kept.calls[0] == ["a", "b", "c"]
    assert kept.calls[1:4] == [["a"], ["b"], ["c"]], "the others were stored before it could be"
    assert kept.calls[4:] == [["b"], ["b"]]


def test_an_end_that_was_stored_with_others_before_the_call_failed_is_counted_once() -> None:
    """The answer to the first call was lost on its way; the queue answers a repeated end with True."""
    kept = Kept({"a": 1, "b": 1})

    assert stored(kept, "a", "b") == ([True, True], 2)
    assert stored(kept, "a", "a") == ([True, True], 1)
