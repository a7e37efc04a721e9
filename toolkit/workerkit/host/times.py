"""Points in time as people write them: an age such as `2h`, ISO 8601, or milliseconds."""

from __future__ import annotations

import re
from datetime import datetime

AGE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?([smhdw])", re.ASCII)
UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
#: Milliseconds since 1970 have as many digits since 1973; fewer are seconds, or a date without hyphens.
MILLISECONDS = re.compile(r"0|\d{12,15}", re.ASCII)
#: In a URL that was not encoded, the + of an offset has become a space.
LOST_PLUS = re.compile(r"(T\d\d:\d\d\S*) (\d\d:?\d\d)$")


def point(text: str, now: int) -> int:
    """The time that `text` names, in milliseconds; raises ValueError with a sentence.

    A date or time without an offset is one of this machine's time zone.
    """
    text = text.strip()
    if age := AGE.fullmatch(text):
        return max(now - int(float(age[1]) * UNITS[age[2]]), 0)
    if MILLISECONDS.fullmatch(text):
        return int(text)
    try:
        if text.isdigit():
            raise ValueError
        at = datetime.fromisoformat(_zoned(LOST_PLUS.sub(r"\1+\2", text)))
        return int((at if at.tzinfo else at.astimezone()).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text[:60]!r} is no time; write an age such as 30m, 2h or 7d, a time such as 2026-03-01 or "
            "2026-03-01T12:00:00+01:00, or milliseconds since 1970"
        ) from None


def _zoned(text: str) -> str:
    """Python 3.10 does not know that Z is an offset."""
    return f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text
