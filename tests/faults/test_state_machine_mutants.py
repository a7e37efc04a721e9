"""The state machine can fail: with any one guard taken out of the queue's statements, it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from queue_laboratory import laboratory, run
from queue_machine import QueueMachine
from workerkit.errors import QueueError
from workerkit.queue.engine import statements

#: Examples within which each must be caught.
EXAMPLES = 2_000


@attrs.frozen
class Mutant:
    """A statement with `new` in the place of `old`. Parameters stay, so that it takes as many."""

    name: str
    statement: str
    old: str
    new: str
    #: What runs report, where several share a statement and each alone must find it.
    reports: tuple[str, ...] = QueueMachine.reports


def nothing(name: str, statement: str, parameters: int) -> Mutant:
    """In place of the whole statement, one that changes nothing."""
    return Mutant(name, statement, "", f"UPDATE job SET id = id WHERE 0 AND ?{parameters} IS NULL")


FENCE = "attempt = ?2", "?2 = ?2"
MUTANTS = (
    # The fence: who writes about a run names its attempt.
    Mutant("finish without the fence", "finish", "attempt = ?3", "?3 = ?3"),
    Mutant("release without the fence", "release", *FENCE),
    Mutant("heartbeat without the fence", "heartbeat", *FENCE),
    *[Mutant(f"{write} without the fence", "running", *FENCE, (write,)) for write in ("chunk", "progress")],
    Mutant("claim keeps the attempt", "claim", "attempt = attempt + 1,", ""),
    Mutant("retry keeps the attempt", "retry", "attempt = attempt + 1,", ""),
    # What a job must be for a move.
    Mutant("finish from any status", "finish", "status = ?2 AND", "?2 = ?2 AND"),
    Mutant("release from any status", "release", "AND status = 1", ""),
    Mutant("heartbeat in any status", "heartbeat", "AND status = 1", ""),
    *[
        Mutant(f"{write} in any status", "running", "AND status = 1", "", (write,))
        for write in ("chunk", "progress")
    ],
    Mutant("retry from any end", "retry", "IN (3, 5)", ">= 2"),
    Mutant("recover takes the holder's own", "recover", "holder <> ?1", "?1 = ?1"),
    # Which jobs a claim takes.
    Mutant("claim past the ttl", "claim", "AND due_at > ?4", ""),
    Mutant("claim before the delay is over", "claim", "AND run_at IS NULL", ""),
    Mutant("claim without order", "claim", "ORDER BY low_priority, seq", "ORDER BY seq DESC"),
    Mutant("a delay is over too early", "promote", "AND run_at <= ?2", "AND ?2 = ?2"),
    Mutant("a delay outlives a cancel", "finish", "run_at = NULL", "run_at = run_at"),
    # What an end brings with it.
    nothing("an end without its deliveries", "add_delivery", 14),
    nothing("an end leaves the secrets", "wipe_secrets", 1),
    nothing("a retry leaves the body", "drop_body", 1),
    nothing("a retry takes the bodies of deliveries", "keep_bodies", 1),
    # Counts.
    nothing("nothing is counted", "count", 9),
    Mutant("crashes are not counted", "release", "crashes + ?3", "crashes + 0 * ?3"),
    Mutant("failures are not counted", "release", "failures + ?4", "failures + 0 * ?4"),
    Mutant("returns are not counted", "release", "returns + ?5", "returns + 0 * ?5"),
    Mutant("a retry keeps the counters", "retry", "crashes = 0, failures = 0, returns = 0,", ""),
    # Streams and keys.
    Mutant("chunks of any attempt", "chunks", "attempt = ?2", "?2 = ?2"),
    Mutant(
        "a new run's stream goes on where the old one was",
        "claim",
        "next_chunk = 0",
        "next_chunk = next_chunk",
    ),
    nothing("taken chunks are taken again", "take_chunks", 2),
    nothing("a key is forgotten", "add_idempotency", 4),
    # Leases, retention.
    Mutant("a lease that lives is lapsed", "lapsed", "AND lease_until <= ?1", "AND ?1 = ?1"),
    Mutant("a sweep before the retention", "over", "AND due_at <= ?1", "AND ?1 = ?1"),
    Mutant("a sweep of what a delivery needs", "over", "delivery.state < 3", "delivery.state < 0"),
    Mutant("secrets kept with what a delivery needs", "over", ", sealed", ", 0"),
    # Deliveries.
    Mutant("a try is not counted", "claim_deliveries", "number = number + 1,", ""),
    Mutant("a try before it is due", "claim_deliveries", "AND next_at <= ?2", "AND ?2 = ?2"),
    Mutant("a try is settled by another's number", "settle_delivery", "AND number = ?2", "AND ?2 = ?2"),
    Mutant("a try is settled twice", "settle_delivery", "AND state = 1", ""),
    Mutant("a lane gets more than it has room for", "claim_deliveries", "LIMIT ?3", "LIMIT ?3 + 9"),
    Mutant("a lane by another's name", "lane_due", "name = ?1", "?1 = ?1"),
    nothing("a try without its row in the log", "add_try", 9),
    nothing("a lost try without its row in the log", "add_lost_tries", 1),
    Mutant("a delivery outlives a retry", "cancel_deliveries", "AND state IN (0, 2)", "AND 0"),
    Mutant("what arrived is sent again with the others", "sendable", "state IN (2, 4, 5)", "state >= 2"),
    Mutant("the newest is sent again first", "sendable", "ORDER BY seq", "ORDER BY seq DESC"),
    Mutant("many are sent again whatever their lane", "sendable", "lane = ?4", "?4 = ?4"),
    Mutant("many of any job are sent again", "sendable_of", "seq IN", "0 NOT IN"),
    # How long deliveries are kept.
    *[
        Mutant(
            f"{name} goes with the job", statement, "AND NOT (state = 4 AND updated_at > ?2)", "AND ?2 = ?2"
        )
        for name, statement in (
            ("what is dead", "drop_deliveries"),
            ("the log of what is dead", "drop_tries"),
        )
    ],
    Mutant("what died long ago outlives its job", "drop_deliveries", "updated_at > ?2", "?2 = ?2"),
    nothing("what is dead stays with a job that is gone", "part_deliveries", 1),
    Mutant("what outlived its job goes too early", "forgotten_deliveries", "updated_at <= ?1", "?1 = ?1"),
    Mutant("what is sent again is forgotten", "forgotten_deliveries", "AND state >= 3", ""),
    nothing("what outlived its job stays for ever", "forget_delivery", 1),
    # The list of ends.
    Mutant("ends in the order of jobs", "ends", "ORDER BY body.seq", "ORDER BY body.job"),
    Mutant("ends of any endpoint", "ends", "body.endpoint = ?1", "?1 = ?1"),
    Mutant("ends from the first one on", "ends", "body.seq > ?2", "?2 = ?2"),
    Mutant("an end without a place", "add_body", "?4, ?5", "0 * ?4, ?5"),
    Mutant("a restart begins with the first place", "ended", "completed + failed", "0 * completed + failed"),
)


def mutated(mutant: Mutant) -> dict[str, str]:
    sql = statements()
    text = sql[mutant.statement]
    assert mutant.old in text
    sql[mutant.statement] = text.replace(mutant.old, mutant.new) if mutant.old else mutant.new
    return sql


def caught(mutant: Mutant, folder: Path) -> int | None:
    """By which example."""
    folder.mkdir()
    kind = type("Mutated", (QueueMachine,), {"reports": mutant.reports})
    with laboratory(folder, kind, mutated(mutant)) as machine:
        try:
            run(machine, EXAMPLES, number=0, shrink=False)
        except (AssertionError, QueueError):
            return machine.examples
    return None


def test_every_mutant_is_caught(tmp_path: Path, figure: Callable[[str], None]) -> None:
    examples = {mutant.name: caught(mutant, tmp_path / f"{n}") for n, mutant in enumerate(MUTANTS)}

    for name, example in examples.items():
        print(f"{name}: {'not caught' if example is None else f'caught by example {example}'}")
    assert [name for name, example in examples.items() if example is None] == []
    last = max(example for example in examples.values() if example is not None)
    figure(
        f"row 23: {len(MUTANTS)} of {len(MUTANTS)} mutants caught, the last by example {last} of {EXAMPLES}"
    )
