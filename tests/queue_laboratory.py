"""Runs a queue's state machine: where, with which statements, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS
from hypothesis.stateful import run_state_machine_as_test

from queue_driver import Driver
from workerkit.queue.file import open_for_writing

M = TypeVar("M", bound=Driver)
STEPS = 40

#: Hypothesis makes most of its examples by copying parts of one into another. Fresh ones find the
#: mutants of a queue in a twentieth of the examples; under another name, its own source gives these.
FRESH = "fresh"
AVAILABLE_PROVIDERS[FRESH] = AVAILABLE_PROVIDERS["hypothesis"]


@contextmanager
def laboratory(folder: Path, kind: type[M], sql: Mapping[str, str]) -> Iterator[type[M]]:
    """A machine of this kind for queues in this folder, with these statements."""
    open_for_writing(folder / "template.db").close()
    with closing(asyncio.new_event_loop()) as loop:
        yield type(kind.__name__, (kind,), {"loop": loop, "folder": folder, "sql": sql})
        loop.run_until_complete(loop.shutdown_default_executor())


def run(machine: type[Driver], examples: int, *, number: int, shrink: bool = True) -> None:
    """Examples of `STEPS` steps each, the same ones for the same number; raises what the first failure raised."""
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            backend=FRESH,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
