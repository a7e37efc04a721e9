"""Every setting: of the core's sections, and of the plugins that come with the toolkit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distribution
from typing import Any, get_args, get_origin, get_type_hints

import attrs

from made.source import Member, members
from made.tables import code, table
from workerkit.settings import Settings

PREFIX = "WORKERKIT_"


@attrs.frozen
class Section:
    """A section of the settings file: its dotted path, and the class that it becomes."""

    path: str
    cls: type

    @property
    def title(self) -> str:
        """How the file writes it."""
        return f"[{self.path}]"

    def variable(self, name: str) -> str:
        """The environment variable of one of its fields."""
        return PREFIX + "__".join([*self.path.removeprefix("plugin.").split("."), name]).upper()


def core() -> list[Section]:
    """The core's sections; a table of tables, such as the keys, is one of its own."""
    hints = get_type_hints(Settings)
    found = []
    for field in attrs.fields(Settings):
        if attrs.has(hints[field.name]):
            found.append(Section(field.name, hints[field.name]))
            found += _tables(field.name, hints[field.name])
    return found


def plugins() -> list[Section]:
    """A section for each plugin of the toolkit that has settings, by name."""
    points = distribution("workerkit").entry_points.select(group="workerkit")
    loaded = {point.name: getattr(point.load(), "Settings", None) for point in points}
    found = []
    for name, cls in sorted(loaded.items()):
        if cls is not None:
            found.append(Section(f"plugin.{name}", cls))
            found += _tables(f"plugin.{name}", cls)
    return found


def of_core() -> str:
    """The top-level settings, then a heading and a table for each section."""
    return "\n\n".join([_top(), *map(_section, core())])


def of_plugin(name: str) -> str:
    """The same for a built-in plugin, one level deeper."""
    path = f"plugin.{name}"
    found = [section for section in plugins() if f"{section.path}.".startswith(f"{path}.")]
    return "\n\n".join(f"#{_section(section)}" for section in found)


def of_profile(name: str) -> str:
    """What a profile of the toolkit sets, beside the defaults that hold without it."""
    [point] = distribution("workerkit").entry_points.select(group="workerkit.settings", name=name)
    given = point.load()
    rows = [
        (f"`[{section.path}] {m.name}`", code(str(given[section.path][m.name])), code(m.default), m.meaning)
        for section, m in every()
        if m.name in given.get(section.path, {})
    ]
    return table(("setting", name, "default", "meaning"), rows)


def top() -> list[Member]:
    """What stands above all sections in the file."""
    hints = get_type_hints(Settings)
    plain = [f.name for f in attrs.fields(Settings) if hints[f.name] is str and not f.metadata]
    return [member for member in members(Settings) if member.name in plain]


def _top() -> str:
    return "\n\n".join(
        ["## Above the sections {#above}", _table([(f"{PREFIX}{m.name}".upper(), m) for m in top()])]
    )


def _section(section: Section) -> str:
    doc = " ".join((section.cls.__doc__ or "").split())
    said = doc.partition(": ")[2] or doc
    anchor = section.path.replace(".", "-").lower()
    rows = [(section.variable(member.name), member) for member in members(section.cls)]
    heading = f"## `{section.title}` {{#{anchor}}}"
    return "\n\n".join([heading, said[:1].upper() + said[1:], _table(rows)])


def _table(fields: Iterable[tuple[str, Member]]) -> str:
    """A row for each variable and the field that it sets."""
    rows = [
        (f"**`{m.name}`**<br>`{variable}`", code(m.annotation), code(m.default) or "required", m.meaning)
        for variable, m in fields
    ]
    return table(("setting, and its variable", "type", "default", "meaning"), rows)


def _tables(name: str, cls: type) -> Iterator[Section]:
    for field, hint in get_type_hints(cls).items():
        for inner in get_args(hint) if get_origin(hint) is Mapping else ():
            if attrs.has(inner):
                yield Section(f"{name}.{field}.NAME", inner)


def every() -> Iterator[tuple[Section, Any]]:
    """Each section with each of its fields."""
    for section in (*core(), *plugins()):
        for member in members(section.cls):
            yield section, member
