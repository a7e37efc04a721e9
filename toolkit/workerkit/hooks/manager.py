"""pluggy's part: which plugin implements what, checked against the specifications."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import pluggy

from workerkit.errors import PluginError, blaming
from workerkit.hooks.checks import check
from workerkit.hooks.faults import guarding
from workerkit.hooks.implementations import ARGUMENTS, PROJECT, LoadedPlugin

RETIRED, RETIRED_ARGUMENTS = "warn_on_impl", "warn_on_impl_args"


class Manager(pluggy.PluginManager):
    """A manager that leaves the warnings of retirement to `retired`, which says whose plugin it is.

    It does not look at names such as `__init__`, of which there are many: none is a hook's, and a look takes long.
    """

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        """pluggy's options of a specification, without those warnings."""
        options = None if _is_special(name) else super().parse_hookspec_opts(module_or_class, name)
        return options and {**options, RETIRED: None, RETIRED_ARGUMENTS: None}

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """pluggy's options of an implementation."""
        return None if _is_special(name) else super().parse_hookimpl_opts(plugin, name)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def manager_of(plugins: Sequence[LoadedPlugin], specifications: ModuleType) -> pluggy.PluginManager:
    """All plugins, registered under their names; raises `PluginError`."""
    manager = Manager(PROJECT)
    manager.add_hookspecs(specifications)
    # pluggy calls the last registered first; registered backwards, its order is the list's.
    for loaded in reversed(plugins):
        with blaming(loaded), guarding(f"{loaded} cannot be looked at"):
            check(loaded)
            try:
                manager.register(loaded.plugin, loaded.name)
            except (ValueError, pluggy.PluginValidationError) as exc:
                raise PluginError(f"{loaded} cannot be registered: {exc}") from exc
    return manager


def retired(
    manager: pluggy.PluginManager, plugins: Mapping[str, LoadedPlugin], specifications: ModuleType
) -> tuple[str, ...]:
    """A sentence for each hook or argument in use that will go; each is a DeprecationWarning too."""
    return tuple(
        _warned(plugins[impl.plugin_name], impl.function, warning)
        for hook in ARGUMENTS
        for impl in reversed(getattr(manager.hook, hook).get_hookimpls())
        for warning in _warnings(getattr(specifications, hook), impl)
    )


def _warnings(specification: Any, impl: pluggy.HookImpl) -> Iterator[Warning]:
    options = getattr(specification, f"{PROJECT}_spec")
    if options.get(RETIRED):
        yield options[RETIRED]
    for name, warning in (options.get(RETIRED_ARGUMENTS) or {}).items():
        if name in (*impl.argnames, *impl.kwargnames):
            yield warning


def _warned(loaded: LoadedPlugin, function: Callable[..., Any], warning: Warning) -> str:
    """Warn at the plugin's own function, under whatever it is wrapped in."""
    told = type(warning)(f"{loaded}: {warning}")
    code = inspect.unwrap(function).__code__
    warnings.warn_explicit(told, None, code.co_filename, code.co_firstlineno)
    return str(told)
