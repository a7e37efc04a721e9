"""Which secrets are masked in what comes from a worker, and what that costs."""

from __future__ import annotations

import secrets
import time

import pytest

from workerkit.masks import MOST_CHARACTERS, MOST_SECRETS, Masks, is_drawn


@pytest.mark.parametrize("size", [20, 2_000])
def test_of_old_secrets_the_latest_are_masked_and_of_present_runs_all(size: int) -> None:
    masks, most = Masks(lambda: ["open sesame"]), min(MOST_SECRETS, MOST_CHARACTERS // size)
    old = [f"{number:04}".ljust(size, "x") for number in range(3 * most + 5)]
    masks.add(["open sesame"])
    for secret in old:
        masks.add([secret])

    assert {masks.redactor.text(secret) for secret in ["open sesame", *old[-most:]]} == {"***"}
    assert masks.redactor.text(old[0]) == old[0]
    assert len(masks.redactor.secrets) <= 2 * most + 2


def test_one_that_comes_again_and_again_takes_no_others_place_and_is_the_latest() -> None:
    masks = Masks(list)
    masks.add(["open sesame", "another one"])
    for _ in range(3 * MOST_SECRETS):
        masks.add(["another one"])
        assert list(masks.redactor.secrets) == ["open sesame", "another one"]
    for number in range(2 * MOST_SECRETS):
        masks.add([f"word {number:04}", "another one"])

    assert masks.redactor.text("open sesame, another one") == "open sesame, ***"


@pytest.mark.parametrize(("size", "most"), [(1_000, 0.000_5), (1_000_000, 0.1)])
def test_a_search_costs_little_however_many_there_are(size: int, most: float) -> None:
    masks = Masks(list)
    masks.add(secrets.token_urlsafe(30) for _ in range(2 * MOST_SECRETS))
    text, began, times = secrets.token_hex(size // 2), time.process_time(), 2_000_000 // size
    for _ in range(times):
        assert masks.redactor.text(text) is text

    assert (time.process_time() - began) / times < most


@pytest.mark.parametrize(
    ("secret", "drawn"),
    [
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", True),
        ("9f86d081884c7d659a2feaa0c55ad015", True),
        ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", True),
        ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", True),
        ("0123a5B6c7D8e9F", False),  # 15 characters
        ("minioadminminioadmin1", False),
        ("correct-horse-battery-staple-2", False),
        ("https://bucket.example/v2/a.png?size=1024", False),
        ("stable-diffusion-xl-base-1.0", False),
        ("meta-llama/Llama-3.1-8B-Instruct", False),
        ("data:image/png;base64,", False),
        ("AbCdEfGhIjKlMnOpQrSt", False),  # no digit
        ("1234567812345678", False),
        ("2026-11-27T22:21:51Z", False),
        ("-" * 20, False),
    ],
)
def test_which_secrets_look_drawn_at_random(secret: str, drawn: bool) -> None:
    assert is_drawn(secret) is drawn


def test_hardly_a_key_that_is_drawn_at_random_does_not_look_so() -> None:
    draw = [lambda: secrets.token_hex(16), lambda: secrets.token_urlsafe(30), lambda: secrets.token_hex(32)]
    looks = [is_drawn(each()) for each in draw for _ in range(1_000)]

    assert sum(looks) > 2_970
