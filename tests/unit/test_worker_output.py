"""Whose line it is that a worker prints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from workerkit.host.output import MOST_LOGGED, WorkerOutput
from workerkit.host.printed import Logbook
from workerkit.host.run import Run
from workerkit.host.worker import Worker
from workerkit.job import Request, Status
from workerkit.queue import Record
from workerkit.redaction import Redactor
from workerkit.settings import LogsSettings
from workerkit.wire import Hide


def run(id: str, attempt: int = 1, secret: str | None = None) -> Run:
    record = Record(id=id, endpoint="render", status=Status.IN_PROGRESS, attempt=attempt, input=b"1")
    # Neither is looked at: who prints is known by the record alone.
    request, worker = cast(Request, None), cast(Worker, None)
    return Run(record, request, worker, 0.0, None if secret is None else Redactor([secret]))


class Scene:
    """A worker's output, and what came of it."""

    def __init__(self, settings: LogsSettings | None = None) -> None:
        self.kept: dict[tuple[str, int], str] = {}
        self.book = Logbook(settings or LogsSettings(), self._keep)
        self.output = WorkerOutput("w", self.book)
        self.output.marked_by("tag")

    async def _keep(self, id: str, attempt: int, text: bytes) -> None:
        self.kept[id, attempt] = text.decode().partition("\n")[2]

    def says(self, id: str, text: str, attempt: int = 1) -> None:
        self.prints(f"\x1etag:{id}:{attempt}\x1f{text}\n")

    def prints(self, text: str) -> None:
        self.output.read(text.encode())

    def text(self, id: str, attempt: int = 1) -> str:
        printed = self.book.find(id, attempt)
        return "" if printed is None else printed.after(0)[0]


def played(play: Callable[[Scene], Coroutine[Any, Any, None]], settings: LogsSettings | None = None) -> Scene:
    """A scene after a play, its logs stored."""

    async def main() -> Scene:
        scene = Scene(settings)
        await play(scene)
        await scene.book.close()
        return scene

    return asyncio.run(main())


def test_marked_lines_are_their_runs_whatever_else_is_running() -> None:
    async def play(scene: Scene) -> None:
        for id in "ab":
            scene.output.began(run(id), alone=id == "a")
        scene.says("b", "from b")
        scene.says("a", "from a")
        scene.prints("from a child process of one of them\n")
        assert scene.text("a") == "from a\n"
        scene.output.ended(run("a"))
        scene.says("a", "late")
        scene.output.ended(run("b"))

    assert played(play).kept == {("a", 1): "from a\nlate\n", ("b", 1): "from b\n"}


def test_what_is_not_marked_is_the_only_runs_of_a_worker_with_one_slot() -> None:
    async def play(scene: Scene) -> None:
        scene.prints("while it starts\n")
        scene.output.began(run("a"), alone=True, only=True)
        scene.prints("from C\n")
        scene.prints("begun in C, \x1etag:a:1\x1fPython prints\n")
        scene.output.ended(run("a"))
        scene.prints("and ended\nlate")
        scene.output.began(run("b"), alone=True, only=True)
        scene.prints("for the next\n")
        scene.output.ended(run("b"))

    assert played(play).kept == {
        ("a", 1): "from C\nPython prints\nbegun in C, and ended\nlate\n",
        ("b", 1): "for the next\n",
    }


@pytest.mark.parametrize("forged", ["other:1", "a:2", "a", "a:one", "a:²", "", ":"])
def test_a_forged_mark_names_no_run_of_another_worker(forged: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "workerkit")

    async def play(scene: Scene) -> None:
        scene.output.began(run("a"), alone=True, only=True)
        scene.prints(f"\x1etag:{forged}\x1fforged\n")
        scene.output.ended(run("a"))

    assert played(play).kept == {}
    assert caplog.messages == ["w | forged"]


def test_secrets_are_masked_in_what_is_kept_logged_and_said_of_a_death(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "workerkit")

    async def play(scene: Scene) -> None:
        guarded = run("a", secret="open sesame")
        scene.output.began(guarded, alone=True, only=True)
        scene.says("a", "the secret is open sesame")
        scene.output.ended(guarded)
        scene.prints("late: open sesame\n")
        assert scene.output.tail(guarded) == "the secret is ***\nlate: ***"

    assert played(play).kept == {("a", 1): "the secret is ***\nlate: ***\n"}
    assert caplog.messages == ["w a | the secret is ***", "w a | late: ***"]


def test_a_secret_that_a_run_hides_is_masked_from_then_on_also_when_it_is_over() -> None:
    async def play(scene: Scene) -> None:
        first, again = run("a"), run("a", attempt=2)
        scene.output.began(first, alone=True)
        scene.says("a", "open sesame")
        scene.output.hide(Hide("a", 1, 0, "open sesame"))
        scene.says("a", "open sesame")
        scene.output.began(again, alone=False)
        scene.output.ended(first)
        scene.output.hide(Hide("a", 1, 1, "another one"))
        scene.says("a", "late: open sesame, another one")
        scene.output.hide(Hide("nobody", 1, 2, "word 0000"))
        scene.says("a", "open sesame, another one, word 0000", attempt=2)
        assert scene.output.clean("for open sesame") == "for ***"
        assert first.clean(["open sesame"]) == ["***"]
        assert first.outgoing is not None
        assert first.outgoing.redactor.text("another one") == "***"
        assert again.redactor is None
        scene.output.ended(again)

    assert played(play).kept == {
        ("a", 1): "open sesame\n***\nlate: ***, ***\n",
        ("a", 2): "***, ***, word 0000\n",
    }


def test_a_long_runs_secret_is_masked_however_many_others_have_had_theirs() -> None:
    async def play(scene: Scene) -> None:
        long, short = (
            run("long", secret="open sesame"),
            [run(f"{n}", secret=f"word {n:04}") for n in range(200)],
        )
        scene.output.began(long, alone=True)
        for each in short:
            scene.output.began(each, alone=False)
            scene.output.ended(each)
        scene.says("long", "the secret is open sesame")
        scene.output.ended(long)
        scene.says("0", "late: word 0000")
        scene.says("long", "late: open sesame, word 0000")

    kept = played(play).kept

    assert kept == {("long", 1): "the secret is ***\nlate: ***, ***\n", ("0", 1): "late: ***\n"}


def test_what_is_not_marked_belongs_to_no_run_while_a_worker_that_shrank_still_runs_another() -> None:
    async def play(scene: Scene) -> None:
        scene.output.began(run("a"), alone=True, only=False)
        scene.output.began(run("b"), alone=False, only=True)
        scene.prints("from a child process of one of them\n")
        for id in "ab":
            scene.output.ended(run(id))

    assert played(play).kept == {}


def test_the_last_words_of_a_run_are_not_its_neighbours() -> None:
    async def play(scene: Scene) -> None:
        for id in "ab":
            scene.output.began(run(id), alone=id == "a")
        scene.says("a", "mine")
        scene.says("b", "not mine")
        scene.prints("Fatal Python error: Segmentation fault\n")
        assert scene.output.tail(run("a")) == "mine\nFatal Python error: Segmentation fault"

    played(play)


def test_a_run_that_prints_without_end_is_logged_up_to_a_limit_and_its_end_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "workerkit")
    line, count = "x" * 49_999, MOST_LOGGED // 50_000 + 100

    async def play(scene: Scene) -> None:
        scene.output.began(run("a"), alone=True, only=True)
        for _ in range(count):
            scene.says("a", line)
        scene.says("a", "the end")
        scene.output.ended(run("a"))

    kept = played(play, LogsSettings(tail=60_000)).kept["a", 1]

    assert kept == f"{line}\nthe end\n"
    assert len(caplog.messages) == MOST_LOGGED // 50_000 + 1
    assert caplog.messages[-1].startswith("w a | (it has printed 10,000,000 bytes; no more are logged")


def test_lines_say_whom_they_are_about_and_may_be_left_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "workerkit")

    async def play(scene: Scene) -> None:
        scene.output.began(run("a"), alone=True, only=True)
        scene.says("a", "10 %\r20 %\r30 %\r")
        scene.output.ended(run("a"))

    assert played(play, LogsSettings(output=False)).kept == {("a", 1): "30 %\n"}
    assert not caplog.records

    played(play, LogsSettings(tail=0))
    [record] = caplog.records
    assert vars(record).items() >= {"worker": "w", "job": "a", "endpoint": "render"}.items()


def test_a_line_that_comes_after_all_was_stored_is_added_to_it() -> None:
    async def play(scene: Scene) -> None:
        with scene.book.watch("a") as moved:
            scene.output.began(run("a"), alone=True, only=True)
            scene.says("a", "first")
            scene.output.ended(run("a"))
            while ("a", 1) not in scene.kept:
                moved.clear()
                await asyncio.wait_for(moved.wait(), 10)
            scene.says("a", "second")

    assert played(play).kept == {("a", 1): "first\nsecond\n"}


def test_what_a_worker_warns_of_has_its_level_and_is_said_once_for_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play(scene: Scene) -> None:
        scene.prints("WARNING workerkit.elastic - it returned str\n")
        WorkerOutput("w2", scene.book).read(b"WARNING workerkit.elastic - it returned str\n")
        scene.prints("WARNING of my own\n")
        scene.output.began(run("a"), alone=True)
        for _ in range(2):
            scene.says("a", "ERROR workerkit.job a odd")

    with caplog.at_level(logging.INFO, "workerkit"):
        scene = played(play)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "w | workerkit.elastic - it returned str"),
        ("INFO", "w | WARNING of my own"),
        ("ERROR", "w a | workerkit.job a odd"),
        ("ERROR", "w a | workerkit.job a odd"),
    ]
    assert scene.text("a") == "ERROR workerkit.job a odd\n" * 2


def test_what_may_be_half_of_a_secret_stays_with_the_run_that_wrote_it() -> None:
    async def play(scene: Scene) -> None:
        scene.output.began(guarded := run("a", secret="open sesame"), alone=True, only=True)
        scene.prints("from a: open se")
        scene.output.ended(guarded)
        scene.output.began(run("b"), alone=True, only=True)
        assert scene.text("a") == "from a: \n"
        scene.prints("same, late\nfrom b\nhalf")
        scene.output.read(b"")
        scene.output.ended(run("b"))

    assert played(play).kept == {("a", 1): "from a: \n***, late\n", ("b", 1): "from b\nhalf\n"}


def test_a_marked_line_that_is_not_all_there_is_not_ended_by_the_next_run() -> None:
    async def play(scene: Scene) -> None:
        for mark in ("\x1eta", "\x1etag:a:", "\x1etag:a:1\x1ffrom "):
            whole = "\x1etag:a:1\x1ffrom a\n"
            scene.output.began(run("a"), alone=True, only=True)
            scene.prints(mark)
            scene.output.ended(run("a"))
            scene.output.began(run("b"), alone=True, only=True)
            scene.prints(whole.removeprefix(mark) + "from b\n")
            scene.output.ended(run("b"))

    assert played(play).kept == {("a", 1): "from a\n" * 3, ("b", 1): "from b\n" * 3}
