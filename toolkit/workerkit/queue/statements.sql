-- Every statement about rows. `takes` gives the order of the parameters; what is in braces differs
-- between dialects. A write about a run names its attempt: that is the fence.

-- name: submit
-- takes: id, endpoint, status, low_priority, attempt, holder, lease_until, now, started_at, due_at, execution_timeout, ttl, sealed
-- Stores a job, waiting or already claimed. Nothing happens when the id is there.
INSERT INTO job (id, endpoint, status, low_priority, attempt, holder, lease_until, submitted_at,
                 started_at, due_at, queued_at, execution_timeout, ttl, sealed)
VALUES (:id, :endpoint, :status, :low_priority, :attempt, :holder, :lease_until, :now,
        :started_at, :due_at, {now}, :execution_timeout, :ttl, :sealed)
ON CONFLICT (id) DO NOTHING;

-- name: last_seq
SELECT coalesce(max(seq), 0) FROM job;

-- name: find
-- takes: id
SELECT seq, status, attempt FROM job WHERE id = :id;

-- name: add_payload
-- takes: job, input, fields
INSERT INTO payload (job, input, fields) VALUES (:job, :input, :fields);

-- name: add_secret
-- takes: job, field, value
INSERT INTO secret (job, field, value) VALUES (:job, :field, :value);

-- name: secrets
-- takes: job
SELECT field, value FROM secret WHERE job = :job;

-- name: wipe_secrets
-- takes: job
DELETE FROM secret WHERE job = :job;

-- name: idempotent
-- takes: endpoint, key
-- The job that an idempotency key made.
SELECT job.id, idempotency.digest FROM idempotency JOIN job ON job.seq = idempotency.job
WHERE idempotency.endpoint = :endpoint AND idempotency.key = :key;

-- name: add_idempotency
-- takes: endpoint, key, digest, job
INSERT INTO idempotency (endpoint, key, digest, job) VALUES (:endpoint, :key, :digest, :job);

-- name: claim
-- takes: endpoint, n, holder, now, lease_until
-- Takes the oldest waiting jobs. MATERIALIZED: the choice is made once, so never more than n.
WITH ready AS MATERIALIZED (
    SELECT seq FROM job
    WHERE endpoint = :endpoint AND status = 0 AND run_at IS NULL AND due_at > {now}
    ORDER BY low_priority, seq LIMIT :n {skip_locked}
)
UPDATE job
SET status = 1, attempt = attempt + 1, holder = :holder, lease_until = :lease_until,
    started_at = {now}, next_chunk = 0
WHERE seq IN (SELECT seq FROM ready)
RETURNING seq, id, endpoint, status, attempt,
    (SELECT input FROM payload WHERE payload.job = job.seq),
    (SELECT fields FROM payload WHERE payload.job = job.seq),
    execution_timeout, ttl, low_priority, submitted_at, started_at, due_at, crashes, failures,
    returns, sealed;

-- name: first_in_line
-- takes: endpoint, now
-- Since when the job waits that the next claim takes.
SELECT queued_at FROM job
WHERE endpoint = :endpoint AND status = 0 AND run_at IS NULL AND due_at > {now}
ORDER BY low_priority, seq LIMIT 1;

-- name: promote
-- takes: endpoint, now, n
-- Lets claims see jobs whose delay is over.
UPDATE job SET run_at = NULL
WHERE seq IN (
    SELECT seq FROM job WHERE endpoint = :endpoint AND run_at IS NOT NULL AND run_at <= {now}
    ORDER BY run_at LIMIT :n
);

-- name: next_delayed
-- takes: endpoint
SELECT run_at FROM job WHERE endpoint = :endpoint AND run_at IS NOT NULL ORDER BY run_at LIMIT 1;

-- name: delayed
-- When the first delay of each endpoint is over.
SELECT endpoint, min(run_at) FROM job WHERE run_at IS NOT NULL GROUP BY endpoint;

-- name: heartbeat
-- takes: id, attempt, lease_until
UPDATE job SET lease_until = :lease_until WHERE id = :id AND attempt = :attempt AND status = 1;

-- name: running
-- takes: id, attempt
SELECT seq FROM job WHERE id = :id AND attempt = :attempt AND status = 1;

-- name: add_chunk
-- takes: job, attempt, n, value
-- A chunk that is sent again replaces itself.
INSERT INTO chunk (job, attempt, n, value) VALUES (:job, :attempt, :n, :value)
ON CONFLICT (job, attempt, n) DO UPDATE SET value = excluded.value;

-- name: set_progress
-- takes: job, attempt, value
INSERT INTO progress (job, attempt, value) VALUES (:job, :attempt, :value)
ON CONFLICT (job) DO UPDATE SET attempt = excluded.attempt, value = excluded.value;

-- name: chunks
-- takes: id, attempt
SELECT value FROM chunk
WHERE job = (SELECT seq FROM job WHERE id = :id) AND attempt = :attempt ORDER BY n;

-- name: new_chunks
-- takes: id, n
-- Chunks of the current attempt that no reader has taken.
SELECT job, n, value FROM chunk
WHERE (job, attempt) = (SELECT seq, attempt FROM job WHERE id = :id)
    AND n >= (SELECT next_chunk FROM job WHERE id = :id)
ORDER BY n LIMIT :n;

-- name: take_chunks
-- takes: job, next_chunk
UPDATE job SET next_chunk = :next_chunk WHERE seq = :job;

-- name: drop_chunks
-- takes: job, n
-- Some of a job's chunks, of whatever attempt: a long stream is not deleted at one go.
DELETE FROM chunk
WHERE (job, attempt, n) IN (SELECT job, attempt, n FROM chunk WHERE job = :job LIMIT :n);

-- name: finish
-- takes: id, seen_status, attempt, status, now, keep_until
-- Ends a job, only as it was seen.
UPDATE job
SET status = :status, finished_at = {now}, due_at = :keep_until, holder = NULL, lease_until = NULL,
    run_at = NULL
WHERE id = :id AND status = :seen_status AND attempt = :attempt
RETURNING seq, endpoint, sealed;

-- name: add_body
-- takes: job, attempt, endpoint, seq, value
INSERT INTO body (job, attempt, endpoint, seq, value) VALUES (:job, :attempt, :endpoint, :seq, :value);

-- name: ends
-- takes: endpoint, after, n
SELECT body.seq, job.id, body.attempt, job.status, job.finished_at, body.value
FROM body JOIN job ON job.seq = body.job
WHERE body.endpoint = :endpoint AND body.seq > :after ORDER BY body.seq LIMIT :n;

-- name: ended
-- How many jobs of every endpoint have ever ended.
SELECT endpoint, sum(completed + failed + cancelled + timed_out) FROM counter GROUP BY endpoint;

-- name: release
-- takes: id, attempt, crashes, failures, returns, queued_at, run_at
-- Gives a run back to the queue.
UPDATE job
SET status = 0, crashes = crashes + :crashes, failures = failures + :failures,
    returns = returns + :returns, holder = NULL, lease_until = NULL, started_at = NULL,
    queued_at = :queued_at, run_at = :run_at
WHERE id = :id AND attempt = :attempt AND status = 1
RETURNING seq, endpoint;

-- name: recover
-- takes: holder, now
-- Gives back every run that somebody else holds.
UPDATE job
SET status = 0, returns = returns + 1, holder = NULL, lease_until = NULL, started_at = NULL,
    queued_at = {now}
WHERE status < 2 AND status = 1 AND holder <> :holder
RETURNING seq, endpoint;

-- name: retry
-- takes: id, now
-- Puts a FAILED or TIMED_OUT job back in the queue.
UPDATE job
SET status = 0, attempt = attempt + 1, crashes = 0, failures = 0, returns = 0, started_at = NULL,
    finished_at = NULL, due_at = {now} + ttl, queued_at = {now}
WHERE id = :id AND status IN (3, 5)
RETURNING seq, endpoint;

-- name: keep_bodies
-- takes: job
-- Before a body goes: deliveries that carry it get a copy of their own.
UPDATE delivery SET body = (SELECT value FROM body WHERE body.job = delivery.job)
WHERE job = :job AND body IS NULL;

-- name: drop_body
-- takes: job
DELETE FROM body WHERE job = :job;

-- name: cancel_deliveries
-- takes: job, now
UPDATE delivery
SET state = 5, next_at = NULL, updated_at = {now}, detail = 'the job was retried'
WHERE job = :job AND state IN (0, 2)
RETURNING lane;

-- name: view
-- takes: id
SELECT job.id, job.endpoint, job.status, job.attempt, job.submitted_at, job.started_at,
    progress.value, body.value
FROM job
LEFT JOIN progress ON progress.job = job.seq AND progress.attempt = job.attempt AND job.status = 1
LEFT JOIN body ON body.job = job.seq
WHERE job.id = :id;

-- name: record
-- takes: id
SELECT {record} FROM job JOIN payload ON payload.job = job.seq WHERE job.id = :id;

-- name: queued
-- takes: endpoint, n
-- Those that a claim would take, then those that were put off.
SELECT * FROM (
    SELECT {record} FROM job JOIN payload ON payload.job = job.seq
    WHERE endpoint = :endpoint AND status = 0 AND run_at IS NULL ORDER BY low_priority, seq LIMIT :n
)
UNION ALL
SELECT * FROM (
    SELECT {record} FROM job JOIN payload ON payload.job = job.seq
    WHERE endpoint = :endpoint AND run_at IS NOT NULL ORDER BY run_at LIMIT :n
)
LIMIT :n;

-- name: expired
-- takes: now, n
-- As the index has them, so that no sort grows with what is overdue.
SELECT {record} FROM job JOIN payload ON payload.job = job.seq
WHERE status < 2 AND status IN (0, 1) AND due_at <= {now} LIMIT :n;

-- name: lapsed
-- takes: now, n
SELECT {record} FROM job JOIN payload ON payload.job = job.seq
WHERE status < 2 AND status = 1 AND lease_until <= {now} LIMIT :n;

-- name: jobs
-- takes: endpoint, status, before, n
-- For operators, on a connection of its own: with a filter it may look at every job.
SELECT seq, id, endpoint, status, attempt, submitted_at, started_at, finished_at FROM job
WHERE seq < :before AND (:endpoint IS NULL OR endpoint = :endpoint) AND (:status IS NULL OR status = :status)
ORDER BY seq DESC LIMIT :n;

-- name: keep_log
-- takes: id, attempt, value
INSERT INTO log (job, attempt, value) SELECT seq, :attempt, :value FROM job WHERE id = :id
ON CONFLICT (job, attempt) DO UPDATE SET value = excluded.value;

-- name: logs
-- takes: id
SELECT attempt, value FROM log WHERE job = (SELECT seq FROM job WHERE id = :id) ORDER BY attempt;

-- name: over
-- takes: now, due_at, job, n
-- Ended jobs past their retention, behind one of them, whether a delivery still needs them, and how many
-- secrets they had.
SELECT due_at, seq, EXISTS (SELECT 1 FROM delivery WHERE delivery.job = job.seq AND delivery.state < 3), sealed
FROM job WHERE status >= 2 AND due_at <= {now} AND (due_at, seq) > (:due_at, :job)
ORDER BY due_at, seq LIMIT :n;

-- name: expire_held
-- takes: now
-- Nobody will send what is held for a plugin that does not come back.
UPDATE delivery
SET state = 4, updated_at = {now} WHERE state IN (1, 2) AND state = 2 AND expires_at <= {now};

-- name: drop_payload
-- takes: job
DELETE FROM payload WHERE job = :job;

-- name: drop_progress
-- takes: job
DELETE FROM progress WHERE job = :job;

-- name: drop_logs
-- takes: job
DELETE FROM log WHERE job = :job;

-- name: leaving
-- takes: job, since
-- How many deliveries a job has, and how many of them died after `since`.
SELECT count(*), count(CASE WHEN state = 4 AND updated_at > :since THEN 1 END) FROM delivery
WHERE job = :job;

-- name: drop_tries
-- takes: job, since
-- Before their deliveries go.
DELETE FROM tried WHERE delivery IN (
    SELECT seq FROM delivery WHERE job = :job AND NOT (state = 4 AND updated_at > :since)
);

-- name: drop_deliveries
-- takes: job, since
-- All of a job but those that died after `since`.
DELETE FROM delivery WHERE job = :job AND NOT (state = 4 AND updated_at > :since);

-- name: part_deliveries
-- takes: job
-- These outlive their job.
UPDATE delivery SET job = NULL WHERE job = :job;

-- name: forgotten_deliveries
-- takes: since, n
-- Deliveries that outlived their job and were over by `since`.
SELECT seq FROM delivery WHERE job IS NULL AND state >= 3 AND updated_at <= :since
ORDER BY updated_at LIMIT :n;

-- name: forget_tries
-- takes: delivery
DELETE FROM tried WHERE delivery = :delivery;

-- name: forget_delivery
-- takes: delivery
DELETE FROM delivery WHERE seq = :delivery;

-- name: drop_idempotency
-- takes: job
DELETE FROM idempotency WHERE job = :job;

-- name: drop_job
-- takes: job
DELETE FROM job WHERE seq = :job;

-- name: register
-- takes: name, descriptor
INSERT INTO endpoint (name, descriptor) VALUES (:name, :descriptor)
ON CONFLICT (name) DO UPDATE SET descriptor = excluded.descriptor;

-- name: endpoints
SELECT name, descriptor FROM endpoint ORDER BY name;

-- name: count
-- takes: endpoint, host, in_queue, in_progress, completed, failed, cancelled, timed_out, retried
-- Adds what one batch changed.
INSERT INTO counter
    (endpoint, host, in_queue, in_progress, completed, failed, cancelled, timed_out, retried)
VALUES (:endpoint, :host, :in_queue, :in_progress, :completed, :failed, :cancelled, :timed_out, :retried)
ON CONFLICT (endpoint, host) DO UPDATE SET
    in_queue = counter.in_queue + excluded.in_queue,
    in_progress = counter.in_progress + excluded.in_progress,
    completed = counter.completed + excluded.completed,
    failed = counter.failed + excluded.failed,
    cancelled = counter.cancelled + excluded.cancelled,
    timed_out = counter.timed_out + excluded.timed_out,
    retried = counter.retried + excluded.retried;

-- name: counts
-- takes: endpoint
SELECT coalesce(sum(in_queue), 0), coalesce(sum(in_progress), 0), coalesce(sum(completed), 0),
    coalesce(sum(failed), 0), coalesce(sum(cancelled), 0), coalesce(sum(timed_out), 0),
    coalesce(sum(retried), 0)
FROM counter WHERE endpoint = :endpoint;

-- name: adopt_counters
-- takes: host
-- For a queue that one host owns: its counters are whatever the owner before it left.
UPDATE counter SET host = :host;

-- name: levels
-- How many jobs wait, for every endpoint.
SELECT endpoint, sum(in_queue) FROM counter GROUP BY endpoint;

-- name: add_delivery
-- takes: id, job, job_id, job_attempt, endpoint, plugin, maker, target, headers, body, lane, attempts, delays, lasts, now
INSERT INTO delivery (id, job, job_id, job_attempt, endpoint, plugin, maker, target, headers, body, lane,
                      state, number, attempts, delays, lasts, next_at, expires_at, created_at, updated_at)
VALUES (:id, :job, :job_id, :job_attempt, :endpoint, :plugin, :maker, :target, :headers, :body, :lane,
        0, 0, :attempts, :delays, :lasts, {now}, {now} + :lasts, {now}, {now});

-- name: due_lane
-- takes: lane, due_at
-- Another delivery of a lane is pending.
INSERT INTO lane (name, due_at) VALUES (:lane, :due_at)
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < lane.due_at;

-- name: note_lane
-- takes: lane
-- When a lane has something to send, looked up; changes nothing when nothing is pending.
INSERT INTO lane (name, due_at)
SELECT lane, next_at FROM delivery WHERE state = 0 AND lane = :lane ORDER BY next_at LIMIT 1
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at;

-- name: drop_lane
-- takes: lane
DELETE FROM lane WHERE name = :lane;

-- name: next_lanes
-- takes: n
-- The longest waiting lane first. It does not matter how many deliveries wait in one.
SELECT name, due_at FROM lane ORDER BY due_at LIMIT :n;

-- name: lane_due
-- takes: lane
SELECT name, due_at FROM lane WHERE name = :lane;

-- name: claim_deliveries
-- takes: lane, now, n, inline
-- The try is counted before it is made, so never more than `attempts` reach the wire.
WITH due AS MATERIALIZED (
    SELECT seq FROM delivery WHERE state = 0 AND lane = :lane AND next_at <= {now}
    ORDER BY next_at, seq LIMIT :n {skip_locked}
)
UPDATE delivery SET state = 1, number = number + 1, updated_at = {now}
WHERE seq IN (SELECT seq FROM due)
RETURNING seq, id, job_id, endpoint, job_attempt, plugin, maker, target, headers,
    CASE WHEN body IS NULL THEN (
        SELECT CASE WHEN length(value) <= :inline THEN value END FROM body WHERE body.job = delivery.job
    ) WHEN length(body) <= :inline THEN body END,
    lane, number, attempts, delays, expires_at;

-- name: settle_delivery
-- takes: id, number, state, detail, next_at, now, unsent
UPDATE delivery
SET state = :state, detail = :detail, next_at = :next_at, updated_at = {now},
    number = number - CASE WHEN :unsent THEN 1 ELSE 0 END
WHERE id = :id AND state = 1 AND number = :number;

-- name: add_try
-- takes: id, number, at, took, outcome, detail, status, address, answer
INSERT INTO tried (delivery, number, at, took, outcome, detail, status, address, answer)
SELECT seq, :number, :at, :took, :outcome, :detail, :status, :address, :answer FROM delivery WHERE id = :id;

-- name: trim_tries
-- takes: id, number
DELETE FROM tried WHERE delivery = (SELECT seq FROM delivery WHERE id = :id) AND number <= :number;

-- name: lane_of
-- takes: id
SELECT lane FROM delivery WHERE id = :id;

-- name: outdated_delivery
-- takes: id
-- Whether the job was retried since it asked for this delivery.
SELECT 1 FROM delivery JOIN job ON job.seq = delivery.job
WHERE delivery.id = :id AND job.attempt <> delivery.job_attempt;

-- name: add_lost_tries
-- takes: detail
-- Before `recover_deliveries`: what was being sent has begun when it was claimed.
INSERT INTO tried (delivery, number, at, took, outcome, detail, address, answer)
SELECT seq, number, updated_at, 0, 'lost', :detail, '', '' FROM delivery WHERE state IN (1, 2) AND state = 1;

-- name: recover_deliveries
-- takes: now, detail
-- What was being sent when the host died, and what was held, may be tried again.
UPDATE delivery
SET state = CASE WHEN number >= attempts THEN 4 ELSE 0 END,
    next_at = CASE WHEN number >= attempts THEN NULL ELSE {now} END,
    detail = CASE WHEN state = 1 THEN :detail ELSE detail END,
    updated_at = {now}
WHERE state IN (1, 2)
RETURNING lane;

-- name: cancel_outdated
-- takes: now
-- Before `recover_deliveries`: what was being sent of an end that was taken back meanwhile.
UPDATE delivery
SET state = 5, next_at = NULL, updated_at = {now}, detail = 'the job was retried'
WHERE state IN (1, 2) AND state = 1 AND EXISTS (
    SELECT 1 FROM job WHERE job.seq = delivery.job AND job.attempt <> delivery.job_attempt
);

-- name: pending_makers
-- How many deliveries are pending, by plugin and maker.
SELECT plugin, maker, count(*) FROM delivery WHERE state = 0 GROUP BY plugin, maker;

-- name: hold_deliveries
-- takes: plugin, maker, detail, now
UPDATE delivery SET state = 2, next_at = NULL, detail = :detail, updated_at = {now}
WHERE state = 0 AND plugin = :plugin AND maker = :maker
RETURNING lane;

-- name: redeliver
-- takes: id, state, now
-- Whatever is not on its way; only what is in `state`, when that is given.
UPDATE delivery
SET state = 0, next_at = {now}, updated_at = {now}, expires_at = {now} + lasts,
    attempts = CASE WHEN state = 2 AND attempts > number THEN attempts ELSE number + 1 END
WHERE id = :id AND state >= 2 AND (:state IS NULL OR state = :state)
RETURNING lane;

-- name: deliveries
-- takes: state, endpoint, plugin, lane, since, until, before, n
-- For operators, on a connection of its own: with a filter it may look at every delivery.
SELECT {delivery} FROM delivery WHERE seq < :before AND {filter} ORDER BY seq DESC LIMIT :n;

-- name: deliveries_unsent
-- takes: state, endpoint, plugin, lane, since, until, before, n
-- The same for states of which there are few: held, dead, cancelled.
SELECT {delivery} FROM delivery
WHERE state IN (2, 4, 5) AND seq < :before AND {filter} ORDER BY seq DESC LIMIT :n;

-- name: deliveries_of
-- takes: state, endpoint, plugin, lane, since, until, before, n, job
SELECT {delivery} FROM delivery
WHERE seq IN ({of_job}) AND seq < :before AND {filter} ORDER BY seq DESC LIMIT :n;

-- name: sendable
-- takes: state, endpoint, plugin, lane, since, until, after, n
-- What may be sent again, oldest first: what is held, dead or cancelled.
SELECT seq, id, state FROM delivery
WHERE state IN (2, 4, 5) AND seq > :after AND {filter} ORDER BY seq LIMIT :n;

-- name: sendable_delivered
-- takes: state, endpoint, plugin, lane, since, until, after, n
-- The same for what has arrived. It may look at every delivery.
SELECT seq, id, state FROM delivery WHERE state = 3 AND seq > :after AND {filter} ORDER BY seq LIMIT :n;

-- name: sendable_of
-- takes: state, endpoint, plugin, lane, since, until, after, n, job
SELECT seq, id, state FROM delivery
WHERE seq IN ({of_job}) AND state >= 2 AND (state <> 3 OR :state = 3) AND seq > :after AND {filter}
ORDER BY seq LIMIT :n;

-- name: reached_lanes
-- takes: latest
-- Of the latest deliveries those that arrived, the last one first.
SELECT lane FROM delivery WHERE seq > (SELECT max(seq) FROM delivery) - :latest AND state = 3
ORDER BY seq DESC;

-- name: delivery_counts
-- By state, but for what was delivered: through the indexes of what was not, whatever there is beside it.
SELECT 0, count(*) FROM delivery WHERE state = 0
UNION ALL SELECT state, count(*) FROM delivery WHERE state IN (1, 2) GROUP BY state
UNION ALL SELECT state, count(*) FROM delivery WHERE state IN (2, 4, 5) AND state >= 4 GROUP BY state;

-- name: oldest_pending
-- The sum keeps the search off the table's own order, in which all that arrived comes first.
SELECT created_at FROM delivery WHERE seq = (SELECT min(seq + 0) FROM delivery WHERE state = 0);

-- name: delivery
-- takes: id
SELECT {delivery}, coalesce(body, (SELECT value FROM body WHERE body.job = delivery.job))
FROM delivery WHERE id = :id;

-- name: tries
-- takes: delivery
SELECT number, at, took, outcome, detail, status, address, answer FROM tried
WHERE delivery = :delivery ORDER BY number;
