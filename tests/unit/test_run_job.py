"""`run_job`: what an author sees of a job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from workerkit import (
    Delivery,
    Field,
    Job,
    JobFailed,
    Output,
    Receipt,
    Refused,
    Request,
    Result,
    Secret,
    Status,
    Verdict,
    WorkerInfo,
    hookimpl,
    worker_function,
)
from workerkit.testing import Receiver, run_job

SECRET = "canary/7f3+q9xLk"


def plain(job: Job) -> Any:
    return {"got": job["input"]}


async def coroutine(job: Job) -> Any:
    await asyncio.sleep(0)
    return {"got": job["input"]}


def generator(job: Job) -> Generator[Any, Any, Any]:
    yield job["input"]
    return "last"


async def async_generator(job: Job) -> AsyncGenerator[Any, None]:
    yield job["input"]
    yield "last"


@attrs.frozen
class NotesSettings:
    prefix: str = "done"
    token: Secret | None = None


class Notes:
    """Notes in the worker, and asks for a delivery in the host."""

    Settings = NotesSettings
    fields: ClassVar = {"note_to": Field(str)}

    def __init__(self, settings: NotesSettings) -> None:
        self.settings = settings

    @hookimpl
    def accept(self, request: Request) -> None:
        if " " in request.fields["note_to"]:
            raise Refused("note_to holds a space")

    @hookimpl
    def pre_job(self, job: Job) -> None:
        job.note("attempt", job.attempt)

    @hookimpl
    async def post_job(self, request: Request, result: Result) -> Delivery:
        words = [self.settings.prefix, result.status.value, str(result.notes["attempt"])]
        return Delivery(target=request.fields.get("note_to", "nobody"), headers={"x": " ".join(words)})

    @hookimpl
    async def deliver(self, delivery: Delivery) -> Receipt:
        assert delivery.body is not None
        return Receipt.delivered(json.loads(delivery.body)["status"])


@pytest.mark.parametrize(
    "function", [plain, coroutine, worker_function(plain)], ids=["function", "coroutine", "decorated"]
)
def test_a_function_is_run_decorated_or_not(function: Callable[..., Any]) -> None:
    run = run_job(function, {"n": [1, "é"]})

    assert (run.status, run.output, run.chunks) == (Status.COMPLETED, {"got": {"n": [1, "é"]}}, [])
    assert (run.error, run.refresh, run.deliveries) == (None, None, [])
    assert json.loads(run.body)["output"] == run.output


@pytest.mark.parametrize("function", [generator, async_generator])
def test_a_generators_chunks_are_its_output(function: Callable[..., Any]) -> None:
    run = run_job(function, 1)

    assert run.chunks == run.output == [1, "last"]


def test_chunks_that_are_only_streamed_are_no_output() -> None:
    run = run_job(worker_function(aggregate=False)(generator), 1)

    assert (run.output, run.chunks) == ([], [1, "last"])


def test_a_function_without_a_name_that_an_endpoint_can_have_is_run() -> None:
    assert run_job(lambda job: job["input"], 3).output == 3


def test_progress_notes_and_a_refresh_are_seen() -> None:
    def handler(job: Job) -> dict[str, bool]:
        job.progress({"percent": 50})
        job.note("seen", [1])
        return {"refresh_worker": True}

    run = run_job(handler)

    assert (run.progress, run.notes) == ([{"percent": 50}], {"seen": [1]})
    assert (run.output, run.refresh) == ({}, "flag: asked by the handler")


def test_a_plugin_that_asks_for_a_fresh_worker_is_seen() -> None:
    class Asks:
        @hookimpl
        def worker_start(self, worker: WorkerInfo) -> None:
            worker.refresh("the model is old")
            worker.refresh("and slow")

    run = run_job(plain, plugins=[Asks])

    assert (run.refresh, run.worker_refresh) == (None, "the model is old")
    assert run_job(plain).worker_refresh is None


def test_the_repr_of_a_failed_job_ends_with_its_traceback() -> None:
    run = run_job(lambda job: 1 / 0)

    assert run.status == "FAILED"
    assert repr(run).startswith("JobRun(FAILED, output=None)\nTraceback")
    assert repr(run).endswith("ZeroDivisionError: division by zero")


def test_a_verdict_is_a_text_and_keeps_its_output() -> None:
    def handler(job: Job) -> None:
        raise JobFailed("no paper", output={"left": 0})

    run = run_job(handler)

    assert (run.error, run.output) == ("no paper", {"left": 0})
    assert repr(run) == "JobRun(FAILED, output={'left': 0})\nno paper"


def test_a_plugin_given_as_a_class_is_built_from_its_settings() -> None:
    settings = {"notes": {"prefix": "so"}}

    run = run_job(plain, plugins=[Notes], settings=settings, fields={"note_to": "me"}, attempt=2)

    (delivery,) = run.deliveries
    assert (delivery.plugin, delivery.target) == ("notes", "me")
    assert dict(delivery.headers) == {"x": "so COMPLETED 2"}
    assert (delivery.job, delivery.job_attempt, delivery.number) == (run.request.id, 2, 1)
    assert delivery.body == run.body
    assert run.deliver() == [Receipt.delivered("COMPLETED")]


def test_a_plugin_given_by_reference_is_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "given_by_reference.py").write_text(
        "from workerkit import hookimpl\n"
        "class HttpNotes:\n"
        "    @hookimpl\n"
        "    def pre_job(self, job):\n"
        "        job.note('by', 'reference')\n"
    )
    monkeypatch.syspath_prepend(folder)

    assert run_job(plain, plugins=["given_by_reference:HttpNotes"]).notes == {"by": "reference"}


def test_a_plugin_given_as_an_instance_is_used_as_it_is() -> None:
    class Counts:
        runs = 0

        @hookimpl
        def pre_job(self) -> None:
            self.runs += 1

    counts = Counts()

    run_job(plain, plugins=[counts], builtins=False)
    run_job(plain, plugins=[counts])

    assert counts.runs == 2


def test_a_plugin_takes_the_place_of_a_built_in_one() -> None:
    class Other:
        replaces = "webhook"
        fields: ClassVar = {"webhook": Field(str)}

        @hookimpl
        def post_job(self, request: Request) -> Delivery:
            return Delivery(target="elsewhere")

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.stop("never")

    run = run_job(plain, plugins=[Other], fields={"webhook": "whatever"})

    assert [(one.plugin, one.target) for one in run.deliveries] == [("webhook", "elsewhere")]
    assert [receipt.verdict for receipt in run.deliver()] == [Verdict.STOP]


def test_a_built_in_plugin_may_be_named_beside_the_built_in_ones() -> None:
    with Receiver([503, 200]) as receiver:
        run = run_job(plain, 1, plugins=["webhook"], fields={"webhook": receiver.url})
        first, second = run.deliver(), run.deliver()

    assert [receipt.verdict for receipt in first + second] == [Verdict.RETRY, Verdict.DELIVERED]
    assert [received.json["id"] for received in receiver.requests] == [run.request.id] * 2


def test_secrets_are_masked_as_a_client_sees_them() -> None:
    config = {
        "accessId": "someone",
        "accessSecret": SECRET,
        "bucketName": "b",
        "endpointUrl": "http://127.0.0.1:9",
    }

    def leaks(job: Job) -> Any:
        job.progress(job["s3Config"]["accessSecret"])
        return job["s3Config"]

    run = run_job(leaks, fields={"s3Config": config})

    assert run.output == {**config, "accessSecret": "***"}
    assert run.progress == ["***"]
    assert "s3Config" not in run.request.fields


def test_it_may_be_called_where_an_event_loop_runs() -> None:
    async def within() -> Any:
        return run_job(coroutine, 1, plugins=[Notes], fields={"note_to": "me"}).output

    assert asyncio.run(within()) == {"got": 1}


def test_a_plugin_of_the_functions_own_is_called() -> None:
    class Loud:
        @hookimpl
        def on_output(self, output: Output) -> None:
            output.value = str(output.value).upper()

    assert run_job(worker_function(plugins=[Loud()])(lambda_like), "a").output == "A"


def lambda_like(job: Job) -> Any:
    return job["input"]
