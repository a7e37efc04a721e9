"""URLs that may hold a secret: left as they are, and nothing beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from leaking import SECRET, URL, Tokens
from workerkit import Job
from workerkit.job import MOST_EXEMPT
from workerkit.redaction import Redactor
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
    redactor.exempt(f"https://a.example/?{SECRET}/{SECRET[:10]}")

    assert redactor.text(f"https://a.example/?{SECRET}/{SECRET}") == f"https://a.example/?{SECRET}/***"


def test_a_secret_in_front_of_the_query_is_masked_all_the_same() -> None:
    redactor = Redactor([SECRET])
    for url in (f"https://a.example/{SECRET}", f"https://a.example/{SECRET}/b?t={SECRET}?{SECRET}"):
        redactor.exempt(url)

    assert redactor.text(f"https://a.example/{SECRET}") == "https://a.example/***"
    assert redactor.text(f"https://a.example/{SECRET}/b?t={SECRET}?{SECRET}") == (
        f"https://a.example/***/b?t={SECRET}?{SECRET}"
    )


def test_a_secret_that_is_a_url_is_not_exempt() -> None:
    redactor = Redactor([SECRET, f"https://hooks.example/?t={SECRET}"])
    redactor.exempt(f"https://hooks.example/?t={SECRET}")

    assert redactor.text(f"to https://hooks.example/?t={SECRET}") == "to ***"


def test_however_many_are_exempt_all_count() -> None:
    redactor = Redactor([SECRET])
    urls = [f"https://a.example/{number}?{SECRET}" for number in range(10_001)]
    for url in urls:
        redactor.exempt(url)

    assert redactor.tree(urls) == urls


def test_a_job_that_exempts_too_many_is_told() -> None:
    sent: list[str] = []
    job = Job(id="j", endpoint="e", input=None, send_exempt=sent.append)
    url = "https://a.example/?" + "b" * 7_981
    for _ in range(MOST_EXEMPT // len(url)):
        job.exempt(url)

    with pytest.raises(ValueError, match="a job can exempt 64,000,000 characters of URLs; exempt fewer"):
        job.exempt(url)

    assert len(sent) == MOST_EXEMPT // len(url) == 8_000


def test_a_url_is_exempt_although_the_secret_is_hidden_later() -> None:
    def handler(job: Job) -> Iterator[str]:
        job.exempt(URL)
        job.hide(SECRET)
        yield URL
        yield SECRET

    assert run_job(handler).chunks == [URL, "***"]


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
