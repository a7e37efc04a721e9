from __future__ import annotations

import json
import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bench import Bench, raising, returning
from workerkit import InputFile, Job, JobFailed, Status, __version__, hookimpl
from workerkit.failures import sendable
from workerkit.guard import Guard
from workerkit.runner import Limits
from workerkit_plugins.files import Files
from workerkit_plugins.files.settings import FilesSettings


def test_a_verdict_gives_its_text_and_keeps_its_output(bench: Bench) -> None:
    run = bench.run(raising(JobFailed("too dark", output={"lux": 3})))
    assert (run.status, run.error, run.output) == (Status.FAILED, "too dark", b'{"lux":3}')


def test_a_verdict_whose_output_cannot_travel_keeps_its_text(bench: Bench) -> None:
    run = bench.run(raising(JobFailed("too dark", output={1})))
    assert run.error is not None
    assert run.error.startswith("too dark (its output was left out: output is of type set")
    assert run.output is None


def test_an_exception_becomes_runpods_json_string(bench: Bench) -> None:
    run = bench.run(raising(ValueError("bad é")))
    error = json.loads(run.error or "")
    trace = error.pop("error_traceback")
    assert error == {
        "error_type": "<class 'ValueError'>",
        "error_message": "bad é",
        "hostname": os.uname().nodename,
        "worker_id": "w1",
        "workerkit_version": __version__,
    }
    assert trace.splitlines()[0] == "Traceback (most recent call last):"
    assert "bench.py" in trace.splitlines()[1], "it begins in the handler, not in our frames"


def test_a_traceback_does_not_begin_in_a_built_in_plugin(bench: Bench) -> None:
    from workerkit_plugins.refresh import Refresh, RefreshSettings

    plugin = Refresh(RefreshSettings(on_errors=("KeyError",)))
    error = json.loads(bench.run(raising(ValueError("bad")), plugin).error or "")

    assert "bench.py" in error["error_traceback"].splitlines()[1]
    assert "workerkit_plugins" not in error["error_traceback"].splitlines()[1]


def test_what_came_through_none_but_our_frames_is_told_in_a_line(bench: Bench) -> None:
    def handler(image: InputFile) -> None:
        raise AssertionError("it begins with its file")

    files = Files(FilesSettings(), Guard(loopback=True))
    run = bench.run(handler, files, input={"image": "http://127.0.0.1:1/x"})

    said = "cannot fetch http://127.0.0.1:1/x: Connection refused"
    assert json.loads(run.error or "")["error_traceback"] == f"ConnectionError: {said}\n"


def test_what_a_handler_calls_on_other_threads_begins_in_the_handler(bench: Bench) -> None:
    def handler(job: Job) -> None:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(int, "x").result()

    trace = json.loads(bench.run(handler).error or "")["error_traceback"].splitlines()
    assert "in handler" in trace[1]
    assert "concurrent" in trace[3]


def test_tracebacks_can_be_left_out(bench: Bench) -> None:
    error = json.loads(bench.run(raising(ValueError("bad")), tracebacks=False).error or "")
    assert "error_traceback" not in error


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("\ud800"), "\\ud800"),
        (Mute(), "(its text cannot be had: RuntimeError in __str__)"),
        (
            ValueError("a" * 60_000 + "z" * 60_000),
            "a" * 49_950 + "… 20,100 characters left out …" + "z" * 49_950,
        ),
    ],
    ids=["lone surrogate", "no text", "too long"],
)
def test_any_exceptions_text_can_be_sent(bench: Bench, error: Exception, message: str) -> None:
    run = bench.run(raising(error), tracebacks=False)
    assert json.loads(run.error or "")["error_message"] == message


def test_of_a_long_chain_of_exceptions_the_first_and_the_last_are_told(bench: Bench) -> None:
    def handler(job: Job) -> None:
        try:
            raise ValueError("the first " + "x" * 60_000)
        except ValueError:
            try:
                raise KeyError("y" * 60_000)
            except KeyError as error:
                raise RuntimeError("the last") from error

    trace = json.loads(bench.run(handler).error or "")["error_traceback"]

    assert trace.startswith("Traceback (most recent call last):\n")
    assert "ValueError: the first xxx" in trace
    assert " characters left out …" in trace
    assert trace.endswith("RuntimeError: the last\n")
    assert sendable(trace) == trace


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_exception_gets_past_the_runner(bench: Bench, error: BaseException, is_async: bool) -> None:
    async def handler(job: Job) -> None:
        raise error

    run = bench.run(handler if is_async else raising(error))
    assert run.status is Status.FAILED
    assert json.loads(run.error or "")["error_type"] == str(type(error))
    assert bench.run(returning(1)).output == b"1"


def test_an_output_that_json_cannot_hold_fails_with_its_path(bench: Bench) -> None:
    run = bench.run(returning({"tags": {"a"}}))
    assert (run.status, run.error) == (
        Status.FAILED,
        "output.tags is of type set, which JSON cannot hold; return a list",
    )


def test_an_output_above_its_limit_fails_with_name_and_size(bench: Bench) -> None:
    run = bench.run(returning("x" * 998), limits=Limits(output=1000))
    assert run.output is not None
    run = bench.run(returning("x" * 999), limits=Limits(output=1000))
    assert run.error == (
        "output is 1,001 bytes of JSON, and 1,000 are allowed; return less, upload it and return its URL, "
        "or raise the limit in [limits]"
    )


def test_a_chunk_above_its_limit_fails_and_closes_the_generator(bench: Bench) -> None:
    closed: list[bool] = []

    def handler(job: Job) -> Generator[Any, None, None]:
        try:
            yield 1
            yield "x" * 99
        finally:
            closed.append(True)

    run = bench.run(handler, limits=Limits(chunk=100))
    assert run.error is not None
    assert run.error.startswith("chunk 1 is 101 bytes of JSON, and 100 are allowed")
    assert (closed, run.chunks, bench.chunks) == ([True], 1, [(0, b"1")])


def test_what_a_run_failed_of_is_said_without_a_word_of_what_it_says(bench: Bench) -> None:
    def unlucky(job: Job) -> None:
        raise KeyError(f'  File "{job["input"]}", line 1')

    def verdict(job: Job) -> None:
        raise JobFailed("the prompt is bad")

    here = os.path.relpath(__file__)
    for handler in (unlucky, verdict):
        line = handler.__code__.co_firstlineno + 1
        kind = "KeyError" if handler is unlucky else "JobFailed"
        assert bench.run(handler).cause == f"{kind} at {here}:{line}"


def test_the_cause_names_the_handlers_line_also_when_a_library_raised(bench: Bench) -> None:
    def parsing(job: Job) -> object:
        return json.loads("{")

    run = bench.run(parsing)
    assert (
        run.cause == f"JSONDecodeError at {os.path.relpath(__file__)}:{parsing.__code__.co_firstlineno + 1}"
    )


def test_the_cause_is_the_plugin_where_one_failed(bench: Bench) -> None:
    class Strict:
        @hookimpl
        def pre_job(self, job: Job) -> None:
            raise ValueError("a secret")

    assert bench.run(returning(1), Strict()).cause == "plugin 'Strict' failed in pre_job"
    assert bench.run(returning({1})).cause == "InvalidOutput"
    assert bench.run(returning(1)).cause == ""
