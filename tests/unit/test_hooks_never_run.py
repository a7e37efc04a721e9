"""What turns out to be async, or a generator, only when it is called: it is run, or it is a failure."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from noting import REQUEST, RESULT, job
from workerkit.delivery import Delivery, Receipt
from workerkit.errors import JobFailed, PluginError, PluginFailed, Refused
from workerkit.hooks import Hooks, hookimpl
from workerkit.job import Job, Output, Request
from workerkit.worker_info import WorkerInfo

Build = Callable[..., Hooks]


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that hides what it decorates, as many do that were written for plain functions."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


class Later:
    """Awaitable, and no coroutine."""

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        raise JobFailed("later")


def test_a_decorated_async_gate_is_run(build: Build) -> None:
    class Gates:
        @hookimpl
        @plain
        async def accept(self, request: Request) -> None:
            await asyncio.sleep(0)
            raise Refused("no")

        @hookimpl
        @plain
        async def pre_job(self, job: Job) -> None:
            raise JobFailed("no disk")

        @hookimpl
        def on_output(self, job: Job, output: Output) -> Any:
            return Later()

        @hookimpl
        @plain
        async def worker_start(self, worker: WorkerInfo) -> None:
            raise OSError("no GPU")

    hooks = build(a=Gates())

    with pytest.raises(Refused, match="no"):
        asyncio.run(hooks.accept(REQUEST))
    with pytest.raises(JobFailed, match="no disk"):
        hooks.pre_job(job())
    with pytest.raises(JobFailed, match="later"):
        hooks.on_output(job(), Output(1))
    with pytest.raises(PluginFailed, match="plugin 'a' failed in worker_start: OSError: no GPU"):
        hooks.worker_start(WorkerInfo(id="w", endpoint="e"))


def test_what_decorated_async_hooks_return_counts(build: Build) -> None:
    class Answers:
        @hookimpl
        @plain
        async def post_job(self) -> Delivery:
            return Delivery(target="x")

        @hookimpl
        @plain
        async def deliver(self) -> Receipt:
            return Receipt.delivered("there")

        @hookimpl
        @plain
        async def run_job(self) -> Output:
            return Output(7)

    hooks = build(a=Answers())

    [delivery] = asyncio.run(hooks.post_job(REQUEST, RESULT))
    assert hooks.deliver(delivery) == Receipt.delivered("there")
    assert hooks.run_job(job(), lambda: Output(1)).value == 7


def test_an_inline_hook_that_is_async_after_all_is_a_failure(build: Build) -> None:
    class Gate:
        @hookimpl(inline=True)
        def accept(self) -> Any:
            return asyncio.sleep(0)

    with pytest.raises(PluginFailed, match="in accept: TypeError: it is async and marked inline"):
        asyncio.run(build(a=Gate()).accept(REQUEST))


@pytest.mark.parametrize("hook", ["accept", "pre_job", "open_queue", "deliver"])
def test_a_generator_that_comes_back_is_a_failure(build: Build, hook: str) -> None:
    class Yields:
        @hookimpl
        @plain
        def accept(self) -> Any:
            yield

        @hookimpl
        @plain
        def pre_job(self) -> Any:
            yield

        @hookimpl
        @plain
        def deliver(self) -> Any:
            yield

        @hookimpl
        @plain
        def open_queue(self) -> Any:
            yield

    hooks = build(a=Yields())

    calls: dict[str, Callable[[], object]] = {
        "accept": lambda: asyncio.run(hooks.accept(REQUEST)),
        "pre_job": lambda: hooks.pre_job(job()),
        "open_queue": lambda: hooks.open_queue("mine://x"),
    }
    sentence = (
        f"plugin 'a' failed in {hook}: TypeError: it returned a generator, and what is in that never runs"
    )
    if hook == "deliver":
        assert hooks.deliver(Delivery(target="x", plugin="a")).detail.startswith(sentence)
    else:
        with pytest.raises(PluginFailed, match=sentence):
            calls[hook]()


def test_a_plain_function_of_an_instance_is_a_hook(build: Build) -> None:
    class Made:
        def __init__(self) -> None:
            self.calls: list[Job] = []
            self.pre_job = hookimpl(lambda job: self.calls.append(job))

    made, given = Made(), job()
    build(a=made).pre_job(given)

    assert made.calls == [given]


class Called:
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("thing", "kind"),
    [
        (Called(), "Called"),
        (functools.partial(print), "partial"),
        (functools.partialmethod(print), "partialmethod"),
        (staticmethod(print), "staticmethod"),
        (property(print), "property"),
        (Called, "type"),
    ],
)
def test_only_functions_can_be_marked(thing: Any, kind: str) -> None:
    with pytest.raises(PluginError, match=f"@hookimpl is for functions, and .* is a {kind}; write a method"):
        hookimpl(thing)
