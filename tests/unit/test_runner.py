from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from workerkit import (
    Bucket,
    Field,
    Job,
    JobFailed,
    Output,
    PluginError,
    Refused,
    Secret,
    Status,
    __version__,
    hookimpl,
    worker_function,
)
from workerkit.bridge import Bridge, Cancel
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.runner import Limits, Run, Runner

WAIT = 5.0


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    made = Bridge()
    yield made
    made.close()


@attrs.define
class Bench:
    """Runs one function with plugins, and keeps what was emitted."""

    bridge: Bridge
    chunks: list[tuple[int, bytes]] = attrs.field(factory=list)
    shown: list[bytes] = attrs.field(factory=list)
    job: Job | None = None

    def runner(self, function: Callable[..., Any], *plugins: object, **options: Any) -> Runner:
        loaded = [LoadedPlugin(name=type(plugin).__name__, plugin=plugin, dist="test") for plugin in plugins]
        decorated = worker_function(plugins=options.pop("own", ()))(function)
        return Runner(decorated, Hooks(loaded, self.bridge), self.bridge, worker_id="w1", **options)

    def run(
        self,
        function: Callable[..., Any],
        *plugins: object,
        input: Any = None,
        cancel: Cancel | None = None,
        **options: Any,
    ) -> Run:
        runner = self.runner(function, *plugins, **options)
        self.job = runner.job(id="j1", input=json.dumps(input).encode(), progress=self.shown.append)
        return runner.run(self.job, lambda n, value: self.chunks.append((n, value)), cancel)


@pytest.fixture
def bench(bridge: Bridge) -> Bench:
    return Bench(bridge)


def test_a_functions_value_is_the_output(bench: Bench) -> None:
    run = bench.run(lambda_of({"a": 1}))
    assert (run.status, run.output, run.error, run.chunks) == (Status.COMPLETED, b'{"a":1}', None, None)


def lambda_of(value: Any) -> Callable[[Job], Any]:
    def returns(job: Job) -> Any:
        return value

    return returns


def raising(error: BaseException) -> Callable[[Job], Any]:
    def raises(job: Job) -> Any:
        raise error

    return raises


def test_none_completes_without_output(bench: Bench) -> None:
    run = bench.run(lambda_of(None))
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


class Tracer:
    """Notes every call of a worker-side hook."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    @hookimpl
    def pre_job(self, job: Job) -> None:
        self.calls.append("pre_job")

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        self.calls.append("enter")
        try:
            return (yield)
        finally:
            self.calls.append("leave")

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        self.calls.append((output.index, output.value, output.final))
        if isinstance(output.value, dict):
            output.value = {**output.value, "seen": True}


def test_hooks_surround_a_plain_function(bench: Bench) -> None:
    tracer = Tracer()
    run = bench.run(lambda_of({"a": 1}), tracer)
    assert tracer.calls == ["pre_job", "enter", "leave", (0, {"a": 1}, True)]
    assert run.output == b'{"a":1,"seen":true}'


def test_hooks_see_each_chunk_inside_run_job_and_the_final_one_after_it(bench: Bench) -> None:
    def handler(job: Job) -> Generator[Any, None, Any]:
        yield 1
        return {"b": 2}

    tracer = Tracer()
    bench.run(handler, tracer)
    assert tracer.calls == ["pre_job", "enter", (0, 1, False), "leave", (1, {"b": 2}, True)]
    assert bench.chunks[-1] == (1, b'{"b":2,"seen":true}')


def test_a_generator_that_returns_nothing_has_no_final_output(bench: Bench) -> None:
    def handler(job: Job) -> Generator[Any, None, None]:
        yield 1

    tracer = Tracer()
    bench.run(handler, tracer)
    assert tracer.calls == ["pre_job", "enter", (0, 1, False), "leave"]


def test_a_functions_own_plugins_run_for_it(bench: Bench) -> None:
    tracer = Tracer()
    bench.run(lambda_of(1), own=[tracer])
    assert tracer.calls == ["pre_job", "enter", "leave", (0, 1, True)]


def test_a_host_hook_among_a_functions_own_plugins_is_refused(bench: Bench) -> None:
    class Notifies:
        @hookimpl
        def post_job(self, request: object, result: object) -> None: ...

    with pytest.raises(PluginError, match="post_job, which the host needs"):
        bench.runner(lambda_of(1), own=[Notifies()])


def test_a_verdict_gives_its_text_and_keeps_its_output(bench: Bench) -> None:
    run = bench.run(raising(JobFailed("too dark", output={"lux": 3})))
    assert (run.status, run.error, run.output) == (Status.FAILED, "too dark", b'{"lux":3}')


def test_a_verdict_whose_output_cannot_travel_keeps_its_text(bench: Bench) -> None:
    run = bench.run(raising(JobFailed("too dark", output={1})))
    assert run.error is not None
    assert run.error.startswith("too dark (its output was left out: output is of type set")
    assert run.output is None


def test_a_plugin_that_fails_is_named(bench: Bench) -> None:
    class Checker:
        @hookimpl
        def pre_job(self, job: Job) -> None:
            raise ValueError("no disk")

    run = bench.run(lambda_of(1), Checker())
    assert (run.status, run.error) == (
        Status.FAILED,
        "plugin 'Checker' failed in pre_job: ValueError: no disk",
    )


def test_a_plugins_verdict_gives_its_own_text(bench: Bench) -> None:
    class Checker:
        @hookimpl
        def on_output(self, job: Job, output: Output) -> None:
            raise JobFailed("not allowed", output="rest")

    run = bench.run(lambda_of(1), Checker())
    assert (run.status, run.error, run.output) == (Status.FAILED, "not allowed", b'"rest"')


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
    assert "test_runner.py" in trace.splitlines()[1], "it begins in the handler, not in our frames"


def test_a_traceback_does_not_begin_in_a_built_in_plugin(bench: Bench) -> None:
    from workerkit_plugins.s3 import S3

    error = json.loads(bench.run(raising(ValueError("bad")), S3()).error or "")

    assert "test_runner.py" in error["error_traceback"].splitlines()[1]
    assert "workerkit_plugins" not in error["error_traceback"].splitlines()[1]


def test_a_resource_that_nobody_provided_is_a_sentence_with_the_cure(bench: Bench) -> None:
    def handler(job: Job) -> None:
        job.use(Bucket)

    run = bench.run(handler)

    assert (run.status, run.error) == (
        Status.FAILED,
        "no plugin provided a Bucket for this job; send `s3Config` with the request "
        "(`workerkit plugins` shows whether s3 is active)",
    )


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
        (ValueError("x" * 100_003), "x" * 100_000 + "… (3 more characters)"),
    ],
    ids=["lone surrogate", "no text", "too long"],
)
def test_any_exceptions_text_can_be_sent(bench: Bench, error: Exception, message: str) -> None:
    run = bench.run(raising(error), tracebacks=False)
    assert json.loads(run.error or "")["error_message"] == message


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_exception_gets_past_the_runner(bench: Bench, error: BaseException, is_async: bool) -> None:
    async def handler(job: Job) -> None:
        raise error

    run = bench.run(handler if is_async else raising(error))
    assert run.status is Status.FAILED
    assert json.loads(run.error or "")["error_type"] == str(type(error))
    assert bench.run(lambda_of(1)).output == b"1"


def test_an_output_that_json_cannot_hold_fails_with_its_path(bench: Bench) -> None:
    run = bench.run(lambda_of({"tags": {"a"}}))
    assert (run.status, run.error) == (
        Status.FAILED,
        "output.tags is of type set, which JSON cannot hold; return a list",
    )


def test_an_output_above_its_limit_fails_with_name_and_size(bench: Bench) -> None:
    run = bench.run(lambda_of("x" * 998), limits=Limits(output=1000))
    assert run.output is not None
    run = bench.run(lambda_of("x" * 999), limits=Limits(output=1000))
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


def test_an_async_generator_is_closed_when_a_plugin_fails_its_job(bench: Bench) -> None:
    closed: list[bool] = []

    async def handler(job: Job) -> AsyncGenerator[Any, None]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    class Checker:
        @hookimpl
        def on_output(self, job: Job, output: Output) -> None:
            raise JobFailed("no")

    run = bench.run(handler, Checker())
    assert (run.status, run.error, closed) == (Status.FAILED, "no", [True])


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


def test_a_request_to_cancel_ends_an_async_handler_as_cancelled(bench: Bench) -> None:
    begun, cancel = threading.Event(), Cancel()

    async def handler(job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    def stop() -> None:
        assert begun.wait(WAIT)
        cancel.request()

    stopper = threading.Thread(target=stop)
    stopper.start()
    run = bench.run(handler, cancel=cancel)
    stopper.join(WAIT)
    assert (run.status, run.error, run.output) == (Status.CANCELLED, None, None)


def test_a_request_to_cancel_before_the_beginning_keeps_any_handler_from_it(bench: Bench) -> None:
    cancel, tracer = Cancel(), Tracer()
    cancel.request()
    assert bench.run(lambda_of(1), tracer, cancel=cancel).status is Status.CANCELLED
    assert tracer.calls == []


def test_an_async_generator_that_is_cancelled_keeps_its_chunks(bench: Bench) -> None:
    cancel = Cancel()

    async def handler(job: Job) -> AsyncGenerator[Any, None]:
        yield 1
        cancel.request()
        await asyncio.Event().wait()

    run = bench.run(handler, cancel=cancel)
    assert (run.status, run.chunks, bench.chunks) == (Status.CANCELLED, 1, [(0, b"1")])


def test_a_cancellation_that_nobody_asked_for_is_a_failure(bench: Bench) -> None:
    async def handler(job: Job) -> None:
        raise asyncio.CancelledError

    run = bench.run(handler)
    assert run.status is Status.FAILED
    assert json.loads(run.error or "")["error_type"] == "<class 'asyncio.exceptions.CancelledError'>"


@attrs.frozen
class Keys:
    accessId: str
    accessSecret: Secret


class Storage:
    fields = {"s3Config": Field(Keys, secret=True)}  # noqa: RUF012

    @hookimpl
    def pre_job(self, job: Job) -> None: ...


def with_storage(bridge: Bridge) -> Runner:
    loaded = LoadedPlugin(name="s3", plugin=Storage(), dist="test", fields=Storage.fields)
    return Runner(worker_function(lambda_of(1)), Hooks([loaded], bridge), bridge)


def test_fields_are_typed_for_plugins_and_plain_for_handlers(bridge: Bridge) -> None:
    fields = {"s3Config": b'{"accessId":"a","accessSecret":"b","x":1}', "webhook": b'"http://x"'}
    job = with_storage(bridge).job(id="j", input=b"{}", fields=fields)
    assert dict(job.fields) == {"s3Config": Keys("a", Secret("b"))}
    assert job["s3Config"] == {"accessId": "a", "accessSecret": "b", "x": 1}
    assert job["webhook"] == "http://x"


def test_a_field_that_does_not_fit_is_refused_by_name(bridge: Bridge) -> None:
    with pytest.raises(Refused, match=r"s3Config\.accessSecret is missing"):
        with_storage(bridge).job(id="j", input=b"{}", fields={"s3Config": b'{"accessId":"a"}'})
