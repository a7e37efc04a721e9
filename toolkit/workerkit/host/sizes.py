"""How many workers each function gets."""

from __future__ import annotations

from collections.abc import Sequence

from workerkit.errors import SettingsError, suggest


def sizes(count: str, functions: Sequence[str]) -> dict[str, int]:
    """`"2"` for each function, or `"render=2,caption=1"` for some and one for the rest."""
    if "=" not in count:
        return dict.fromkeys(functions, _number(count))
    chosen = dict.fromkeys(functions, 1)
    for pair in count.split(","):
        name, _, number = pair.strip().partition("=")
        if name not in chosen:
            raise SettingsError(f"workers: there is no function {name!r}{suggest(name, functions)}")
        chosen[name] = _number(number)
    return chosen


def _number(text: str) -> int:
    if text.strip().isdecimal() and int(text) <= 1000:
        return int(text)
    raise SettingsError(f"workers: {text!r} is not a number of workers; write 2, or render=2,caption=1")
