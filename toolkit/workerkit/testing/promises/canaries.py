"""A plugin's secrets, planted where it may have some, and looked for wherever they could come out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from secrets import token_hex
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from workerkit.building import holds_secret, inside
from workerkit.delivery import Delivery
from workerkit.errors import WorkerkitError
from workerkit.hooks import LoadedPlugin
from workerkit.job import Field
from workerkit.payload import convert_field
from workerkit.redaction import Redactor
from workerkit.secret import secrets_of
from workerkit.spelling import SHORTEST


class Canaries:
    """The secrets of a plugin; those below 8 characters cannot be told from other text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = sorted({secret for secret in secrets if len(secret) >= SHORTEST})
        self._redactor = Redactor(self.secrets)

    def found_in(self, text: str | bytes) -> bool:
        """Whether one of them is in there, as it is or encoded for a URL, JSON or base64."""
        before = self._redactor.hits
        if isinstance(text, bytes):
            self._redactor.bytes(text)
        else:
            self._redactor.text(text)
        return self._redactor.hits > before

    def leaks(self, places: Iterable[tuple[str, str | bytes | None]]) -> list[str]:
        """The names of the places that hold one."""
        return [name for name, text in places if text is not None and self.found_in(text)]


def secret_settings(loaded: LoadedPlugin) -> list[str]:
    """The settings of a plugin that are secret, or have secrets in them."""
    hints = {} if loaded.schema is None else get_type_hints(loaded.schema)
    return [name for name, hint in hints.items() if holds_secret(hint)]


def planted(hint: Any, value: Any = attrs.NOTHING) -> Any:
    """`value` with a canary for each secret that the type `hint` has room for and that was not given."""
    if not holds_secret(hint):
        return value
    if get_origin(hint) in (Union, UnionType):
        given = attrs.NOTHING if value is None else value
        return planted(next(filter(holds_secret, get_args(hint))), given)
    if attrs.has(hint):
        return _planted_members(hint, value)
    if isinstance(value, Mapping):
        return {key: planted(inside(hint), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [planted(inside(hint), inner) for inner in value]
    if value is not attrs.NOTHING:
        return value
    if get_origin(hint) is None:
        return f"canary-{token_hex(12)}"
    one = planted(inside(hint))
    return {"canary": one} if issubclass(get_origin(hint), Mapping) else [one]


def _planted_members(cls: Any, value: Any) -> Any:
    given = {} if value is attrs.NOTHING else value
    if not isinstance(given, Mapping):
        return value
    members = {
        name: planted(hint, given.get(name, attrs.NOTHING)) for name, hint in get_type_hints(cls).items()
    }
    return {name: member for name, member in members.items() if member is not attrs.NOTHING}


def of_settings(loaded: LoadedPlugin) -> list[str]:
    """The secrets in its settings."""
    return secrets_of(loaded.settings)


def of_fields(declared: Mapping[str, Field], fields: Mapping[str, Any]) -> Iterator[str]:
    """The secrets in a request's secret fields: members typed `Secret`, else every text in the field."""
    for name, value in fields.items():
        if name in declared and declared[name].secret:
            try:
                typed = secrets_of(convert_field(name, value, declared[name]))
            except WorkerkitError:
                typed = []
            yield from typed or _texts(value)


def of_delivery(delivery: Delivery) -> Iterator[tuple[str, str | bytes | None]]:
    """What is stored of a delivery."""
    yield "the target of a delivery", delivery.target
    yield "the lane of a delivery", delivery.lane
    yield "the body of a delivery", delivery.body
    for name, value in delivery.headers.items():
        yield f"the header {name!r} of a delivery", f"{name}: {value}"


def of_records(records: Sequence[logging.LogRecord], own: str) -> Iterator[tuple[str, str]]:
    """What was logged, but for what other libraries say at DEBUG, which no server prints.

    `own` is the plugin's package.
    """
    form = logging.Formatter()
    for record in records:
        if record.levelno > logging.DEBUG or record.name.split(".")[0] in ("workerkit", own):
            yield f"a {record.levelname} line of the log {record.name!r}", form.format(record)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
