"""Settings: the sections together, built once from a file, the environment and flags.

What comes later wins: a profile, the file, then
`WORKERKIT_SECTION__FIELD` variables, then flags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import attrs

from workerkit import building, sources
from workerkit.environment import environment
from workerkit.errors import SettingsError
from workerkit.job import EMPTY
from workerkit.profiles import find_profile
from workerkit.sections import (
    GuardSettings as GuardSettings,
)
from workerkit.sections import (
    KeySettings as KeySettings,
)
from workerkit.sections import (
    LimitsSettings as LimitsSettings,
)
from workerkit.sections import (
    LogsSettings as LogsSettings,
)
from workerkit.sections import (
    PluginsSettings as PluginsSettings,
)
from workerkit.sections import (
    PolicySettings as PolicySettings,
)
from workerkit.sections import (
    QueueSettings as QueueSettings,
)
from workerkit.sections import (
    ServerSettings as ServerSettings,
)
from workerkit.sections import (
    Settings as Settings,
)
from workerkit.sections import (
    WorkersSettings as WorkersSettings,
)

T = TypeVar("T")

#: Sections of the core, and every name that no plugin may take.
SECTIONS = tuple(field.name for field in attrs.fields(Settings) if attrs.has(type(field.default)))
RESERVED = (*SECTIONS, "plugin", "profile")


def load_settings(
    *,
    config: str | None = None,
    flags: Mapping[str, Any] = EMPTY,
    environ: Mapping[str, str] | None = None,
    cwd: str | Path = ".",
) -> Settings:
    """Read the settings: a profile, the file, the environment, then `flags` such as `{"server.port": 9000}`.

    The file is `config`, else `workerkit.toml`, else `[tool.workerkit]` in `pyproject.toml`, in `cwd`;
    the first one found is the only one read. The profile is the one that `profile` names, in any of
    the others. A flag that is None was not given. Raises `SettingsError` with a sentence that names
    the profile, the file, the variable or the flag.
    """
    environ = environment() if environ is None else environ
    source, table = sources.read_file(config, Path(cwd))

    def read(profile: Mapping[str, Any], label: str) -> sources.Tree:
        tree = sources.Tree(_fields())
        tree.read_table(profile, label)
        tree.read_table(table, source)
        tree.read_environment(environ)
        tree.read_flags(flags)
        return tree

    tree = read({}, "")
    if isinstance(name := tree.values.get("profile"), str) and name:
        # The others say which profile it is, though it is weaker than they are.
        label, sections = find_profile(name, tree.where("profile"))
        tree = read(sections, label)
    _check_tables(tree)
    built = building.build(Settings, tree.values, tree.where, environ, tree.as_list)
    return attrs.evolve(built, source=source, origins=tree.origins)


def _check_tables(tree: sources.Tree) -> None:
    """Refuse a plugin's section that is written as one of the core's, and the other way round."""
    for name, value in tree.values.items():
        if isinstance(value, Mapping) and name not in RESERVED and not get_close_matches(name, RESERVED):
            raise SettingsError(f"{tree.where(name)}: [{name}] is no section; a plugin's is [plugin.{name}]")
    plugin = tree.values.get("plugin")
    for name, value in plugin.items() if isinstance(plugin, Mapping) else ():
        if not isinstance(value, Mapping) and name in _fields()["plugins"]:
            source = tree.where(f"plugin.{name}")
            raise SettingsError(
                f"{source}: [plugin] holds sections of plugins; did you mean [plugins] {name}?"
            )


def build(
    cls: type[T],
    values: Mapping[str, Any],
    where: str | Callable[[str], str],
    *,
    literal: bool = False,
) -> T:
    """An attrs object from plain values, such as a plugin's `Settings` from its section.

    Members typed `Secret` take `env:NAME` and `file:PATH`, unless the values are `literal`. Raises
    `SettingsError` with a sentence that begins with `where`, which may depend on the setting.
    """
    place = where if callable(where) else lambda path: where
    return building.build(cls, values, place, None if literal else environment())


def _fields() -> dict[str, tuple[str, ...]]:
    """The fields of each core section by name."""
    defaults = Settings()
    return {name: tuple(f.name for f in attrs.fields(type(getattr(defaults, name)))) for name in SECTIONS}
