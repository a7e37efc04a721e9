"""Files anywhere in a value: found in one walk, and replaced in a copy."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import msgspec

from workerkit import OutputFile

File = Path | OutputFile
#: Types that hold no file: most of what there is in outputs.
PLAIN = frozenset({str, int, float, bool, type(None)})
#: Deeper than any output may be nested. What is below stays as it is, and is refused for that.
DEEPEST = 500


def is_file(value: object) -> TypeGuard[File]:
    """Whether a value stands for a file."""
    return isinstance(value, (Path, OutputFile))


def files_in(value: Any) -> list[File]:
    """Every file in a value, in no special order: keys of dicts are not looked at, nor what JSON cannot hold.

    Every job pays for this walk, so what is plain costs little. A cycle ends the walk that it began.
    """
    found: list[File] = []
    if type(value) in PLAIN:
        return found
    seen: dict[int, Any] = {}  # with the values, so that no other one gets the number of one that is gone
    level = [value]
    while level:
        value = level.pop()
        kind = type(value)
        children: Iterable[Any]
        if kind is dict:
            children = value.values()
        elif kind is list or kind is tuple:
            children = value
        elif is_file(value):
            found.append(value)
            continue
        else:
            children = _children(value)
        # This much is C, and mostly all of it.
        if not PLAIN.issuperset(map(type, children)) and id(value) not in seen:
            seen[id(value)] = value
            level += [child for child in children if type(child) not in PLAIN]
    return found


def replaced(
    value: Any, urls: Mapping[int, str], depth: int = DEEPEST, made: dict[int, Any] | None = None
) -> Any:
    """The value with URLs in the place of files, which are known by their `id`.

    What holds a file is a copy, and the rest is itself. What is there twice is there twice in the copy,
    and a cycle is one.
    """
    made = {} if made is None else made
    if type(value) in PLAIN or depth <= 0:
        return value
    if id(value) in urls:
        return urls[id(value)]
    if id(value) in made:
        return made[id(value)]
    # One frame for each level, so that Python's own limit is not met before the toolkit's.
    result: Any = value
    if isinstance(value, dict):
        made[id(value)] = mapping = dict(value)
        for key, child in value.items():
            mapping[key] = replaced(child, urls, depth - 1, made)
            result = result if mapping[key] is child else mapping
    elif isinstance(value, (list, tuple)):
        made[id(value)] = items = list(value)
        for index, child in enumerate(value):
            items[index] = replaced(child, urls, depth - 1, made)
            result = result if items[index] is child else items
    else:
        made[id(value)] = value
        for name in _attributes(value):
            child = getattr(value, name, None)
            if (other := replaced(child, urls, depth - 1, made)) is not child:
                # Not by its constructor, which may refuse what is no path any more.
                result = copy.copy(value) if result is value else result
                _set(result, name, other)
    made[id(value)] = result
    return result


def _children(value: Any) -> Sequence[Any]:
    """What is in a value that is no plain dict, list or tuple."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return value
    return [getattr(value, name, None) for name in _attributes(value)]


def _attributes(value: Any) -> Iterable[str]:
    """The fields of an attrs or data class's object, or a Struct's; nothing of others."""
    kind = type(value)
    for listing in ("__struct_fields__", "__dataclass_fields__"):
        if hasattr(kind, listing):
            return tuple(getattr(kind, listing))
    return [attribute.name for attribute in getattr(kind, "__attrs_attrs__", ())]


def _set(value: Any, name: str, child: Any) -> None:
    """Set a field, of a frozen object too: it is a copy that nobody else has."""
    if isinstance(value, msgspec.Struct):
        msgspec.structs.force_setattr(value, name, child)
    else:
        object.__setattr__(value, name, child)
