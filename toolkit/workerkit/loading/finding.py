"""From entry points and settings to plugins: found, swapped, ordered, built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from workerkit.building import plain
from workerkit.errors import PluginError, SettingsError, suggest
from workerkit.hooks import WORKER_HOOKS, LoadedPlugin, implementations
from workerkit.loading.construct import Candidate
from workerkit.settings import SECTIONS, PluginsSettings, Settings
from workerkit.wire import PluginRef

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

    Installed = Mapping[str, Sequence[EntryPoint]]

GROUP = "workerkit"
REST = "*"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def load_plugins(settings: Settings) -> list[LoadedPlugin]:
    """Every active plugin of a host, in order.

    Raises `PluginError` or `SettingsError`: one sentence that names plugin, distribution and cure.
    """
    chosen = settings.plugins
    installed = _installed()
    _check_autoload(installed, chosen)
    found = _entry_points(installed, chosen) | _used(installed, chosen)
    for ref in chosen.load:
        _add_loaded(found, ref)
    active = _replaced(found, installed, chosen)
    for candidate in active.values():
        _check_name(candidate)
    _check_settings(settings, installed, found, active)
    ordered = _ordered(active, chosen.order)
    return [candidate.built(settings.plugin.get(candidate.name, {})) for candidate in ordered]


def load_refs(refs: Sequence[PluginRef]) -> list[LoadedPlugin]:
    """The plugins that a host named to its worker, in the same order; nothing is searched for."""
    return [Candidate(ref.name, ref.ref).imported().built(ref.settings, literal=True) for ref in refs]


def worker_refs(loaded: Sequence[LoadedPlugin]) -> list[PluginRef]:
    """How a worker loads those plugins that have worker-side hooks; their secrets are revealed."""
    return [
        PluginRef(plugin.name, plugin.ref, plain(plugin.settings, reveal=True))
        for plugin in loaded
        if any(hook in WORKER_HOOKS for hook, _, _ in implementations(plugin.plugin))
    ]


def _installed() -> Installed:
    """Entry points by name; a name has several when distributions clash."""
    # Imported here: a worker loads by reference and searches for nothing.
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return found


def _entry_points(installed: Installed, chosen: PluginsSettings) -> dict[str, Candidate]:
    """What is loaded because it is installed: trusted, not disabled, and not moved by `use`."""
    found = {}
    for name, points in installed.items():
        trusted = [point for point in points if _trusted(point, chosen.autoload)]
        if trusted and name not in chosen.disable and name not in (*chosen.use, *chosen.use.values()):
            found[name] = _only(name, trusted).imported()
    return found


def _used(installed: Installed, chosen: PluginsSettings) -> dict[str, Candidate]:
    """The replacements that `use` names, each under the name of the slot it takes."""
    found = {}
    for slot, target in chosen.use.items():
        if slot not in installed:
            raise SettingsError(f"[plugins] use names the unknown plugin {slot!r}{suggest(slot, installed)}")
        if slot in chosen.disable:
            raise SettingsError(f"[plugins] use and disable both name {slot!r}; take it out of one of them")
        if ":" in target:
            candidate = Candidate(slot, target)
        elif target in installed:
            candidate = attrs.evolve(_only(target, installed[target]), name=slot)
        else:
            raise SettingsError(
                f"[plugins] use = {{{slot} = {target!r}}}: no plugin of that name is installed"
                f"{suggest(target, installed)}; write module:Class for one that is not"
            )
        found[slot] = candidate.imported("" if candidate.dist else "[plugins] use")
    return found


def _add_loaded(found: dict[str, Candidate], ref: str) -> None:
    attribute = ref.rpartition(":")[2].rpartition(".")[2]
    guess = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", attribute).lower()
    candidate = Candidate(guess, ref).imported("[plugins] load")
    name = getattr(candidate.value, "name", None)
    candidate = attrs.evolve(candidate, name=name if isinstance(name, str) else guess)
    if candidate.name in found:
        raise PluginError(
            f"[plugins] load: {candidate} has the name of {found[candidate.name]}; give it another `name`, "
            f'or swap them with use = {{{candidate.name} = "{ref}"}}'
        )
    found[candidate.name] = candidate


def _replaced(
    found: Mapping[str, Candidate], installed: Installed, chosen: PluginsSettings
) -> dict[str, Candidate]:
    """What `found` becomes when plugins that say `replaces` have taken the slots they name."""
    takers: dict[str, Candidate] = {}
    for name, candidate in found.items():
        slot = getattr(candidate.value, "replaces", None)
        if slot is None or slot == name or name in chosen.use:
            continue
        if slot not in installed:
            raise PluginError(
                f"{candidate} replaces the unknown plugin {slot!r}{suggest(str(slot), installed)}"
            )
        rival = takers.get(slot) or (found[slot] if slot in chosen.use else None)
        if rival is not None:
            raise PluginError(f"{candidate} and {rival} both take the place of {slot!r}; disable one of them")
        takers[slot] = candidate
    moved = {candidate.name for candidate in takers.values()}
    active = {name: candidate for name, candidate in found.items() if name not in moved}
    for slot, candidate in takers.items():
        if slot not in chosen.disable:
            active[slot] = attrs.evolve(candidate, name=slot)
    return active


def _ordered(active: Mapping[str, Candidate], order: Sequence[str]) -> list[Candidate]:
    rest = sorted(set(active) - set(order))
    if rest and REST not in order:
        raise SettingsError(
            f"[plugins] order leaves out {', '.join(rest)}; name each, or write {REST!r} where the rest goes"
        )
    names = [n for entry in order for n in (rest if entry == REST else [entry])]
    return [active[name] for name in names if name in active]


def _check_name(candidate: Candidate) -> None:
    if candidate.name in (*SECTIONS, "plugin"):
        raise PluginError(f"{candidate} has the name of a section of the core's settings; rename it")
    if not _NAME.fullmatch(candidate.name):
        raise PluginError(f"{candidate}: a plugin's name is made of a-z, 0-9 and _, and begins with a letter")


def _check_settings(
    settings: Settings, installed: Installed, found: Iterable[str], active: Mapping[str, Candidate]
) -> None:
    """Refuse settings that name a plugin which does not exist, or which went under another name."""
    chosen = settings.plugins
    known = {*installed, *found, *active}
    for where, names in (("order", chosen.order), ("disable", chosen.disable)):
        for name in names:
            if name not in known and name != REST:
                raise SettingsError(
                    f"[plugins] {where} names the unknown plugin {name!r}{suggest(name, known)}"
                )
            if names.count(name) > 1:
                raise SettingsError(f"[plugins] {where} names {name!r} twice; take one of them out")
    moved = {*chosen.use.values(), *(name for name in found if name not in active)} - {*active}
    for name in settings.plugin:
        if name not in known:
            raise SettingsError(
                f"[plugin.{name}] (or WORKERKIT_{name.upper()}__…) is a section of no plugin"
                f"{suggest(name, {*known, *SECTIONS})}"
            )
        if name in moved:
            raise SettingsError(
                f"[plugin.{name}] is not read: {name!r} takes the place of another plugin; "
                "use the section of that one"
            )


def _check_autoload(installed: Installed, chosen: PluginsSettings) -> None:
    if isinstance(chosen.autoload, bool):
        return
    dists = {_normal(point.dist.name) for points in installed.values() for point in points if point.dist}
    for name in chosen.autoload:
        if _normal(name) not in dists:
            raise SettingsError(
                f"[plugins] autoload trusts {name!r}, but no installed distribution of that name "
                f"has plugins{suggest(name, dists)}"
            )


def _trusted(point: EntryPoint, autoload: bool | Sequence[str]) -> bool:
    if isinstance(autoload, bool):
        return autoload
    return point.dist is not None and _normal(point.dist.name) in map(_normal, autoload)


def _only(name: str, points: Sequence[EntryPoint]) -> Candidate:
    """The one plugin of a name, or the error that says who else claims it."""
    found = [Candidate(name, point.value.replace(" ", ""), _label(point.dist)) for point in points]
    if len(found) > 1:
        raise PluginError(
            f"{' and '.join(map(str, found))} have the same name; uninstall one of them, "
            f'or choose: [plugins] use = {{{name} = "{found[0].ref}"}}'
        )
    return found[0]


def _label(dist: Distribution | None) -> str:
    return f"{dist.name} {dist.version}" if dist is not None else "an unknown distribution"


def _normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
