"""Handlers of every kind: what they return, yield or raise is none of a plugin's business."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from workerkit.function import WorkerFunction, worker_function
from workerkit.job import Job

#: What a handler returns, by what to call it.
RETURNED: Mapping[str, object] = MappingProxyType(
    {
        "None": None,
        "a text": "a text",
        "a number": 1.5,
        "true": True,
        "a list": [1, "two", None],
        "an empty dict": {},
        "a dict": {"answer": 42, "more": {"of": ["it"]}},
    }
)


class Trouble(Exception):
    """What a handler, or a failing neighbour, raises."""


def good() -> Iterator[tuple[str, WorkerFunction[..., Any]]]:
    """Handlers of jobs that go well, each with the words that complete "a job whose handler …"."""
    for name, value in RETURNED.items():
        yield f"returns {name}", _returning(value)
    yield "is async", worker_function(name="contract")(_coroutine)
    yield "yields several values", worker_function(name="contract")(_generator)
    yield "yields several values and is async", worker_function(name="contract")(_async_generator)
    yield "yields nothing", worker_function(name="contract")(_empty)


def failing() -> Iterator[tuple[str, WorkerFunction[..., Any]]]:
    """Handlers that raise `Trouble`, whose text is `the handler …` with the same words."""
    yield "raises", worker_function(name="contract")(_raising)
    yield "raises and is async", worker_function(name="contract")(_raising_async)
    yield "raises after it yielded", worker_function(name="contract")(_raising_late)


def _returning(value: object) -> WorkerFunction[..., Any]:
    def handler(job: Job) -> object:
        return value

    return worker_function(name="contract")(handler)


async def _coroutine(job: Job) -> object:
    return {"answer": 42}


def _generator(job: Job) -> Iterator[object]:
    yield from RETURNED.values()


async def _async_generator(job: Job) -> AsyncGenerator[object, None]:
    for value in RETURNED.values():
        yield value


def _empty(job: Job) -> Iterator[object]:
    yield from ()


def _raising(job: Job) -> None:
    raise Trouble("the handler raises")


async def _raising_async(job: Job) -> None:
    raise Trouble("the handler raises and is async")


def _raising_late(job: Job) -> Iterator[object]:
    yield {"answer": 42}
    raise Trouble("the handler raises after it yielded")
