"""Plain values into attrs objects, with errors that a person can act on.

msgspec converts and checks types; what it lacks is added here: unknown keys are refused, and a
`Secret` may say where to find itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs
import msgspec

from workerkit import hints
from workerkit.errors import SettingsError, suggest
from workerkit.hints import inside as inside
from workerkit.secret import Secret

T = TypeVar("T")
#: Metadata of an attrs field that nobody may set from outside.
NO_SETTING: Mapping[str, bool] = MappingProxyType({"setting": False})
#: Metadata of a text field that takes a whole number, too, as in `count = 2`.
OR_NUMBER: Mapping[str, bool] = MappingProxyType({"number": True})
#: Where a secret may say that it is: a variable, or a file.
PLACES = ("env", "file")
#: What is shown in the place of a secret.
MASK = "***"
#: What msgspec says of one word where a list is wanted.
_NO_LIST = re.compile(r"^expected `(?:bool \| )?array`, got `str`$")
#: The same of a list or a table.
_NO_JSON = re.compile(r"^expected `[^`]*\b(?:array|object)\b[^`]*`, got `str`$")
_NO_NUMBER = re.compile(r"^expected `(?P<kind>int|float)(?: \| null)?`, got `\w+`$")
_MISSING = re.compile(r"^object missing required field `(.+)`$")
_PLACE = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<path>.*)`$", re.DOTALL)


class UnknownSetting(SettingsError):
    """There is a value for a setting that does not exist."""


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

    def convert(value: Any, hint: Any) -> Any:
        return msgspec.convert(value, hint, strict=False, dec_hook=decode)

    try:
        return cast("T", convert(_with_texts(cls, values), cls))
    except msgspec.ValidationError as exc:
        found = _PLACE.match(str(exc))
        what, path = (found["what"], found["path"]) if found else (str(exc), "")
        what = hints.listed(what, hints.at(cls, path))
        given = hints.found(values, path)
        path = hints.named(cls, values, path, convert)
        raise SettingsError(
            _sentence(what, path, exc.__cause__, given, where, as_list, partial(_as_number, cls))
        ) from exc


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
    if not holds_secret(hint):
        return value
    if isinstance(value, Mapping) and attrs.has(hint):
        members = get_type_hints(hint)
        return {name: masked(members.get(name), inner) for name, inner in value.items()}
    if get_origin(hint) in (Union, UnionType):
        secret = [option for option in get_args(hint) if holds_secret(option)]
        return masked(secret[0] if len(secret) == 1 else Secret, value)
    if isinstance(value, Mapping) and holds_secret(inside(hint)):
        return {key: masked(inside(hint), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)) and holds_secret(inside(hint)):
        return [masked(inside(hint), inner) for inner in value]
    return value if isinstance(value, str) and value.partition(":")[0] in PLACES else MASK


def masked_within(hint: Any, steps: Sequence[str], value: Any) -> Any:
    """The same for what was written somewhere within a setting of the type `hint`: under a key, say.

    Where the steps lead nowhere, as a key with a dot in it does, nothing is shown.
    """
    if not steps:
        return masked(hint, value)
    return masked(Secret, value) if _may_hide(hint, steps) else value


def _may_hide(hint: Any, steps: Sequence[str]) -> bool:
    if not holds_secret(hint):
        return False
    if get_origin(hint) in (Union, UnionType):
        return any(_may_hide(option, steps) for option in get_args(hint))
    if not steps:
        return True
    if attrs.has(hint):
        member = get_type_hints(hint).get(steps[0])
        return member is None or _may_hide(member, steps[1:])
    # More steps than the type has: a key with a dot in it.
    return not get_args(hint) or _may_hide(inside(hint), steps[1:])


def holds_secret(hint: Any) -> bool:
    """Whether a value of this type may be a `Secret`, or have one in it."""
    if attrs.has(hint):
        return any(map(holds_secret, get_type_hints(hint).values()))
    return hint is Secret or any(map(holds_secret, get_args(hint)))


def _find_secret(value: Any, environ: Mapping[str, str] | None) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, env:NAME or file:PATH, got {type(value).__name__}")
    scheme, _, rest = value.partition(":")
    if environ is None or scheme not in PLACES:
        return value
    if scheme == "env":
        if not environ.get(rest):
            fault = "empty" if rest in environ else "not set"
            raise ValueError(f"the environment variable {rest!r} is {fault}")
        return environ[rest]
    return _read_secret(Path(rest))


def _read_secret(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ValueError(f"the secret's file {str(path)!r} is no regular file")
        secret = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(f"the secret's file cannot be read: {exc}") from exc
    if not secret:
        raise ValueError(f"the secret's file {str(path)!r} is empty")
    return secret


def _refuse_unknown(cls: Any, values: Mapping[str, Any], where: Callable[[str], str], path: str) -> None:
    known = {field.name for field in attrs.fields(cls) if field.metadata.get("setting", True)}
    members = get_type_hints(cls)
    for name, value in values.items():
        here = f"{path}.{name}" if path else name
        if name not in known:
            raise UnknownSetting(f"{where(here)}: unknown setting {here!r}{suggest(name, known)}")
        for inner, key, nested in _tables(members[name], value):
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
            yield from ((cls, str(key), table) for cls, _, table in _tables(inside(hint), nested))
    elif isinstance(value, (list, tuple)):
        for number, nested in enumerate(value):
            yield from ((cls, f"{number}", table) for cls, _, table in _tables(inside(hint), nested))


def _with_texts(cls: Any, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same with numbers as text where a field takes either."""
    hints, changed = get_type_hints(cls), dict(values)
    for field in attrs.fields(cls):
        value = values.get(field.name)
        if isinstance(value, Mapping) and attrs.has(hints[field.name]):
            changed[field.name] = _with_texts(hints[field.name], value)
        elif field.metadata.get("number") and isinstance(value, int) and not isinstance(value, bool):
            changed[field.name] = str(value)
    return changed


def _as_number(cls: Any, path: str, kind: str) -> str:
    """How the number at a dotted path is written: in which unit, and one for an example."""
    *sections, name = path.split(".")
    whole = "whole " if kind == "int" else ""
    for section in sections:
        cls = get_type_hints(cls).get(section) if attrs.has(cls) else None
    field = getattr(attrs.fields(cls), name, None) if attrs.has(cls) else None
    if field is None:
        return f"write a {whole}number"
    unit = field.metadata.get("unit") or getattr(field.validator, "unit", "")
    example = field.metadata.get("example", field.default)
    what = f"{unit} as a {whole}number" if unit else f"a {whole}number"
    such = f", such as {example if kind == 'int' else format(example, 'g')}" if _is_number(example) else ""
    return f"write {what}{such}"


def _json_fault(given: Any) -> str:
    """Why a text that begins as JSON's lists and objects do is none; empty when it does not."""
    if not isinstance(given, str) or given[:1] not in ("[", "{"):
        return ""
    try:
        json.loads(given)
    except ValueError as error:
        return str(error)
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _sentence(
    what: str,
    path: str,
    cause: BaseException | None,
    given: Any,
    where: Callable[[str], str],
    as_list: Callable[[str], str],
    as_number: Callable[[str, str], str],
) -> str:
    if isinstance(cause, OutOfRange):
        section = f"{path}." if path else ""
        return f"{where(section + cause.field)}: {section}{what}"
    what = what[:1].lower() + what[1:]
    what = _MISSING.sub(r"the setting '\1' is missing; give it a value", what)
    if _NO_JSON.match(what) and (fault := _json_fault(given)):
        what += f"; what is given is not valid JSON: {fault}"
    elif _NO_LIST.match(what):
        what += f"; write a list: {as_list(path)}"
    if path and (number := _NO_NUMBER.match(what)):
        what += f"; {as_number(path, number['kind'])}"
    return f"{where(path)}: {path}: {what}" if path else f"{where(path)}: {what}"
