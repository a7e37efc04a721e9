"""What a queue should do, in plain Python: the model that `queue_machine` holds a store against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import attrs

from outbox_model import Outbox
from workerkit.queue import Blame, Counts, End, EndLine, Outcome, Submission
from workerkit.states import MOVES, Status

IN_QUEUE, IN_PROGRESS = Status.IN_QUEUE, Status.IN_PROGRESS
Run = tuple[str, int]


@attrs.define
class Job:
    """One that was acknowledged, with all that belongs to it."""

    asked: Submission
    seq: int
    submitted_at: int
    queued_at: int
    expires_at: int
    sealed: bool
    status: Status = IN_QUEUE
    attempt: int = 0
    crashes: int = 0
    failures: int = 0
    returns: int = 0
    run_at: int | None = None
    holder: str = ""
    lease_until: int = 0
    started_at: int | None = None
    #: Which end of all there were, and when.
    end: int = 0
    finished_at: int = 0
    body: bytes | None = None
    progress: bytes | None = None
    chunks: dict[tuple[int, int], bytes] = attrs.Factory(dict)
    taken: int = 0
    logs: dict[int, bytes] = attrs.Factory(dict)

    @property
    def place(self) -> tuple[bool, int]:
        """Where it stands in line."""
        return self.asked.policy.low_priority, self.seq


class Model:
    """Every method says what the store's method of that name should answer."""

    def __init__(
        self, clock: Callable[[], int], *, lease: int, keep: int, keep_dead: int, length: int
    ) -> None:
        self.now = clock
        self.lease, self.keep, self.length = lease, keep, length
        self.jobs: dict[str, Job] = {}
        self.keys: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.outbox = Outbox(clock, keep_dead=keep_dead)
        self.totals: Counter[tuple[str, str]] = Counter()
        #: The highest attempt of each job that was ever handed out, and every end that was stored.
        self.highest: Counter[str] = Counter()
        self.ended: set[Run] = set()
        #: Places of ends as they were seen, and the last one of each endpoint.
        self.places: dict[Run, int] = {}
        self.last: Counter[str] = Counter()
        self.seq = 0

    # Jobs

    def submit(self, asked: Submission, *, taken: bool) -> tuple[str, Outcome]:
        """`taken`: somebody waits for it, so that it does not count against the limit."""
        key = (asked.endpoint, asked.idempotency[0]) if asked.idempotency else None
        if key in self.keys and key and asked.idempotency:
            digest, first = self.keys[key]
            return first, Outcome.EXISTED if digest == asked.idempotency[1] else Outcome.CONFLICT
        if asked.id in self.jobs:
            return asked.id, Outcome.EXISTED
        if not (taken and key is None) and self.counts(asked.endpoint).in_queue >= self.length:
            return asked.id, Outcome.FULL
        self.seq += 1
        now = self.now()
        self.jobs[asked.id] = Job(asked, self.seq, now, now, now + asked.policy.ttl, bool(asked.sealed))
        if key and asked.idempotency:
            self.keys[key] = asked.idempotency[1], asked.id
        return asked.id, Outcome.INSERTED

    def claimable(self, endpoint: str) -> list[Job]:
        now = self.now()
        found = [
            j
            for j in self._in(IN_QUEUE)
            if j.asked.endpoint == endpoint and j.expires_at > now and not j.run_at
        ]
        return sorted(found, key=lambda j: j.place)

    def promote(self) -> bool:
        """Delays that are over are forgotten; whether there were any."""
        over = [job for job in self.jobs.values() if job.run_at and job.run_at <= self.now()]
        for job in over:
            job.run_at = None
        return bool(over)

    def claim(self, endpoint: str, n: int, holder: str) -> list[Job]:
        claimed = self.claimable(endpoint)[:n]
        for job in claimed:
            job.status, job.attempt, job.holder, job.taken = IN_PROGRESS, job.attempt + 1, holder, 0
            job.started_at, job.lease_until = self.now(), self.now() + self.lease
            assert job.attempt > self.highest[job.asked.id]
            self.highest[job.asked.id] = job.attempt
        return claimed

    def run(self, run: Run) -> Job | None:
        """The job of a run that may still write."""
        job = self.jobs.get(run[0])
        return job if job and (job.status, job.attempt) == (IN_PROGRESS, run[1]) else None

    def heartbeat(self, runs: Sequence[Run]) -> list[Run]:
        for run in runs:
            if job := self.run(run):
                job.lease_until = self.now() + self.lease
        return [run for run in runs if not self.run(run)]

    def chunk(self, run: Run, n: int, value: bytes) -> bool:
        job = self.run(run)
        if job:
            job.chunks[run[1], n] = value
        return job is not None

    def chunks(self, run: Run) -> list[bytes]:
        job = self.jobs.get(run[0])
        return (
            [value for (attempt, _), value in sorted(job.chunks.items()) if attempt == run[1]] if job else []
        )

    def take_chunks(self, id: str, limit: int) -> list[bytes]:
        job = self.jobs[id]
        found = [
            (n, value)
            for (attempt, n), value in sorted(job.chunks.items())
            if attempt == job.attempt and n >= job.taken
        ][:limit]
        if found:
            job.taken = found[-1][0] + 1
        return [value for _, value in found]

    def progress(self, run: Run, value: bytes) -> bool:
        job = self.run(run)
        if job:
            job.progress = value
        return job is not None

    def keep_log(self, id: str, attempt: int, text: bytes) -> bool:
        job = self.jobs.get(id)
        if job:
            job.logs[attempt] = text
        return job is not None

    def release(self, run: Run, blame: Blame, after: int) -> bool:
        job = self.run(run)
        if job:
            job.crashes += blame is Blame.CRASH
            job.failures += blame is Blame.FAILURE
            job.returns += blame is Blame.NONE
            self._requeue(job, after)
        return job is not None

    def _requeue(self, job: Job, after: int = 0) -> None:
        job.status, job.started_at, job.progress = IN_QUEUE, None, None
        job.queued_at = self.now() + after
        job.run_at = job.queued_at if after else None

    def finish(self, end: End) -> bool:
        job = self.jobs.get(end.id)
        if job is None or not end.status.ended or end.status not in MOVES[end.seen_status]:
            return False
        if (job.status, job.attempt) != (end.seen_status, end.seen_attempt):
            return (job.status, job.attempt) == (end.status, end.seen_attempt)
        run = (end.id, end.seen_attempt)
        assert run not in self.ended
        self.ended.add(run)
        job.end, job.finished_at = len(self.ended), self.now()
        job.status, job.body, job.run_at, job.progress = end.status, end.body, None, None
        job.expires_at = self.now() + self.keep
        job.sealed = job.sealed and bool(MOVES[end.status])
        self.totals[job.asked.endpoint, end.status.value.lower()] += 1
        self.outbox.add(end, job.asked.endpoint)
        return True

    def retry(self, id: str) -> bool:
        job = self.jobs.get(id)
        if job is None or job.status not in (Status.FAILED, Status.TIMED_OUT):
            return False
        self._requeue(job)
        job.attempt, job.body, job.end, job.finished_at = job.attempt + 1, None, 0, 0
        job.crashes = job.failures = job.returns = 0
        job.expires_at = self.now() + job.asked.policy.ttl
        self.totals[job.asked.endpoint, "retried"] += 1
        self.outbox.retried(id)
        return True

    # What a host does now and then

    def queued(self, endpoint: str) -> list[Job]:
        jobs = [j for j in self._in(IN_QUEUE) if j.asked.endpoint == endpoint]
        return sorted(jobs, key=lambda j: (j.run_at, (False, j.seq)) if j.run_at else (0, j.place))

    def expired(self) -> list[Job]:
        return [j for j in self._in(IN_QUEUE, IN_PROGRESS) if j.expires_at <= self.now()]

    def lapsed(self) -> list[Job]:
        return [j for j in self._in(IN_PROGRESS) if j.lease_until <= self.now()]

    def counts(self, endpoint: str) -> Counts:
        """The levels are counted, not kept."""
        levels = Counter(j.status for j in self.jobs.values() if j.asked.endpoint == endpoint)
        totals = {name: n for (of, name), n in self.totals.items() if of == endpoint}
        return Counts(in_queue=levels[IN_QUEUE], in_progress=levels[IN_PROGRESS], **totals)

    def recover(self, holder: str) -> int:
        back = [j for j in self._in(IN_PROGRESS) if j.holder != holder]
        for job in back:
            job.returns += 1
            self._requeue(job)
        self.outbox.recover()
        return len(back)

    def sweep(self) -> int:
        now, forgotten = self.now(), self.outbox.forget()
        over = []
        for job in self.jobs.values():
            if job.status.ended and job.expires_at <= now:
                job.sealed = False
                over += [] if self.outbox.needs(job.asked.id) else [job]
        for job in over:
            del self.jobs[job.asked.id]
            self.keys = {key: value for key, value in self.keys.items() if value[1] != job.asked.id}
            self.outbox.drop(job.asked.id)
        return forgotten + len(over)

    def ends(self, endpoint: str) -> list[Job]:
        """Jobs that have ended, in that order."""
        ended = [job for job in self.jobs.values() if job.end and job.asked.endpoint == endpoint]
        return sorted(ended, key=lambda job: job.end)

    def place(self, endpoint: str, lines: Sequence[EndLine]) -> None:
        """These are all ends of an endpoint: each keeps its place, and a new one is behind all others."""
        for line in lines:
            run = line.id, line.attempt
            if run not in self.places:
                assert line.seq > self.last[endpoint]
                self.places[run] = self.last[endpoint] = line.seq
            assert line.seq == self.places[run]

    def _in(self, *statuses: Status) -> list[Job]:
        return [job for job in self.jobs.values() if job.status in statuses]
