"""Plain values into attrs objects, with errors that a person can act on.

msgspec converts and checks types; what it lacks is added here: unknown keys are refused, and a
`Secret` may say where to find itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from workerkit.errors import SettingsError, suggest
from workerkit.job import Secret

T = TypeVar("T")
#: Metadata of an attrs field that nobody may set from outside.
NO_SETTING: Mapping[str, bool] = MappingProxyType({"setting": False})
#: Where a secret may say that it is: a variable, or a file.
PLACES = ("env", "file")
#: What is shown in the place of a secret.
MASK = "***"
#: What msgspec says of one word where a list is wanted.
_NO_LIST = re.compile(r"^expected `(?:bool \| )?array`, got `str`$")
_MISSING = re.compile(r"^object missing required field `(.+)`$")
_PLACE = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<path>.*)`$", re.DOTALL)


class OutOfRange(ValueError):
    """Raised by a field's validator, with a sentence that begins with the field's name."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field} {fault}")
        self.field = field


def _any_list(path: str) -> str:
    return '["a", "b"]'


def build(
    cls: type[T],
    values: Mapping[str, Any],
    where: Callable[[str], str],
    environ: Mapping[str, str] | None,
    as_list: Callable[[str], str] = _any_list,
) -> T:
    """Convert `values` to `cls`. For error sentences, `where` names the source of a dotted path and
    `as_list` shows how a list is written there.

    Without an `environ`, secrets are taken literally.
    """
    _refuse_unknown(cls, values, where, "")

    def decode(kind: type, value: Any) -> Any:
        if kind is not Secret:
            raise TypeError(f"a setting cannot be of type {kind.__name__}")
        return value if isinstance(value, Secret) else Secret(_find_secret(value, environ))

    try:
        return msgspec.convert(values, cls, strict=False, dec_hook=decode)
    except msgspec.ValidationError as exc:
        raise SettingsError(_sentence(exc, where, as_list)) from exc


def plain(value: Any, *, reveal: bool = False) -> Any:
    """An attrs object as plain values; its secrets stay masked unless `reveal` is true."""

    def encode(value: Any) -> Any:
        if isinstance(value, Mapping):  # such as a read-only one that is a default
            return dict(value)
        if not isinstance(value, Secret):
            raise TypeError(f"a setting cannot be of type {type(value).__name__}")
        return value.reveal() if reveal else MASK

    return msgspec.to_builtins(value, enc_hook=encode)


def masked(hint: Any, value: Any) -> Any:
    """What was written for a setting of the type `hint`, without the secrets that stand in it.

    `env:NAME` and `file:PATH` only say where a secret is, and stay.
    """
    if not _holds_secret(hint):
        return value
    if isinstance(value, Mapping) and attrs.has(hint):
        hints = get_type_hints(hint)
        return {name: masked(hints.get(name), inner) for name, inner in value.items()}
    if get_origin(hint) in (Union, UnionType):
        secret = [option for option in get_args(hint) if _holds_secret(option)]
        return masked(secret[0] if len(secret) == 1 else Secret, value)
    if isinstance(value, Mapping) and _holds_secret(_inner(hint)):
        return {key: masked(_inner(hint), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)) and _holds_secret(_inner(hint)):
        return [masked(_inner(hint), inner) for inner in value]
    return value if isinstance(value, str) and value.partition(":")[0] in PLACES else MASK


def hint_of(cls: type, path: str) -> Any:
    """The type of a setting, or of what is in it: `headers.accept` is a value of `headers`."""
    hint: Any = cls
    for step in path.split("."):
        if get_origin(hint) in (Union, UnionType):
            hint = next((option for option in get_args(hint) if option is not type(None)), None)
        if attrs.has(hint):
            hint = get_type_hints(hint).get(step)
        elif get_args(hint):
            hint = _inner(hint)
    return hint


def _holds_secret(hint: Any) -> bool:
    if attrs.has(hint):
        return any(map(_holds_secret, get_type_hints(hint).values()))
    return hint is Secret or any(map(_holds_secret, get_args(hint)))


def _find_secret(value: Any, environ: Mapping[str, str] | None) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, env:NAME or file:PATH, got {type(value).__name__}")
    scheme, _, rest = value.partition(":")
    if environ is None or scheme not in PLACES:
        return value
    if scheme == "env":
        if rest not in environ:
            raise ValueError(f"the environment variable {rest!r} is not set")
        return environ[rest]
    try:
        return Path(rest).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(f"the secret's file cannot be read: {exc}") from exc


def _refuse_unknown(cls: Any, values: Mapping[str, Any], where: Callable[[str], str], path: str) -> None:
    known = {field.name for field in attrs.fields(cls) if field.metadata.get("setting", True)}
    hints = get_type_hints(cls)
    for name, value in values.items():
        here = f"{path}.{name}" if path else name
        if name not in known:
            raise SettingsError(f"{where(here)}: unknown setting {here!r}{suggest(name, known)}")
        for inner, key, nested in _tables(hints[name], value):
            _refuse_unknown(inner, nested, where, f"{here}.{key}" if key else here)


def _tables(hint: Any, value: Any) -> Iterator[tuple[Any, str, Mapping[str, Any]]]:
    """The tables in `value` that stand for attrs objects: itself, or those in a mapping or a list."""
    if get_origin(hint) in (Union, UnionType):
        for option in get_args(hint):
            yield from _tables(option, value)
    elif isinstance(value, Mapping) and attrs.has(hint):
        yield hint, "", value
    elif isinstance(value, Mapping):
        for key, nested in value.items():
            yield from ((cls, str(key), table) for cls, _, table in _tables(_inner(hint), nested))
    elif isinstance(value, (list, tuple)):
        for number, nested in enumerate(value):
            yield from ((cls, f"{number}", table) for cls, _, table in _tables(_inner(hint), nested))


def _inner(hint: Any) -> Any:
    """What a hint such as `Mapping[str, X]` or `tuple[X, ...]` says of the values inside."""
    inside = [argument for argument in get_args(hint) if argument is not Ellipsis]
    return inside[-1] if inside else None


def _sentence(
    error: msgspec.ValidationError, where: Callable[[str], str], as_list: Callable[[str], str]
) -> str:
    found = _PLACE.match(str(error))
    what, path = (found["what"], found["path"]) if found else (str(error), "")
    fault = error.__cause__
    if isinstance(fault, OutOfRange):
        section = f"{path}." if path else ""
        return f"{where(section + fault.field)}: {section}{what}"
    what = what[:1].lower() + what[1:]
    what = _MISSING.sub(r"the setting '\1' is missing; give it a value", what)
    if _NO_LIST.match(what):
        what += f"; write a list: {as_list(path)}"
    return f"{where(path)}: {path}: {what}" if path else f"{where(path)}: {what}"
