"""Whose line it is that a worker prints."""

from __future__ import annotations

import asyncio
import logging
import weakref

import pytest

from worker_scene import Scene, played, run
from workerkit.host.output import MOST_LOGGED, WorkerOutput
from workerkit.settings import LogsSettings


def test_marked_lines_are_their_runs_whatever_else_is_running() -> None:
    async def play(scene: Scene) -> None:
        for id in "ab":
            scene.began(run(id), alone=id == "a")
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
        scene.began(run("a"), alone=True, only=True)
        scene.prints("from C\n")
        scene.prints("begun in C, \x1etag:a:1\x1fPython prints\n")
        scene.output.ended(run("a"))
        scene.prints("and ended\nlate")
        scene.began(run("b"), alone=True, only=True)
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
        scene.began(run("a"), alone=True, only=True)
        scene.prints(f"\x1etag:{forged}\x1fforged\n")
        scene.output.ended(run("a"))

    assert played(play).kept == {}
    assert caplog.messages == ["w | forged"]


def test_what_is_not_marked_belongs_to_no_run_while_a_worker_that_shrank_still_runs_another() -> None:
    async def play(scene: Scene) -> None:
        scene.began(run("a"), alone=True, only=False)
        scene.began(run("b"), alone=False, only=True)
        scene.prints("from a child process of one of them\n")
        for id in "ab":
            scene.output.ended(run(id))

    assert played(play).kept == {}


def test_the_last_words_of_a_run_are_not_its_neighbours() -> None:
    async def play(scene: Scene) -> None:
        for id in "ab":
            scene.began(run(id), alone=id == "a")
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
        scene.began(run("a"), alone=True, only=True)
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
        scene.began(run("a"), alone=True, only=True)
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
            scene.began(run("a"), alone=True, only=True)
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
        scene.began(run("a"), alone=True)
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


def test_a_marked_line_that_is_not_all_there_is_not_ended_by_the_next_run() -> None:
    async def play(scene: Scene) -> None:
        for mark in ("\x1eta", "\x1etag:a:", "\x1etag:a:1\x1ffrom "):
            whole = "\x1etag:a:1\x1ffrom a\n"
            scene.began(run("a"), alone=True, only=True)
            scene.prints(mark)
            scene.output.ended(run("a"))
            scene.began(run("b"), alone=True, only=True)
            scene.prints(whole.removeprefix(mark) + "from b\n")
            scene.output.ended(run("b"))

    assert played(play).kept == {("a", 1): "from a\n" * 3, ("b", 1): "from b\n" * 3}


def test_last_words_that_come_before_the_news_of_whose_turn_it_is_are_found_and_its_neighbours_are_not() -> (
    None
):
    async def play(scene: Scene) -> None:
        first, second, third = run("a"), run("b"), run("c")
        scene.began(first, alone=True, only=True)
        scene.prints("while nobody waits\n")
        for waiting in (second, third):
            scene.output.expect(waiting)
        scene.says("a", "not mine")
        scene.says("b", "mine")
        scene.prints("Fatal Python error: Segmentation fault\n")
        scene.output.began(second, alone=True, only=True)
        assert scene.output.tail(second) == "mine\nFatal Python error: Segmentation fault"
        scene.output.began(third, alone=True, only=True)
        assert scene.output.tail(third) == ""

    played(play)


def test_a_run_that_does_not_begin_here_prints_nothing_and_nobody_is_told_that_it_is_over() -> None:
    async def play(scene: Scene) -> None:
        with scene.book.watch("b") as event:
            scene.began(run("a"), alone=True, only=True)
            scene.output.expect(run("b"))
            scene.output.dropped(run("b"))
            scene.output.ended(run("b"))
            assert not event.is_set()
            assert scene.book.find("b", 1) is None
        scene.says("b", "forged")
        scene.began(run("b", 2), alone=True, only=True)
        scene.output.dropped(run("b", 2))
        scene.prints("from C\n")

    assert played(play).kept == {}


def test_of_a_run_that_is_over_its_input_is_not_kept_for_the_lines_that_may_come_late() -> None:
    async def play(scene: Scene) -> None:
        over = run("a")
        scene.began(over, alone=True)
        gone = weakref.ref(over)
        scene.output.ended(over)
        del over
        assert gone() is None
        scene.says("a", "late")

    assert played(play).kept == {("a", 1): "late\n"}
