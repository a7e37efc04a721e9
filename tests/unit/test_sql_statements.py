from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from workerkit.errors import QueueError
from workerkit.queue.file import open_for_writing
from workerkit.queue.sql import SQLITE, Dialect, load, parse


def test_parameters_are_numbered_in_the_order_that_is_declared() -> None:
    text = "-- name: one\n-- takes: b, a\n-- A comment with :c.\nSELECT :a, :b, :a, x::int;\n"
    assert parse(text, SQLITE) == {"one": "SELECT ?2, ?1, ?2, x::int"}


def test_a_dialect_fills_tokens_and_writes_its_own_parameters() -> None:
    postgres = Dialect({"now": "clock()", "skip_locked": "FOR UPDATE SKIP LOCKED"}, lambda n: f"${n}")
    text = "-- name: one\n-- takes: a\nSELECT {now} WHERE x = :a {skip_locked}"
    assert parse(text, postgres)["one"] == "SELECT clock() WHERE x = $1 FOR UPDATE SKIP LOCKED"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-- name: one\nSELECT :a", "uses :a but does not take it"),
        ("-- name: one\n-- takes: a, b\nSELECT :a", "takes b but does not use it"),
        ("-- name: one\nSELECT {nwo}", "did you mean 'now'"),
        ("-- name: one\nSELECT 1\n-- name: one\nSELECT 2", "'one' is defined twice"),
    ],
)
def test_a_mistake_in_a_statement_is_named(text: str, sentence: str) -> None:
    with pytest.raises(QueueError, match=sentence):
        parse(text, SQLITE)


def test_every_statement_compiles_and_no_hot_one_scans_a_table(tmp_path: Path) -> None:
    db = open_for_writing(tmp_path / "queue.db")
    for name, text in parse(load("statements.sql"), SQLITE).items():
        count = max([int(n) for n in re.findall(r"\?(\d+)", text)], default=0)
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * count)]
        scans = [step for step in plan if step.startswith(("SCAN job", "SCAN delivery", "SCAN chunk"))]
        # Lists go through a primary key and stop at their limit; `last_seq` reads one entry.
        if name not in ("jobs", "deliveries", "sendable_delivered", "last_seq"):
            assert not [s for s in scans if "USING" not in s], (name, plan)
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan, name
    db.close()


@pytest.mark.parametrize("name", ["pending_makers", "hold_deliveries"])
def test_what_is_pending_is_found_without_a_look_at_what_is_over(tmp_path: Path, name: str) -> None:
    db = open_for_writing(tmp_path / "queue.db")
    text = parse(load("statements.sql"), SQLITE)[name]
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?"))]
    assert "SCAN delivery USING INDEX delivery_lane" in plan
    db.close()


def test_the_claim_walks_the_ready_index(tmp_path: Path) -> None:
    db = open_for_writing(tmp_path / "queue.db")
    text = parse(load("statements.sql"), SQLITE)["claim"]
    plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * 5))
    assert "job_ready (endpoint=?)" in plan
    assert sqlite3.sqlite_version_info >= (3, 35)
    db.close()
