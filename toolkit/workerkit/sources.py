"""Where settings come from: a TOML file, the environment, flags; merged into one tree of values."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from workerkit.errors import SettingsError

PREFIX = "WORKERKIT_"
#: What error sentences call the command line.
FLAGS = "flags"
#: Variables with a name of their own, and the setting they stand for.
SHORT_NAMES = {"WORKERKIT_SECRET_KEY": "queue.secret_key"}


class Tree:
    """Nested values, each with the name of the source that set it last."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._origins: dict[str, str] = {}

    def where(self, path: str) -> str:
        """The source of a dotted path, or of what holds it."""
        while path:
            if path in self._origins:
                return self._origins[path]
            path = path.rpartition(".")[0]
        return "settings"

    def as_list(self, path: str) -> str:
        """How the value at a dotted path is written as a list of one, where it was given."""
        parent, _, name = path.rpartition(".")
        listed = msgspec.json.encode([self._table(parent, "")[name]]).decode()
        where = self.where(path)
        if where == FLAGS:
            return f"--set '{path}={listed}'"
        return f"{where}='{listed}'" if where.startswith(PREFIX) else f"{name} = {listed}"

    def read_file(self, config: str | None, cwd: Path) -> str:
        """Read the settings file; returns its name, empty when there is none."""
        path, table = _find_file(config, cwd)
        if path is not None:
            self._merge(table, "", str(path))
        return str(path or "")

    def read_environment(self, environ: Mapping[str, str], fields: Mapping[str, Sequence[str]]) -> None:
        """Read every `WORKERKIT_` variable. `fields` are the core's sections."""
        for name in sorted(environ):
            if name.startswith(PREFIX):
                path = _variable_path(name, fields)
                self._set(path, _value(environ[name]), name)

    def read_flags(self, flags: Mapping[str, Any]) -> None:
        """Read command line flags by dotted path; None was not given."""
        for path, value in flags.items():
            if value is not None:
                self._set(path, value, FLAGS)

    def _merge(self, table: Mapping[str, Any], prefix: str, origin: str) -> None:
        for key, value in table.items():
            path = f"{prefix}{key}"
            if isinstance(value, Mapping):
                self._table(path, origin)
                self._merge(value, f"{path}.", origin)
            else:
                self._set(path, value, origin)

    def _set(self, path: str, value: Any, origin: str) -> None:
        parent, _, name = path.rpartition(".")
        self._table(parent, origin)[name] = value
        self._origins[path] = origin

    def _table(self, path: str, origin: str) -> dict[str, Any]:
        """The table at `path`, made when it is missing."""
        table = self.values
        for step in path.split(".") if path else ():
            table = table.setdefault(step, {})
            if not isinstance(table, dict):
                raise SettingsError(
                    f"{origin}: {path!r} must be a table, but {self.where(path)} gives a value"
                )
        self._origins.setdefault(path, origin)
        return table


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


def _variable_path(name: str, fields: Mapping[str, Sequence[str]]) -> str:
    """The setting that a variable stands for; what is not a core section is a plugin's."""
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    section, *rest = name[len(PREFIX) :].lower().split("__")
    if section == "plugin" and len(rest) > 1 and all(rest):  # a plugin's, written as in the file
        return ".".join([section, *rest])
    known = [f"{PREFIX}{s}__{f}".upper() for s, names in fields.items() for f in names] + [*SHORT_NAMES]
    unknown = section == "plugin" or (section in fields and rest[:1] and rest[0] not in fields[section])
    if not section or not rest or not all(rest) or unknown:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else f"; settings are named {PREFIX}SECTION__FIELD"
        raise SettingsError(f"the environment variable {name} is no setting{hint}")
    return ".".join([section, *rest] if section in fields else ["plugin", section, *rest])


def _value(text: str) -> Any:
    """A variable's text; a JSON list or object is read as one."""
    if text[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text
