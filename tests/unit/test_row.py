"""Deliveries that one thread sends one after the other."""

from __future__ import annotations

import threading

import attrs

from workerkit.delivery import Delivery, Receipt
from workerkit.host.outcomes import TAKEN_BACK, unsent
from workerkit.host.row import LONGEST, Row, in_rows

PATIENCE = 20.0


def to(id: str, lane: str = "a", body: bytes | None = b"{}") -> Delivery:
    return Delivery(target="http://a/", id=id, lane=lane, plugin="post", body=body)


def ids(deliveries: list[Delivery]) -> str:
    return "".join(each.id for each in deliveries)


def test_all_are_tried_in_order_and_each_outcome_is_told_once() -> None:
    row = Row([to("1"), to("2"), to("3")], lambda: 7)

    row.send(lambda delivery: Receipt.delivered(delivery.id))

    tried = row.tried()
    assert [(one.delivery.id, one.receipt.detail, one.at) for one in tried] == [
        ("1", "1", 7),
        ("2", "2", 7),
        ("3", "3", 7),
    ]
    assert all(0 <= one.took < LONGEST for one in tried)
    assert (row.tried(), row.take_back()) == ([], [])


def test_what_follows_one_that_did_not_arrive_is_not_tried() -> None:
    answers = {"1": Receipt.delivered("200"), "2": Receipt.retry("500")}
    row = Row([to("1"), to("2"), to("3")], lambda: 7)

    row.send(lambda delivery: answers[delivery.id])

    assert [one.delivery.id for one in row.tried()] == ["1", "2"]
    assert ids(row.take_back()) == "3"


def test_what_waits_behind_one_that_hangs_can_be_taken_back_meanwhile() -> None:
    hangs, release = threading.Event(), threading.Event()

    def deliver(delivery: Delivery) -> Receipt:
        if delivery.id == "2":
            hangs.set()
            assert release.wait(PATIENCE)
        return Receipt.delivered("200")

    row = Row([to("1"), to("2"), to("3")], lambda: 7)
    sending = threading.Thread(target=row.send, args=(deliver,))
    sending.start()
    try:
        assert hangs.wait(PATIENCE)
        assert [one.delivery.id for one in row.tried()] == ["1"]
        assert ids(row.take_back()) == "3"
        [late] = row.given_up(Receipt.retry("it hangs"))
        assert (late.delivery.id, late.receipt.detail) == ("2", "it hangs")
    finally:
        release.set()
        sending.join()
    assert [one.delivery.id for one in row.tried()] == ["2"]


def test_a_row_waits_for_the_one_whose_baton_it_shares_but_not_for_long() -> None:
    hangs, release, baton = threading.Event(), threading.Event(), threading.Lock()
    sent: list[str] = []

    def deliver(delivery: Delivery) -> Receipt:
        hangs.set()
        assert release.wait(PATIENCE)
        sent.append(delivery.id)
        return Receipt.delivered("200")

    first, second, third = (Row([to(id)], lambda: 7, baton) for id in "123")
    sending = [threading.Thread(target=first.send, args=(deliver,))]
    sending[0].start()
    try:
        assert hangs.wait(PATIENCE)
        second.send(deliver)
        assert (sent, ids(second.take_back())) == ([], "2")
        sending.append(threading.Thread(target=third.send, args=(deliver,)))
        sending[1].start()
    finally:
        release.set()
        for thread in sending:
            thread.join()
    assert sent == ["1", "3"]


def test_a_row_that_no_thread_has_begun_fails_with_its_first() -> None:
    row = Row([to("1"), to("2")], lambda: 7)

    [failed] = row.given_up(Receipt.retry("no thread"))

    assert (failed.delivery.id, failed.receipt.detail) == ("1", "no thread")
    assert ids(row.take_back()) == "2"


def test_rows_are_of_one_lane_and_plugin_and_a_large_body_goes_alone() -> None:
    other = attrs.evolve(to("7"), plugin="other")
    due = [to("1"), to("2"), to("3"), to("4", "b"), to("5", body=None), to("6"), other]

    rows = in_rows(due, lambda lane: 2)

    assert [ids(row) for row in rows] == ["12", "3", "4", "5", "6", "7"]


def test_what_is_given_back_was_not_sent() -> None:
    [one] = unsent([to("1")])

    assert (one.receipt, one.took) == (TAKEN_BACK, 0.0)
