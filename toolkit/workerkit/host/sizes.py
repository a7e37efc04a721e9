"""How many workers each function gets."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from workerkit.errors import SettingsError, suggest

#: Of one function.
MOST_WORKERS = 1000


@attrs.frozen
class Size:
    """From `least` to `most` workers, by what there is to do."""

    least: int
    most: int

    def __str__(self) -> str:
        return str(self.most) if self.least == self.most else f"{self.least}..{self.most}"


def sizes(count: str, functions: Sequence[str]) -> dict[str, Size]:
    """`"2"` or `"1..4"` for each function, or `"render=0..2,caption=1"` for some and one for the rest."""
    if "=" not in count:
        return dict.fromkeys(functions, _size(count))
    chosen = dict.fromkeys(functions, Size(1, 1))
    for pair in count.split(","):
        name, _, size = pair.strip().partition("=")
        if name not in chosen:
            raise SettingsError(f"workers: there is no function {name!r}{suggest(name, functions)}")
        chosen[name] = _size(size)
    return chosen


def _size(text: str) -> Size:
    least, dots, most = text.strip().partition("..")
    numbers = [_number(part) for part in ([least, most] if dots else [least, least])]
    if None in numbers or numbers[0] > numbers[1]:  # type: ignore[operator]
        raise SettingsError(
            f"workers: {text!r} is not a number of workers; write 2, or 1..4 for a range, or render=2,caption=0..1"
        )
    return Size(*numbers)  # type: ignore[arg-type]


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() and text.isascii() and int(text[:9]) <= MOST_WORKERS else None
