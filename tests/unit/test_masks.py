"""Which secrets are masked in what a worker prints, and what that costs."""

from __future__ import annotations

import secrets
import time

import pytest

from workerkit.host.masks import MOST_CHARACTERS, MOST_SECRETS, Masks
from workerkit.redaction import Redactor


def shown(masks: Masks, text: str) -> str:
    for redactor in masks.redactors:
        text = redactor.text(text)
    return text


@pytest.mark.parametrize("size", [20, 2_000])
def test_of_old_secrets_the_latest_are_masked_and_of_present_runs_all(size: int) -> None:
    masks, most = Masks(lambda: [Redactor(["open sesame"])]), min(MOST_SECRETS, MOST_CHARACTERS // size)
    old = [f"{number:04}".ljust(size, "x") for number in range(3 * most + 5)]
    masks.add(["open sesame"])
    for secret in old:
        masks.add([secret])

    assert {shown(masks, secret) for secret in ["open sesame", *old[-most:]]} == {"***"}
    assert shown(masks, old[0]) == old[0]


def test_one_that_comes_again_and_again_takes_no_others_place() -> None:
    masks = Masks(list)
    masks.add(["open sesame", "another one"])
    for _ in range(3 * MOST_SECRETS):
        masks.add(["another one"])

    assert shown(masks, "open sesame") == "***"


def test_a_line_costs_little_however_many_there_are() -> None:
    masks = Masks(list)
    masks.add(secrets.token_urlsafe(30) for _ in range(MOST_SECRETS))
    masks.add(secrets.token_urlsafe(30) for _ in range(MOST_SECRETS))
    line, began = secrets.token_hex(50), time.process_time()
    for _ in range(200):
        assert shown(masks, line) == line

    assert (time.process_time() - began) / 200 < 0.000_5
