"""Who takes which place: plugins that say `replaces`, and the order of what is active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from workerkit.errors import PluginError, SettingsError, blaming, suggest
from workerkit.hooks.faults import guarding
from workerkit.loading.candidates import USE, LeftOut, Points
from workerkit.loading.construct import Candidate
from workerkit.settings import PluginsSettings

REST = "*"
REPLACES = "replaces"


@attrs.frozen
class Choice:
    """Place -> who has it; who has none and why; and a plugin's own name -> the place it has taken."""

    active: Mapping[str, Candidate]
    left_out: Sequence[LeftOut]
    moved: Mapping[str, str]


def choose(found: Mapping[str, Candidate], points: Points, chosen: PluginsSettings) -> Choice:
    """Give every place to the last of those that replace it, one after the other.

    A plugin that says `replaces` leaves its own name; what replaces it goes where it went.
    """
    takers = _takers(found, points, chosen)
    moves = {taker.name: place for place, taker in takers.items()}
    active = {name: found[name] for name in found if name not in moves and name not in takers}
    moved = {target: place for place, target in chosen.use.items() if target in points and target != place}
    left_out = []
    for name in sorted({*takers, *moves}):
        place, taker = _place(moves, name, found), takers.get(name)
        if place in chosen.disable and name in found:
            left_out.append(
                _left_out(found[name], f"takes the place of {place!r}, which [plugins] disable names")
            )
        elif taker is not None and name in found:
            left_out.append(_left_out(found[name], f"replaced by {taker}, which says `replaces`"))
        elif taker is None and place not in chosen.disable:
            moved[name] = place
            active[place] = attrs.evolve(found[name], name=place, via=REPLACES)
    return Choice(active, left_out, moved)


def in_order(active: Mapping[str, Candidate], order: Sequence[str]) -> list[Candidate]:
    """What is active, as `[plugins] order` has it."""
    rest = sorted(set(active) - set(order))
    if rest and REST not in order:
        raise SettingsError(
            f"[plugins] order leaves out {', '.join(rest)}; name each, or write {REST!r} where the rest goes"
        )
    names = [n for entry in order for n in (rest if entry == REST else [entry])]
    return [active[name] for name in names if name in active]


def _takers(found: Mapping[str, Candidate], points: Points, chosen: PluginsSettings) -> dict[str, Candidate]:
    """A plugin's name -> the one that says it replaces it."""
    takers: dict[str, Candidate] = {}
    for name, candidate in found.items():
        with blaming(candidate), guarding(f"{candidate}: its `replaces` cannot be had"):
            place = getattr(candidate.value, "replaces", None)
        if place is None or place == name or name in chosen.use:
            continue
        with blaming(candidate):
            _check_place(candidate, place, found, points, chosen)
        if place in takers:
            with blaming(candidate, takers[place]):
                raise _both(candidate, takers[place], place)
        takers[place] = candidate
    return takers


def _check_place(
    candidate: Candidate,
    place: object,
    found: Mapping[str, Candidate],
    points: Points,
    chosen: PluginsSettings,
) -> None:
    if not isinstance(place, str):
        raise PluginError(f"{candidate}: its `replaces` must be the name of a plugin, not {place!r}")
    if place not in points and place not in found:
        raise PluginError(f"{candidate} replaces the unknown plugin {place!r}{suggest(place, points)}")
    if place in chosen.use:
        raise _both(candidate, found[place], place, f", or take {place!r} out of {USE}")
    for goal, target in chosen.use.items():
        if target == place:
            raise PluginError(
                f"{candidate} replaces {place!r}, which {USE} puts in the place of {goal!r}; "
                f'disable {candidate.name!r}, or write use = {{{goal} = "{candidate.name}"}}'
            )


def _both(candidate: Candidate, rival: Candidate, place: str, cure: str = "") -> PluginError:
    return PluginError(f"{candidate} and {rival} both take the place of {place!r}; disable one of them{cure}")


def _place(moves: Mapping[str, str], name: str, found: Mapping[str, Candidate]) -> str:
    """Where a plugin ends up, through those it replaces."""
    seen = [name]
    while seen[-1] in moves:
        seen.append(moves[seen[-1]])
        if seen[-1] in seen[:-1]:
            circle = [found[one] for one in dict.fromkeys(seen)]
            with blaming(*circle):
                raise PluginError(f"{' and '.join(map(str, circle))} replace each other; disable one of them")
    return seen[-1]


def _left_out(candidate: Candidate, why: str) -> LeftOut:
    return LeftOut(candidate.name, candidate.dist, candidate.ref, why)
