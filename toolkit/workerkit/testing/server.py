"""A real server for tests: `workerkit serve` in a process and a folder of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import sysconfig
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import urllib3

from workerkit.environment import worker_environment
from workerkit.testing.toml import written

#: Seconds.
READY_WITHIN = 30.0
STOPPED_WITHIN = 30.0
ONE_WAIT = 20.0
#: Characters of the server's log that a failure shows.
LOG_SHOWN = 4000
URL = re.compile(r"http://(?:127\.0\.0\.1|localhost):(\d+)")


class Server:
    """`workerkit serve`, ready when the block begins and stopped at its end.

        with Server(tmp_path, HANDLER) as server:
            assert server.run("render", {"prompt": "a lighthouse"})["status"] == "COMPLETED"

    `source` is the text of a handler file, or what `workerkit serve` takes: a path, `pkg.module` or
    `pkg.module:function`. `settings` is the text of a `workerkit.toml`, or a mapping of its sections;
    without them the server has its defaults, whatever the environment of the tests says. `program` is
    the `workerkit` of another environment.

    The end of the server's log is shown when the block raises. `start`, `stop` and `kill` may be
    called inside the block: the folder stays, and so does the queue in it.
    """

    def __init__(
        self,
        folder: Path,
        source: str | Path,
        *,
        arguments: Sequence[str] = (),
        settings: str | Mapping[str, Any] = "",
        environ: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        ready: bool = True,
        program: Path | None = None,
    ) -> None:
        self.folder = folder
        self.log_path = folder / "server.log"
        self.url = ""
        self.http = urllib3.PoolManager(timeout=60, retries=False, headers=dict(headers or {}))
        self.process: subprocess.Popen[bytes] | None = None
        self._arguments = arguments
        self._environ = {**worker_environment(), **(environ or {})}
        self._wait_ready = ready
        self._program = _program() if program is None else [str(program)]
        self._target = _target(folder, source)
        if settings:
            text = settings if isinstance(settings, str) else written(settings)
            (folder / "workerkit.toml").write_text(textwrap.dedent(text), encoding="utf-8")

    def start(self) -> None:
        """Start the process and wait until it is ready; a free port is chosen anew."""
        command = [*self._program, "serve", self._target, "--port", "0", *self._arguments]
        begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
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
        """What the server and its workers have printed so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def submit(self, endpoint: str, input: Any = None, **fields: Any) -> str:
        """Post a request to `/run`, with top-level `fields` such as `webhook`; returns the job's id."""
        status, answer = self.post(f"/v2/{endpoint}/run", {"input": input, **fields})
        assert status == 200, f"/v2/{endpoint}/run answered {status}: {answer.get('error', answer)}"
        id: str = answer["id"]
        return id

    def wait(self, endpoint: str, id: str, seconds: float = 30.0) -> dict[str, Any]:
        """The status object of a job once it has ended; fails when it has not within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(deadline - time.monotonic(), 0.001)
            held = int(1000 * min(left, ONE_WAIT)) or 1
            code, answer = self.get(f"/v2/{endpoint}/status-sync/{id}?wait={held}")
            assert code == 200, f"the status of job {id} answered {code}: {answer.get('error', answer)}"
            shown: dict[str, Any] = answer
            if shown["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
                return shown
            assert left > 0.001, f"job {id} of {endpoint} is still {shown['status']} after {seconds:g} s"

    def run(self, endpoint: str, input: Any = None, **fields: Any) -> dict[str, Any]:
        """Submit a job and wait for its end; returns its status object, as `/status` shows it."""
        return self.wait(endpoint, self.submit(endpoint, input, **fields))

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and decoded JSON of a GET."""
        return self._answer(self.http.request("GET", self.url + path, headers=self._headers(headers)))

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded JSON of a POST; bytes are sent as they are, None as an empty body."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self._answer(
            self.http.request("POST", self.url + path, body=data, headers=self._headers(headers))
        )

    def close(self) -> None:
        """Stop it if it runs."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            self.http.clear()

    def __enter__(self) -> Server:
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
            self.close()
        finally:
            if kind is not None:  # pytest shows what a failed test printed
                sys.stdout.write(f"--- the end of {self.log_path}:\n{self.log()[-LOG_SHOWN:]}\n")

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
            said = self.log().strip().rpartition("\n")[2]
            raise AssertionError(f"the server ended with exit code {code}: {said}")

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


def _target(folder: Path, source: str | Path) -> str:
    """What `serve` is given; the text of a handler becomes a file first."""
    if isinstance(source, Path):
        return str(source.resolve())
    if "\n" not in source:
        return source
    (folder / "handler.py").write_text(textwrap.dedent(source), encoding="utf-8")
    return "handler.py"


def _program() -> list[str]:
    """The installed command. Unlike `python -m`, it puts the working directory last on `sys.path`."""
    program = Path(sysconfig.get_path("scripts"), "workerkit")
    return [str(program)] if program.exists() else [sys.executable, "-m", "workerkit"]
