from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from workerkit.elastic import Elastic


def raises(current: int) -> int:
    raise OSError("no meter")


def leaves(current: int) -> int:
    raise SystemExit


@pytest.mark.parametrize(
    ("answer", "wanted"), [(5, 5), (0, 1), (-3, 1), (10**9, 1000), (2.0, 4), (True, 4), (None, 4)]
)
def test_an_answer_becomes_a_number_of_slots(answer: Any, wanted: int) -> None:
    assert Elastic("render", lambda current: answer).wanted(4) == wanted


@pytest.mark.parametrize("function", [raises, leaves])
def test_a_function_that_raises_changes_nothing(function: Callable[[int], int]) -> None:
    assert Elastic("render", function).wanted(4) == 4


def test_each_fault_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Any] = [0, 0, "4", "4", 2000, 3]
    elastic = Elastic("render", lambda current: answers.pop(0))

    with caplog.at_level(logging.WARNING):
        assert [elastic.wanted(4) for _ in range(6)] == [1, 1, 4, 4, 1000, 3]

    assert [record.getMessage() for record in caplog.records] == [
        "the concurrency function of 'render' returned a number below 1 or above 1000; "
        "the nearest that can be is used",
        "the concurrency function of 'render' returned str instead of an int, and it stays as it is",
    ]


def test_a_function_that_raises_is_told_with_its_line_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Elastic("render", raises).wanted(4)

    line = raises.__code__.co_firstlineno + 1
    [record] = caplog.records
    assert (
        f"raised OSError at {os.path.relpath(__file__)}:{line}, and it stays as it is" in record.getMessage()
    )
    assert record.exc_info is None
