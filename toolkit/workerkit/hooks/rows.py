"""What is shown of a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from workerkit.hooks.implementations import ARGUMENTS, LoadedPlugin, implementations


@attrs.frozen
class PluginRow:
    """What `workerkit plugins` shows of one plugin. Secrets in `settings` are masked.

    `wraps` are those of its `hooks` that it wraps.
    """

    name: str
    dist: str
    ref: str
    via: str
    hooks: tuple[str, ...]
    wraps: tuple[str, ...]
    fields: tuple[str, ...]
    settings: Mapping[str, Any]


def row_of(loaded: LoadedPlugin) -> PluginRow:
    """The row of one plugin, its hooks in the order in which the contract has them."""
    marked = {hook: options for hook, _, options in implementations(loaded.plugin)}
    hooks = tuple(name for name in ARGUMENTS if name in marked)
    return PluginRow(
        name=loaded.name,
        dist=loaded.dist,
        ref=loaded.ref,
        via=loaded.via,
        hooks=hooks,
        wraps=tuple(name for name in hooks if marked[name].get("wrapper")),
        fields=tuple(loaded.fields),
        settings=loaded.settings,
    )
