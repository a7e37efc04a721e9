"""One plugin, from its `module:attribute` and its settings to an object with hooks."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from operator import attrgetter
from typing import Any, get_type_hints

import attrs

from workerkit import building
from workerkit.building import UnknownSetting, holds_secret
from workerkit.errors import PluginError, SettingsError, WorkerkitError, blaming, suggest
from workerkit.failures import message_of
from workerkit.guard import Guard
from workerkit.hooks import LoadedPlugin
from workerkit.hooks.faults import CURE, guarding, is_ctrl_c
from workerkit.loading import schema
from workerkit.redaction import Redactor
from workerkit.secret import secrets_of
from workerkit.wire import GuardRules

MakeGuard = Callable[[], Guard]


def guard_by(rules: GuardRules) -> MakeGuard:
    """What makes the one guard of all plugins, when the first of them asks for it."""
    return cache(lambda: Guard(rules.allow, rules.deny, loopback=rules.loopback))


@attrs.frozen
class Candidate:
    """A plugin that was found and imported but not built yet.

    `via` is how it came; `own` is what to call it once it has taken another's place and name;
    `maker` is whose it is when a distribution offers it.
    """

    name: str
    ref: str
    dist: str = ""
    via: str = ""
    own: str = ""
    maker: str = ""
    value: Any = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return str(LoadedPlugin(name=self.name, plugin=None, dist=self.dist, ref=self.ref))

    def imported(self, setting: str = "") -> Candidate:
        """The same, with the object that `ref` names; raises `PluginError`.

        `setting` is the one that named it, when it was not installed.
        """
        module, _, attribute = (part.strip() for part in self.ref.partition(":"))
        try:
            with _same_folder():
                value: Any = importlib.import_module(module)
                if attribute:
                    value = attrgetter(attribute)(value)
        except BaseException as exc:
            if is_ctrl_c(exc):
                raise
            cure = _cure(module, attribute, exc, setting) if setting else CURE
            with blaming(self):
                raise PluginError(
                    f"{self} did not load: {type(exc).__name__}: {message_of(exc)}; {cure}"
                ) from exc
        return attrs.evolve(self, value=value)

    def renamed(self) -> Candidate:
        """The same, under the name that it gives itself, if it does."""
        with blaming(self), guarding(f"{self}: its name cannot be had"):
            name = getattr(self.value, "name", None)
            if name is None:
                return self
            if not isinstance(name, str):
                raise PluginError(f"{self}: its `name` is {name!r:.80}; write a text, or leave it out")
            return attrs.evolve(self, name=name)

    def built(
        self,
        values: Mapping[str, Any],
        guard: MakeGuard,
        *,
        source: Callable[[str], str] = lambda path: "",
        literal: bool = False,
    ) -> LoadedPlugin:
        """Ready for use. A class or factory is called with those of `settings`, `guard` and `log` it names.

        `values` are its settings section, and `source` says who gave each of them. Raises
        `PluginError` or `SettingsError`.
        """
        settings: Any = None
        plugin = self.value
        if inspect.isclass(plugin) or inspect.isfunction(plugin):
            settings = self._settings(values, source, literal=literal)
            with _same_folder():
                plugin = self._called(settings, guard)
        elif values:
            raise SettingsError(
                f"[plugin.{self.name}] is set, but {self} is not a class and takes no settings"
            )
        with guarding(f"{self}: its `fields` cannot be had"):
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
            maker=self.maker or self.ref or type(plugin).__name__,
        )

    def _schema(self) -> Any:
        """The class of its settings, or None; a factory says it in its annotation."""
        with guarding(f"{self}: its Settings cannot be had"):
            cls = getattr(self.value, "Settings", None)
            if cls is None and inspect.isfunction(self.value):
                cls = get_type_hints(self.value).get("settings")
        if cls is None or (inspect.isclass(cls) and attrs.has(cls)):
            return cls
        raise PluginError(f"{self}: its Settings must be an attrs class; decorate it with @attrs.frozen")

    def _settings(self, values: Mapping[str, Any], source: Callable[[str], str], *, literal: bool) -> Any:
        cls = self._schema()
        if cls is None:
            if values:
                raise SettingsError(f"[plugin.{self.name}] is set, but {self} has no Settings class")
            return None

        def where(path: str) -> str:
            given = source(path)
            return f"{self}: {given and f'{given}: '}[plugin.{self.name}]"

        with self._building(cls):
            schema.check(cls)
            if literal:  # from the host, which has checked them
                return building.build(cls, values, where, None)
            from workerkit.settings import build  # here: a worker has no use for the settings of a server

            settings = build(cls, values, where)
            schema.check_values(settings)
            return settings

    @contextmanager
    def _building(self, cls: type) -> Iterator[None]:
        """Whatever building a Settings class raises, as a sentence that names this plugin."""
        try:
            yield
        except UnknownSetting as exc:
            left = "take it out if it is left from another plugin that had this place"
            raise SettingsError(f"{exc}; {left}") from exc
        except schema.Unfit as exc:
            raise PluginError(f"{self}: {exc}") from exc
        except WorkerkitError:
            raise
        except BaseException as exc:
            if is_ctrl_c(exc):
                raise
            fault = f"{type(exc).__name__}: {message_of(exc)}"
            cure = "let its validators and defaults raise ValueError only"
            if isinstance(exc, (NameError, TypeError)):
                cure = "give its members plain types that exist at run time"
            elif holds_secret(cls):
                fault = type(exc).__name__  # its text may quote one, which nobody knows yet
            raise PluginError(f"{self}: its Settings cannot be built: {fault}; {cure}") from exc

    def _called(self, settings: Any, guard: MakeGuard) -> Any:
        log = logging.getLogger(f"workerkit.plugin.{self.name}")
        offered: dict[str, Callable[[], Any]] = {"log": lambda: log, "guard": guard}
        if settings is not None:
            offered["settings"] = lambda: settings
        with guarding(f"{self}: its arguments cannot be told"):
            parameters = inspect.signature(self.value).parameters.values()
        for parameter in parameters:
            if parameter.default is parameter.empty and parameter.name not in offered:
                cure = "add a Settings class" if parameter.name == "settings" else "give it a default"
                raise PluginError(
                    f"{self} asks for {parameter.name!r}, and is offered {', '.join(sorted(offered))}; {cure}"
                )
        wanted = {p.name: offered[p.name]() for p in parameters if p.name in offered}
        try:
            return self.value(**wanted)
        except BaseException as exc:
            if is_ctrl_c(exc):
                raise
            fault = Redactor(secrets_of(settings)).text(f"{type(exc).__name__}: {message_of(exc)}")
            raise PluginError(f"{self} could not be built: {fault}") from exc


@contextmanager
def _same_folder() -> Iterator[None]:
    """Relative paths in the settings are of one folder, wherever a plugin goes."""
    folder = os.getcwd()
    try:
        yield
    finally:
        os.chdir(folder)


def _cure(module: str, attribute: str, fault: BaseException, setting: str) -> str:
    """What to do about a `module:attribute` that a setting names and that cannot be had."""
    found = sys.modules.get(module)
    if found is not None and attribute and not hasattr(found, attribute):
        names = (n for n, v in vars(found).items() if getattr(v, "__module__", "") == module)
        return f"correct {setting}{suggest(attribute, names)}"
    if isinstance(fault, ModuleNotFoundError) and f"{module}.".startswith(f"{fault.name}."):
        return f"correct {setting}, or start workerkit in the folder that holds it"
    return f"repair it, or take it out of {setting}"
