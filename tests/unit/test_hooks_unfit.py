from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from noting import Notes
from workerkit.bridge import Bridge
from workerkit.errors import PluginFailed, Unfit
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.job import Job
from workerkit.secret import Secret
from workerkit.worker_info import WorkerInfo

Build = Callable[..., Hooks]
WORKER = WorkerInfo(id="w", endpoint="e")


class Gpu:
    @hookimpl
    def worker_start(self) -> None:
        raise Unfit("the GPU is hot")


class AsyncGpu:
    @hookimpl
    async def worker_start(self) -> None:
        raise Unfit("the GPU is hot")


@pytest.mark.parametrize("plugin", [Gpu(), AsyncGpu()], ids=["plain", "async"])
def test_a_plugin_that_finds_the_worker_unfit_is_named_and_ends_the_start(
    build: Build, plugin: object
) -> None:
    calls: list[str] = []
    hooks = build(first=Notes("first", calls), gpu=plugin)

    with pytest.raises(Unfit, match=r"^plugin 'gpu': the GPU is hot$"):
        hooks.worker_start(WORKER)

    assert calls == [], "those that come after it are not started"


def test_its_own_secrets_are_masked_in_what_it_says(bridge: Bridge) -> None:
    @attrs.frozen
    class Settings:
        token: Secret

    class Licence:
        @hookimpl
        def worker_start(self) -> None:
            raise Unfit("nobody answers at https://x/?token=canary-7f3q9")

    loaded = LoadedPlugin(name="licence", plugin=Licence(), settings={"token": Secret("canary-7f3q9")})

    with pytest.raises(Unfit, match=r"^plugin 'licence': nobody answers at https://x/\?token=\*\*\*$"):
        Hooks([loaded], bridge).worker_start(WORKER)


def test_anywhere_else_it_is_a_failure_of_the_plugin(build: Build) -> None:
    class Late:
        @hookimpl
        def pre_job(self) -> None:
            raise Unfit("too late")

    with pytest.raises(PluginFailed, match="plugin 'late' failed in pre_job: Unfit: too late"):
        build(late=Late()).pre_job(Job(id="j", endpoint="e", input=1))
