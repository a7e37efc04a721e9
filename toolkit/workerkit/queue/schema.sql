-- The queue's tables. Tokens in braces differ between dialects. Times are milliseconds.
-- `job` is the hot table and stays narrow: what is large lives in tables of its own, under the
-- same `seq`. There is no index on lease_until, so that a heartbeat moves no index entry.

CREATE TABLE job (
    seq               {serial},
    id                TEXT NOT NULL UNIQUE,
    endpoint          TEXT NOT NULL,
    status            SMALLINT NOT NULL,           -- place in states.Status: 0 IN_QUEUE, 1 IN_PROGRESS
    low_priority      SMALLINT NOT NULL,
    attempt           INTEGER NOT NULL,            -- the fence: only ever grows
    crashes           INTEGER NOT NULL DEFAULT 0,
    failures          INTEGER NOT NULL DEFAULT 0,
    returns           INTEGER NOT NULL DEFAULT 0,
    holder            TEXT,
    lease_until       BIGINT,
    submitted_at      BIGINT NOT NULL,
    started_at        BIGINT,
    finished_at       BIGINT,
    due_at            BIGINT NOT NULL,             -- end of the ttl, then of the retention
    queued_at         BIGINT NOT NULL,             -- since when it waits to be claimed
    run_at            BIGINT,                      -- no claim sees it until this is cleared
    execution_timeout BIGINT NOT NULL,
    ttl               BIGINT NOT NULL,
    next_chunk        INTEGER NOT NULL DEFAULT 0,  -- the first chunk no stream reader has taken
    sealed            SMALLINT NOT NULL DEFAULT 0  -- how many secret fields wait to be wiped
);
CREATE INDEX job_ready ON job (endpoint, low_priority, seq) WHERE status = 0 AND run_at IS NULL;
CREATE INDEX job_delayed ON job (endpoint, run_at) WHERE run_at IS NOT NULL;
CREATE INDEX job_open ON job (status, due_at) WHERE status < 2;
CREATE INDEX job_kept ON job (due_at) WHERE status >= 2;

CREATE TABLE payload (
    job    {key},
    input  {blob} NOT NULL,
    fields {blob}
);

CREATE TABLE secret (
    job   BIGINT NOT NULL,
    field TEXT NOT NULL,
    value {blob} NOT NULL,
    PRIMARY KEY (job, field)
);

-- What a job that has ended answers, and its place among the ends of its endpoint.
CREATE TABLE body (
    job      {key},
    attempt  INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    seq      BIGINT NOT NULL,
    value    {blob} NOT NULL
);
CREATE INDEX body_ends ON body (endpoint, seq);

CREATE TABLE chunk (
    job     BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    value   {blob} NOT NULL,
    PRIMARY KEY (job, attempt, n)
);

CREATE TABLE progress (
    job     {key},
    attempt INTEGER NOT NULL,
    value   {blob} NOT NULL
);

-- What a run printed, the end of it.
CREATE TABLE log (
    job     BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    value   {blob} NOT NULL,
    PRIMARY KEY (job, attempt)
);

CREATE TABLE delivery (
    seq         {serial},
    id          TEXT NOT NULL UNIQUE,
    job         BIGINT,                      -- NULL: it outlives its job
    job_id      TEXT NOT NULL,
    job_attempt INTEGER NOT NULL,
    endpoint    TEXT NOT NULL,
    plugin      TEXT NOT NULL,
    maker       TEXT NOT NULL,               -- whose plugin of that name it was
    target      TEXT NOT NULL,
    lane        TEXT NOT NULL,
    state       SMALLINT NOT NULL,           -- place in queue.DeliveryState: 0 pending, 1 sending
    number      INTEGER NOT NULL,            -- tries made
    attempts    INTEGER NOT NULL,            -- tries allowed
    delays      TEXT NOT NULL,               -- JSON list of seconds
    lasts       BIGINT NOT NULL,             -- from when it is due first until it is dead
    expires_at  BIGINT NOT NULL,
    next_at     BIGINT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    detail      TEXT NOT NULL DEFAULT '',
    headers     TEXT NOT NULL,               -- JSON object
    body        {blob}                       -- NULL: the job's body. Last, so that lists do not read it
);
CREATE INDEX delivery_job ON delivery (job) WHERE job IS NOT NULL;
CREATE INDEX delivery_lane ON delivery (lane, next_at, seq, plugin, maker) WHERE state = 0;
CREATE INDEX delivery_unsettled ON delivery (state) WHERE state IN (1, 2);
CREATE INDEX delivery_unsent ON delivery (seq, state) WHERE state IN (2, 4, 5);
CREATE INDEX delivery_left ON delivery (job_id) WHERE job IS NULL;
CREATE INDEX delivery_forgotten ON delivery (updated_at) WHERE job IS NULL AND state >= 3;

-- The log of a delivery: its tries.
CREATE TABLE tried (
    delivery BIGINT NOT NULL,
    number   INTEGER NOT NULL,
    at       BIGINT NOT NULL,
    took     BIGINT NOT NULL,
    outcome  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    status   INTEGER,
    address  TEXT NOT NULL,
    answer   TEXT NOT NULL,
    PRIMARY KEY (delivery, number)
){by_key};

-- When a lane has something to send: one row for each that has a pending delivery.
CREATE TABLE lane (
    name   TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL
);
CREATE INDEX lane_due ON lane (due_at);

CREATE TABLE endpoint (
    name       TEXT PRIMARY KEY,
    descriptor {blob} NOT NULL
);

-- One row an endpoint and host, so that hosts never wait for each other; a count is a sum.
CREATE TABLE counter (
    endpoint    TEXT NOT NULL,
    host        TEXT NOT NULL,
    in_queue    BIGINT NOT NULL,
    in_progress BIGINT NOT NULL,
    completed   BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    cancelled   BIGINT NOT NULL,
    timed_out   BIGINT NOT NULL,
    retried     BIGINT NOT NULL,
    PRIMARY KEY (endpoint, host)
);

CREATE TABLE idempotency (
    endpoint TEXT NOT NULL,
    key      TEXT NOT NULL,
    digest   {blob} NOT NULL,
    job      BIGINT NOT NULL,
    PRIMARY KEY (endpoint, key)
);
CREATE INDEX idempotency_job ON idempotency (job);
