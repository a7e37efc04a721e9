from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, returning
from workerkit import Job, Status


def test_a_functions_value_is_the_output(bench: Bench) -> None:
    run = bench.run(returning({"a": 1}))
    assert (run.status, run.output, run.error, run.chunks) == (Status.COMPLETED, b'{"a":1}', None, None)


def test_none_completes_without_output(bench: Bench) -> None:
    run = bench.run(returning(None))
    assert (run.status, run.output) == (Status.COMPLETED, None)


def test_the_handler_sees_the_job_as_a_mapping_too(bench: Bench) -> None:
    def handler(job: Job) -> Any:
        return [job["id"], job["input"], job.input, job.endpoint, job.attempt, job.worker_id]

    assert bench.run(handler, input={"n": 1}).output == b'["j1",{"n":1},{"n":1},"handler",1,"w1"]'


def test_a_coroutine_function_is_awaited(bench: Bench) -> None:
    async def handler(job: Job) -> Any:
        await asyncio.sleep(0)
        return job.input

    assert bench.run(handler, input=5).output == b"5"


def test_a_generators_yields_are_emitted_and_its_return_value_is_the_last_chunk(bench: Bench) -> None:
    def handler(job: Job) -> Generator[Any, None, Any]:
        yield {"n": 1}
        yield None
        return "end"

    run = bench.run(handler)
    assert bench.chunks == [(0, b'{"n":1}'), (1, b"null"), (2, b'"end"')]
    assert (run.status, run.output, run.chunks) == (Status.COMPLETED, None, 3)


def test_a_generator_without_a_return_value_ends_with_its_last_yield(bench: Bench) -> None:
    def handler(job: Job) -> Generator[Any, None, None]:
        yield 1

    assert bench.run(handler).chunks == 1
    assert bench.chunks == [(0, b"1")]


def test_an_async_generator_is_emitted_as_it_goes(bench: Bench) -> None:
    async def handler(job: Job) -> AsyncGenerator[Any, None]:
        yield 1
        await asyncio.sleep(0)
        assert bench.chunks == [(0, b"1")]
        yield 2

    assert bench.run(handler).chunks == 2
    assert bench.chunks == [(0, b"1"), (1, b"2")]


def test_progress_is_json_and_bounded(bench: Bench) -> None:
    def handler(job: Job) -> None:
        job.progress({"percent": 50})
        job.progress({1})

    run = bench.run(handler)
    assert bench.shown == [b'{"percent":50}']
    assert run.error == "progress is of type set, which JSON cannot hold; return a list"


def test_notes_and_refresh_travel_with_every_end(bench: Bench) -> None:
    def handler(job: Job) -> None:
        job.note("seconds", 1.5)
        job.refresh_worker("tired")
        raise ValueError

    run = bench.run(handler)
    assert (run.status, dict(run.notes), run.refresh) == (Status.FAILED, {"seconds": 1.5}, "tired")


def test_notes_are_added_to_and_never_replaced(bench: Bench) -> None:
    def handler(job: Job) -> None:
        job.notes["seen"] = 1
        job.notes = [1]  # type: ignore[assignment,misc]  # what is tested

    run = bench.run(handler)
    assert (run.status, dict(run.notes)) == (Status.FAILED, {"seen": 1})
    assert "AttributeError" in str(run.error)
    assert "notes" in str(run.error)


def test_a_note_that_json_cannot_hold_fails_the_job(bench: Bench) -> None:
    def handler(job: Job) -> int:
        job.note("seen", {1})
        return 1

    run = bench.run(handler)
    assert (run.status, run.output) == (Status.FAILED, None)
    assert run.error == "notes.seen is of type set, which JSON cannot hold; return a list"


@pytest.mark.parametrize("error", [None, ValueError()], ids=["completed", "failed"])
def test_the_jobs_folder_is_gone_after_every_end(bench: Bench, error: Exception | None) -> None:
    folders: list[Path] = []

    def handler(job: Job) -> None:
        folders.append(job.directory)
        (job.directory / "left").touch()
        if error:
            raise error

    bench.run(handler)
    assert not folders[0].exists()
