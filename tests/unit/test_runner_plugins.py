from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

import attrs
import msgspec
import pytest

from bench import Bench, Tracer, returning
from workerkit import (
    Bucket,
    Field,
    Job,
    JobFailed,
    Output,
    PluginError,
    Refused,
    Resource,
    Retry,
    Secret,
    Status,
    hookimpl,
    worker_function,
)
from workerkit.bridge import Bridge
from workerkit.failures import HALF
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.runner import Runner


def test_hooks_surround_a_plain_function(bench: Bench) -> None:
    tracer = Tracer()
    run = bench.run(returning({"a": 1}), tracer)
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
    bench.run(returning(1), own=[tracer])
    assert tracer.calls == ["pre_job", "enter", "leave", (0, 1, True)]


def test_a_host_hook_among_a_functions_own_plugins_is_refused(bench: Bench) -> None:
    class Notifies:
        @hookimpl
        def post_job(self, request: object, result: object) -> None: ...

    with pytest.raises(PluginError, match="post_job, which the host needs"):
        bench.runner(returning(1), own=[Notifies()])


def test_a_plugin_that_fails_is_named(bench: Bench) -> None:
    class Checker:
        @hookimpl
        def pre_job(self, job: Job) -> None:
            raise ValueError("no disk")

    run = bench.run(returning(1), Checker())
    assert (run.status, run.error) == (
        Status.FAILED,
        "plugin 'Checker' failed in pre_job: ValueError: no disk",
    )


def test_a_plugins_verdict_gives_its_own_text(bench: Bench) -> None:
    class Checker:
        @hookimpl
        def on_output(self, job: Job, output: Output) -> None:
            raise JobFailed("not allowed", output="rest")

    run = bench.run(returning(1), Checker())
    assert (run.status, run.error, run.output) == (Status.FAILED, "not allowed", b'"rest"')


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


def test_a_resource_that_nobody_provided_is_a_sentence_with_the_cure(bench: Bench) -> None:
    def handler(job: Job) -> None:
        job.use(Bucket)

    run = bench.run(handler)

    assert (run.status, run.error) == (
        Status.FAILED,
        "no plugin provided a Bucket for this job; send `s3Config` with the request, "
        "or set `bucket` under [plugin.s3] (`workerkit plugins` shows whether s3 is active)",
    )


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
    return Runner(worker_function(returning(1)), Hooks([loaded], bridge), bridge)


def test_fields_are_typed_for_plugins_and_plain_for_handlers(bridge: Bridge) -> None:
    fields = {"s3Config": b'{"accessId":"a","accessSecret":"b","x":1}', "webhook": b'"http://x"'}
    job = with_storage(bridge).job(id="j", input=b"{}", fields=fields)
    assert dict(job.fields) == {"s3Config": Keys("a", Secret("b"))}
    assert job["s3Config"] == {"accessId": "a", "accessSecret": "b", "x": 1}
    assert job["webhook"] == "http://x"


def test_a_field_that_does_not_fit_is_refused_by_name(bridge: Bridge) -> None:
    with pytest.raises(Refused, match=r"s3Config\.accessSecret is missing"):
        with_storage(bridge).job(id="j", input=b"{}", fields={"s3Config": b'{"accessId":"a"}'})


class Careless:
    @hookimpl
    def pre_job(self, job: Job) -> None:
        if job.input == "in a plugin":
            raise ValueError(
                LONG.removeprefix("x" * len("plugin 'careless' failed in pre_job: ValueError: "))
            )


@worker_function
def careless(job: Job) -> None:
    if job.input == "as a verdict":
        raise JobFailed(LONG)
    if job.input == "as a retry":
        raise Retry(LONG)
    job.refresh_worker(LONG)
    raise ValueError(LONG)


KEY = "open/sesame+please"
#: Where it is cut, at both ends of what is left out, there is a secret.
LONG = "x" * (HALF - 9) + KEY + "x" * 1000 + KEY + "x" * (HALF - 9)


@pytest.mark.parametrize("how", ["as an error", "as a verdict", "as a retry", "in a plugin"])
def test_a_secret_is_masked_before_a_text_is_cut(how: str, bridge: Bridge) -> None:
    loaded = [
        LoadedPlugin(name="storage", plugin=Storage(), dist="acme 1.2", fields=Storage.fields),
        LoadedPlugin(name="careless", plugin=Careless(), dist="acme 1.2"),
    ]
    runner = Runner(careless, Hooks(loaded, bridge), bridge)
    fields = {"s3Config": msgspec.json.encode({"accessId": "someone", "accessSecret": KEY})}
    job = runner.job(id="1", input=msgspec.json.encode(how), fields=fields)

    run = runner.run(job, lambda number, value: None)

    for text in (run.error or "", *([run.refresh] if run.refresh else [])):
        assert len(text) > 99_000
        assert "open" not in text
        assert "please" not in text


@pytest.mark.parametrize("raises", [False, True])
def test_resources_are_told_when_the_run_is_over_and_outputs_were_seen(
    bench: Bench, raises: bool, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    class Door(Resource):
        def __init__(self, name: str) -> None:
            self.name = name

        def run_ended(self) -> None:
            told.append(self.name)
            if self.name == "inner":
                raise OSError("stuck")

    class Doors:
        @hookimpl
        def pre_job(self, job: Job) -> None:
            job.provide(Door("outer"))
            job.provide(Door("inner"))

        @hookimpl
        def on_output(self, job: Job, output: Output) -> None:
            told.append(f"saw {job.use(Door).name}")
            if raises:
                raise JobFailed("no")

    run = bench.run(returning(1), Doors())

    assert told == ["saw inner", "inner", "outer"]
    assert run.status is (Status.FAILED if raises else Status.COMPLETED)
    assert "Door.run_ended: OSError: stuck" in caplog.text
