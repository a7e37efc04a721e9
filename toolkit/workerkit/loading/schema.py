"""What a plugin's Settings class must be, so that a file can fill it and a worker can be given it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import attrs
import msgspec

from workerkit.building import build, plain
from workerkit.errors import SettingsError


class Unfit(Exception):
    """A Settings class does not fit; says why and what to do, without the plugin's name."""


def check(cls: type) -> None:
    """Raise `Unfit` for a converter: values come with the types of the members, and none is called."""
    for part in dict.fromkeys(_classes(cls)):
        for field in attrs.fields(part):
            if field.converter is not None:
                raise Unfit(
                    f"its Settings cannot have converters, and {part.__name__}.{field.name} has one; "
                    "give it the type that is written in a file, and convert where it is used"
                )


def check_values(settings: Any) -> None:
    """Raise `Unfit` when values that nobody checked, the defaults, are not what their own class asks for."""
    try:
        build(type(settings), plain(settings, reveal=True), _default, None)
    except SettingsError as exc:
        raise Unfit(f"{exc}; correct the default, or its type") from exc
    for field in attrs.fields(type(settings)):
        try:
            msgspec.msgpack.encode(plain(getattr(settings, field.name), reveal=True))
        except (OverflowError, ValueError) as exc:
            raise Unfit(
                f"its {field.name} cannot be sent to a worker: {exc}; an integer may have 64 bits, a text is UTF-8"
            ) from exc


def _default(path: str) -> str:
    return "its Settings have a wrong default"


def _classes(hint: Any, seen: tuple[Any, ...] = ()) -> Iterator[type]:
    """An attrs class, and those that its members are made of."""
    if hint in seen:
        return
    if attrs.has(hint):
        yield hint
        for inner in get_type_hints(hint).values():
            yield from _classes(inner, (*seen, hint))
    for inner in get_args(hint):
        yield from _classes(inner, seen)
