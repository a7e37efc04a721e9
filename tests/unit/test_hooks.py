from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from noting import REQUEST, RESULT, Notes, job
from workerkit.bridge import Bridge
from workerkit.delivery import Receipt
from workerkit.errors import JobFailed, PluginError, PluginFailed
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.job import Field, Job, Output
from workerkit.secret import Secret
from workerkit.worker_info import WorkerInfo

Build = Callable[..., Hooks]


def test_prepares_from_the_end_of_the_list_and_wraps_from_its_start(build: Build) -> None:
    calls: list[str] = []
    hooks = build(a=Notes("a", calls), b=Notes("b", calls))

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

    order = build(answers=Answers(), a=Notes("a", []), b=Notes("b", [])).order()

    assert {hook: names for hook, names in order.items() if names} == {
        "pre_job": ("b", "a"),
        "run_job": ("a", "b", "answers"),
        "on_output": ("a", "b"),
        "deliver": ("answers",),
        "worker_start": ("b", "a"),
        "worker_stop": ("a", "b"),
    }


def test_nobody_implementing_a_hook_is_fine(build: Build) -> None:
    hooks = build()

    assert hooks.run_job(job(), lambda: Output(3)).value == 3
    assert asyncio.run(hooks.post_job(REQUEST, RESULT)) == []
    assert hooks.names == ()


def test_a_plugin_knows_its_hooks_and_fields_and_shows_no_secret(bridge: Bridge) -> None:
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
    (plugin,) = hooks.plugins
    assert plugin.hooks == ("pre_job",)
    assert "sesame" not in repr(plugin)


def test_a_functions_own_plugins_come_first_and_leave_the_original_alone(build: Build) -> None:
    calls: list[str] = []
    hooks = build(a=Notes("a", calls))

    extended = hooks.extend([Notes("own", calls), Notes("own too", calls)])
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


def test_a_gate_that_raises_names_its_plugin_and_stops_the_rest(build: Build) -> None:
    calls: list[str] = []

    class Breaks:
        @hookimpl
        def pre_job(self) -> None:
            raise KeyError("model")

    with pytest.raises(PluginFailed, match="plugin 'b' failed in pre_job: KeyError: 'model'") as caught:
        build(a=Notes("a", calls), b=Breaks()).pre_job(job())

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
