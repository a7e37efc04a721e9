"""Fixtures for pytest, there wherever workerkit is installed; `-p no:workerkit` leaves them out.

pytest imports this module at every start, so it imports nothing that takes time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from workerkit.testing import ManualClock, Receiver, Recorder, S3Server, Server

#: Modules whose asserts explain themselves, as those of a test do.
CONTRACTS = ("plugin", "feed", "job", "waiting", "upkeep", "ends", "delivery", "tries", "redelivery")
pytest.register_assert_rewrite(*(f"workerkit.testing.{name}_contract" for name in CONTRACTS))

#: Characters of a server's log that a failed test shows.
LOG_SHOWN = 4000


@pytest.fixture
def workerkit_serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Serves a handler on loopback: `server = workerkit_serve(source, settings="…")`.

    `source` and the options are those of `workerkit.testing.Server`, which it returns, started and
    in a folder of its own; it is stopped at the end of the test. A failed test shows its log.
    """
    serve = Serve(lambda: tmp_path_factory.mktemp("served"))
    try:
        yield serve
    finally:
        serve.close()


@pytest.fixture
def workerkit_receiver() -> Iterator[Receiver]:
    """A webhook receiver on loopback; answers 200 unless `workerkit_receiver.answer` is set."""
    from workerkit.testing import Receiver

    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def _workerkit_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One S3 server for all tests: to start it takes longer than most of them."""
    from workerkit.testing import s3_server

    folder = tmp_path_factory.mktemp("bucket") / "objects"
    folder.mkdir()
    with s3_server(folder) as server:
        yield server


@pytest.fixture
def workerkit_bucket(_workerkit_s3: S3Server) -> S3Server:
    """A bucket on loopback: `workerkit_bucket.config()` is an `s3Config`, `.objects()` what it holds.

    It is the test's own, on an S3 server that all tests share.
    """
    import attrs

    number = len(list(_workerkit_s3.folder.iterdir())) + 1
    server: S3Server = attrs.evolve(_workerkit_s3, bucket=f"bucket-{number}")
    server.config()  # makes it, so that the next one has another number
    return server


@pytest.fixture
def workerkit_clock() -> ManualClock:
    """A clock that goes when it is told to, in milliseconds."""
    from workerkit.testing import ManualClock

    return ManualClock()


@pytest.fixture
def workerkit_recorder(tmp_path: Path) -> Recorder:
    """A plugin that records every call of every hook, for `run_job` and for served toolkits."""
    from workerkit.testing import Recorder

    return Recorder(Recorder.Settings(file=str(tmp_path / "workerkit-calls.jsonl"), deliver=True))


class Serve:
    """What `workerkit_serve` is: called, it starts a server."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self.servers: list[Server] = []
        self._folder = folder

    def __call__(
        self,
        source: str | Path,
        settings: str | Mapping[str, Any] = "",
        *,
        arguments: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Server:
        """Start `workerkit serve` and wait until it is ready."""
        from workerkit.testing import Server

        server = Server(
            folder or self._folder(),
            source,
            arguments=arguments,
            settings=settings,
            environ=environ,
            headers=headers,
        )
        self.servers.append(server)
        server.start()
        return server

    def close(self) -> None:
        """Stop what was started, the last one first."""
        while self.servers:
            self.servers.pop().close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failed test show why a job failed, and what its servers printed."""
    report = yield
    if call.excinfo is not None and report.failed:
        report.sections += _job_errors(call.excinfo) if "workerkit.testing.job_run" in sys.modules else []
        serve = getattr(item, "funcargs", {}).get("workerkit_serve")
        report.sections += (
            [(f"the end of {server.log_path}", server.log()[-LOG_SHOWN:]) for server in serve.servers]
            if serve
            else []
        )
    return report


def _job_errors(excinfo: pytest.ExceptionInfo[BaseException]) -> list[tuple[str, str]]:
    """The error of every failed `JobRun` that the test has in a variable."""
    from workerkit.failures import readable
    from workerkit.testing import JobRun

    found = {
        id(value): (f"the job of {name!r} is {value.status.value}", readable(value.error))
        for entry in excinfo.traceback
        for name, value in entry.frame.f_locals.items()
        if isinstance(value, JobRun) and value.error is not None
    }
    return list(found.values())
