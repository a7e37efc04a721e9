"""Which plugins may be active: the installed ones that are trusted, and those that settings name.

A module is imported only when its plugin is neither disabled nor distrusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import attrs

from workerkit.errors import PluginError, SettingsError, suggest
from workerkit.installed import Point, only, trusted
from workerkit.loading.construct import Candidate
from workerkit.settings import PluginsSettings

Points = Mapping[str, Sequence[Point]]
USE, LOAD = "[plugins] use", "[plugins] load"
DISABLED = "disabled by [plugins] disable"


@attrs.frozen(order=True)
class LeftOut:
    """A plugin that is there and not active. `why` names the setting or the plugin responsible."""

    name: str
    dist: str
    ref: str
    why: str


def candidates(points: Points, chosen: PluginsSettings) -> tuple[dict[str, Candidate], list[LeftOut]]:
    """What may be active, by the name it would have, and what is passed over."""
    found = _used(points, chosen)
    left_out = []
    for name, offers in points.items():
        reasons = [(offer, _why_not(offer, chosen, found)) for offer in offers]
        left_out += [LeftOut(name, offer.dist, offer.ref, why) for offer, why in reasons if why]
        good = [offer for offer, why in reasons if not why]
        if good and name not in (*chosen.use, *chosen.use.values()):
            found[name] = _candidate(_one(good)).imported()
    for ref in chosen.load:
        candidate = _loaded(points, ref)
        if candidate.name in chosen.disable:
            left_out.append(LeftOut(candidate.name, candidate.dist, ref, DISABLED))
            continue
        refuse_namesake(found, candidate)
        found[candidate.name] = candidate
    return found, [one for one in left_out if not _loaded_after_all(found, one)]


def refuse_namesake(found: Mapping[str, Candidate], candidate: Candidate) -> None:
    """Raise `PluginError` when a plugin that is named one by one has the name of another."""
    name = candidate.name
    if name in found:
        where = candidate.via and f"{candidate.via}: "
        raise PluginError(
            f"{where}{candidate} has the name of {found[name]}; give it another `name`, "
            f'or swap them with use = {{{name} = "{candidate.ref}"}}'
        )


def _why_not(offer: Point, chosen: PluginsSettings, used: Mapping[str, Candidate]) -> str:
    """Why what is installed is not loaded under its own name; empty when it is, or goes elsewhere."""
    if offer.name in chosen.disable:
        return DISABLED
    if offer.name in chosen.use:
        taker = used[offer.name]
        return "" if taker.ref == offer.ref else f"replaced by {taker.own} through {USE}"
    if any(chosen.use[slot] == offer.name and used[slot].ref == offer.ref for slot in chosen.use):
        return ""
    return "" if trusted(offer, chosen.autoload) else _distrust(offer, chosen.autoload)


def _distrust(offer: Point, autoload: bool | Sequence[str]) -> str:
    if isinstance(autoload, bool):
        return f'not trusted: [plugins] autoload is false; autoload = ["{offer.dist_name}"] would load it'
    names = f"names only {', '.join(autoload)}" if autoload else "names nothing"
    return f'not trusted: [plugins] autoload {names}; add "{offer.dist_name}" to it'


def _used(points: Points, chosen: PluginsSettings) -> dict[str, Candidate]:
    """The replacements that `use` names, each under the name of the slot it takes."""
    found = {}
    for slot, target in chosen.use.items():
        if slot not in points:
            raise SettingsError(f"{USE} names the unknown plugin {slot!r}{suggest(slot, points)}")
        for name in (slot, target):
            if name in chosen.disable:
                raise SettingsError(f"{USE} and disable both name {name!r}; take it out of one of them")
        candidate = _named(points, slot, target, chosen)
        setting = USE if ":" in target else ""  # an installed one is repaired, not corrected
        found[slot] = attrs.evolve(candidate.imported(setting), name=slot, via=USE)
    return found


def _named(points: Points, slot: str, target: str, chosen: PluginsSettings) -> Candidate:
    if ":" in target:
        return Candidate(slot, target, dist=_dist(points, target), own=target)
    if target not in points:
        raise SettingsError(
            f"{USE} = {{{slot} = {target!r}}}: no plugin of that name is installed"
            f"{suggest(target, points)}; write module:Class for one that is not"
        )
    # To name one is to trust it; among several of one name, `autoload` still decides.
    offers = [offer for offer in points[target] if trusted(offer, chosen.autoload)]
    return _candidate(_one(offers or points[target]))


def _loaded(points: Points, ref: str) -> Candidate:
    attribute = ref.rpartition(":")[2].rpartition(".")[2]
    guess = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", attribute).lower()
    candidate = Candidate(guess, ref, dist=_dist(points, ref), via=LOAD).imported(LOAD)
    name = getattr(candidate.value, "name", None)
    return attrs.evolve(candidate, name=name if isinstance(name, str) else guess)


def _loaded_after_all(found: Mapping[str, Candidate], one: LeftOut) -> bool:
    """Whether `load` names the very plugin that nobody trusted."""
    return one.name in found and found[one.name].ref == one.ref


def _one(offers: Sequence[Point]) -> Point:
    first = offers[0]
    return only(offers, f'or choose: {USE} = {{{first.name} = "{first.ref}"}}')


def _candidate(offer: Point) -> Candidate:
    return Candidate(offer.name, offer.ref, dist=offer.dist, via="installed", own=str(offer))


def _dist(points: Points, ref: str) -> str:
    """The distribution that offers what settings name by `module:attribute`, when one does."""
    return next((offer.dist for offers in points.values() for offer in offers if offer.ref == ref), "")
