"""Settings and names that stand for no plugin, refused with the nearest that does."""

from __future__ import annotations

import re
from collections.abc import Collection

from workerkit.errors import PluginError, SettingsError, suggest
from workerkit.installed import FUNCTIONS, installed, normal
from workerkit.loading.candidates import Points
from workerkit.loading.choosing import REST, Choice
from workerkit.loading.construct import Candidate
from workerkit.settings import SECTIONS, PluginsSettings, Settings

_NAME = re.compile(r"[a-z][a-z0-9_]*")


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
    if candidate.name in (*SECTIONS, "plugin", "profile"):
        raise PluginError(f"{candidate} has the name of a section of the core's settings; rename it")
    if not _NAME.fullmatch(candidate.name):
        raise PluginError(f"{candidate}: a plugin's name is made of a-z, 0-9 and _, and begins with a letter")


def check_lists(chosen: PluginsSettings, known: Collection[str]) -> None:
    """Refuse what `order` and `disable` name twice, or what does not exist."""
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
                "install its plugin, or take the section out"
            )
        if name in choice.moved and name not in choice.active:
            slot = choice.moved[name]
            raise SettingsError(
                f"{section} is not read: {name!r} takes the place of {slot!r}; use [plugin.{slot}]"
            )
