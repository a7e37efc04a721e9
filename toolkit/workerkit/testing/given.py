"""Plugins that a test names in code: instances, classes, installed names, `module:attribute`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from workerkit.errors import PluginError, SettingsError, suggest
from workerkit.hooks import LoadedPlugin
from workerkit.installed import PLUGINS, Point, installed, only
from workerkit.loading import Candidate, load_plugins
from workerkit.names import snake_case
from workerkit.settings import PluginsSettings, Settings

#: The distribution of the built-in plugins.
OWN = "workerkit"


def settings_for(
    sections: Mapping[str, Mapping[str, Any]], *, builtins: bool = True, order: Sequence[str] = ()
) -> Settings:
    """Settings that load no installed plugin but the built-in ones; `sections` are the plugins' own."""
    chosen = PluginsSettings(autoload=(OWN,) if builtins else False)
    if order:
        chosen = attrs.evolve(chosen, order=tuple(order))
    return Settings(plugins=chosen, plugin=sections)


def loaded(plugins: Iterable[object], settings: Settings) -> list[LoadedPlugin]:
    """Those plugins beside the ones that the settings name, built and in order, as in a host.

    Raises `PluginError` or `SettingsError`.
    """
    given = [found(plugin) for plugin in plugins]
    if settings.plugins.autoload is not False:  # a built-in one that is named is there already
        given = [candidate for candidate in given if not _is_built_in(candidate)]
    active = load_plugins(settings, given)
    names = [plugin.name for plugin in active]
    for name in settings.plugin:
        if name not in names:
            raise SettingsError(
                f"[plugin.{name}] is set, but no plugin {name!r} is here{suggest(name, names)}"
            )
    return active


def found(plugin: object) -> Candidate:
    """A plugin as it was named, imported and not built yet; raises `PluginError`."""
    if isinstance(plugin, Candidate):
        return plugin
    if not isinstance(plugin, str):
        return _named(Candidate("", _ref(plugin), value=plugin))
    if ":" in plugin:
        return _named(
            Candidate(snake_case(re.split(r"[.:]", plugin)[-1]), plugin).imported("its module:attribute")
        )
    points = installed(PLUGINS)
    if plugin not in points:
        raise PluginError(
            f"no plugin {plugin!r} is installed{suggest(plugin, points)}; "
            "install it with `pip install -e .`, or write module:Class"
        )
    point = only(points[plugin], "or write module:Class")
    return Candidate(plugin, point.ref, point.dist).imported()


def place(candidate: Candidate) -> str:
    """The name under which a plugin runs: its own, or that of the one whose place it takes."""
    replaces = getattr(candidate.value, "replaces", None)
    return replaces if isinstance(replaces, str) else candidate.name


def point_of(candidate: Candidate) -> Point | None:
    """The entry point of an installed plugin; None for others."""
    points = installed(PLUGINS).get(candidate.name, ()) if candidate.dist else ()
    return next((point for point in points if point.ref == candidate.ref), None)


def _is_built_in(candidate: Candidate) -> bool:
    point = point_of(candidate)
    return point is not None and point.dist_name == OWN


def _named(candidate: Candidate) -> Candidate:
    """With the name that a plugin gives itself in `name`, else that of its class, function or module."""
    value = candidate.value
    own = getattr(value, "name", None)
    if not isinstance(own, str):
        kind = value if hasattr(value, "__name__") else type(value)
        own = snake_case(kind.__name__.rpartition(".")[2])
    return attrs.evolve(candidate, name=own)


def _ref(plugin: object) -> str:
    """Where a plugin given as an object can be imported from; empty when it cannot."""
    if inspect.ismodule(plugin):
        return plugin.__name__
    name = getattr(plugin, "__qualname__", "")
    return f"{getattr(plugin, '__module__', '')}:{name}" if name and "<" not in name else ""
