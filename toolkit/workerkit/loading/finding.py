"""From entry points and settings to plugins: found, swapped, ordered, built."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from workerkit.building import plain
from workerkit.errors import blaming
from workerkit.hooks import WORKER_HOOKS, LoadedPlugin
from workerkit.installed import PLUGINS, installed
from workerkit.loading import checks
from workerkit.loading.candidates import LeftOut, by_name, candidates, refuse_namesake, without
from workerkit.loading.choosing import Choice, choose, in_order
from workerkit.loading.construct import Candidate, MakeGuard, guard_by
from workerkit.settings import PluginsSettings, Settings, build
from workerkit.wire import PluginRef


@attrs.frozen
class Survey:
    """Every plugin that could be loaded: the active ones in order, and the others with why they are not.

    `moved` maps a plugin's own name to the place it has taken. `broken` are those that cannot be used,
    each with the sentence that says why; none of them when they were not asked for.
    """

    plugins: list[LoadedPlugin]
    left_out: list[LeftOut]
    moved: Mapping[str, str]
    broken: Sequence[LeftOut] = ()


def survey(settings: Settings, given: Sequence[Candidate] = (), broken: Collection[LeftOut] = ()) -> Survey:
    """What is active with these settings, and what is not.

    `given` are plugins that code names, imported already; `broken` ones are passed over. Raises
    `PluginError` or `SettingsError`: one sentence that names plugin, distribution and cure.
    """
    chosen, passed_over, choice, active = _chosen(settings, given, broken)
    guard = guard_by(settings.guard_rules)
    return Survey(
        [_built(candidate, settings, guard) for candidate in in_order(active, chosen.order)],
        sorted([*passed_over, *choice.left_out]),
        choice.moved,
        sorted(broken),
    )


def _chosen(
    settings: Settings, given: Sequence[Candidate], broken: Collection[LeftOut]
) -> tuple[PluginsSettings, list[LeftOut], Choice, Mapping[str, Candidate]]:
    """Who takes which place, imported and not built; whatever the settings have wrong there is refused."""
    everything = installed(PLUGINS)
    checks.check_trust(everything, settings.plugins)
    points, chosen = without({one.ref for one in broken}, everything, settings.plugins)
    chosen = by_name(points, chosen)
    found, passed_over = candidates(points, chosen)
    for candidate in given:
        refuse_namesake(found, candidate)
        found[candidate.name] = candidate
    choice = choose(found, points, chosen)
    names = {one.name for one in broken}
    known = {*points, *found, *names, *(one.name for one in passed_over)}
    # The place of a broken one stays empty: its settings are not for whoever had the place before.
    active = {name: candidate for name, candidate in choice.active.items() if name not in names}
    for candidate in active.values():
        with blaming(candidate):
            checks.check_name(candidate)
    checks.check_lists(chosen, known, choice)
    checks.check_sections(settings, known, choice)
    in_order(active, chosen.order)
    return chosen, passed_over, choice, active


def load_plugins(settings: Settings, given: Sequence[Candidate] = ()) -> list[LoadedPlugin]:
    """Every active plugin of a host, in order; raises as `survey` does."""
    return survey(settings, given).plugins


def resettled(loaded: Sequence[LoadedPlugin], settings: Settings) -> list[LoadedPlugin]:
    """The same plugins, with what `settings` now say for their workers; nothing is built anew.

    Raises `SettingsError` or `PluginError`, also for what a start with these settings would refuse.
    """
    _chosen(settings, (), ())
    return [
        plugin if plugin.schema is None else attrs.evolve(plugin, settings=_read(plugin, settings))
        for plugin in loaded
    ]


def _read(plugin: LoadedPlugin, settings: Settings) -> Mapping[str, Any]:
    section = f"plugin.{plugin.name}"

    def where(path: str) -> str:
        given = settings.where(f"{section}.{path}") if path else settings.sources(section)
        return f"{given and f'{given}: '}[{section}]"

    assert plugin.schema is not None
    return attrs.asdict(build(plugin.schema, settings.plugin.get(plugin.name, {}), where))


def worker_refs(loaded: Sequence[LoadedPlugin]) -> list[PluginRef]:
    """How a worker loads those plugins that have worker-side hooks; their secrets are revealed."""
    return [
        PluginRef(plugin.name, plugin.ref, plain(plugin.settings, reveal=True))
        for plugin in loaded
        if any(hook in WORKER_HOOKS for hook in plugin.hooks)
    ]


def _built(candidate: Candidate, settings: Settings, guard: MakeGuard) -> LoadedPlugin:
    section = f"plugin.{candidate.name}"
    with blaming(candidate):
        return candidate.built(
            settings.plugin.get(candidate.name, {}),
            guard,
            source=lambda path: settings.where(f"{section}.{path}") if path else settings.sources(section),
        )
