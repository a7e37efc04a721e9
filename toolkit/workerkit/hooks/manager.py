"""pluggy's part: which plugin implements what, checked against the specifications."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pluggy

from workerkit.errors import PluginError
from workerkit.hooks.checks import check
from workerkit.hooks.implementations import PROJECT, LoadedPlugin, implementations

RETIRED, RETIRED_ARGUMENTS = "warn_on_impl", "warn_on_impl_args"


class Manager(pluggy.PluginManager):
    """A manager that leaves the warnings of retirement to `_warn`, which says whose plugin it is."""

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        """pluggy's options of a specification, without those warnings."""
        options = super().parse_hookspec_opts(module_or_class, name)
        return options and {**options, RETIRED: None, RETIRED_ARGUMENTS: None}


def manager_of(plugins: Sequence[LoadedPlugin], specifications: ModuleType) -> pluggy.PluginManager:
    """All plugins, registered under their names; raises `PluginError`."""
    manager = Manager(PROJECT)
    manager.add_hookspecs(specifications)
    # pluggy calls the last registered first; registered backwards, its order is the list's.
    for loaded in reversed(plugins):
        check(loaded)
        try:
            manager.register(loaded.plugin, loaded.name)
        except (ValueError, pluggy.PluginValidationError) as exc:
            raise PluginError(f"{loaded} cannot be registered: {exc}") from exc
        _warn(loaded, specifications)
    return manager


def _warn(loaded: LoadedPlugin, specifications: ModuleType) -> None:
    """Warn of each retired hook or argument that a plugin uses, at the place where it does."""
    for hook, function, _ in implementations(loaded.plugin):
        options = getattr(getattr(specifications, hook), f"{PROJECT}_spec")
        code = function.__code__
        retired = dict(options.get(RETIRED_ARGUMENTS) or {})
        used = [retired[name] for name in code.co_varnames[: code.co_argcount] if name in retired]
        for warning in filter(None, (options.get(RETIRED), *used)):
            warnings.warn_explicit(
                type(warning)(f"{loaded}: {warning}"), None, code.co_filename, code.co_firstlineno
            )
