from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from hypothesis.stateful import run_state_machine_as_test

from queue_driver import at_random, laboratory
from queue_machine import QueueMachine
from workerkit.queue.engine import statements

EXAMPLES, SOAK_EXAMPLES = 1_000, 30_000


def test_a_queue_does_what_its_model_does(tmp_path: Path, figure: Callable[[str], None], soak: bool) -> None:
    begin = time.monotonic()
    with laboratory(tmp_path, QueueMachine, statements()) as machine:
        run_state_machine_as_test(machine, settings=at_random(SOAK_EXAMPLES if soak else EXAMPLES, new=soak))

    seconds = time.monotonic() - begin
    figure(f"row 23: {machine.examples} examples, {machine.steps} steps like the model's, {seconds:.0f} s")
    assert machine.examples >= (SOAK_EXAMPLES if soak else EXAMPLES)
