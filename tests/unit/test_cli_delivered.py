"""How a delivery is told to people."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from workerkit.cli.delivered import body_of, paragraph


def ahead(seconds: float) -> float:
    """A point in time, and half a second for a slow machine."""
    return (time.time() + seconds + 0.5) * 1000


def row(**changes: Any) -> dict[str, Any]:
    known = {"id": "msg_1", "job": "1", "plugin": "webhook", "target": "http://a.example/?…", "detail": ""}
    times = {"created_at": ahead(-60), "next_at": ahead(-60)}
    return {**known, **times, "number": 1, "attempts": 3, **changes}


def standing(row: dict[str, Any], *resting: tuple[str, float]) -> str:
    told = paragraph(row, [{"host": host, "until": until} for host, until in resting])
    return told.rpartition(": ")[2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "pending"}, "pending after 1 of 3 tries, the next one due now"),
        ({"state": "pending", "next_at": 4e12}, "pending after 1 of 3 tries, the next one in"),
        ({"state": "sending"}, "sending, try 1 of 3"),
        ({"state": "dead", "next_at": None}, "dead after 1 of 3 tries"),
        ({"state": "held"}, "held after 1 of 3 tries"),
    ],
)
def test_the_next_try_is_told_only_of_what_waits_for_one(changes: dict[str, Any], said: str) -> None:
    assert re.sub(r" in \d+ d$", " in", standing(row(**changes))) == said


def test_what_is_due_waits_for_its_receiver_to_have_rested_and_for_no_other() -> None:
    until, due = ahead(20), row(state="pending")

    assert standing(due, ("a.example:80", until)).endswith(
        "the next one in 20 s, when its receiver has rested"
    )
    assert standing(due, ("b.example:80", until)).endswith("the next one due now")
    mail = row(state="pending", target="mail://ann")
    assert standing(mail, ("mail://ann", until)).endswith("when its receiver has rested")
    late = row(state="pending", next_at=ahead(600))
    assert standing(late, ("a.example:80", until)).endswith("the next one in 10 min")


def test_a_body_is_shown_byte_for_byte_whatever_it_is() -> None:
    assert body_of({"body": "é"}) == "é".encode()
    assert body_of({"body": None, "body_base64": "/wA="}) == b"\xff\x00"
