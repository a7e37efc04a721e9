"""Everything that is measured, and what each does for a job: the one table to read before any figure.

`fsync`, `result` and `handler` go into every table of figures: whether a job and its result are on the
disk before they are acknowledged, what is kept of the output, and where the handler runs.
"""

from __future__ import annotations

import os
from functools import partial

import attrs

CORES = os.cpu_count() or 1


@attrs.frozen
class Side:
    """A peer, or one way to run it. In commands, {bin} is its environment, {port} its port."""

    name: str
    environment: str
    fsync: str
    result: str
    handler: str
    note: str = attrs.field(default="", kw_only=True)  # what else to know before its figures are compared


@attrs.frozen
class HttpSide(Side):
    """A server that answers `POST {path}` when the handler has ended."""

    command: tuple[str, ...] = attrs.field(kw_only=True)
    path: str = "/runsync"
    environ: dict[str, str] = attrs.field(factory=dict)
    connections: tuple[int, ...] = (1, 8, 64)
    may_refuse: bool = False


@attrs.frozen
class QueueSide(Side):
    """A queue: its adapter in `peers/`, what it stores jobs in, and the command of its workers."""

    adapter: str
    service: str
    worker: tuple[str, ...]
    jobs: int  # that one producer fills it with, and that are drained; fewer of a slow one
    processes: int = 1
    environ: dict[str, str] = attrs.field(factory=dict)
    copies: int = 1  # of the worker's command, where it has no option for processes
    beforehand: int = 0  # more that are drained, of one that is too fast to be timed otherwise


@attrs.frozen
class StartSide(Side):
    """What a handler imports, how one job is run without a server, and which server is started."""

    imports: str = attrs.field(kw_only=True)
    job: tuple[str, ...] = ()
    server: HttpSide | None = None


AT_MOST_ONCE = "a job is acknowledged when it is taken, so one whose worker dies is lost"
NO_RESULT = "a job is deleted when it has ended, and what it returned is not kept"
REFUSES = "what comes while every slot is taken is refused with 409; only good answers are counted"

durable = partial(HttpSide, environment="", fsync="yes", result="stored", handler="own process")
passing = partial(HttpSide, fsync="stores nothing", result="only answered")
cog = partial(
    passing,
    environment="cog",
    command=("{bin}/python", "-m", "cog.server.http", "--host", "127.0.0.1"),
    path="/predictions",
    handler="own process",
    may_refuse=True,
    note=REFUSES,
)

OURS_HTTP = durable(
    name="workerkit",
    command=("{serve}", "--workers", "1"),
    path="/v2/noop/runsync",
)

HTTP = (
    durable(
        name="floor program",
        command=("{python}", "{peers}/../floor.py", "serve", "--db", "{folder}/floor.db", "--port", "{port}"),
        path="/v2/noop/runsync",
    ),
    passing(
        name="Starlette on uvicorn",
        environment="starlette",
        command=(
            *("{bin}/uvicorn", "starlette_peer:app", "--host", "127.0.0.1", "--port", "{port}"),
            *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"),
        ),
        handler="event loop",
    ),
    passing(
        name="RunPod --rp_serve_api",
        environment="runpod",
        command=(
            *("{bin}/python", "{peers}/runpod_peer.py", "--rp_serve_api", "--rp_log_level", "ERROR"),
            *("--rp_api_host", "127.0.0.1", "--rp_api_port", "{port}"),
        ),
        environ={"UVICORN_LOG_LEVEL": "error", "RUNPOD_DEBUG_LEVEL": "ERROR"},
        handler="event loop",
    ),
    passing(
        name="LitServe",
        environment="litserve",
        command=("{bin}/python", "{peers}/litserve_peer.py", "{port}"),
        path="/predict",
        handler="own process",
    ),
    cog(
        name="Cog, one slot",
        environ={"PORT": "{port}", "COG_PREDICT_TYPE_STUB": "cog_peer.py:OneAtATime", "RUST_LOG": "error"},
        connections=(1,),
    ),
    cog(
        name="Cog, 64 slots",
        environ={
            "PORT": "{port}",
            "COG_PREDICT_TYPE_STUB": "cog_peer.py:Many",
            "COG_MAX_CONCURRENCY": "64",
            "RUST_LOG": "error",
        },
    ),
)


#: Servers whose `/run` answers when they have the job, and how they keep what waits.
ACCEPTING = tuple(
    attrs.evolve(
        server,
        path="/run",
        fsync="no",
        result="none kept",
        handler="none runs",
        note="its /run keeps a job in memory until somebody asks for its status, and runs it then",
    )
    for server in HTTP
    if server.environment == "runpod"
)
OURS_ACCEPTING = attrs.evolve(OURS_HTTP, path="/v2/noop/run")


ONE_JOB = '{{"input": {{"n": 1, "ms": 0}}}}'
OURS_START = StartSide(
    name="workerkit",
    environment="",
    fsync="yes",
    result="stored",
    handler="own process",
    imports="from workerkit import worker_function",
    job=("{python}", "-m", "workerkit", "run", "{peers}/workerkit_handler.py", "--input", ONE_JOB),
    server=OURS_HTTP,
)


def started(name: str, server: str, imports: str, *job: str) -> StartSide:
    """The start of a peer whose server is loaded over HTTP, too."""
    [served] = [each for each in HTTP if each.name == server]
    facts = {fact: getattr(served, fact) for fact in ("environment", "fsync", "result", "handler")}
    return StartSide(name=name, imports=imports, job=job, server=served, **facts)


STARTS = (
    started(
        *("RunPod", "RunPod --rp_serve_api", "import runpod"),
        *("{bin}/python", "{peers}/runpod_peer.py", "--rp_log_level", "ERROR", "--test_input", ONE_JOB),
    ),
    started("Cog", "Cog, one slot", "from cog import BasePredictor"),
    started("LitServe", "LitServe", "import litserve"),
)


def ours(processes: int) -> QueueSide:
    return QueueSide(
        name="workerkit",
        environment="",
        adapter="workerkit_peer",
        service="workerkit",
        worker=("{python}", "{peers}/workerkit_peer.py", "open"),
        jobs=5000,
        beforehand=50_000,
        processes=processes,
        fsync="yes",
        result="stored",
        handler="own process",
    )


def queues(processes: int) -> tuple[QueueSide, ...]:
    """Every queue, with so many worker processes."""
    n = str(processes)
    stored = partial(QueueSide, fsync="yes", result="stored", processes=processes)
    redis = partial(stored, service="redis")
    pool = ("{bin}/rq", "worker-pool", "bench", "-n", n, "-u", "{redis}", "-q")
    kind = "thread" if processes == 1 else "process"
    huey = partial(
        stored,
        environment="huey",
        adapter="huey_peer",
        service="files",
        worker=(
            *("{bin}/huey_consumer", "huey_peer.huey", "-w", n, "-k", kind),
            *("-q", "-n", "-d", "0.001", "-m", "0.001"),  # look for jobs every millisecond
        ),
        handler="thread of the consumer" if processes == 1 else "fork of the consumer",
        note=AT_MOST_ONCE,
    )
    return (
        redis(
            name="Celery",
            environment="celery",
            adapter="celery_peer",
            worker=(
                *("{bin}/celery", "-A", "celery_peer", "worker", "-c", n, "-l", "ERROR"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ),
            handler="own process",
            note=AT_MOST_ONCE,
            jobs=3000,
        ),
        redis(
            name="Dramatiq",
            environment="dramatiq",
            adapter="dramatiq_peer",
            worker=("{bin}/dramatiq", "dramatiq_peer", "--processes", n, "--threads", "8"),
            handler="8 threads of the consumer",
            note="runs eight jobs at a time in each worker process",
            jobs=3000,
        ),
        redis(
            name="RQ",
            environment="rq",
            adapter="rq_peer",
            worker=pool,
            handler="a fork for each job",
            jobs=200,
        ),
        redis(
            name="RQ, SimpleWorker",
            environment="rq",
            adapter="rq_peer",
            worker=(*pool, "-w", "rq.worker.SimpleWorker"),
            handler="the consumer",
            jobs=800,
        ),
        redis(
            name="SAQ",
            environment="saq",
            adapter="saq_peer",
            worker=("{bin}/saq", "saq_peer.settings"),
            copies=processes,
            handler="event loop of the consumer",
            jobs=2000,
        ),
        redis(
            name="taskiq",
            environment="taskiq",
            adapter="taskiq_peer",
            worker=("{bin}/taskiq", "worker", "taskiq_peer:broker", "--workers", n, "--log-level", "ERROR"),
            handler="event loop of the consumer",
            jobs=4000,
        ),
        huey(name="huey, fsync", environ={"BENCH_FSYNC": "yes"}, jobs=4000),
        huey(name="huey, no fsync", environ={"BENCH_FSYNC": "no"}, jobs=10_000, fsync="no"),
        stored(
            name="pgqueuer, batches of 100",
            environment="pgqueuer",
            adapter="pgqueuer_peer",
            worker=("{bin}/python", "{peers}/pgqueuer_peer.py", "work"),
            copies=processes,
            service="postgresql",
            result="none kept",
            note=NO_RESULT,
            handler="event loop of the consumer",
            jobs=10_000,
        ),
    )
