"""Settings and fields that are wrong, and how a plugin takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from workerkit.errors import ApiError, PluginError, PluginFailed, SettingsError
from workerkit.local import Local
from workerkit.testing.promises.subject import GOOD, Subject, broken

#: One of each kind that JSON has, to stand where another is wanted.
KINDS: Sequence[Any] = (True, 7, -1.5, "", "a text", [], [1], {}, {"a": 1})
#: A setting that no plugin has.
NO_SETTING = "no_such_setting"


def check_settings(subject: Subject, bad_settings: Sequence[Mapping[str, Any]]) -> None:
    """Each of them, and one that is unknown, must be refused with a sentence that names the plugin."""
    for bad in [*bad_settings, {NO_SETTING: 1}]:
        try:
            subject.load({**subject.settings, **bad})
        except (SettingsError, PluginError) as error:
            if subject.name not in str(error):
                broken(f"what it says of {_shown(bad)} does not name {subject.name!r}: {error}")
        except Exception as error:
            broken(f"{_shown(bad)} raises {type(error).__name__} instead of being refused", error)
        else:
            broken(f"it takes the settings {_shown(bad)}; check them in a validator of its Settings")


def check_fields(subject: Subject, bad_fields: Sequence[Mapping[str, Any]]) -> None:
    """Each of them must be refused as the client's fault; whatever else is sent must not be a failure."""
    subject.must_go_well()
    with subject.local(subject.load()) as local:
        for bad in bad_fields:
            _check_declared(subject, bad)
            if _accepts(subject, local, bad):
                broken(f"it takes the fields {_shown(bad)}; check them in `accept`, and raise Refused")
        for other in variations(list(subject.own.fields), subject.fields):
            _accepts(subject, local, other)


def variations(names: Sequence[str], fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Each declared field as another kind of JSON, then as it was given with a part gone or of another kind."""
    for name in names:
        yield from ({name: value} for value in KINDS)
        yield from ({name: value} for value in _altered(fields.get(name)))


def _altered(value: Any) -> Iterator[Any]:
    """The value, each time with one thing in it gone or of another kind."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield {key: other for key, other in value.items() if key != name}
            yield from ({**value, name: other} for other in (None, *KINDS, *_altered(inner)))
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            others = (None, *KINDS, *_altered(inner))
            yield from ([*value[:number], other, *value[number + 1 :]] for other in others)


def _accepts(subject: Subject, local: Local, more: Mapping[str, Any]) -> bool:
    """Whether a request with these fields over the good ones is taken; fails when that is an error."""
    body = msgspec.json.encode({**subject.fields, **more, "input": GOOD})
    try:
        local.admit(body)
    except ApiError as error:
        cause = error.__cause__
        if isinstance(cause, PluginFailed) and cause.plugin == subject.name:
            broken(
                f"the fields {_shown(more)} are answered {error.status} instead of 400: {cause}; "
                "raise Refused in `accept`, or declare the type of what is in them",
                cause.__cause__,
            )
        return False
    return True


def _check_declared(subject: Subject, bad: Mapping[str, Any]) -> None:
    declared = subject.own.fields
    for name in bad:
        if name not in declared:
            broken(f"`bad_fields` has {name!r}, and it declares {', '.join(declared) or 'no field'}")


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in values.items())
