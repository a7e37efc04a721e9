from __future__ import annotations

from typing import Any

import pytest

from workerkit import Delivery, Receipt, Verdict


def test_one_delay_stands_for_a_list_of_it_alone() -> None:
    assert Delivery(target="t", delays=10.0).delays == (10.0,)
    assert Delivery(target="t", delays=[1, 2]).delays == (1, 2)
    assert Delivery(target="t", delays=()).delays == ()


@pytest.mark.parametrize(
    ("member", "value", "rule"),
    [
        ("target", None, "must be text that UTF-8 can hold, not NoneType"),
        ("target", "\ud800", "must be text that UTF-8 can hold, not str"),
        ("lane", None, "must be text that UTF-8 can hold"),
        ("body", "text", "must be at most 64,000,000 bytes, not str"),
        ("body", bytes(64_000_001), "must be at most 64,000,000 bytes, not bytes"),
        ("headers", {1: "x"}, "must be texts by name"),
        ("headers", {"x": "\udfff"}, "must be texts by name"),
        ("headers", None, "must be texts by name"),
        ("attempts", 0, "must be from 1 to 1,000,000, not 0"),
        ("attempts", 2**70, "must be from 1 to 1,000,000"),
        ("attempts", True, "must be from 1 to 1,000,000, not True"),
        ("delays", float("nan"), r"must be seconds from 0 to 31,536,000, not \(nan,\)"),
        ("delays", (1.0, float("inf")), "must be seconds from 0 to 31,536,000"),
        ("delays", ("a",), "must be seconds from 0 to 31,536,000"),
        ("delays", -1, "must be seconds from 0 to 31,536,000"),
    ],
)
def test_a_delivery_that_could_not_be_stored_is_refused_where_it_is_made(
    member: str, value: Any, rule: str
) -> None:
    with pytest.raises(ValueError, match=f"^Delivery.{member} {rule}"):
        Delivery(**{"target": "t", member: value})


@pytest.mark.parametrize("after", [float("nan"), float("inf"), 1e18, "soon", -1, True])
def test_a_receipt_asks_for_a_wait_that_can_be_waited(after: Any) -> None:
    with pytest.raises(ValueError, match=r"^Receipt\.after must be seconds from 0 to 31,536,000"):
        Receipt.retry("later", after)


def test_a_receipt_has_a_verdict_and_a_text() -> None:
    assert Receipt("retry").verdict is Verdict.RETRY  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'bogus' is not a valid Verdict"):
        Receipt("bogus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^Receipt\.detail must be text"):
        Receipt.stop(None)  # type: ignore[arg-type]


def test_a_receipt_says_what_the_receiver_answered() -> None:
    about = {"status": 503, "address": "192.0.2.1:443", "answer": "é" * 600}
    for receipt in (
        Receipt.delivered("ok", **about),  # type: ignore[arg-type]
        Receipt.retry("later", 3.0, **about),  # type: ignore[arg-type]
        Receipt.stop("no", **about),  # type: ignore[arg-type]
        Receipt.hold("wait", **about),  # type: ignore[arg-type]
    ):
        assert (receipt.status, receipt.address, receipt.answer) == (503, "192.0.2.1:443", "é" * 512)
    plain = Receipt.delivered()
    assert (plain.status, plain.address, plain.answer) == (None, "", "")


@pytest.mark.parametrize(
    ("member", "value", "rule"),
    [
        ("status", "200", "must be an HTTP status"),
        ("status", True, "must be an HTTP status"),
        ("status", 1000, "must be an HTTP status, not 1000"),
        ("status", -1, "must be an HTTP status"),
        ("address", None, "must be text that UTF-8 can hold"),
        ("answer", b"ok", "must be text that UTF-8 can hold, not bytes"),
        ("answer", "\udfff", "must be text that UTF-8 can hold"),
    ],
)
def test_an_answer_that_could_not_be_stored_is_refused(member: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rf"^Receipt\.{member} {rule}"):
        Receipt.delivered(**{member: value})


def test_a_fault_does_not_show_what_may_be_a_secret() -> None:
    with pytest.raises(ValueError, match="headers") as fault:
        Delivery(target="t", headers={"authorization": "hunter2", "x": 1})  # type: ignore[dict-item]

    assert "hunter2" not in str(fault.value)
