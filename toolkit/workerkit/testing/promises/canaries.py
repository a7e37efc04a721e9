"""A plugin's secrets, planted where it may have some, and looked for wherever they could come out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import attrs

from workerkit.delivery import Delivery
from workerkit.errors import WorkerkitError
from workerkit.hooks import LoadedPlugin
from workerkit.host.redaction import SHORTEST, Redactor, secrets_of
from workerkit.job import Field, Secret
from workerkit.payload import convert_field


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


def empty_secrets(loaded: LoadedPlugin, settings: Mapping[str, Any]) -> list[str]:
    """The secrets among a plugin's settings that have no value."""
    if loaded.schema is None:
        return []
    hints = get_type_hints(loaded.schema)
    names = [field.name for field in attrs.fields(loaded.schema) if _is_secret(hints[field.name])]
    return [name for name in names if name not in settings]


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


def _is_secret(hint: Any) -> bool:
    return hint is Secret or Secret in getattr(hint, "__args__", ())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
