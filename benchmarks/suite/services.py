"""Where the queues keep their jobs: fresh for every measurement, on 127.0.0.1, in a folder that goes away."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import urllib3

from suite.environments import PEERS, make, program
from suite.processes import answers, free_port, running, until


@contextlib.contextmanager
def files(folder: Path, processes: int) -> Iterator[dict[str, str]]:
    """Nothing runs: the queue is a file in the folder."""
    yield {}


@contextlib.contextmanager
def redis(folder: Path, processes: int) -> Iterator[dict[str, str]]:
    """Redis with an append-only file that is synced before each answer."""
    port, log = free_port(), folder / "redis.log"
    listening = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    durable = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    with running([program("redis-server"), *listening, *durable], log) as process:
        until(lambda: answers(port), process, log, "Redis")
        yield {"BENCH_REDIS": f"redis://127.0.0.1:{port}"}


def as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package comes with a user for it."""
    return [] if os.geteuid() else ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@contextlib.contextmanager
def postgresql(folder: Path, processes: int) -> Iterator[dict[str, str]]:
    """A cluster of its own with `synchronous_commit = on`, and pgqueuer's tables in it."""
    port, log, data = free_port(), folder / "postgresql.log", folder / "cluster"
    data.mkdir()
    if not os.geteuid():
        folder.chmod(0o711)
        shutil.chown(data, "postgres", pwd.getpwnam("postgres").pw_gid)
    begin = [program("initdb"), "-D", str(data), "-A", "trust", "-U", "bench", "--no-sync"]
    subprocess.run([*as_postgres(), *begin], check=True, stdout=subprocess.DEVNULL, cwd="/")
    listening = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}"]
    durable = ["-c", "synchronous_commit=on", "-c", "fsync=on"]
    command = [*as_postgres(), program("postgres"), "-D", str(data), *listening, *durable]
    with running(command, log, cwd=Path("/")) as process:
        until(lambda: "ready to accept connections" in log.read_text(), process, log, "PostgreSQL")
        environ = {"BENCH_POSTGRESQL": f"postgresql://bench@127.0.0.1:{port}/postgres"}
        install = [str(make("pgqueuer") / "python"), str(PEERS / "pgqueuer_peer.py"), "install"]
        subprocess.run(install, check=True, env={**os.environ, **environ})
        yield environ


def serve(folder: Path, port: int) -> list[str]:
    """The command of our server, without how many workers."""
    program = Path(sysconfig.get_path("scripts"), "workerkit")
    queue = f"sqlite:///{folder}/queue.db"
    handler = str(PEERS / "workerkit_handler.py")
    return [sys.executable, str(program), "serve", handler, "--port", str(port), "--queue", queue]


@contextlib.contextmanager
def workerkit(folder: Path, processes: int) -> Iterator[dict[str, str]]:
    """Our server with its workers, which wait."""
    port, log = free_port(), folder / "workerkit.log"
    environ = {"PYTHONPATH": str(PEERS), "BENCH_MARKS": str(folder / "marks")}
    command = [*serve(folder, port), "--workers", str(processes)]
    with running(command, log, environ, folder) as process:
        until(lambda: ready(port), process, log, "workerkit")
        yield {"BENCH_PORT": str(port)}


def ready(port: int) -> bool:
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        try:
            return bool(pool.request("GET", f"http://127.0.0.1:{port}/readyz").status == 200)
        except urllib3.exceptions.HTTPError:
            return False


SERVICES = {"files": files, "redis": redis, "postgresql": postgresql, "workerkit": workerkit}
NEEDS = {"redis": "redis-server", "postgresql": "postgres"}
