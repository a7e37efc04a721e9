"""Which plugins may be active: the installed ones that are trusted, and those that settings name.

A module is imported only when its plugin is neither disabled nor distrusted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import attrs

from workerkit.errors import PluginError, SettingsError, blaming, suggest
from workerkit.installed import Point, only, trusted
from workerkit.loading.construct import Candidate
from workerkit.names import snake_case
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
    loads = [_loaded(points, ref, chosen.disable) for ref in chosen.load]
    found = _used(points, chosen, [candidate.name for candidate in loads])
    moved = {candidate.ref for candidate in found.values()}
    left_out = []
    for name, offers in points.items():
        reasons = [(offer, _why_not(offer, chosen, found)) for offer in offers if offer.ref not in moved]
        left_out += [LeftOut(name, offer.dist, offer.ref, why) for offer, why in reasons if why]
        good = [offer for offer, why in reasons if not why]
        if good and name not in (*chosen.use, *chosen.use.values()):
            found[name] = _candidate(_one(good)).imported()
    for candidate in loads:
        if candidate.name in chosen.disable:
            why = DISABLED if candidate.value is None else f"{DISABLED}, and imported to learn its name"
            left_out.append(LeftOut(candidate.name, candidate.dist, candidate.ref, why))
            continue
        _refuse_twin(found, candidate)
        refuse_namesake(found, candidate)
        found[candidate.name] = candidate
    active = {candidate.ref for candidate in loads if candidate.name in found}
    return found, [one for one in dict.fromkeys(left_out) if one.ref not in active]


def without(refs: Collection[str], points: Points, chosen: PluginsSettings) -> tuple[Points, PluginsSettings]:
    """The same without the plugins of these `module:attribute`s, as if nobody had asked for them."""
    sound = {name: [offer for offer in offers if offer.ref not in refs] for name, offers in points.items()}
    gone = {*refs, *(name for name in sound if points[name] and not sound[name])}
    use = {place: target for place, target in chosen.use.items() if target not in gone}
    return sound, attrs.evolve(chosen, use=use, load=tuple(ref for ref in chosen.load if ref not in refs))


def by_name(points: Points, chosen: PluginsSettings) -> PluginsSettings:
    """The same, with `use` naming what is installed by its name, though it says its `module:attribute`."""
    names = {offers[0].ref: name for name, offers in points.items() if len(offers) == 1}
    return attrs.evolve(
        chosen, use={place: names.get(target, target) for place, target in chosen.use.items()}
    )


def refuse_namesake(found: Mapping[str, Candidate], candidate: Candidate) -> None:
    """Raise `PluginError` when a plugin that is named one by one has the name of another."""
    name = candidate.name
    if name in found:
        where = candidate.via and f"{candidate.via}: "
        with blaming(candidate):
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
    return "" if trusted(offer, chosen.autoload) else _distrust(offer, chosen.autoload)


def _distrust(offer: Point, autoload: bool | Sequence[str]) -> str:
    if isinstance(autoload, bool):
        return f'not trusted: [plugins] autoload is false; autoload = ["{offer.dist_name}"] would load it'
    names = f"names only {', '.join(autoload)}" if autoload else "names nothing"
    return f'not trusted: [plugins] autoload {names}; add "{offer.dist_name}" to it'


def _used(points: Points, chosen: PluginsSettings, loads: Collection[str]) -> dict[str, Candidate]:
    """The replacements that `use` names, each under the name of the place it takes."""
    found: dict[str, Candidate] = {}
    for place, target in chosen.use.items():
        if place not in points and place in loads:
            raise SettingsError(
                f"{USE} = {{{place} = {target!r}}}: {place!r} comes by {LOAD}; change that line"
            )
        if place not in points:
            raise SettingsError(f"{USE} names the unknown plugin {place!r}{suggest(place, points)}")
        for name in (place, target):
            if name in chosen.disable:
                raise SettingsError(f"{USE} and disable both name {name!r}; take it out of one of them")
        candidate = _named(points, place, target, chosen)
        _refuse_twin(found, candidate)
        setting = USE if ":" in target else ""  # an installed one is repaired, not corrected
        found[place] = attrs.evolve(candidate.imported(setting), name=place, via=USE)
    return found


def _named(points: Points, place: str, target: str, chosen: PluginsSettings) -> Candidate:
    if ":" in target:
        return attrs.evolve(_by_ref(points, place, target), own=target)
    if target not in points:
        raise SettingsError(
            f"{USE} = {{{place} = {target!r}}}: no plugin of that name is installed"
            f"{suggest(target, points)}; write module:Class for one that is not"
        )
    # To name one is to trust it; among several of one name, `autoload` still decides.
    offers = [offer for offer in points[target] if trusted(offer, chosen.autoload)]
    return _candidate(_one(offers or points[target]))


def _loaded(points: Points, ref: str, disable: Collection[str]) -> Candidate:
    """What `load` names. One that is disabled is imported only when its name cannot be told without."""
    offer = _offer(points, ref)
    own = None if offer is None else offer.name
    guess = own or snake_case(ref.rpartition(":")[2].rpartition(".")[2])
    candidate = attrs.evolve(_by_ref(points, guess, ref), via=LOAD)
    if guess in disable and (own or guess not in points):
        return candidate
    candidate = candidate.imported(LOAD)
    return candidate if own else candidate.renamed()


def _refuse_twin(found: Mapping[str, Candidate], candidate: Candidate) -> None:
    """Raise `SettingsError` for a plugin that would be active twice."""
    for name, other in found.items():
        if other.ref == candidate.ref:
            setting = candidate.via if candidate.via == LOAD else USE
            raise SettingsError(
                f"{setting} names {candidate.ref}, which is active already as {name!r}; take it out of {setting}"
            )


def _one(offers: Sequence[Point]) -> Point:
    first = offers[0]
    with blaming(*offers):
        return only(offers, f'or choose: {USE} = {{{first.name} = "{first.ref}"}}')


def _candidate(offer: Point) -> Candidate:
    named = Candidate(offer.name, offer.ref, dist=offer.dist, maker=offer.maker)
    return attrs.evolve(named, via="installed", own=str(offer))


def _by_ref(points: Points, name: str, ref: str) -> Candidate:
    """What settings name by `module:attribute`, which a distribution may offer too."""
    offer = _offer(points, ref)
    return Candidate(name, ref) if offer is None else Candidate(name, ref, dist=offer.dist, maker=offer.maker)


def _offer(points: Points, ref: str) -> Point | None:
    return next((offer for offers in points.values() for offer in offers if offer.ref == ref), None)
