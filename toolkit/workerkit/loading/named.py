"""What a worker loads: the plugins that its host has found, chosen and put in order."""

from __future__ import annotations

from collections.abc import Sequence

from workerkit.hooks import LoadedPlugin
from workerkit.loading.construct import Candidate, guard_by
from workerkit.wire import GuardRules, PluginRef

#: A guard that lets public addresses pass and no others.
NOTHING = GuardRules()


def load_refs(refs: Sequence[PluginRef], rules: GuardRules = NOTHING) -> list[LoadedPlugin]:
    """The plugins that a host named to its worker, in the same order; nothing is searched for."""
    guard = guard_by(rules)
    return [Candidate(ref.name, ref.ref).imported().built(ref.settings, guard, literal=True) for ref in refs]
