from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

from queue_laboratory import laboratory, run
from queue_machine import QueueMachine
from workerkit.queue.engine import statements

#: As many as the mutants of `test_state_machine_mutants.py` have needed to be caught, and some more.
EXAMPLES, SOAK_EXAMPLES = 800, 30_000


def test_a_queue_does_what_its_model_does(tmp_path: Path, figure: Callable[[str], None], soak: bool) -> None:
    number, examples = (secrets.randbits(32), SOAK_EXAMPLES) if soak else (0, EXAMPLES)
    print(f"seed {number}")
    begin = time.monotonic()

    with laboratory(tmp_path, QueueMachine, statements()) as machine:
        run(machine, examples, number=number)

    figure(
        f"row 23: {machine.examples} examples from seed {number}, {machine.steps} steps, each as the model's; "
        f"{time.monotonic() - begin:.0f} s"
    )
    assert machine.examples >= examples
