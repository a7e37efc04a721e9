"""The floor: the barest program that still does what workerkit's path does.

One host process with raw ASGI on uvicorn (uvloop, httptools), one SQLite writer thread that commits
whatever has gathered (`synchronous=FULL`, three tables), one worker process behind a socketpair with
msgpack frames, three pluggy hooks with three plugins each. A job is inserted as already claimed while
its handler runs, and the answer is sent after the commit that ends it. It checks, seals, authenticates
and accounts for nothing: its figures are there to compare with, not anybody's result.

    python benchmarks/floor.py serve --db FILE --port PORT     answers POST /v2/noop/runsync
    python benchmarks/floor.py drain --db FILE --jobs 10000    prints {"jobs": …, "seconds": …}

Drain takes N stored no-op jobs through the worker: each frame holds one job, two frames are in flight
so that the worker is busy while the disk is, and a frame's result and the next claim share a commit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pluggy
import uvicorn
import uvloop

spec, impl = pluggy.HookspecMarker("floor"), pluggy.HookimplMarker("floor")
encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode

SCHEMA = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, status INTEGER NOT NULL, attempt INTEGER NOT NULL,
                   created INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX waiting ON jobs (created, id) WHERE status = 0;
CREATE TABLE inputs (job TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE results (job TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""
INSERT = "INSERT INTO jobs VALUES (?, ?, 1, ?)"
INPUT = "INSERT INTO inputs VALUES (?, ?)"
END = "UPDATE jobs SET status = 2 WHERE id = ? AND attempt = 1 AND status = 1"
RESULT = "INSERT INTO results VALUES (?, ?)"
CLAIM = """UPDATE jobs SET status = 1 WHERE id IN (
    SELECT id FROM jobs WHERE status = 0 ORDER BY created, id LIMIT ?) RETURNING id"""
NOTHING = b'{"n": 1, "ms": 0}'


class Nothing:
    """Three hooks, two in the worker and one in the host: what they are, and a plugin that does nothing in them."""

    def pre_job(self, job): ...
    def on_output(self, job, output): ...
    def post_job(self, job, result): ...


for name in ("pre_job", "on_output", "post_job"):
    spec(impl(getattr(Nothing, name)))


def hooks() -> Any:
    manager = pluggy.PluginManager("floor")
    manager.add_hookspecs(Nothing)
    for _ in range(3):
        manager.register(Nothing())
    return manager.hook


def connect(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone():
        database.executescript(SCHEMA)
    return database


class Writer(threading.Thread):
    """One connection, one thread: a commit takes along whatever gathered during the one before."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(daemon=True)
        self._database = connect(path)
        self._loop = loop
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, statements: Sequence[tuple[str, tuple]], done: asyncio.Future | None = None) -> None:
        self._waiting.put((statements, done))

    def run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            self._database.execute("BEGIN IMMEDIATE")
            for statements, _ in batch:
                for sql, values in statements:
                    self._database.execute(sql, values)
            self._database.execute("COMMIT")
            self._loop.call_soon_threadsafe(resolve, [done for _, done in batch if done])


def resolve(futures: Sequence[asyncio.Future]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def frame(value: Any) -> bytes:
    body = encode(value)
    return len(body).to_bytes(4, "big") + body


class Frames:
    """Whole frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        self._buffer += data
        values, start = [], 0
        while len(self._buffer) - start >= 4:
            end = start + 4 + int.from_bytes(self._buffer[start : start + 4], "big")
            if len(self._buffer) < end:
                break
            values.append(decode(memoryview(self._buffer)[start + 4 : end]))
            start = end
        del self._buffer[:start]
        return values


def start_worker() -> tuple[socket.socket, subprocess.Popen]:
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, __file__, "worker", "--fd", str(theirs.fileno())]
        return ours, subprocess.Popen(command, pass_fds=[theirs.fileno()])


def handler(value: Any) -> Any:
    if ms := value["ms"]:
        time.sleep(ms / 1000)
    return {"n": value["n"]}


def work(fd: int) -> None:
    """The worker process: one job at a time until the host closes the socket."""
    wire, frames, hook = socket.socket(fileno=fd), Frames(), hooks()
    while data := wire.recv(1 << 16):
        for id, raw in frames.feed(data):
            job = {"id": id, "input": msgspec.json.decode(raw)}
            hook.pre_job(job=job)
            output = handler(job["input"])
            hook.on_output(job=job, output=output)
            wire.sendall(frame((id, msgspec.json.encode(output))))


class Worker(asyncio.Protocol):
    """The host's end of the wire."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._running: dict[str, asyncio.Future[bytes]] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for id, output in self._frames.feed(data):
            self._running.pop(id).set_result(output)

    def run(self, id: str, raw: bytes) -> asyncio.Future[bytes]:
        self._running[id] = future = asyncio.get_running_loop().create_future()
        self._transport.write(frame((id, raw)))
        return future


class Body(msgspec.Struct):
    """A request's body: `input` is forwarded as it came."""

    input: msgspec.Raw


def application(writer: Writer, worker: Worker) -> Callable[..., Any]:
    loop, hook, body_of = asyncio.get_running_loop(), hooks(), msgspec.json.Decoder(Body).decode
    answer = {"type": "http.response.start", "status": 200}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raw, more = b"", True
        while more:
            message = await receive()
            raw, more = raw + message["body"], message["more_body"]
        id, value = f"sync-{uuid.uuid4()}-u1", bytes(body_of(raw).input)
        writer.put([(INSERT, (id, 1, time.time_ns())), (INPUT, (id, value))])
        output = await worker.run(id, value)
        hook.post_job(job=id, result=output)
        body = b'{"id":"%b","status":"COMPLETED","output":%b}' % (id.encode(), output)
        ended = loop.create_future()
        writer.put([(END, (id,)), (RESULT, (id, body))], ended)
        await ended
        await send({**answer, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    return app


async def serve(db: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    wire, process = start_worker()
    writer = Writer(db, loop)
    writer.start()
    transport, worker = await loop.create_connection(Worker, sock=wire)
    app = application(writer, worker)
    quiet = {"log_level": "error", "access_log": False}
    config = uvicorn.Config(app, host="127.0.0.1", port=port, http="httptools", lifespan="off", **quiet)
    await uvicorn.Server(config).serve()
    transport.close()
    process.wait(10)


def fill(database: sqlite3.Connection, jobs: int) -> None:
    ids = [str(uuid.uuid4()) for _ in range(jobs)]
    database.execute("BEGIN IMMEDIATE")
    database.executemany(INSERT, [(id, 0, n) for n, id in enumerate(ids)])
    database.executemany(INPUT, [(id, NOTHING) for id in ids])
    database.execute("COMMIT")


def turn(
    database: sqlite3.Connection, ended: Sequence[tuple[str, bytes]], claim: int
) -> list[tuple[str, bytes]]:
    """One commit: store what has ended, take what comes next."""
    database.execute("BEGIN IMMEDIATE")
    for id, body in ended:
        database.execute(END, (id,))
        database.execute(RESULT, (id, body))
    ids = database.execute(CLAIM, (claim,)).fetchall()
    claimed = [
        (id, database.execute("SELECT value FROM inputs WHERE job = ?", (id,)).fetchone()[0]) for (id,) in ids
    ]
    database.execute("COMMIT")
    return claimed


def drain(db: str, jobs: int, in_flight: int) -> float:
    database, hook, frames = connect(db), hooks(), Frames()
    fill(database, jobs)
    wire, process = start_worker()
    wire.sendall(frame(("warm-up", NOTHING)))
    frames.feed(wire.recv(1 << 16))
    arrived: deque[tuple[str, bytes]] = deque()
    ended: list[tuple[str, bytes]] = []
    started, left = time.perf_counter(), jobs
    while left:
        for job in turn(database, ended, len(ended) or in_flight):
            wire.sendall(frame(job))
        left -= len(ended)
        while left and not arrived:
            arrived.extend(frames.feed(wire.recv(1 << 16)))
        ended = [arrived.popleft()] if left else []
        for id, output in ended:
            hook.post_job(job=id, result=output)
    seconds = time.perf_counter() - started
    wire.close()
    process.wait(10)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=["serve", "drain", "worker"])
    parser.add_argument("--db", default="floor.db")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=2)
    parser.add_argument("--fd", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.mode == "worker":
        work(arguments.fd)
    elif arguments.mode == "serve":
        uvloop.run(serve(arguments.db, arguments.port))
    else:
        seconds = drain(arguments.db, arguments.jobs, arguments.in_flight)
        print(json.dumps({"jobs": arguments.jobs, "seconds": round(seconds, 4)}))


if __name__ == "__main__":
    main()
