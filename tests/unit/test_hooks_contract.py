"""What lasts: the versions of the hooks, and how one of them is retired."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import attrs
import pytest

from workerkit import HOOKS_VERSION, hookspecs
from workerkit.bridge import Bridge
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.hooks.implementations import ARGUMENTS
from workerkit.job import Job, Output
from workerkit.worker_info import WorkerInfo

#: Frozen: plugins that were written for it are installed out there.
VERSION_1 = (
    "accept(request)",
    "pre_job(job)",
    "run_job(job)",
    "on_output(job, output)",
    "post_job(request, result)",
    "deliver(delivery)",
    "worker_start(worker)",
    "worker_stop(worker)",
    "open_queue(url)",
)


def test_the_first_version_stays_as_it_was() -> None:
    assert hookspecs.VERSIONS[1] == VERSION_1


def test_every_hook_and_argument_is_in_the_version_that_added_it() -> None:
    added: dict[str, list[str]] = {}
    for version in sorted(hookspecs.VERSIONS):
        for signature in hookspecs.VERSIONS[version]:
            hook, *arguments = re.findall(r"\w+", signature)
            added.setdefault(hook, []).extend(arguments)

    assert {hook: sorted(set(arguments)) for hook, arguments in added.items()} == {
        hook: sorted(arguments) for hook, arguments in ARGUMENTS.items()
    }
    assert list(hookspecs.VERSIONS) == list(range(1, HOOKS_VERSION + 1))


def retiring(**specifications: Callable[..., Any]) -> ModuleType:
    """The specifications of a later release, some of them changed."""
    later = ModuleType("later")
    vars(later).update({name: getattr(hookspecs, name) for name in ARGUMENTS} | specifications)
    return later


@hookspecs.hookspec(
    warn_on_impl_args={"job": DeprecationWarning("on_output loses `job` in 2.0; use `output`")}
)
def on_output(job: Job, output: Output) -> None: ...


@hookspecs.hookspec(warn_on_impl=DeprecationWarning("worker_stop goes in 2.0; close in a wrapper of run_job"))
def worker_stop(worker: WorkerInfo) -> None: ...


@attrs.frozen
class Old:
    """A plugin of the first version."""

    hooks_version = 1
    calls: list[str]

    @hookimpl
    def on_output(self, output: Output, job: Job) -> None:
        self.calls.append(f"on_output {job.id} {output.value}")

    @hookimpl
    def worker_stop(self) -> None:
        self.calls.append("worker_stop")


@attrs.frozen
class New:
    calls: list[str]

    @hookimpl
    def on_output(self, output: Output) -> None:
        self.calls.append("new")


def hooks(plugin: object, specifications: ModuleType) -> Hooks:
    loaded = LoadedPlugin(name="slack", plugin=plugin, dist="acme 1.2", ref="acme:Slack")
    return Hooks([loaded], Bridge(), specifications)


def test_a_retired_argument_warns_with_the_plugins_name_and_still_works() -> None:
    calls: list[str] = []

    with pytest.warns(DeprecationWarning, match="on_output loses") as warned:
        old = hooks(Old(calls), retiring(on_output=on_output))
    old.on_output(Job(id="j", endpoint="e", input={}), Output(1))

    assert calls == ["on_output j 1"]
    [warning] = warned
    sentence = "plugin 'slack' of acme 1.2 (acme:Slack): on_output loses `job` in 2.0; use `output`"
    assert str(warning.message) == sentence
    assert warning.filename == __file__


def test_a_retired_hook_warns_with_the_plugins_name_and_still_works() -> None:
    calls: list[str] = []

    with pytest.warns(
        DeprecationWarning, match=r"^plugin 'slack' of acme 1\.2 .*: worker_stop goes in 2\.0"
    ) as warned:
        old = hooks(Old(calls), retiring(worker_stop=worker_stop))
    old.worker_stop(WorkerInfo(id="w", endpoint="e"))

    assert (calls, len(warned)) == (["worker_stop"], 1)
    assert old.retired == (str(warned[0].message),)


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as plugins have them: what it makes has other argument names."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def test_a_hook_behind_a_decorator_is_seen_with_its_own_arguments() -> None:
    class Decorated:
        @hookimpl
        @logged
        def on_output(self, job: Job, output: Output) -> None:
            output.value = job.id

    with pytest.warns(DeprecationWarning, match="on_output loses") as warned:
        old = hooks(Decorated(), retiring(on_output=on_output))

    assert [warning.filename for warning in warned] == [__file__]
    output = Output(1)
    old.on_output(Job(id="j", endpoint="e", input={}), output)
    assert output.value == "j"


def test_a_plugin_that_uses_nothing_retired_is_left_in_peace() -> None:
    calls: list[str] = []

    new = hooks(New(calls), retiring(on_output=on_output, worker_stop=worker_stop))
    new.on_output(Job(id="j", endpoint="e", input={}), Output(1))

    assert (calls, new.retired) == (["new"], ())
