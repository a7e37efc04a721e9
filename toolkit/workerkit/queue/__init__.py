"""The durable queue: the contracts for queues of other kinds, and the one that lives in a SQLite file.

What is named here is public, for plugins that implement `open_queue`.
"""

from __future__ import annotations

from workerkit.queue.base import Feed, Store, Watch
from workerkit.queue.values import (
    Blame,
    Claim,
    Counts,
    DeliveryFilter,
    DeliveryLine,
    DeliveryState,
    End,
    EndLine,
    JobLine,
    Outcome,
    Record,
    Settled,
    Submission,
    Submitted,
    Tried,
    View,
)

__all__ = [
    "Blame",
    "Claim",
    "Counts",
    "DeliveryFilter",
    "DeliveryLine",
    "DeliveryState",
    "End",
    "EndLine",
    "Feed",
    "JobLine",
    "Outcome",
    "Record",
    "Settled",
    "Store",
    "Submission",
    "Submitted",
    "Tried",
    "View",
    "Watch",
]
