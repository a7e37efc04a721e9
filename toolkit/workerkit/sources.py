"""Where settings come from: a profile, a TOML file, the environment, flags; merged into one tree of values."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from workerkit.environment import PREFIX
from workerkit.errors import SettingsError

#: What error sentences call the command line.
FLAGS = "flags"
#: Variables with a name of their own, and the setting they stand for.
SHORT_NAMES = {"WORKERKIT_SECRET_KEY": "queue.secret_key", "WORKERKIT_PROFILE": "profile"}
#: A place in the tree, step by step: keys may have dots in them.
Steps = tuple[str, ...]


class Tree:
    """Nested values. The sources are read weakest first, and what each gave is remembered.

    `fields` are those of the core's sections; a section that is not among them is a plugin's.
    """

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self.values: dict[str, Any] = {}
        #: Dotted path -> source and value of each that set it, the weakest first.
        self.origins: dict[str, tuple[tuple[str, Any], ...]] = {}
        self._fields = fields
        self._sources: dict[str, str] = {}

    def where(self, path: str) -> str:
        """The source of a dotted path, or of what holds it."""
        while path:
            if path in self._sources:
                return self._sources[path]
            path = path.rpartition(".")[0]
        return "settings"

    def as_list(self, path: str) -> str:
        """How the value at a dotted path is written as a list of one, where it was given."""
        return as_list(self.where(path), path, self.origins[path][-1][1])

    def read_table(self, table: Mapping[str, Any], source: str) -> None:
        """Read sections as a file has them."""
        self._merge(table, (), source)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Read every `WORKERKIT_` variable."""
        for name in sorted(environ):
            if name.startswith(PREFIX):
                self._set(_variable_path(name, self._fields), _value(environ[name]), name)

    def read_flags(self, flags: Mapping[str, Any]) -> None:
        """Read command line flags by dotted path; None was not given."""
        for path, value in flags.items():
            if value is not None:
                self._set(_flag_path(path, self._fields), value, FLAGS)

    def _merge(self, table: Mapping[str, Any], above: Steps, source: str) -> None:
        for key, value in table.items():
            path = (*above, str(key))
            if isinstance(value, Mapping):
                self._table(path, source)
                self._merge(value, path, source)
            else:
                self._set(path, value, source)

    def _set(self, path: Steps, value: Any, source: str) -> None:
        dotted = ".".join(path)
        self._table(path[:-1], source)[path[-1]] = _copied(value)
        for below in [known for known in self._sources if known.startswith(f"{dotted}.")]:
            del self._sources[below]  # an object from a variable takes the place of a whole table
        self._sources[dotted] = source
        self.origins[dotted] = (*self.origins.get(dotted, ()), (source, value))

    def _table(self, path: Steps, source: str) -> dict[str, Any]:
        """The table at `path`, made when it is missing."""
        table, dotted = self.values, ".".join(path)
        for step in path:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):
                raise SettingsError(
                    f"{source}: {dotted!r} must be a table, but {self.where(dotted)} gives a value"
                )
        self._sources.setdefault(dotted, source)
        return table


def as_list(source: str, path: str, value: Any) -> str:
    """How a value is written as a list of one in the source that gave it."""
    listed = msgspec.json.encode([value]).decode()
    if source == FLAGS:
        return f"--set '{path}={listed}'"
    return f"{source}='{listed}'" if source.startswith(PREFIX) else f"{path.rpartition('.')[2]} = {listed}"


def read_file(config: str | None, cwd: Path) -> tuple[str, Mapping[str, Any]]:
    """The settings file's name and content; both are empty when there is none."""
    path, table = _find_file(config, cwd)
    return str(path or ""), table


def _find_file(config: str | None, cwd: Path) -> tuple[Path | None, Mapping[str, Any]]:
    if config is not None:
        path = cwd / config
        if not path.is_file():
            raise SettingsError(f"the settings file {str(path)!r} does not exist")
        return path, _read_toml(path)
    own, project = cwd / "workerkit.toml", cwd / "pyproject.toml"
    if own.is_file():
        return own, _read_toml(own)
    if project.is_file():
        table = _read_toml(project)
        return (project, table) if table else (None, {})
    return None, {}


def _read_toml(path: Path) -> Mapping[str, Any]:
    """The file's settings; those of a `pyproject.toml` are in `[tool.workerkit]`."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(f"{path} cannot be read as TOML: {exc}") from exc
    if path.name != "pyproject.toml":
        return content
    table = content.get("tool", {}).get("workerkit", {})
    if not isinstance(table, Mapping):
        raise SettingsError(f"{path}: tool.workerkit must be a table")
    return table


def _variable_path(name: str, fields: Mapping[str, Sequence[str]]) -> Steps:
    """The setting that a variable stands for; what is not a core section is a plugin's."""
    if name in SHORT_NAMES:
        return tuple(SHORT_NAMES[name].split("."))
    section, *rest = name[len(PREFIX) :].lower().split("__")
    if section == "plugin" and len(rest) > 1 and all(rest):  # a plugin's, written as in the file
        return (section, *rest)
    known = [f"{PREFIX}{s}__{f}".upper() for s, names in fields.items() for f in names] + [*SHORT_NAMES]
    unknown = section == "plugin" or (section in fields and rest[:1] and rest[0] not in fields[section])
    if not section or not rest or not all(rest) or unknown:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else f"; settings are named {PREFIX}SECTION__FIELD"
        raise SettingsError(f"the environment variable {name} is no setting{hint}")
    return (section, *rest) if section in fields else ("plugin", section, *rest)


def _flag_path(path: str, fields: Mapping[str, Sequence[str]]) -> Steps:
    """The setting that a flag stands for; as with variables, a plugin's needs no `plugin.` before it."""
    first, *rest = path.split(".")
    return (first, *rest) if not rest or first in (*fields, "plugin") else ("plugin", first, *rest)


def _copied(value: Any) -> Any:
    """A value whose tables later sources may add to."""
    return {key: _copied(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _value(text: str) -> Any:
    """A variable's text; a JSON list or object is read as one."""
    if text[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text
