"""One plugin, from its `module:attribute` and its settings to an object with hooks."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, get_type_hints

import attrs

from workerkit.errors import PluginError, SettingsError, suggest
from workerkit.hooks import LoadedPlugin
from workerkit.settings import build


@attrs.frozen
class Candidate:
    """A plugin that was found and imported but not built yet.

    `via` is how it came; `own` is what to call it once it has taken another's place and name.
    """

    name: str
    ref: str
    dist: str = ""
    via: str = ""
    own: str = ""
    value: Any = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return str(LoadedPlugin(name=self.name, plugin=None, dist=self.dist, ref=self.ref))

    def imported(self, setting: str = "") -> Candidate:
        """The same, with the object that `ref` names; raises `PluginError`.

        `setting` is the one that named it, when it was not installed.
        """
        module, _, attribute = (part.strip() for part in self.ref.partition(":"))
        try:
            value: Any = importlib.import_module(module)
            if attribute:
                value = attrgetter(attribute)(value)
        except Exception as exc:
            cure = "repair or uninstall it, or name it in [plugins] disable"
            if setting:
                cure = _cure(module, attribute, exc, setting)
            raise PluginError(f"{self} did not load: {type(exc).__name__}: {exc}; {cure}") from exc
        return attrs.evolve(self, value=value)

    def built(
        self,
        values: Mapping[str, Any],
        *,
        source: Callable[[str], str] = lambda path: "",
        literal: bool = False,
    ) -> LoadedPlugin:
        """Ready for use. A class or factory is called with those of `settings` and `log` it names.

        `values` are its settings section, and `source` says who gave each of them. Raises
        `PluginError` or `SettingsError`.
        """
        settings: Any = None
        plugin = self.value
        if inspect.isclass(plugin) or inspect.isfunction(plugin):
            settings = self._settings(values, source, literal=literal)
            plugin = self._called(settings)
        elif values:
            raise SettingsError(
                f"[plugin.{self.name}] is set, but {self} is not a class and takes no settings"
            )
        fields = getattr(plugin, "fields", {})
        if not isinstance(fields, Mapping):
            raise PluginError(f"{self}: its `fields` must map names to Field, not be {fields!r}")
        return LoadedPlugin(
            name=self.name,
            plugin=plugin,
            dist=self.dist,
            ref=self.ref,
            via=self.via,
            fields=fields,
            settings={} if settings is None else attrs.asdict(settings),
            schema=None if settings is None else type(settings),
        )

    def _settings(self, values: Mapping[str, Any], source: Callable[[str], str], *, literal: bool) -> Any:
        cls = getattr(self.value, "Settings", None)
        if cls is None and inspect.isfunction(self.value):
            cls = get_type_hints(self.value).get("settings")
        if cls is None:
            if values:
                raise SettingsError(f"[plugin.{self.name}] is set, but {self} has no Settings class")
            return None
        if not (inspect.isclass(cls) and attrs.has(cls)):
            raise PluginError(f"{self}: its Settings must be an attrs class; decorate it with @attrs.frozen")

        def where(path: str) -> str:
            given = source(path)
            return f"{self}: {given and f'{given}: '}[plugin.{self.name}]"

        try:
            return build(cls, values, where, literal=literal)
        except (NameError, TypeError) as exc:
            raise PluginError(
                f"{self}: its Settings cannot be built: {type(exc).__name__}: {exc}; "
                "give its members plain types that exist at run time"
            ) from exc

    def _called(self, settings: Any) -> Any:
        offered = {"log": logging.getLogger(f"workerkit.plugin.{self.name}")}
        if settings is not None:
            offered["settings"] = settings
        parameters = inspect.signature(self.value).parameters.values()
        for parameter in parameters:
            if parameter.default is parameter.empty and parameter.name not in offered:
                cure = "add a Settings class" if parameter.name == "settings" else "give it a default"
                raise PluginError(
                    f"{self} asks for {parameter.name!r}, and is offered {', '.join(sorted(offered))}; {cure}"
                )
        wanted = {p.name: offered[p.name] for p in parameters if p.name in offered}
        try:
            return self.value(**wanted)
        except Exception as exc:
            raise PluginError(f"{self} could not be built: {type(exc).__name__}: {exc}") from exc


def _cure(module: str, attribute: str, fault: Exception, setting: str) -> str:
    """What to do about a `module:attribute` that a setting names and that cannot be had."""
    found = sys.modules.get(module)
    if found is not None and attribute and not hasattr(found, attribute):
        names = (n for n, v in vars(found).items() if getattr(v, "__module__", "") == module)
        return f"correct {setting}{suggest(attribute, names)}"
    if isinstance(fault, ModuleNotFoundError) and f"{module}.".startswith(f"{fault.name}."):
        return f"correct {setting}, or start workerkit in the folder that holds it"
    return f"repair it, or take it out of {setting}"
