"""Strings that open doors, and where they are in values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

#: Characters of one that a request may bring, or a job hide: all that comes from the run is searched for it.
LONGEST = 4_096


class Secret:
    """A string that opens a door. Masked wherever it could be printed; `reveal()` gives it back.

    It is not a `str`, so it cannot end up in a message, a JSON body or a pickle by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> Any:
        raise TypeError("a Secret cannot be pickled or copied")


def secrets_of(value: Any) -> list[str]:
    """Every `Secret` in a typed field's value, revealed: itself, or members of attrs values and containers."""
    return list(_secrets(value))


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        yield value.reveal()
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _secrets(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _secrets(inner)
