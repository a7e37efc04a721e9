from __future__ import annotations

from collections.abc import Callable

import pytest

from noting import Notes, job
from workerkit.errors import PluginError
from workerkit.hooks import Hooks, hookimpl
from workerkit.job import Job

Build = Callable[..., Hooks]


class Unknown:
    @hookimpl(optional=True)
    def on_gpu_lost(self, gpu: int) -> None: ...


def test_an_optional_hook_that_this_toolkit_does_not_know_is_passed_over(build: Build) -> None:
    class Both(Notes):
        @hookimpl(optional=True)
        def on_gpu_lost(self, gpu: int) -> None: ...

    calls: list[str] = []
    hooks = build(a=Both("a", calls), b=Unknown())
    hooks.pre_job(job())

    assert calls == ["pre_job a"]
    assert "on_gpu_lost" not in hooks.plugins[0].hooks


def test_an_optional_hook_that_is_nearly_a_known_one_is_misspelt(build: Build) -> None:
    class Misspelt:
        @hookimpl(optional=True)
        def pre_jub(self) -> None: ...

    with pytest.raises(PluginError, match="pre_jub is no hook of workerkit; did you mean 'pre_job'"):
        build(a=Misspelt())


def test_an_optional_hook_that_is_known_is_checked_and_called_as_any_other(build: Build) -> None:
    class Wrong:
        @hookimpl(optional=True)
        def pre_job(self, jbo: Job) -> None: ...

    with pytest.raises(PluginError, match="pre_job has no argument 'jbo'; did you mean 'job'"):
        build(a=Wrong())
