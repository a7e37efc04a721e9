from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from typing import Any

import pytest

from workerkit.cli.tables import show, with_times

ROWS = [{"id": "0" * 36, "name": "a-long-name"}]
COLUMNS: Any = {"id": lambda row: row["id"], "function": lambda row: row["name"]}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("width", "expected"),
    [("60", rf"{'0' * 36} +a-long-name"), ("40", rf"{'0' * 36}\n    function a-long-name\n")],
)
def test_a_table_that_does_not_fit_is_printed_as_paragraphs(
    width: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm")

    with redirect_stdout(terminal):
        show(ROWS, COLUMNS, as_json=False, nothing="nothing")

    assert re.search(expected, terminal.getvalue())


def test_points_in_time_become_readable_wherever_they_are() -> None:
    shown = with_times({"n": 1, "rows": [{"made_at": 1_700_000_000_123, "next_at": None}]})

    assert shown["n"] == 1
    assert shown["rows"][0]["next_at"] is None
    assert re.fullmatch(r"2023-11-1[45]T\d\d:\d\d:20\.123[+-]\d\d:\d\d", shown["rows"][0]["made_at"])
