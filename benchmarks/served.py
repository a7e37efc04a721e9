"""A server to measure."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from suite import services, usage
from suite.environments import PEERS
from suite.processes import Failed, free_port, running, until


class Server:
    """A server that runs, and what it uses."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid
        self.url = f"http://127.0.0.1:{port}/v2/noop"
        self._pool = urllib3.PoolManager(retries=False, timeout=60)

    @property
    def workers(self) -> list[int]:
        """The processes below it."""
        return usage.tree(self.pid)[1:]

    def cpu(self) -> tuple[float, float]:
        """Seconds, of the host and of all workers."""
        return usage.cpu([self.pid]), usage.cpu(self.workers)

    def post(self, path: str, input: object) -> Any:
        answer = self._pool.request("POST", self.url + path, body=json.dumps({"input": input}))
        if answer.status != 200:
            raise Failed(f"{path} answered {answer.status}: {answer.data.decode()}")
        return answer.json()

    def health(self) -> Any:
        return self._pool.request("GET", self.url + "/health").json()


@contextmanager
def serving(
    folder: Path, workers: int, *more: str, environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`workerkit serve` upon the queue in the folder, without a standby."""
    port, log = free_port(), folder / "log"
    settings = ("--workers", str(workers), "--set", "workers.prewarm=off", *more)
    command = [*services.serve(folder, port), *settings]
    with running(command, log, {"PYTHONPATH": str(PEERS), **(environ or {})}, folder) as process:
        until(lambda: services.ready(port), process, log, "workerkit", seconds=300)
        yield Server(port, process.pid)


@contextmanager
def place() -> Iterator[Path]:
    """A folder for a server."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)
