"""Settings and names that stand for no plugin, refused with the nearest that does."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from workerkit.errors import PluginError, SettingsError, suggest
from workerkit.installed import FUNCTIONS, installed, normal
from workerkit.loading.candidates import Points
from workerkit.loading.choosing import REST, Choice
from workerkit.loading.construct import Candidate
from workerkit.names import SHAPE
from workerkit.settings import RESERVED, SECTIONS, PluginsSettings, Settings


def check_trust(points: Points, chosen: PluginsSettings) -> None:
    """Refuse trust in a distribution that has neither plugins nor functions here."""
    if isinstance(chosen.autoload, bool):
        return
    groups = (points, installed(FUNCTIONS))
    dists = {offer.dist_name for group in groups for offers in group.values() for offer in offers}
    for name in chosen.autoload:
        if normal(name) not in dists:
            raise SettingsError(
                f"[plugins] autoload trusts {name!r}, but no installed distribution of that name "
                f"has plugins or functions{suggest(name, dists)}"
            )


def check_name(candidate: Candidate) -> None:
    """Refuse a name that cannot be a section and an environment variable of its own."""
    if candidate.name in RESERVED:
        raise PluginError(f"{candidate} has the name of a section of the core's settings; rename it")
    if not SHAPE.fullmatch(candidate.name):
        raise PluginError(
            f"{candidate}: a plugin's name is made of a-z, 0-9 and _, begins with a letter, "
            "and has each _ alone between two others; rename it"
        )


def check_lists(chosen: PluginsSettings, known: Collection[str], choice: Choice) -> None:
    """Refuse what `order` and `disable` name twice, what does not exist, and what has another name there."""
    for name in chosen.order:
        if place := _taken(name, choice):
            raise SettingsError(
                f"[plugins] order names {name!r}, which takes the place of {place!r}; write {place!r}"
            )
    for where, names in (("order", chosen.order), ("disable", chosen.disable)):
        for name in names:
            if name not in known and name != REST:
                raise SettingsError(
                    f"[plugins] {where} names the unknown plugin {name!r}{suggest(name, known)}"
                )
            if names.count(name) > 1:
                raise SettingsError(f"[plugins] {where} names {name!r} twice; take one of them out")


def check_sections(settings: Settings, known: Collection[str], choice: Choice) -> None:
    """Refuse a section of no plugin, or of one that reads another. One of a plugin that is left out may stay."""
    for name in settings.plugin:
        source = settings.where(f"plugin.{name}")
        section = f"{source}: [plugin.{name}]" if source else f"[plugin.{name}]"
        if name not in known:
            variable = "" if source else f" (or WORKERKIT_{name.upper()}__…)"
            raise SettingsError(
                f"{section}{variable} is a section of no plugin{suggest(name, {*known, *SECTIONS})}; "
                f"install its plugin{_in_folder(name)}, or take the section out"
            )
        if place := _taken(name, choice):
            raise SettingsError(
                f"{section} is not read: {name!r} takes the place of {place!r}; use [plugin.{place}]"
            )


def _in_folder(name: str) -> str:
    """How to load the module of that name which is in the working directory, when there is one."""
    if not Path(f"{name}.py").is_file():
        return ""
    return f', load it from {name}.py: [plugins] load = ["{name}:{name.title().replace("_", "")}"]'


def _taken(name: str, choice: Choice) -> str:
    """The place that the plugin of this name has instead of its own; empty when it has its own."""
    return "" if name in choice.active else choice.moved.get(name, "")
