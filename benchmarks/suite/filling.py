"""A queue of ours with jobs in it, made without a server: as one leaves it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import uvloop

from workerkit.queue import Submission
from workerkit.queue.sqlite import SQLiteStore

AT_ONCE = 1_000  # jobs to a commit


def fill(path: Path, inputs: Iterable[Any]) -> None:
    """One waiting job for each input, in their order."""

    async def main() -> None:
        store = SQLiteStore(path, lease_ms=30_000, keep_ms=86_400_000, queue_length=10**9, holder="bench")
        await store.open()
        rest = enumerate(inputs)
        while several := list(islice(rest, AT_ONCE)):
            await store.submit(
                [Submission(id=f"q{n:09}", endpoint="noop", input=json.dumps(i).encode()) for n, i in several]
            )
        await store.close()

    uvloop.run(main())


def numbered(first: int, count: int, ms: int = 0) -> Iterable[Any]:
    """What the handler of all sides takes, with so many numbers."""
    return ({"n": n, "ms": ms} for n in range(first, first + count))
