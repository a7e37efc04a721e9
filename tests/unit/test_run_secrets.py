"""What a handler keeps of one job comes out of no other, and no caller learns or spoils anything by what is masked."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from typing import cast
from urllib.parse import quote

import pytest

from leaking import SECRET, URL
from supplying import a_worker
from workerkit.host.meter import Meter
from workerkit.host.run import Run
from workerkit.host.worker import Worker
from workerkit.job import Request
from workerkit.queue import Record
from workerkit.secret_forms import MOST_PLACES
from workerkit.states import Status
from workerkit.wire import Hide

LEAK = json.dumps(["leaked", SECRET]).encode()
MASKED = b'["leaked", "***"]'
#: Drawn at random, too.
HEX, LATER = "9f86d081884c7d659a2feaa0c55ad015", "wJ4lrXUt7nFEMi/K7MDENG"


class Counting(Meter):
    """What was masked, and where."""

    def __init__(self) -> None:
        self.masked: list[tuple[str, int]] = []

    def secrets_masked(self, endpoint: str, place: str, count: int) -> None:
        assert endpoint == "render"
        self.masked.append((place, count))


def begun(worker: Worker, id: str, *secrets: str, input: str = "", meter: Meter | None = None) -> Run:
    """A run that a worker has, in the slot of that number."""
    given = json.dumps(input).encode()
    record = Record(id=id, endpoint="render", status=Status.IN_PROGRESS, attempt=1, input=given)
    request = cast(Request, None)  # is not looked at
    run = Run(record, request, worker, 0.0, worker.output.redactor, set(secrets), meter or Meter())
    worker.take(int(id), run)
    return run


def over(run: Run) -> None:
    run.worker.busy.clear()
    run.worker.left(run)


def test_the_secret_of_an_earlier_run_is_masked_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    worker, meter = a_worker(), Counting()
    over(begun(worker, "0", SECRET))
    later = begun(worker, "1", meter=meter)

    assert later.shown(LEAK, "progress") == MASKED
    assert list(later.chunks(0, LEAK)) == [(0, MASKED)]
    result = later.result(Status.FAILED, output=LEAK, error=f"no {SECRET}", notes={SECRET: SECRET})
    assert (result.error, result.notes) == ("no ***", {"***": "***"})
    assert SECRET.encode() not in (result.output or b"")
    assert later.clean(URL) == URL.replace(SECRET, "***")
    assert meter.masked == [
        ("progress", 1),
        ("chunk", 1),
        ("output", 1),
        ("error", 1),
        ("notes", 2),
    ]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["job 1 of render: a secret came out of the handler (progress) and was masked"]


def test_a_run_that_began_before_another_had_its_secret_masks_it_too() -> None:
    worker = a_worker(2)
    first = begun(worker, "0")
    assert first.shown(LEAK, "progress") is LEAK

    second = begun(worker, "1", SECRET)
    assert SECRET.encode() not in first.shown(LEAK, "progress")

    worker.output.hide(Hide(second.record.id, 1, 0, HEX))
    assert first.shown(HEX, "error") == "***"
    assert [run.shown(HEX.upper(), "error") for run in (first, second)] == [HEX.upper()] * 2


def test_a_run_that_hides_a_word_masks_it_in_its_own_and_no_other_does() -> None:
    worker = a_worker(2)
    first, second = begun(worker, "0"), begun(worker, "1", SECRET)
    assert [run.shown("open sesame", "error") for run in (first, second)] == ["open sesame"] * 2

    worker.output.hide(Hide(first.record.id, 1, 0, "open sesame"))

    assert list(first.chunks(0, b'"open s"')) == []
    assert list(first.chunks(1, b'"esame"')) == [(0, b'"***"'), (1, b'""')]
    assert second.shown("open sesame", "error") == "open sesame"
    assert worker.output.clean("open sesame") == "***"


def test_what_a_run_hides_right_behind_its_end_is_masked_in_what_is_stored_of_it() -> None:
    """By a thread that goes on: the end of the run may wait for the disk."""
    worker = a_worker()
    run = begun(worker, "0", SECRET)
    assert run.shown("open sesame", "progress") == "open sesame"
    over(run)

    worker.output.hide(Hide("0", 1, 0, "open sesame"))

    assert run.shown("open sesame lies here", "output") == "*** lies here"


@pytest.mark.parametrize("begun_with", [SECRET[:-1], SECRET[:8]])
def test_the_beginning_of_anothers_secret_comes_back_as_it_is_and_holds_nothing_up(begun_with: str) -> None:
    """Else a caller could try beginnings until one is masked, and then longer ones."""
    worker = a_worker()
    over(begun(worker, "0", SECRET))
    guess = json.dumps(f"so {begun_with}").encode()
    own = begun(worker, "1", "open sesame")
    over(own)
    later, none = begun(worker, "2"), begun(a_worker(), "3")

    assert [*own.chunks(0, guess), *own.last_chunks()] == [(0, guess)]
    for run in (later, none):
        assert list(run.chunks(0, guess)) == [(0, guess)]
        assert list(run.last_chunks()) == []
        assert run.shown(guess, "output") is guess


@pytest.mark.parametrize("word", ["https://", "password", "minioadmin", "data:image/png;base64,", "12345678"])
def test_a_caller_whose_secret_is_a_word_spoils_nothing_for_others(word: str) -> None:
    worker = a_worker()
    over(begun(worker, "0", word))
    run, output = begun(worker, "1"), json.dumps([f"so {word}.", 0.12345678]).encode()

    assert run.shown(output, "output") is output
    assert worker.output.clean(f"so {word}.") == "so ***."


@pytest.mark.parametrize("write", [str, lambda text: base64.b64encode(text.encode()).decode(), quote])
def test_a_whole_secret_that_is_in_a_runs_own_request_comes_back_to_it(write: Callable[[str], str]) -> None:
    """So an echo tells nobody that his guess is somebody's secret."""
    worker = a_worker()
    over(begun(worker, "0", SECRET, HEX))
    run = begun(worker, "1", input=f"is it {write(SECRET)}?")

    assert run.shown(LEAK, "output") is LEAK
    assert run.shown(write(SECRET), "error") == write(SECRET)
    assert run.shown(f"{SECRET} {HEX}", "error") == f"{SECRET} ***"
    worker.output.hide(Hide("0", 1, 0, LATER))
    assert run.shown(f"{SECRET} {LATER}", "error") == f"{SECRET} ***"


def test_many_places_of_anothers_word_do_not_make_a_run_mask_all() -> None:
    worker = a_worker()
    over(begun(worker, "0", "https://", SECRET))
    run, many = begun(worker, "1"), json.dumps(["https://a"] * (MOST_PLACES + 1)).encode()

    assert run.shown(many, "output") is many


def test_another_worker_does_not_know_it() -> None:
    over(begun(a_worker(), "0", SECRET))

    assert begun(a_worker(), "0").shown(LEAK, "output") is LEAK


def test_a_url_that_a_run_exempts_passes_though_an_earlier_one_had_the_same_secret() -> None:
    """As it is where every request brings the credentials of one bucket."""
    worker = a_worker(2)
    first = begun(worker, "0", SECRET)
    first.exempt(URL)
    second, third = begun(worker, "1", SECRET), begun(worker, "2", SECRET)
    second.exempt(URL)
    over(first)

    assert second.shown(f"{URL} {SECRET}", "output") == f"{URL} ***"
    assert third.shown(URL, "output") == URL.replace(SECRET, "***")
    assert list(worker.output.redactor.secrets) == [SECRET]


def test_where_there_was_never_a_secret_nothing_is_looked_at() -> None:
    run, odd = begun(a_worker(), "0"), b"no JSON, as the least look at it would find"

    assert run.shown(odd, "output") is odd
    assert list(run.chunks(0, odd)) == [(0, odd)]
    assert list(run.last_chunks()) == []
