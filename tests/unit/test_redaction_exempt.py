"""URLs that may hold a secret: left as they are, and nothing beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from leaking import SECRET, URL, Tokens
from workerkit import Job
from workerkit.redaction import MOST_EXEMPT, Redactor
from workerkit.testing import run_job

OTHER = f"http://[::1]:9000/b.png?t={SECRET}"


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor([SECRET])
    redactor.exempt(URL)
    redactor.exempt(OTHER)
    return redactor


def test_an_exempt_url_stays_as_it_is_and_the_rest_is_masked(redactor: Redactor) -> None:
    value = {"url": URL, "text": f"![a]({URL}), <{OTHER}> and {SECRET}", "urls": [OTHER, URL + URL]}

    masked = redactor.tree(value)

    assert masked == {"url": URL, "text": f"![a]({URL}), <{OTHER}> and ***", "urls": [OTHER, URL + URL]}
    assert msgspec.json.decode(redactor.bytes(msgspec.json.encode(value))) == masked
    assert redactor.hits == 2


def test_what_is_nearly_an_exempt_url_is_masked(redactor: Redactor) -> None:
    for text in (URL[:-1], URL.replace("https", "HTTPS"), URL.replace("a.png", "b.png"), URL[1:]):
        assert redactor.text(text) == text.replace(SECRET, "***")
    assert redactor.text(URL + SECRET) == f"{URL}***"


def test_a_secret_that_is_only_partly_in_an_exempt_url_is_masked_whole() -> None:
    redactor = Redactor([SECRET])
    redactor.exempt(f"https://a.example/{SECRET}/{SECRET[:10]}")

    assert redactor.text(f"https://a.example/{SECRET}/{SECRET}") == f"https://a.example/{SECRET}/***"


def test_a_secret_that_is_a_url_is_not_exempt() -> None:
    redactor = Redactor([f"https://hooks.example/{SECRET}"])
    redactor.exempt(f"https://hooks.example/{SECRET}")

    assert redactor.text(f"to https://hooks.example/{SECRET}") == "to ***"


def test_the_latest_of_too_many_count_and_those_without_a_secret_are_not_kept() -> None:
    redactor = Redactor([SECRET])
    for number in range(MOST_EXEMPT + 1):
        redactor.exempt(f"https://a.example/{number}/{SECRET}")
        redactor.exempt(f"https://a.example/{number}")

    urls = [f"https://a.example/{number}/{SECRET}" for number in range(MOST_EXEMPT + 1)]
    assert redactor.tree(urls) == ["https://a.example/0/***", *urls[1:]]


def test_a_copy_has_none_of_them_and_no_hits(redactor: Redactor) -> None:
    redactor.text(SECRET)
    other = redactor.copy()

    assert (other.text(URL), other.hits) == (URL.replace(SECRET, "***"), 1)
    assert (redactor.text(URL), redactor.hits) == (URL, 1)


def test_a_job_lets_a_url_out_by_every_door_once_it_is_exempt() -> None:
    def handler(job: Job) -> Iterator[Any]:
        job.progress(URL)
        job.exempt(URL)
        job.progress({"seen": URL})
        job.note("noted", [URL])
        yield {"url": URL, "token": job["token"]}
        raise ValueError(f"no {URL}")

    run = run_job(handler, plugins=[Tokens], fields={"token": SECRET})

    assert run.progress == [URL.replace(SECRET, "***"), {"seen": URL}]
    assert run.notes == {"noted": [URL]}
    assert run.chunks == [{"url": URL, "token": "***"}]
    assert f"no {URL}" in (run.error or "")


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        "",
        "ftp://a.example/b",
        "https://",
        "https://a.example/a b",
        'https://a.example/"',
        "https://ä.example/",
        "https://a.example/" + "b" * 8192,
    ],
)
def test_only_a_url_can_be_exempt(text: str) -> None:
    def handler(job: Job) -> None:
        with pytest.raises(
            ValueError, match=r"only an http or https URL can be exempt, quoted .* 8,192 characters"
        ):
            job.exempt(text)
        job.exempt(URL)

    assert run_job(handler).error is None
