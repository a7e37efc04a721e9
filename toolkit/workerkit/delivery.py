"""A side effect that must survive a crash: what a plugin asks for, and how one attempt went."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import attrs

from workerkit.job import EMPTY


@attrs.frozen(kw_only=True)
class Delivery:
    """Asked for by `post_job`, stored with the job's end, handed to the same plugin's `deliver`.

    Without a `body` it carries the job's status object, byte for byte as `/status` answers it.
    `attempts` counts all tries. `delays` are the seconds before the second, third … try, varied by a
    fifth either way; the last one repeats. Deliveries of one `lane` share eight slots, so a slow receiver delays only itself.
    """

    target: str
    body: bytes | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(default=EMPTY, repr=False)
    attempts: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    delays: tuple[float, ...] = (10.0,)
    lane: str = ""
    #: Filled in by the toolkit: the plugin that asked, the delivery's own id, the job and the
    #: attempt of the job that ended, and which try this is (1 for the first).
    plugin: str = ""
    id: str = ""
    job: str = ""
    job_attempt: int = 0
    number: int = 0


class Verdict(str, Enum):
    """What becomes of a delivery after one try."""

    DELIVERED = "delivered"
    RETRY = "retry"
    STOP = "stop"
    HOLD = "hold"


@attrs.frozen
class Receipt:
    """How one try of a delivery went; returned by `deliver`.

    `detail` is a sentence for the person who reads the delivery later.
    """

    verdict: Verdict
    detail: str = ""
    #: Seconds until the next try, instead of the delivery's own delay.
    after: float | None = None

    @classmethod
    def delivered(cls, detail: str = "") -> Receipt:
        """It arrived and was acknowledged."""
        return cls(Verdict.DELIVERED, detail)

    @classmethod
    def retry(cls, detail: str, after: float | None = None) -> Receipt:
        """It was not acknowledged; try again while attempts are left."""
        return cls(Verdict.RETRY, detail, after)

    @classmethod
    def stop(cls, detail: str) -> Receipt:
        """It never will be acknowledged; the delivery is dead."""
        return cls(Verdict.STOP, detail)

    @classmethod
    def hold(cls, detail: str) -> Receipt:
        """Nothing was sent and the try is not counted; wait for a restart or a redelivery."""
        return cls(Verdict.HOLD, detail)


def shown(target: str) -> str:
    """A target as lists and logs show it: a URL's query may hold a token, and is masked."""
    place, query, _ = target.partition("?")
    return place + "?…" if query else place
