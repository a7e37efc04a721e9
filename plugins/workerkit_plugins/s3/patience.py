"""How long is waited for an endpoint: for each request, and until it is known whether there is one at all."""

from __future__ import annotations

import math
import time

import attrs

#: Seconds: to look a host up and connect, to wait for bytes, and the same of an endpoint that is not known yet.
CONNECT, READ, FIRST_READ = 5.0, 60.0, 8.0
#: Such an endpoint is given up after so many seconds, whatever is tried: at the next failure, and in any case.
PATIENCE, FOUND_WITHIN = 7.0, 17.0
#: Seconds to wait for what nobody should wait for, and for the last requests of a run together.
QUICK = 5.0
#: Seconds that a request has at least.
LEAST = 0.1


@attrs.frozen
class Patience:
    """Of one request: seconds to connect, to wait for its answer's head, and whether boto3 may try again."""

    connect: float
    read: float
    may_retry: bool = True
    #: When all must be over, by the monotonic clock.
    until: float = math.inf

    @classmethod
    def till(cls, until: float, read: float, *, may_retry: bool) -> Patience:
        """As much as is left until then, up to `read` seconds."""
        left = max(LEAST, until - time.monotonic())
        return cls(min(CONNECT, left), min(read, left), may_retry, until)

    @property
    def rest(self) -> float:
        """Seconds for an answer's body, whose head is there."""
        return max(LEAST, min(self.read, self.until - time.monotonic()))


class Finding:
    """The time in which an endpoint must be known to work; its clients share it, however it is addressed."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is sent."""
        return self._spent >= FOUND_WITHIN

    @property
    def may_retry(self) -> bool:
        """Whether what fails may be tried again."""
        return self._spent < PATIENCE

    @property
    def patience(self) -> Patience:
        """Of the next request."""
        return Patience.till(self._began + FOUND_WITHIN, FIRST_READ, may_retry=True)

    @property
    def _spent(self) -> float:
        return time.monotonic() - self._began
