"""The jobs that wait in a worker of one slot: which begin, and which go back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from waiting import until
from workerkit import Job, JobCancelled, worker_function
from workerkit.bridge import Bridge
from workerkit.hooks import Hooks
from workerkit.runner import Runner
from workerkit.wire import Frame, JobEnd, Refresh, RunJob, Stop, Untouched
from workerkit.worker.interrupt import Interrupt
from workerkit.worker.slots import Slots

WAIT = 20.0


class Stage:
    """Slots, what their jobs did, and the frames that they sent."""

    def __init__(self, function: Callable[[Stage, Job], Any], *, interrupt: Interrupt | None = None) -> None:
        self.frames: list[Frame] = []
        self.ran: list[str] = []
        self.gate, self.begun = threading.Event(), threading.Event()

        def handler(job: Job) -> Any:
            self.ran.append(job.id)
            return function(self, job)

        bridge = Bridge()
        runner = Runner(worker_function(handler), Hooks([], bridge), bridge)
        self.slots = Slots(runner, self.frames.append, 1, interrupt=interrupt)

    def add(self, *ids: str) -> None:
        for id in ids:
            self.slots.add(RunJob(0, id, 1, b"null"))

    def frames_but_ends(self) -> list[Frame]:
        return [frame for frame in self.frames if not isinstance(frame, JobEnd)]

    def ends(self) -> list[tuple[str, str]]:
        return [(frame.id, frame.status) for frame in self.frames if isinstance(frame, JobEnd)]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """In a thread, until all that was added is over."""
        thread = threading.Thread(target=self.slots.serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.gate.set()
            self.slots.close()
            thread.join(WAIT)
        assert not thread.is_alive()


def waits_once(stage: Stage, job: Job) -> str:
    """The first job waits for the gate."""
    if job.id == "a":
        stage.begun.set()
        assert stage.gate.wait(WAIT)
    return job.id


def test_jobs_run_one_after_the_other_in_the_order_in_which_they_came() -> None:
    stage = Stage(waits_once)
    with stage.serving():
        stage.add("a", "b", "c")
        assert stage.begun.wait(WAIT)

    assert stage.ran == ["a", "b", "c"]
    assert stage.ends() == [(id, "COMPLETED") for id in "abc"]


def test_a_recall_gives_back_what_has_not_begun_in_one_word_and_what_comes_later_runs() -> None:
    stage = Stage(waits_once)
    with stage.serving():
        stage.add("a", "b", "c")
        assert stage.begun.wait(WAIT)
        stage.slots.return_untouched()
        assert stage.frames == [Untouched([("b", 1), ("c", 1)])]
        stage.slots.return_untouched()
        stage.add("d")

    assert stage.ran == ["a", "d"]
    assert stage.frames_but_ends() == [Untouched([("b", 1), ("c", 1)])]


def test_a_recall_after_the_word_to_leave_lets_it_leave() -> None:
    stage = Stage(waits_once)
    with stage.serving():
        stage.add("a", "b")
        assert stage.begun.wait(WAIT)
        stage.slots.close()
        stage.slots.return_untouched()

    assert stage.ran == ["a"]
    assert stage.frames_but_ends() == [Untouched([("b", 1)])]


def test_after_a_job_that_asks_for_a_refresh_none_begins_also_of_those_that_come_later() -> None:
    def refreshes(stage: Stage, job: Job) -> None:
        if job.id == "b":
            job.refresh_worker("it grew")

    stage = Stage(refreshes)
    with stage.serving():
        stage.add("a", "b", "c")
        until("the third is back", lambda: Untouched([("c", 1)]) in stage.frames)
        stage.add("d")

    assert stage.ran == ["a", "b"]
    assert stage.frames_but_ends() == [Untouched([("c", 1)]), Untouched([("d", 1)])]
    assert isinstance(stage.frames[1], JobEnd)
    assert stage.frames[1].refresh == "it grew", "the host hears of it before the others come back"


@pytest.mark.parametrize("last", [True, False])
def test_after_the_last_refresh_of_a_worker_none_begins(last: bool) -> None:
    stage = Stage(waits_once)
    with stage.serving():
        stage.add("a", "b")
        assert stage.begun.wait(WAIT)
        stage.slots.ask_for_refresh("it is old", last)

    assert stage.ran == (["a"] if last else ["a", "b"])
    assert stage.frames_but_ends() == [Refresh("it is old", last)] + [Untouched([("b", 1)])] * last


def test_one_that_is_stopped_while_it_waits_ends_without_having_run() -> None:
    stage = Stage(waits_once)
    with stage.serving():
        stage.add("a", "b", "c")
        assert stage.begun.wait(WAIT)
        stage.slots.stop(Stop("b", 1, "it was cancelled"))

    assert stage.ran == ["a", "c"]
    assert stage.ends() == [("a", "COMPLETED"), ("b", "CANCELLED"), ("c", "COMPLETED")]


def test_after_a_job_that_was_interrupted_none_begins() -> None:
    def sleeps(stage: Stage, job: Job) -> None:
        stage.begun.set()
        assert stage.gate.wait(WAIT)

    before = signal.getsignal(signal.SIGUSR2)
    stage = Stage(sleeps, interrupt=Interrupt(signal.SIGUSR2))

    def host() -> None:
        if stage.begun.wait(WAIT):
            stage.slots.stop(Stop("a", 1, "it was cancelled"))
            until("the second is back", lambda: Untouched([("b", 1)]) in stage.frames)
        stage.slots.close()

    try:
        stage.add("a", "b")
        thread = threading.Thread(target=host)
        thread.start()
        stage.slots.serve()  # in the main thread, which signals reach
        thread.join(WAIT)
    finally:
        signal.signal(signal.SIGUSR2, before)

    assert stage.ran == ["a"]
    assert stage.ends() == [("a", "CANCELLED")]
    assert JobCancelled.__name__ not in str(stage.frames)
