"""Secrets in what a worker prints, while their runs are there and long after."""

from __future__ import annotations

import logging
import time

import pytest

from leaking import SECRET, URL
from waiting import until
from worker_scene import Scene, played, run
from workerkit.host.printed import LATE_OUTPUT
from workerkit.wire import Hide


def test_secrets_are_masked_in_what_is_kept_logged_and_said_of_a_death(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "workerkit")

    async def play(scene: Scene) -> None:
        guarded = run("a", secret="open sesame")
        scene.began(guarded, alone=True, only=True)
        scene.says("a", "the secret is open sesame")
        scene.output.ended(guarded)
        scene.prints("late: open sesame\n")
        assert scene.output.tail(guarded) == "the secret is ***\nlate: ***"

    assert played(play).kept == {("a", 1): "the secret is ***\nlate: ***\n"}
    assert caplog.messages == ["w a | the secret is ***", "w a | late: ***"]


def test_a_secret_that_a_run_hides_is_masked_from_then_on_also_when_it_is_over() -> None:
    async def play(scene: Scene) -> None:
        first, again = run("a", output=scene.output), run("a", attempt=2, output=scene.output)
        scene.began(first, alone=True)
        scene.says("a", "open sesame")
        scene.output.hide(Hide("a", 1, 0, "open sesame"))
        scene.says("a", "open sesame")
        scene.began(again, alone=False)
        scene.output.ended(first)
        scene.output.hide(Hide("a", 1, 1, "another one"))
        scene.says("a", "late: open sesame, another one")
        scene.output.hide(Hide("nobody", 1, 2, "word 0000"))
        scene.says("a", "open sesame, another one, word 0000", attempt=2)
        assert scene.output.clean("for open sesame") == "for ***"
        assert first.clean(["open sesame"]) == ["***"]
        assert first.outgoing.redactor.text("another one") == "***"
        scene.output.ended(again)

    assert played(play).kept == {
        ("a", 1): "open sesame\n***\nlate: ***, ***\n",
        ("a", 2): "***, ***, ***\n",
    }


def test_a_long_runs_secret_is_masked_however_many_others_have_had_theirs() -> None:
    async def play(scene: Scene) -> None:
        long, short = (
            run("long", secret="open sesame"),
            [run(f"{n}", secret=f"word {n:04}") for n in range(200)],
        )
        scene.began(long, alone=True)
        for each in short:
            scene.began(each, alone=False)
            scene.output.ended(each)
        scene.says("long", "the secret is open sesame")
        scene.output.ended(long)
        scene.says("0", "late: word 0000")
        scene.says("long", "late: open sesame, word 0000")

    kept = played(play).kept

    assert kept == {("long", 1): "the secret is ***\nlate: ***, ***\n", ("0", 1): "late: ***\n"}


def test_what_may_be_half_of_a_secret_stays_with_the_run_that_wrote_it() -> None:
    async def play(scene: Scene) -> None:
        scene.began(guarded := run("a", secret="open sesame"), alone=True, only=True)
        scene.prints("from a: open se")
        scene.output.ended(guarded)
        scene.began(run("b"), alone=True, only=True)
        assert scene.text("a") == "from a: \n"
        scene.prints("same, late\nfrom b\nhalf")
        scene.output.read(b"")
        scene.output.ended(run("b"))

    assert played(play).kept == {("a", 1): "from a: \n***, late\n", ("b", 1): "from b\nhalf\n"}


def test_a_thread_that_a_run_has_left_behind_tells_no_secret_however_late(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "workerkit")

    async def play(scene: Scene) -> None:
        guarded, hiding, later = run("a", secret="open sesame"), run("b"), run("c")
        scene.began(guarded, alone=True, only=True)
        scene.output.ended(guarded)
        scene.began(hiding, alone=True, only=True)
        scene.output.hide(Hide("b", 1, 0, "another one"))
        scene.output.ended(hiding)
        over = time.monotonic() + LATE_OUTPUT
        until("nothing is taken for theirs any more", lambda: time.monotonic() > over)
        scene.began(later, alone=True, only=True)
        scene.prints("from a thread: open sesame, another one\n")
        scene.says("a", "from another: open sesame, another one")
        assert scene.output.clean("open sesame") == "***"
        scene.output.ended(later)

    assert played(play).kept == {("c", 1): "from a thread: ***, ***\n"}
    assert caplog.messages == ["w c | from a thread: ***, ***", "w | from another: ***, ***"]


def test_what_a_run_has_exempted_before_it_hides_a_secret_stays_exempt() -> None:
    async def play(scene: Scene) -> None:
        hiding = run("a", output=scene.output)
        scene.began(hiding, alone=True)
        hiding.exempt(URL)
        scene.output.hide(Hide("a", 1, 0, SECRET))

        assert hiding.outgoing.redactor.text(f"{URL} {SECRET}") == f"{URL} ***"
        assert URL not in hiding.clean(URL)
        scene.output.ended(hiding)

    played(play)
