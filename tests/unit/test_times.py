from __future__ import annotations

from datetime import datetime, timezone

import pytest

from workerkit.host.times import point

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45s", NOW - 45_000),
        ("30m", NOW - HOUR // 2),
        ("2h", NOW - 2 * HOUR),
        ("1.5h", NOW - 3 * HOUR // 2),
        ("7d", NOW - 7 * 24 * HOUR),
        ("2w", NOW - 14 * 24 * HOUR),
        (" 2 h ", NOW - 2 * HOUR),
        ("999999999w", 0),
        ("0", 0),
        ("1767225600000", NOW),
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01T01:00:00+01:00", NOW),
        ("2026-01-01 01:00:00+01:00", NOW),
        ("2026-01-01T01:00:00 01:00", NOW),
        ("2025-12-31T19:00-05:00", NOW),
        ("2026-01-01T00:00:00.250Z", NOW + 250),
    ],
)
def test_a_time_is_understood_as_people_and_programs_write_it(text: str, expected: int) -> None:
    assert point(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "parts"), [("2026-01-02", (2026, 1, 2)), ("2026-01-02T03:04", (2026, 1, 2, 3, 4))]
)
def test_without_an_offset_it_is_this_machines_time(text: str, parts: tuple[int, ...]) -> None:
    [year, month, day, *clock] = parts

    assert point(text, NOW) == datetime(year, month, day, *clock).astimezone().timestamp() * 1000


def test_what_python_prints_is_read_back() -> None:
    at = datetime.fromtimestamp(NOW / 1000, timezone.utc)

    assert point(at.isoformat(), NOW) == NOW
    assert point(at.astimezone().isoformat(timespec="milliseconds"), NOW) == NOW


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2 hours",
        "-2h",
        "h",
        "20260101",
        "1767225600",
        "2026-13-01",
        "2026-01-01T25:00",
        "\u0661h",
    ],
)
def test_what_is_no_time_is_answered_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write an age such as 30m, 2h or 7d") as raised:
        point(text, NOW)

    assert repr(text) in str(raised.value)
