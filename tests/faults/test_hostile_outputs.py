"""Row 16: outputs that mean harm. The job fails with a sentence, and its worker goes on.

Which sentence names which type is in `tests/unit/test_payload.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from faulting import WatchedServer

HANDLER = '''
import math, os, sys
from workerkit import worker_function

class Evil:
    """Whatever is asked of it, it raises."""

    def _raise(self, *args):
        raise RuntimeError("not with me")

    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = _raise

class EvilDict(dict):
    def items(self):
        raise RuntimeError("no items")
    __iter__ = keys = values = items

class EvilError(Exception):
    def __str__(self):
        raise SystemExit(3)
    __repr__ = __str__

def circle():
    value = {"a": []}
    value["a"].append(value)
    return value

def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value

MADE = {
    "set": lambda: {1},
    "bytes": lambda: b"x",
    "NaN": lambda: {"a": math.nan},
    "10**5000": lambda: 10**5000,
    "a lone surrogate": lambda: "\\ud800",
    "a circle": circle,
    "100,000 levels": lambda: deep(100_000),
    "500 MB": lambda: "x" * 500_000_000,
    "many small": lambda: list(range(10_000_000)),
    "raises at all": Evil,
    "a dict that raises": lambda: EvilDict(a=1),
    "Evil among others": lambda: {"a": [1, Evil()]},
    "a module": lambda: os,
    "a class": lambda: Evil,
    "itself": lambda: MADE,
}

@worker_function
def give(job):
    return MADE[job["input"]]() if job["input"] else os.getpid()

@worker_function
def raise_it(job):
    if job["input"]:
        raise EvilError
    return os.getpid()

@worker_function
def stream(job):
    how = job["input"]
    if how == "a bad chunk, then more":
        for n in range(3):
            try:
                yield {1}
            except BaseException:
                pass
    elif how == "endless, and does not close":
        while True:
            try:
                yield "x" * 100_000
            except GeneratorExit:
                pass
    elif how == "raises at the end":
        try:
            yield 1
        finally:
            raise EvilError
    elif how == "a large chunk":
        yield "x" * 2_000_000
    else:
        yield os.getpid()
'''
OUTPUTS = {
    "set": "output is of type set",
    "bytes": "output is of type bytes",
    "NaN": "output.a is nan",
    "10**5000": "output",
    "a lone surrogate": "lone surrogate",
    "a circle": "contains itself",
    "100,000 levels": "levels",
    "500 MB": "500,000,002 bytes",
    "many small": "bytes of JSON, and 20,000,000 are allowed",
    "raises at all": "output is of type Evil",
    "a dict that raises": "",
    "Evil among others": "output.a[1] is of type Evil",
    "a module": "output is of type module",
    "a class": "output is of type",
    "itself": "output",
}
STREAMS = {
    "a bad chunk, then more": "is of type set",
    "endless, and does not close": "limits.output",
    "raises at the end": "EvilError",
    "a large chunk": "raise the limit in [limits]",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    with WatchedServer(tmp_path_factory.mktemp("outputs"), HANDLER) as server:
        yield server


@pytest.mark.parametrize(("how", "sentence"), OUTPUTS.items(), ids=OUTPUTS)
def test_an_output_that_cannot_be_kept_fails_its_job_alone(
    server: WatchedServer, how: str, sentence: str
) -> None:
    pid = server.run("give")["output"]

    answer = server.run("give", how)

    assert failed(answer, sentence)
    assert server.run("give")["output"] == pid


@pytest.mark.parametrize(("how", "sentence"), STREAMS.items(), ids=STREAMS)
def test_a_stream_that_cannot_be_kept_fails_its_job_alone(
    server: WatchedServer, how: str, sentence: str
) -> None:
    answer = server.run("stream", how)

    assert failed(answer, sentence)
    assert server.run("stream")["status"] == "COMPLETED"


def test_an_exception_that_cannot_be_shown_fails_its_job_alone(server: WatchedServer) -> None:
    pid = server.run("raise_it")["output"]

    assert failed(server.run("raise_it", 1), "EvilError")
    assert server.run("raise_it")["output"] == pid


def test_the_host_stored_each_end_once(server: WatchedServer, figure: Callable[[str], None]) -> None:
    audit = server.audit(list(server.statuses()))
    figure(f"row 16: {len(OUTPUTS) + len(STREAMS) + 1} hostile outputs: each FAILED by itself, {audit}")
    assert audit.clean
    assert not [line for line in server.log().splitlines() if "Traceback" in line and " | " not in line]


def failed(answer: dict[str, Any], sentence: str) -> bool:
    assert answer["status"] == "FAILED", answer
    assert sentence in answer["error"]
    assert len(answer["error"]) < 10_000
    return True
