"""Read by mypy only: what a caller of the public names is promised about types."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

from typing_extensions import assert_type

from workerkit import InputFile, Job, Output, Resource, WorkerFunction, hookimpl, start, worker_function


class Camera(Resource):
    """A resource of somebody's plugin."""


@worker_function
def plain(job: Job, zoom: int = 1) -> dict[str, int]:
    return {"zoom": zoom}


@worker_function
def typed(prompt: str, width: int = 512, image: InputFile | None = None) -> str:
    return prompt * width


@worker_function(name="other", timeout=5, concurrency=2, max_starts=1, aggregate=False, plugins=[object()])
def with_options(job: Job, camera: Camera) -> str:
    return job.id


@worker_function
async def coroutine(job: Job) -> bytes:
    return b""


@worker_function
def generator(job: Job) -> Generator[int, None, str]:
    yield 1
    return "end"


@worker_function(concurrency=8)
async def async_generator(job: Job) -> AsyncGenerator[float, None]:
    yield 1.0


async def checks(job: Job, camera: Camera) -> None:
    assert_type(plain(job), dict[str, int])
    assert_type(plain(job, zoom=2), dict[str, int])
    assert_type(with_options(job, camera), str)
    assert_type(typed("a", width=2), str)
    begun = coroutine(job)
    _ = assert_type(begun, Coroutine[Any, Any, bytes])
    assert_type(await begun, bytes)
    assert_type(generator(job), Generator[int, None, str])
    assert_type(async_generator(job), AsyncGenerator[float, None])
    assert_type(job.use(Camera), Camera)
    assert_type(job.find(Camera), Camera | None)
    assert_type(plain.name, str)
    undecorated: Callable[..., dict[str, int]] = plain.function
    assert_type(undecorated(job), dict[str, int])
    start(plain)


@hookimpl(optional=True)
def accept() -> None: ...


@hookimpl(wrapper=True, inline=False)
def run_job() -> Generator[None, Output, Output]:
    return (yield)


# Each of these must be an error; mypy reports an ignore that is not needed.
plain("no job", zoom="far")  # type: ignore[arg-type]
typed(prompt=5)  # type: ignore[arg-type]
hookimpl(tryfirst=True)  # type: ignore[call-overload]
hookimpl(trylast=True)  # type: ignore[call-overload]
worker_function(timeout="5")  # type: ignore[call-overload]
not_a_function: WorkerFunction[[int], int] = plain  # type: ignore[assignment]
