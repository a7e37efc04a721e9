"""What happens to a job before it ends, as `job_event` is told of it."""

from __future__ import annotations

from typing import Literal

import attrs

EventKind = Literal["start", "output"]


@attrs.frozen(kw_only=True)
class JobEvent:
    """A run has begun, or has something to show.

    `body` is JSON: what `/status` answers at this moment, and, when a generator has yielded, its
    member `stream` with what is new since the last event, as `/stream` has it. `number` counts the
    events of a run from 1. Of outputs that come quickly one event tells several.
    """

    kind: EventKind
    attempt: int
    number: int
    body: bytes = attrs.field(repr=False)
