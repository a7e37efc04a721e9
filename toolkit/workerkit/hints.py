"""What a type says about a place within its values, and sentences about a fault that msgspec found there.

msgspec names the place, but writes `[...]` for the key of a mapping, and does not say which words a
`Literal` or an Enum would have taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from workerkit.errors import LONGEST_NAME, nearest

#: Keys among which a missing one is looked for.
MOST_STRANGERS = 20
#: One step of a path: the name of a member, the place in a list, or `[...]` for some key of a mapping.
_STEP = re.compile(r"\.?([^.\[\]]+)|(\[\d+\])|(\[\.\.\.\])")
_NO_CHOICE = re.compile(r"^invalid enum value (.+)$", re.IGNORECASE | re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(.+)`$")
_PLACE = re.compile(r"^(?P<fault>.*) - at `(?P<key>key` in `)?\$(?P<path>.*)`$", re.DOTALL)


def inside(hint: Any) -> Any:
    """What a hint such as `Mapping[str, X]` or `tuple[X, ...]` says of the values inside."""
    arguments = [argument for argument in get_args(hint) if argument is not Ellipsis]
    return arguments[-1] if arguments else None


def at(hint: Any, path: str) -> Any:
    """What a hint says of the value at a path such as `.events[0]`; None where it says nothing."""
    for member, place, _ in _STEP.findall(path):
        hint = _within(hint, member, place)
    return hint


def found(value: Any, path: str) -> Any:
    """The value at a path such as `.events[0]`; None where there is none, or the path has `[...]`."""
    for member, place, _ in _STEP.findall(path):
        if place and isinstance(value, (list, tuple)):
            value = value[int(place[1:-1])]
        else:
            value = value.get(member) if isinstance(value, Mapping) else None
    return value


def unknown(hint: Any, value: Any, path: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Members in `value` that its attrs class does not have, each by its path, with those it has.

    `path` is that of the value. Classes within a class are looked into, lists and mappings are not.
    """
    cls = next((option for option in _options(hint) if _is_class(option) and attrs.has(option)), None)
    if cls is None or not isinstance(value, Mapping):
        return
    known = tuple(field.name for field in attrs.fields(cls))
    for name, inner in value.items():
        if name not in known:
            yield f"{path}.{name}", known
        elif isinstance(inner, Mapping):
            yield from unknown(get_type_hints(cls)[name], inner, f"{path}.{name}")


def named(hint: Any, value: Any, path: str, convert: Callable[[Any, Any], object]) -> str:
    """The path with the key in place of `[...]`: the first one whose value `convert` refuses."""
    written = ""
    for step in _STEP.finditer(path):
        member, place, key = step.groups()
        hint, step_taken = _within(hint, member, place), step[0]
        if key and isinstance(value, Mapping):
            found = next((name for name in value if not _fits(value[name], hint, convert)), None)
            if found is None:
                return written + path[step.start() :]
            step_taken, value = f".{found}", value[found]
        elif place and isinstance(value, (list, tuple)):
            value = value[int(place[1:-1])]
        elif isinstance(value, Mapping):
            value = value.get(member)
        written += step_taken
    return written.removeprefix(".")


def listed(fault: str, hint: Any) -> str:
    """msgspec's words about a value that is none of a few, with those few; any other words as they are."""
    choices = [repr(choice) for option in _options(hint) for choice in _choices(option)]
    found = _NO_CHOICE.match(fault)
    return f"{found[1]} is none of {', '.join(choices)}" if found and choices else fault


def parted(error: msgspec.ValidationError) -> tuple[str, str]:
    """What msgspec found wrong, and the path of the place, such as `.events[0]`; empty for the whole value."""
    found = _PLACE.match(str(error))
    if not found:
        return str(error), ""
    fault = found["fault"]
    return f"one of its keys: {fault[:1].lower()}{fault[1:]}" if found["key"] else fault, found["path"]


def sentence(path: str, fault: str, hint: Any, value: Any) -> str:
    """What msgspec found wrong, as a sentence: `input.width is not valid: expected int, got str`.

    `hint` is what the type says of the value at that path.
    """
    if missing := _MISSING.match(fault):
        near = nearest(missing[1], _strangers(hint, value))
        return f"{path}.{missing[1]} is missing" + (f"; did you mean it by {near!r}?" if near else "")
    return f"{path} is not valid: {listed(fault[:1].lower() + fault[1:].replace('`', ''), hint)}"


def written(hint: Any) -> str:
    """A type as a definition has it, without modules and without what `Annotated` adds."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return written(arguments[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin in (Union, UnionType):
        return " | ".join(map(written, arguments))
    if hint in (None, type(None), Ellipsis):
        return "..." if hint is Ellipsis else "None"
    name = getattr(origin or hint, "__name__", str(hint).removeprefix("typing."))
    return f"{name}[{', '.join(map(written, arguments))}]" if arguments else name


def _strangers(hint: Any, value: Any) -> list[str]:
    """The first keys of a table that its class does not have."""
    known = {name for option in _options(hint) if _is_class(option) for name in get_type_hints(option)}
    keys = value if isinstance(value, Mapping) else ()
    return list(
        islice((key for key in keys if key not in known and len(key) <= LONGEST_NAME), MOST_STRANGERS)
    )


def _choices(option: Any) -> Iterator[Any]:
    if get_origin(option) is Literal:
        yield from get_args(option)
    elif _is_class(option) and issubclass(option, Enum):
        yield from (member.value for member in option)


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _within(hint: Any, member: str, place: str) -> Any:
    """One step further: to a member, to a place in a list, or to what a mapping holds if there is neither."""
    for option in _options(hint):
        origin, arguments = get_origin(option), get_args(option)
        if member and _is_class(option) and member in (hints := get_type_hints(option)):
            return hints[member]
        if place and origin is tuple and Ellipsis not in arguments:
            return arguments[int(place[1:-1])]
        maps = isinstance(origin, type) and issubclass(origin, Mapping)
        if not member and arguments and origin is not Literal and maps != bool(place):
            return inside(option)
    return None


def _is_class(option: Any) -> bool:
    # Python 3.10 takes list[int] for a type.
    return isinstance(option, type) and get_origin(option) is None


def _fits(value: Any, hint: Any, convert: Callable[[Any, Any], object]) -> bool:
    try:
        convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True
