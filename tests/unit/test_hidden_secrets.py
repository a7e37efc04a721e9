"""Secrets that are none of the request's, and that a job hides itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from leaking import SECRET as TOKEN
from leaking import URL, Tokens
from workerkit import Job, Secret
from workerkit.job import MOST_HIDDEN
from workerkit.redaction import Redactor
from workerkit.secret import LONGEST
from workerkit.stream_redaction import StreamRedactor
from workerkit.testing import run_job

SECRET = "open sesame, please"


@pytest.mark.parametrize("fields", [{}, {"token": TOKEN}])
def test_it_is_masked_by_every_door_from_then_on(fields: dict[str, str]) -> None:
    def handler(job: Job) -> Iterator[Any]:
        yield SECRET
        job.progress(SECRET)
        job.hide(Secret(SECRET))
        job.progress([SECRET, TOKEN])
        job.note("noted", {SECRET: TOKEN})
        job.refresh_worker(f"because of {SECRET}")
        yield {"delta": "so " + SECRET[:4]}
        yield {"delta": SECRET[4:] + "."}
        raise ValueError(f"no {SECRET}")

    run = run_job(handler, plugins=[Tokens], fields=fields)
    token = "***" if fields else TOKEN

    assert run.progress == [SECRET, ["***", token]]
    assert run.chunks == [SECRET, {"delta": "so ***"}, {"delta": "."}]
    assert run.notes == {"noted": {"***": token}}
    assert run.refresh == "because of ***"
    assert json.loads(run.error or "")["error_message"] == "no ***"
    assert SECRET not in (run.error or "")


def test_no_half_of_it_is_left_where_a_long_error_is_cut() -> None:
    def handler(job: Job) -> None:
        job.hide(SECRET)
        raise Exception("x" * (49_950 - 9) + SECRET + "y" * 999 + SECRET + "z" * (49_950 - 9))

    error = json.loads(run_job(handler).error or "")["error_message"]

    assert SECRET[:4] not in error
    assert SECRET[-4:] not in error


def test_what_is_too_short_to_be_searched_for_stays() -> None:
    def handler(job: Job) -> str:
        job.hide("sesame")
        return "sesame"

    assert run_job(handler).output == "sesame"


def test_only_text_can_be_hidden() -> None:
    def handler(job: Job) -> None:
        job.hide(SECRET.encode())  # type: ignore[arg-type]

    error = json.loads(run_job(handler).error or "")["error_message"]
    assert error == "a Secret or a str can be hidden, and this is bytes"


def test_only_so_much_can_be_hidden() -> None:
    def handler(job: Job) -> str:
        for number in range(MOST_HIDDEN - 1):
            job.hide(f"secret {number:04}")
        for text in ("x" * (LONGEST + 1), "secret 0100"):
            with pytest.raises(ValueError, match=r"can hide 100 secrets of at most 4,096 characters; hide"):
                job.hide(text)
            job.hide(SECRET)  # again, it does not count
        return f"secret 0000 {SECRET}"

    assert run_job(handler).output == "*** ***"


def test_what_is_hidden_already_is_not_told_again() -> None:
    told: list[str] = []
    job = Job(id="j", endpoint="e", input=None, fields={"token": Secret(TOKEN)}, send_hide=told.append)

    for secret in (TOKEN, SECRET, Secret(SECRET), Secret(TOKEN)):
        job.hide(secret)

    assert told == [SECRET]
    assert job.secrets == [TOKEN, SECRET]


def test_a_redactor_learns_more_and_forgets() -> None:
    redactor = Redactor([TOKEN])
    redactor.exempt(URL)
    redactor.hide(SECRET)

    assert redactor.text(f"{TOKEN} {SECRET} {URL}") == f"*** *** {URL}"
    assert redactor.hits == 2

    redactor.hide_only([SECRET])
    assert redactor.text(f"{TOKEN} {SECRET}") == f"{TOKEN} ***"


def test_a_url_that_is_hidden_is_not_exempt_any_more() -> None:
    redactor = Redactor([TOKEN])
    redactor.exempt(URL)
    redactor.hide(URL)

    assert redactor.text(f"to {URL}") == "to ***"


@pytest.mark.parametrize(("place", "seen"), [(7, json.dumps(SECRET[:7]).encode()), (9, b'"***"')])
def test_chunks_that_wait_can_be_seen_and_wait_on(place: int, seen: bytes) -> None:
    """As they would be if nothing came any more: most of a secret is masked, a few characters are not."""
    stream = StreamRedactor(Redactor([SECRET]))
    first, second = json.dumps(SECRET[:place]).encode(), json.dumps(SECRET[place:]).encode()

    assert stream.add(0, first) == []
    assert stream.held == [(0, seen)]
    assert stream.add(1, second) == [(0, b'"***"'), (1, b'""')]
    assert stream.held == []
