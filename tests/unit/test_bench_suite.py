"""What the benchmarks do around what they measure."""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import pytest
from suite.__main__ import time_for_another
from suite.environments import Missing, require
from suite.plan import QUICK
from suite.queues import Marked
from suite.results import Results
from suite.sides import ACCEPTING, HTTP, STARTS, queues

SIDE = HTTP[0]
RATE, TIME = ("echo", "8 connections", "answers/s"), ("echo", "8 connections", "p50 ms")
MACHINE = {"processor": "any"}
MARK = 8  # bytes


def test_what_is_missing_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match=r"need redis-server, wrk; .*: apt install redis-server wrk$"):
        require(["wrk", "redis-server"])


def test_rounds_of_both_sides_are_kept_in_pairs() -> None:
    results = Results(QUICK, MACHINE)
    results.note("http", SIDE, {RATE: 1.0}, {RATE: 3.0})
    results.note("http", SIDE, {RATE: 2.0}, {RATE: 4.0})
    [kept] = results.figures()
    assert (kept["theirs"], kept["ours"]) == ([1.0, 2.0], [3.0, 4.0])
    assert (kept["side"], kept["fsync"], kept["figure"]) == (SIDE.name, SIDE.fsync, "answers/s")


def test_what_only_one_side_has_is_no_comparison() -> None:
    results = Results(QUICK, MACHINE)
    results.note("http", SIDE, {RATE: 1.0}, {RATE: 2.0, TIME: 3.0})
    assert [kept["figure"] for kept in results.figures()] == ["answers/s"]


def test_fewer_connections_come_first() -> None:
    results = Results(QUICK, MACHINE)
    for variant in ("64 connections", "8 connections", "1 connection"):
        results.note(
            "http", SIDE, {("echo", variant, "answers/s"): 1.0}, {("echo", variant, "answers/s"): 1.0}
        )
    assert [kept["variant"] for kept in results.figures()] == [
        "1 connection",
        "8 connections",
        "64 connections",
    ]


@pytest.mark.parametrize(("minutes", "another"), [(5.9, False), (6.1, True)])
def test_no_round_begins_that_would_end_too_late(minutes: float, another: bool) -> None:
    """Two rounds took four minutes, so a third one ends after six."""
    plan = attrs.evolve(QUICK, minutes=minutes)
    assert time_for_another(Results(plan, MACHINE, began=time.time() - 240, rounds=2)) is another


def test_the_first_round_is_always_measured() -> None:
    assert time_for_another(Results(attrs.evolve(QUICK, minutes=0), MACHINE))


def test_a_drain_is_timed_without_the_jobs_that_ran_while_workers_started(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    marked = Marked(path, 20)
    ran = [1, 2, *(10**9 + n * 10**6 for n in range(18))]  # two, a second's pause, then one each millisecond
    with path.open("r+b") as file:
        for when in ran[:-1]:
            file.write(when.to_bytes(MARK, "little"))
    assert not marked.all_ran()
    with path.open("r+b") as file:
        file.seek(19 * MARK)
        file.write(ran[-1].to_bytes(MARK, "little"))
    assert marked.all_ran()
    assert marked.rate() == pytest.approx(1000)


def test_every_side_says_what_it_promises() -> None:
    for side in (*HTTP, *ACCEPTING, *STARTS, *queues(1), *queues(2)):
        assert side.fsync in ("yes", "no", "stores nothing")
        assert side.result in ("stored", "none kept", "only answered")
        assert side.handler


def test_every_environment_has_its_versions_pinned() -> None:
    peers = Path(__file__).parents[2] / "benchmarks" / "peers"
    for name in {side.environment for side in (*HTTP, *STARTS, *queues(1))} - {""}:
        for line in (peers / f"{name}.txt").read_text().splitlines():
            assert "==" in line, f"{name}.txt: {line}"
