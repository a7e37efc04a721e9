from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Generator, Iterator
from typing import ClassVar

import pluggy
import pytest

from workerkit.bridge import Bridge
from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.errors import JobFailed, PluginError, PluginFailed, Refused
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.job import Field, Job, Output, Request, Result, Secret, Status, WorkerInfo

REQUEST = Request(id="j", endpoint="e", raw_input=b"{}")
RESULT = Result(status=Status.COMPLETED, attempt=1)


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    bridge = Bridge()
    yield bridge
    bridge.close()


@pytest.fixture
def build(bridge: Bridge) -> Callable[..., Hooks]:
    def build(**plugins: object) -> Hooks:
        loaded = [
            LoadedPlugin(name=name, plugin=plugin, dist="acme 1.2", fields=getattr(plugin, "fields", {}))
            for name, plugin in plugins.items()
        ]
        return Hooks(loaded, bridge)

    return build


Build = Callable[..., Hooks]


def job() -> Job:
    return Job(id="j", endpoint="e", input={})


class Recorder:
    """Implements most hooks and notes the calls in a list that several share."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name = name
        self.calls = calls

    @hookimpl
    def pre_job(self, job: Job) -> None:
        self.calls.append(f"pre_job {self.name}")

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        self.calls.append(f"enter {self.name}")
        try:
            return (yield)
        finally:
            self.calls.append(f"leave {self.name}")

    @hookimpl
    def on_output(self, output: Output) -> None:
        output.value = [*output.value, self.name]

    @hookimpl
    def worker_start(self) -> None:
        self.calls.append(f"worker_start {self.name}")

    @hookimpl
    def worker_stop(self, worker: WorkerInfo) -> None:
        self.calls.append(f"worker_stop {self.name}")


def test_prepares_from_the_end_of_the_list_and_wraps_from_its_start(build: Build) -> None:
    calls: list[str] = []
    hooks = build(a=Recorder("a", calls), b=Recorder("b", calls))

    hooks.worker_start(WorkerInfo(id="w", endpoint="e"))
    hooks.pre_job(job())
    output = hooks.run_job(job(), lambda: Output([]))
    hooks.on_output(job(), output)
    hooks.worker_stop(WorkerInfo(id="w", endpoint="e"))

    assert output.value == ["a", "b"]
    assert calls == [
        *("worker_start b", "worker_start a", "pre_job b", "pre_job a"),
        *("enter a", "enter b", "leave b", "leave a", "worker_stop a", "worker_stop b"),
    ]


def test_the_order_of_calls_is_told_hook_by_hook_with_wrappers_first(build: Build) -> None:
    class Answers:
        @hookimpl
        def run_job(self) -> None: ...

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.delivered()

    order = build(answers=Answers(), a=Recorder("a", []), b=Recorder("b", [])).order()

    assert {hook: names for hook, names in order.items() if names} == {
        "pre_job": ("b", "a"),
        "run_job": ("a", "b", "answers"),
        "on_output": ("a", "b"),
        "deliver": ("answers",),
        "worker_start": ("b", "a"),
        "worker_stop": ("a", "b"),
    }


def test_the_first_plain_run_job_that_answers_replaces_the_handler(build: Build) -> None:
    class Passes:
        @hookimpl
        def run_job(self) -> None: ...

    class Answers:
        @hookimpl
        async def run_job(self, job: Job) -> Output:
            return Output(f"cached {job.id}")

    def handler() -> Output:
        raise AssertionError("the handler must not run")

    assert build(a=Passes(), b=Answers()).run_job(job(), handler).value == "cached j"
    assert build(a=Passes()).run_job(job(), lambda: Output("ran")).value == "ran"


@pytest.mark.parametrize(
    "error", [ValueError("boom"), StopIteration("odd"), KeyboardInterrupt(), JobFailed("no")]
)
def test_what_the_handler_raises_passes_through_the_wrappers_unchanged(
    build: Build, error: BaseException
) -> None:
    calls: list[str] = []

    def handler() -> Output:
        raise error

    with pytest.raises(type(error)) as caught:
        build(a=Recorder("a", calls), b=Recorder("b", calls)).run_job(job(), handler)

    assert caught.value is error
    assert calls[-2:] == ["leave b", "leave a"]


def test_a_wrapper_may_turn_an_error_into_an_output(build: Build) -> None:
    class Rescue:
        @hookimpl(wrapper=True)
        def run_job(self) -> Generator[None, Output, Output]:
            try:
                return (yield)
            except ValueError as exc:
                return Output(f"rescued from {exc}")

    def handler() -> Output:
        raise ValueError("boom")

    assert build(a=Rescue()).run_job(job(), handler).value == "rescued from boom"


def _forgets_to_return() -> Generator[None, Output, None]:
    yield


def _yields_twice() -> Generator[None, Output, Output]:
    yield
    return (yield)


def _never_yields() -> Generator[None, Output, Output]:
    if job() is None:
        yield
    return Output(None)


def _raises_before() -> Generator[None, Output, Output]:
    raise OSError("no disk")
    yield


def _raises_after() -> Generator[None, Output, Output]:
    yield
    raise OSError("disk full")


@pytest.mark.parametrize(
    ("wrapper", "sentence"),
    [
        (_forgets_to_return, "returned NoneType; a wrapper returns the Output that its yield gave"),
        (_yields_twice, "yielded twice"),
        (_never_yields, "ended without a yield"),
        (_raises_before, "OSError: no disk"),
        (_raises_after, "OSError: disk full"),
    ],
)
def test_a_wrapper_that_misbehaves_is_named(
    build: Build, wrapper: Callable[..., object], sentence: str
) -> None:
    class Bad:
        run_job = staticmethod(hookimpl(wrapper=True)(wrapper))

    with pytest.raises(PluginFailed, match=f"plugin 'bad' failed in run_job: .*{sentence}"):
        build(bad=Bad()).run_job(job(), lambda: Output(1))


def test_a_gate_that_raises_names_its_plugin_and_stops_the_rest(build: Build) -> None:
    calls: list[str] = []

    class Breaks:
        @hookimpl
        def pre_job(self) -> None:
            raise KeyError("model")

    with pytest.raises(PluginFailed, match="plugin 'b' failed in pre_job: KeyError: 'model'") as caught:
        build(a=Recorder("a", calls), b=Breaks()).pre_job(job())

    assert isinstance(caught.value.__cause__, KeyError)
    assert calls == []


def test_job_failed_passes_a_gate_as_it_is(build: Build) -> None:
    class Fails:
        @hookimpl
        def on_output(self, output: Output) -> None:
            raise JobFailed("too dark", output=output.value)

    with pytest.raises(JobFailed, match=r"^too dark$") as caught:
        build(a=Fails()).on_output(job(), Output(1))
    assert caught.value.output == 1


def test_a_notice_that_raises_is_logged_by_name_and_the_rest_run(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaks:
        @hookimpl(inline=True)
        def post_job(self) -> None:
            raise ValueError("boom")

    class Asks:
        @hookimpl(inline=True)
        def post_job(self, result: Result) -> list[Delivery]:
            return [Delivery(target=result.status.value)]

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.delivered()

    hooks = build(a=Breaks(), b=Asks())
    with caplog.at_level(logging.ERROR):
        asked = asyncio.run(hooks.post_job(REQUEST, RESULT))

    assert asked == [("b", Delivery(target="COMPLETED"))]
    assert "plugin 'a' failed in post_job" in caplog.text


def test_inline_post_job_runs_straight_through_without_awaiting(build: Build) -> None:
    class Asks:
        @hookimpl(inline=True)
        def post_job(self, request: Request, result: Result) -> None: ...

    hooks = build(a=Asks())

    with pytest.raises(StopIteration) as stop:
        hooks.post_job(REQUEST, RESULT).send(None)
    assert stop.value.value == []


def test_post_job_that_is_not_inline_runs_in_a_thread_and_may_be_async(build: Build) -> None:
    threads: list[str] = []

    class Plain:
        @hookimpl
        def post_job(self) -> Delivery:
            threads.append(threading.current_thread().name)
            return Delivery(target="plain")

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.delivered()

    class Async:
        @hookimpl
        async def post_job(self, request: Request) -> Delivery:
            await asyncio.sleep(0)
            return Delivery(target=request.id)

        @hookimpl
        async def deliver(self, delivery: Delivery) -> Receipt:
            return Receipt.delivered(delivery.target)

    hooks = build(a=Plain(), b=Async())

    asked = asyncio.run(hooks.post_job(REQUEST, RESULT))
    assert [(name, delivery.target) for name, delivery in asked] == [("a", "plain"), ("b", "j")]
    assert threads == ["workerkit-hook"]


def test_a_delivery_from_a_plugin_without_deliver_is_logged_and_dropped(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    class Asks:
        @hookimpl(inline=True)
        def post_job(self) -> Delivery:
            return Delivery(target="x")

    assert asyncio.run(build(a=Asks()).post_job(REQUEST, RESULT)) == []
    assert "implements no deliver hook" in caplog.text


def test_accept_is_skipped_unless_a_field_of_the_plugin_is_present(build: Build) -> None:
    class Picky:
        fields: ClassVar = {"webhook": Field(str)}

        @hookimpl(inline=True)
        def accept(self, request: Request) -> None:
            raise Refused(f"webhook {request.fields['webhook']} is not allowed")

    hooks = build(picky=Picky())

    asyncio.run(hooks.accept(REQUEST))
    with pytest.raises(Refused, match="webhook x is not allowed"):
        asyncio.run(hooks.accept(Request(id="j", endpoint="e", raw_input=b"{}", fields={"webhook": "x"})))


def test_accept_that_fails_otherwise_names_the_plugin(build: Build) -> None:
    class Breaks:
        @hookimpl
        def accept(self) -> None:
            raise ValueError("boom")

    with pytest.raises(PluginFailed, match="plugin 'a' failed in accept: ValueError: boom"):
        asyncio.run(build(a=Breaks()).accept(REQUEST))


def test_deliver_goes_to_the_plugin_that_asked_and_never_raises(build: Build) -> None:
    class Sends:
        @hookimpl
        def deliver(self, delivery: Delivery) -> Receipt:
            if delivery.target == "bad":
                raise OSError("unreachable")
            return Receipt.delivered(delivery.target)

    class Wrong:
        @hookimpl
        def deliver(self) -> str:
            return "done"

    hooks = build(a=Sends(), b=Wrong())

    assert hooks.deliver(Delivery(target="x", plugin="a")) == Receipt.delivered("x")
    failed = hooks.deliver(Delivery(target="bad", plugin="a"))
    assert failed == Receipt.retry("plugin 'a' failed in deliver: OSError: unreachable")
    assert "instead of a Receipt" in hooks.deliver(Delivery(target="x", plugin="b")).detail
    gone = hooks.deliver(Delivery(target="x", plugin="slack"))
    assert gone.verdict is Verdict.HOLD
    assert "plugin 'slack' is not active" in gone.detail


def test_the_first_plugin_that_knows_a_queue_url_opens_it(build: Build) -> None:
    feed = object()

    class Knows:
        @hookimpl
        def open_queue(self, url: str) -> object | None:
            return feed if url.startswith("mine:") else None

    hooks = build(a=Knows())
    assert hooks.open_queue("mine://x") is feed
    assert hooks.open_queue("other://x") is None


def test_nobody_implementing_a_hook_is_fine(build: Build) -> None:
    hooks = build()

    assert hooks.run_job(job(), lambda: Output(3)).value == 3
    assert asyncio.run(hooks.post_job(REQUEST, RESULT)) == []
    assert hooks.names == ()


class TryFirst:
    @hookimpl(tryfirst=True)
    def pre_job(self) -> None: ...


class WrapsOutput:
    @hookimpl(wrapper=True)
    def on_output(self) -> Generator[None, None, None]:
        yield


class AsyncWrapper:
    @hookimpl(wrapper=True)
    async def run_job(self):  # type: ignore[no-untyped-def]
        yield


class OldWrapper:
    @pluggy.HookimplMarker("workerkit")(hookwrapper=True)
    def run_job(self) -> Generator[None, None, None]:
        yield


class NotAGenerator:
    @hookimpl(wrapper=True)
    def run_job(self) -> None: ...


class Misspelt:
    @hookimpl
    def pre_jobs(self) -> None: ...


class WrongArgument:
    @hookimpl
    def on_output(self, job: Job, outptu: Output) -> None: ...


class KeywordOnly:
    @hookimpl
    def pre_job(self, *, job: Job) -> None: ...


class InlineElsewhere:
    @hookimpl(inline=True)
    def pre_job(self) -> None: ...


class InlineAsync:
    @hookimpl(inline=True)
    async def post_job(self) -> None: ...


class Unmarked:
    def pre_job(self) -> None: ...


class Empty: ...


class Later:
    hooks_version: object = 2

    @hookimpl
    def pre_job(self) -> None: ...


class Named(Later):
    hooks_version = "1.0"


class Yes(Later):
    hooks_version = True


class Nought(Later):
    hooks_version = 0


@pytest.mark.parametrize(
    ("plugin", "sentence"),
    [
        (TryFirst(), "pre_job uses tryfirst or trylast; set [plugins] order instead"),
        (WrapsOutput(), "on_output is a wrapper; only run_job can be wrapped"),
        (AsyncWrapper(), "run_job is an async generator; only a plain generator can be a wrapper"),
        (OldWrapper(), "run_job is an old hookwrapper; write @hookimpl(wrapper=True)"),
        (NotAGenerator(), "run_job is a wrapper but no plain generator function"),
        (Misspelt(), "pre_jobs is no hook of workerkit; did you mean 'pre_job'?"),
        (WrongArgument(), "on_output has no argument 'outptu'; did you mean 'output'?"),
        (KeywordOnly(), "takes the keyword-only argument 'job'; hooks take plain ones: job"),
        (InlineElsewhere(), "pre_job is marked inline; only accept and post_job can be"),
        (InlineAsync(), "post_job is async and marked inline; leave out one of the two"),
        (Unmarked(), "has pre_job without @hookimpl; mark it, or give it another name"),
        (Empty(), "implements no hook; mark one of accept,"),
        (
            Later(),
            "was written for version 2 of the hooks, and this workerkit has 1; upgrade workerkit, or inst",
        ),
        (Named(), "its hooks_version is '1.0'; it must be the number of the version it was written for"),
        (Yes(), "its hooks_version is True; it must be the number"),
        (
            Nought(),
            "its hooks_version is 0; it must be the number of the version it was written for, such as 1",
        ),
        (Empty, "is a class; give an instance: Empty()"),
    ],
)
def test_a_wrong_plugin_is_refused_with_a_sentence_that_names_it(
    build: Build, plugin: object, sentence: str
) -> None:
    with pytest.raises(PluginError) as caught:
        build(acme=plugin)
    assert str(caught.value).startswith("plugin 'acme' of acme 1.2")
    assert sentence in str(caught.value)


def test_two_plugins_with_one_field_are_refused(build: Build) -> None:
    class Declares:
        fields: ClassVar = {"webhook": Field(str)}

        @hookimpl
        def accept(self) -> None: ...

    with pytest.raises(
        PluginError, match=r"'a' of acme 1\.2 and plugin 'b' of acme 1\.2 both declare the field"
    ):
        build(a=Declares(), b=Declares())


def test_fields_know_their_owner_and_rows_describe_a_plugin_with_its_secrets_masked(bridge: Bridge) -> None:
    class Declares:
        @hookimpl
        def pre_job(self) -> None: ...

    loaded = LoadedPlugin(
        name="a",
        plugin=Declares(),
        dist="acme 1.2",
        ref="acme:Declares",
        fields={"token": Field(str, secret=True)},
        settings={"key": Secret("open sesame")},
    )
    hooks = Hooks([loaded], bridge)

    assert hooks.fields["token"].secret
    (row,) = hooks.describe()
    assert (row.name, row.dist, row.ref) == ("a", "acme 1.2", "acme:Declares")
    assert (row.hooks, row.fields) == (("pre_job",), ("token",))
    assert "sesame" not in repr(row)


def test_a_functions_own_plugins_come_first_and_leave_the_original_alone(build: Build) -> None:
    calls: list[str] = []
    hooks = build(a=Recorder("a", calls))

    extended = hooks.extend([Recorder("own", calls), Recorder("own too", calls)])
    extended.pre_job(job())
    hooks.pre_job(job())

    assert calls == ["pre_job a", "pre_job own too", "pre_job own", "pre_job a"]
    assert hooks.extend([]) is hooks


def test_a_functions_own_plugin_with_a_host_hook_is_told_where_to_go(build: Build) -> None:
    class Host:
        @hookimpl(inline=True)
        def post_job(self) -> None: ...

    with pytest.raises(PluginError, match=re.escape('[plugins] load = ["module:attribute"]')):
        build().extend([Host()])


def test_an_optional_argument_gets_its_value_and_properties_are_not_run(build: Build) -> None:
    class Plugin:
        @property
        def costly(self) -> None:
            raise AssertionError("a property must not be run")

        @hookimpl
        def on_output(self, output: Output, job: Job | None = None, extra: int = 7) -> None:
            assert job is not None
            output.value = (output.value, job.id, extra)

    output = Output(1)
    build(a=Plugin()).on_output(job(), output)
    assert output.value == (1, "j", 7)
