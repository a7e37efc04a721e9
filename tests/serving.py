"""A real server for tests: `workerkit serve` in a process and a folder of its own.

with Served(tmp_path, HANDLER_SOURCE) as server:
    status, answer = server.post("/v2/render/runsync", {"input": 1})
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import urllib3

#: Unlike `python -m workerkit`, it does not look for modules in the working directory.
PROGRAM = Path(sysconfig.get_path("scripts"), "workerkit")
READY_WITHIN = 30.0
STOPPED_WITHIN = 30.0
URL = re.compile(r"http://(?:127\.0\.0\.1|localhost):(\d+)")


class Served:
    """A server that runs `source` as its handler file, ready when the block begins.

    It is stopped with SIGTERM at the block's end, and the end of its log is shown when anything
    fails. `start` and `kill` may be called inside the block: the folder, and so the queue, stays.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        *,
        arguments: Sequence[str] = (),
        settings: str = "",
        environ: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        ready: bool = True,
    ) -> None:
        self.folder = folder
        self.log_path = folder / "server.log"
        self.url = ""
        self.http = urllib3.PoolManager(timeout=60, retries=False, headers=dict(headers or {}))
        self._arguments = arguments
        self._environ = {**os.environ, **(environ or {})}
        self._wait_ready = ready
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "handler.py").write_text(source)
        if settings:
            (folder / "workerkit.toml").write_text(settings)

    def start(self) -> None:
        """Start the process and wait until it is ready; a free port is chosen anew."""
        command = [PROGRAM, "serve", "handler.py", "--port", "0", *self._arguments]
        begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_WITHIN
        self.url = self._announced(begin, deadline)
        while self._wait_ready and self.get("/readyz")[0] != 200:
            self._pause(deadline, "was not ready")

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self.process is not None
        return self.process.pid

    def stop(self) -> int:
        """Ask it to end as an operator would; returns its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Take it away without a warning, as `kill -9` does."""
        self._end(signal.SIGKILL)

    def log(self) -> str:
        """What the server has printed so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and decoded JSON of a GET."""
        return self._answer(self.http.request("GET", self.url + path, headers=self._headers(headers)))

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded JSON of a POST; bytes are sent as they are, None as an empty body."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self._answer(
            self.http.request("POST", self.url + path, body=data, headers=self._headers(headers))
        )

    def __enter__(self) -> Served:
        try:
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            self.http.clear()
            if kind is not None:
                sys.stdout.write(
                    f"--- the end of {self.log_path}:\n{self.log()[-4000:]}\n"
                )  # pytest shows it

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**self.http.headers, **{name.replace("_", "-"): value for name, value in more.items()}}

    @staticmethod
    def _answer(response: urllib3.BaseHTTPResponse) -> tuple[int, Any]:
        return response.status, json.loads(response.data)

    def _announced(self, begin: int, deadline: float) -> str:
        while not (found := URL.search(self.log_path.read_bytes()[begin:].decode(errors="replace"))):
            self._pause(deadline, "did not say where it listens")
        return f"http://127.0.0.1:{found[1]}"

    def _pause(self, deadline: float, complaint: str) -> None:
        """Wait a moment for the process, which ends the wait at once when it dies."""
        assert self.process is not None
        try:
            code = self.process.wait(0.02)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise AssertionError(f"the server {complaint} within {READY_WITHIN:g} s") from None
        else:
            raise AssertionError(f"the server ended with exit code {code}")

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"the server did not end within {STOPPED_WITHIN:g} s of {number.name}"
            ) from None
