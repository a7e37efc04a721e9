"""Tables of the benchmarks: what a reader concludes from them has to follow from the rounds."""

from __future__ import annotations

from typing import Any

from suite.report import growth, markdown, ratios, table


def figure(side: str = "Celery", **changed: Any) -> dict[str, Any]:
    return {
        "section": "queues",
        "side": side,
        "work": "echo",
        "variant": "1 worker process",
        "figure": "drained jobs/s",
        "fsync": "yes",
        "result": "stored",
        "handler": "own process",
        "theirs": [900.0, 1000.0, 1200.0],
        "ours": [4500.0, 4000.0, 2400.0],
        **changed,
    }


def results(*figures: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "plan": "quick",
        "rounds": 3,
        "began": "2026-01-02 03:04+00:00",
        "minutes": 7.6,
        "machine": {"processor": "Pentium"},
        "versions": {"celery": "5.7.0"},
        "notes": {},
        "failed": [],
        "figures": list(figures),
        **changed,
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_ratio_is_that_of_the_two_sides_of_one_round() -> None:
    assert ratios(figure()) == [5.0, 4.0, 2.0]


def test_half_the_time_is_twice_ahead() -> None:
    assert ratios(figure(figure="p50 ms", theirs=[8.0], ours=[4.0])) == [2.0]


def test_a_line_says_what_a_side_promises_then_median_least_and_most_of_each_side_and_of_the_ratio() -> None:
    assert cells(table([figure()]).splitlines()[2]) == [
        "Celery",
        "1 worker process",
        "yes",
        "stored",
        "own process",
        "1,000 (900 to 1,200)",
        "4,000 (2,400 to 4,500)",
        "4.00 (2.00 to 5.00)",
    ]


def test_the_best_stands_first_within_each_variant() -> None:
    two = "2 worker processes"
    lines = table(
        [
            figure("slow", theirs=[10.0], ours=[1.0]),
            figure("fast", theirs=[20.0], ours=[1.0]),
            figure("slow", variant=two, theirs=[11.0], ours=[1.0]),
            figure("fast", variant=two, theirs=[21.0], ours=[1.0]),
        ]
    ).splitlines()[2:]
    assert [cells(line)[0] for line in lines] == ["fast", "slow", "fast", "slow"]


def test_the_least_time_is_the_best() -> None:
    lines = table(
        [
            figure("slow", figure="p50 ms", theirs=[20.0], ours=[1.0]),
            figure("fast", figure="p50 ms", theirs=[10.0], ours=[1.0]),
        ]
    ).splitlines()[2:]
    assert [cells(line)[0] for line in lines] == ["fast", "slow"]


def test_each_figure_and_each_handler_has_a_table_of_its_own() -> None:
    text = markdown(results(figure(), figure(work="1 ms"), figure(figure="enqueued jobs/s")))
    headings = [line for line in text.splitlines() if line.startswith("### ")]
    assert headings == [
        "### drained jobs/s, echo handler",
        "### drained jobs/s, 1 ms handler",
        "### enqueued jobs/s, echo handler",
    ]


def test_what_needs_no_handler_names_none() -> None:
    text = markdown(results(figure(section="start", work="", figure="import, ms")))
    assert "## Starting" in text
    assert "### import, ms\n" in text


def test_growth_is_a_line_for_each_figure_with_its_spread_when_there_are_several() -> None:
    rows = [
        {"what": "1,000 queued", "figure": "drain, µs", "values": [3.0, 1.0, 2.0]},
        {"what": "10 waiters", "figure": "answered right", "values": [10]},
    ]
    assert growth(results(rows=rows)).splitlines()[-2:] == [
        "| 1,000 queued | drain, µs | 2.00 (1.00 to 3.00) |",
        "| 10 waiters | answered right | 10.0 |",
    ]


def test_conditions_name_when_where_and_every_version() -> None:
    text = markdown(results(figure()))
    assert "quick run of 2026-01-02 03:04+00:00, 3 rounds, 8 minutes" in text
    assert "processor Pentium" in text
    assert "celery 5.7.0" in text


def test_what_failed_and_what_is_to_be_known_is_told() -> None:
    text = markdown(results(figure(), failed=["round 1, queues: RQ: no"], notes={"Cog": "refuses"}))
    assert "- round 1, queues: RQ: no" in text
    assert "- Cog: refuses" in text
