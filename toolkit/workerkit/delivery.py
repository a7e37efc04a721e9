"""A side effect that must survive a crash: what a plugin asks for, and how one attempt went."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from workerkit.job import EMPTY

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: The most tries; seconds of the longest wait between two; bytes of the largest body.
MOST_ATTEMPTS, LONGEST_DELAY, LARGEST_BODY = 1_000_000, 31_536_000.0, 64_000_000
#: Seconds after which what has still not arrived is dead.
LASTS = 259_200.0
#: How many characters of a receiver's answer are kept.
LONGEST_ANSWER = 512


def _delays(given: float | Iterable[float]) -> tuple[float, ...]:
    """One number stands for a list of it alone."""
    return (given,) if isinstance(given, (int, float)) else tuple(given)


def _is_text(value: Any) -> bool:
    """Whether it can be stored: half of a surrogate pair cannot."""
    return isinstance(value, str) and (value.isascii() or value == value.encode("utf-8", "replace").decode())


def _is_wait(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= LONGEST_DELAY


def _fault(owner: object, attribute: attrs.Attribute[Any], value: Any, rule: str) -> ValueError:
    # Texts and bodies are not shown: there may be a secret in them.
    shown = f"{value!r:.80}" if isinstance(value, (int, float, tuple)) else type(value).__name__
    return ValueError(f"{type(owner).__name__}.{attribute.name} must be {rule}, not {shown}")


def _text(owner: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not _is_text(value):
        raise _fault(owner, attribute, value, "text that UTF-8 can hold")


def _headers(owner: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, Mapping) or not all(map(_is_text, (*value, *value.values()))):
        raise _fault(owner, attribute, value, "texts by name")


def _body(owner: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not (isinstance(value, bytes) and len(value) <= LARGEST_BODY):
        raise _fault(owner, attribute, value, f"at most {LARGEST_BODY:,} bytes")


def _attempts(owner: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_ATTEMPTS:
        raise _fault(owner, attribute, value, f"from 1 to {MOST_ATTEMPTS:,}")


def _status(owner: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 999):
        raise _fault(owner, attribute, value, "an HTTP status")


def _waits(owner: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not all(map(_is_wait, value if isinstance(value, tuple) else (value,) if value is not None else ())):
        raise _fault(owner, attribute, value, f"seconds from 0 to {LONGEST_DELAY:,.0f}")


@attrs.frozen(kw_only=True)
class Delivery:
    """Asked for by `post_job`, stored with the job's end, handed to the same plugin's `deliver`.

    The same plugin is one of that name and of the same maker: another that took its place is given
    only what it says it `takes_over`; the rest is held.

    Without a `body` it carries the job's status object, byte for byte as `/status` answers it.
    `attempts` counts all tries. `delays` are the seconds before the second, third … try, varied by a
    fifth either way; the last one repeats. Of one `lane`, eight are tried at a time, so a slow receiver
    delays only itself. After `within` seconds it is dead, whatever is left of its attempts: by default
    after three days, or half as long again as its delays take. Raises `ValueError` for what could not
    be stored.
    """

    target: str = attrs.field(validator=_text)
    body: bytes | None = attrs.field(default=None, repr=False, validator=_body)
    headers: Mapping[str, str] = attrs.field(default=EMPTY, repr=False, validator=_headers)
    attempts: int = attrs.field(default=1, validator=_attempts)
    delays: tuple[float, ...] = attrs.field(default=(10.0,), converter=_delays, validator=_waits)
    lane: str = attrs.field(default="", validator=_text)
    within: float | None = attrs.field(default=None, validator=_waits)
    #: Filled in by the toolkit: the plugin that asked and who made that plugin, the delivery's own id,
    #: the job, its function and the attempt that ended, and which try this is (1 for the first).
    plugin: str = ""
    maker: str = ""
    id: str = ""
    job: str = ""
    endpoint: str = ""
    job_attempt: int = 0
    number: int = 0
    #: Filled in too: when it is dead, in milliseconds since the epoch.
    expires_at: int = 0

    @property
    def lasts(self) -> float:
        """Seconds until it is dead, from when it is stored or sent again by hand."""
        if self.within is not None:
            return self.within
        delays = self.delays or (0.0,)
        waits = sum(delays[: self.attempts - 1]) + delays[-1] * max(self.attempts - 1 - len(delays), 0)
        return min(max(LASTS, 1.5 * waits), LONGEST_DELAY)


class Verdict(str, Enum):
    """What becomes of a delivery after one try."""

    DELIVERED = "delivered"
    RETRY = "retry"
    STOP = "stop"
    HOLD = "hold"
    POSTPONE = "postpone"


class About(TypedDict, total=False):
    """What a `Receipt` may say of the receiver."""

    status: int | None
    address: str
    answer: str


def _beginning(answer: Any) -> Any:
    return answer[:LONGEST_ANSWER] if isinstance(answer, str) else answer


@attrs.frozen
class Receipt:
    """How one try of a delivery went; returned by `deliver`.

    `detail` is a sentence for the person who reads the delivery later. Raises `ValueError` for what
    could not be stored. All of it is kept in the delivery's log, so it holds no secrets.
    """

    verdict: Verdict = attrs.field(converter=Verdict)
    detail: str = attrs.field(default="", validator=_text)
    #: Seconds until the next try, instead of the delivery's own delay.
    after: float | None = attrs.field(default=None, validator=_waits)
    #: What the receiver answered: the HTTP status if there was one, the address that was connected to,
    #: and the beginning of the answer, of which 512 characters are kept.
    status: int | None = attrs.field(default=None, validator=_status, kw_only=True)
    address: str = attrs.field(default="", validator=_text, kw_only=True)
    answer: str = attrs.field(default="", converter=_beginning, validator=_text, kw_only=True)

    @classmethod
    def delivered(cls, detail: str = "", **about: Unpack[About]) -> Receipt:
        """It arrived and was acknowledged."""
        return cls(Verdict.DELIVERED, detail, **about)

    @classmethod
    def retry(cls, detail: str, after: float | None = None, **about: Unpack[About]) -> Receipt:
        """It was not acknowledged; try again while attempts are left."""
        return cls(Verdict.RETRY, detail, after, **about)

    @classmethod
    def stop(cls, detail: str, **about: Unpack[About]) -> Receipt:
        """It never will be acknowledged; the delivery is dead."""
        return cls(Verdict.STOP, detail, **about)

    @classmethod
    def hold(cls, detail: str, **about: Unpack[About]) -> Receipt:
        """Nothing was sent and the try is not counted; wait for a restart or a redelivery."""
        return cls(Verdict.HOLD, detail, **about)

    @classmethod
    def postpone(cls, detail: str, after: float = 5.0) -> Receipt:
        """Nothing was sent, for a reason of this machine's: the try is not counted and comes again."""
        return cls(Verdict.POSTPONE, detail, after)


def shown(target: str) -> str:
    """A target as lists and logs show it: a URL's query may hold a token, and is masked."""
    place, query, _ = target.partition("?")
    return place + "?…" if query else place
