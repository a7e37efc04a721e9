"""Jobs on their way in: stored to wait, or stored as already claimed by somebody who waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from workerkit.queue import Outcome, Record, Submission, Submitted
from workerkit.queue.batch import Batch
from workerkit.queue.context import Context
from workerkit.queue.rows import Row
from workerkit.queue.waiting import Claimer
from workerkit.states import Status


def submit(batch: Batch, context: Context, submissions: Sequence[Submission]) -> list[Submitted]:
    """Store what is new. The answers are in the order of the submissions."""
    if len(submissions) == 1 or not _is_plain(batch, context, submissions):
        return [_submit_one(batch, context, submission) for submission in submissions]
    return _insert_many(batch, context, submissions)


def _is_plain(batch: Batch, context: Context, submissions: Sequence[Submission]) -> bool:
    """Whether all can be stored to wait, unseen: no keys, room for all, and nobody waits for one.

    A list with low priorities is stored to wait even then: the claim statement knows the order.
    """
    if any(s.idempotency for s in submissions):
        return False
    wanted = Counter(s.endpoint for s in submissions)
    ordered = any(s.policy.low_priority for s in submissions)
    return all(
        context.waiting(batch, endpoint) + n <= context.queue_length
        and (ordered or context.claimers.first(endpoint) is None)
        for endpoint, n in wanted.items()
    )


def _submit_one(batch: Batch, context: Context, submission: Submission) -> Submitted:
    if submission.idempotency is not None:
        return _submit_once(batch, context, submission, *submission.idempotency)
    claimer = None
    if not context.claimers.has_backlog(submission.endpoint):
        claimer = context.claimers.first(submission.endpoint)
    return _insert(batch, context, submission, claimer)[0]


def _submit_once(
    batch: Batch, context: Context, submission: Submission, key: str, digest: bytes
) -> Submitted:
    """With an idempotency key the client may send again, so the job is not handed over early."""
    stored = batch.one(context.sql["idempotent"], (submission.endpoint, key))
    if stored is not None:
        return Submitted(stored[0], Outcome.EXISTED if stored[1] == digest else Outcome.CONFLICT)
    submitted, seq = _insert(batch, context, submission, None)
    if seq is not None:
        batch.db.execute(context.sql["add_idempotency"], (submission.endpoint, key, digest, seq))
    return submitted


def _insert(
    batch: Batch, context: Context, submission: Submission, claimer: Claimer | None
) -> tuple[Submitted, int | None]:
    """Store one, claimed when there is a claimer; with its `seq` when it is new."""
    endpoint, sql = submission.endpoint, context.sql
    if claimer is None and context.waiting(batch, endpoint) >= context.queue_length:
        existed = batch.one(sql["find"], (submission.id,)) is not None
        return Submitted(submission.id, Outcome.EXISTED if existed else Outcome.FULL), None
    cursor = batch.db.execute(sql["submit"], _row(batch, context, submission, claimer))
    if not cursor.rowcount:
        return Submitted(submission.id, Outcome.EXISTED), None
    seq = cursor.lastrowid
    assert seq is not None
    batch.db.execute(sql["add_payload"], (seq, submission.input, submission.fields))
    if submission.sealed:
        _add_secrets(batch, context, seq, submission)
    if claimer is None:
        batch.count(endpoint, 0, 1)
        context.filled(batch, endpoint)
    else:
        batch.count(endpoint, 1, 1)
        batch.hand(claimer, _record(batch.now, submission))
    return Submitted(submission.id, Outcome.INSERTED), seq


def _insert_many(batch: Batch, context: Context, submissions: Sequence[Submission]) -> list[Submitted]:
    seqs = _insert_rows(batch, context, [_row(batch, context, s, None) for s in submissions])
    new = [(seq, s) for seq, s in zip(seqs, submissions, strict=True) if seq is not None]
    batch.db.executemany(context.sql["add_payload"], [(seq, s.input, s.fields) for seq, s in new])
    for seq, submission in new:
        if submission.sealed:
            _add_secrets(batch, context, seq, submission)
    for endpoint, n in Counter(s.endpoint for _, s in new).items():
        batch.count(endpoint, 0, n)
        context.filled(batch, endpoint)
    return [
        Submitted(s.id, Outcome.EXISTED if seq is None else Outcome.INSERTED)
        for seq, s in zip(seqs, submissions, strict=True)
    ]


def _insert_rows(batch: Batch, context: Context, job_rows: list[Row]) -> list[int | None]:
    """The new rows' `seq`, None for an id that was there."""
    ((before,),) = batch.db.execute(context.sql["last_seq"]).fetchall()
    inserted = batch.db.executemany(context.sql["submit"], job_rows).rowcount
    if inserted == len(job_rows):
        # One writer, one transaction: the new numbers follow each other.
        ((last,),) = batch.db.execute("SELECT last_insert_rowid()").fetchall()
        return list(range(last - inserted + 1, last + 1))
    seqs: dict[int, None] = {}
    found: list[int | None] = []
    for row in job_rows:
        ((seq, *_),) = batch.db.execute(context.sql["find"], (row[0],)).fetchall()
        found.append(seq if seq > before and seq not in seqs else None)
        seqs[seq] = None
    return found


def _add_secrets(batch: Batch, context: Context, seq: int, submission: Submission) -> None:
    secrets = [(seq, field, value) for field, value in submission.sealed.items()]
    batch.db.executemany(context.sql["add_secret"], secrets)


def _row(batch: Batch, context: Context, submission: Submission, claimer: Claimer | None) -> Row:
    """The parameters of the statement `submit`."""
    now, policy = batch.now, submission.policy
    run: Row = (0, policy.low_priority, 0, None, None, now, None)
    if claimer is not None:
        run = (1, policy.low_priority, 1, claimer.holder, now + context.lease_ms, now, now)
    due_at = now + policy.ttl
    what = (due_at, policy.execution_timeout, policy.ttl, len(submission.sealed))
    return (submission.id, submission.endpoint, *run, *what)


def _record(now: int, submission: Submission) -> Record:
    """A job as it stands right after it was stored as claimed."""
    return Record(
        id=submission.id,
        endpoint=submission.endpoint,
        status=Status.IN_PROGRESS,
        attempt=1,
        input=submission.input,
        fields=submission.fields,
        sealed=submission.sealed,
        policy=submission.policy,
        submitted_at=now,
        started_at=now,
        expires_at=now + submission.policy.ttl,
    )
