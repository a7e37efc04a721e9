"""JSON on its way out of a handler, and declared fields on their way in.

msgspec alone is too kind for outputs: it writes NaN as null, a set as a list, bytes as base64 and
the key 1 as "1". So an output is looked at before it is encoded, quickly when it is made of plain
values, carefully when it is not, and refused with the path of what JSON cannot hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

from workerkit import hints
from workerkit.errors import InvalidOutput, Refused
from workerkit.files import OutputFile
from workerkit.job import Field
from workerkit.secret import LONGEST, Secret, secrets_of

#: In one field: all that comes from the job is searched for each.
MOST_SECRETS = 100
CONTAINERS = frozenset({dict, list, tuple})
#: Types whose every value JSON holds. (A str may hold lone surrogates; the encoder refuses those.)
SAFE = frozenset({str, int, bool, type(None)})
FLOATS = frozenset({float})
#: Values, subclasses included, that are written as text or a number.
SINGLE = (int, type(None), date, time, timedelta, Decimal, UUID, msgspec.UnsetType)
FILE = (
    "the plugin `files` stores those that a handler returns or yields, and `workerkit plugins` shows whether "
    "it is active; elsewhere use str(path), or the URL that a Bucket's upload() returns"
)
BYTES = 'return OutputFile(data, "data.bin") to have it stored, or encode it as text, for example with base64'
#: By the names of types, which those derived from them share.
CURES = {
    "set": "return a list",
    "frozenset": "return a list",
    "bytes": BYTES,
    "bytearray": BYTES,
    "memoryview": BYTES,
    "BytesIO": 'return OutputFile(file, "data.bin") to have it stored',
    "BufferedReader": "return its path to have it stored",
    "Image": 'return OutputFile(image, "image.png") to have it stored',
    "PosixPath": FILE,
    "OutputFile": FILE,
    "InputFile": "return its path to have it stored, or its url",
    "ndarray": "call its .tolist()",
    "Tensor": "call its .tolist()",
    "coroutine": "await it first",
    "generator": "use `yield` in the decorated function itself, or return a list",
    "async_generator": "use `yield` in the decorated function itself",
    "Secret": "leave secrets out of what you return",
    "Job": "return what you need of it",
}


def encode(value: Any, *, depth: int, root: str = "output") -> bytes:
    """`value` as JSON. Raises `InvalidOutput`, which names the path of what JSON cannot hold.

    Beside plain values it takes msgspec's: attrs and data classes, Structs, dates, UUIDs, Decimals
    and Enums. `depth` is how many levels of nesting are allowed, and `root` is what the path starts
    with.
    """
    if not _plain(value, depth):
        _inspect(value, root, depth, ())
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        _inspect(value, root, depth, ())
        raise InvalidOutput(f"{root} cannot be written as JSON: {error}") from error


def too_deep(value: Any, limit: int) -> bool:
    """Whether decoded JSON is nested in more than `limit` levels; `[]` is one level."""
    level = [value] if type(value) in CONTAINERS else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) in CONTAINERS
        ]
    return bool(level)


def convert_field(name: str, value: Any, field: Field) -> Any:
    """A declared field's decoded JSON as the type that its plugin gave.

    Raises `Refused` with a sentence that names field and member: `s3Config.bucketName is missing`.
    """
    try:
        typed = msgspec.convert(value, field.type, strict=True, dec_hook=_secret)
    except msgspec.ValidationError as error:
        fault, place = hints.parted(error)
        raise Refused(
            hints.sentence(name + place, fault, hints.at(field.type, place), hints.found(value, place))
        ) from None
    except Exception as error:  # whatever the plugin's own type raises
        raise Refused(f"{name} is not valid: {type(error).__name__}: {error}") from error
    if (count := len(secrets_of(typed))) > MOST_SECRETS:
        raise Refused(f"{name} holds {count:,} secrets; a field may hold {MOST_SECRETS}")
    return typed


def _plain(value: Any, depth: int) -> bool:
    """Whether `value` is made of JSON's own types in at most `depth` levels: the common case."""
    kind = type(value)
    if kind is dict:
        children = value.values()
        for key in value:
            if type(key) is not str:
                return False
    elif kind is list or kind is tuple:
        children = value
        kinds = set(map(type, value))
        # Long lists of numbers or strings never enter the loop below: this much is C.
        if kinds <= SAFE or (kinds == FLOATS and all(map(isfinite, value))):
            return depth > 0
    else:
        return kind in SAFE or (kind is float and isfinite(value))
    if depth <= 0:
        return False
    for child in children:  # noqa: SIM110 - `all` is slower
        if type(child) not in SAFE and not _plain(child, depth - 1):
            return False
    return True


def _inspect(value: Any, path: str, depth: int, above: tuple[int, ...]) -> None:
    """Raise `InvalidOutput` for the first value in `value` that JSON cannot hold."""
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, float):
        if not isfinite(value):
            raise InvalidOutput(f"{path} is {value}, which JSON cannot hold; return None or a text instead")
    elif isinstance(value, Enum):
        _inspect(value.value, path, depth, above)
    elif not isinstance(value, SINGLE):
        if id(value) in above:
            raise InvalidOutput(f"{path} contains itself; JSON cannot hold a cycle")
        children = _children(value, path)
        if len(above) >= depth:
            root = re.split(r"[.\[]", path)[0]
            raise InvalidOutput(f"{root} is nested deeper than {depth} levels; flatten it")
        for child_path, child in children:
            _inspect(child, child_path, depth, (*above, id(value)))


def _children(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What a container holds, each with its path. Raises `InvalidOutput` when it is no container."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield _member(path, key), child
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            yield f"{path}[{index}]", child
    else:
        for name in _attributes(value, path):
            if hasattr(value, name):
                yield f"{path}.{name}", getattr(value, name)


def _attributes(value: Any, path: str) -> list[str]:
    kind = type(value)
    for listing in ("__struct_fields__", "__dataclass_fields__"):
        if hasattr(kind, listing):
            return list(getattr(kind, listing))
    if hasattr(kind, "__attrs_attrs__") and kind is not OutputFile:
        return [attribute.name for attribute in kind.__attrs_attrs__]
    known = (CURES[base.__name__] for base in kind.__mro__ if base.__name__ in CURES)
    cure = next(known, "convert it to a str, a number, a list or a dict")
    raise InvalidOutput(f"{path} is of type {kind.__name__}, which JSON cannot hold; {cure}")


def _member(path: str, key: object) -> str:
    if not isinstance(key, str):
        raise InvalidOutput(
            f"{path} has the key {key!r} of type {type(key).__name__}; JSON's keys are strings, use str(key)"
        )
    _check_text(key, f"a key of {path}")
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{key!r}]"


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        bad = text[error.start]
        raise InvalidOutput(
            f'{path} holds the lone surrogate {bad!a}, which UTF-8 cannot hold; decode with errors="replace"'
        ) from None


def _base_value(value: Any) -> Any:
    """Plain values for subclasses of str, float and int that msgspec does not know, as numpy's float64."""
    for plain in (str, float, int):
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"values of type {type(value).__name__} are not supported")


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        if len(value) > LONGEST:
            raise ValueError(f"It is longer than {LONGEST:,} characters")
        return Secret(value)
    raise ValueError(f"Expected `str`, got `{type(value).__name__}`")


_encoder = msgspec.json.Encoder(enc_hook=_base_value)
