"""Plugins' hooks: how they are marked, checked and called."""

from __future__ import annotations

from workerkit.hooks.face import Hooks
from workerkit.hooks.implementations import (
    HOST_HOOKS,
    WORKER_HOOKS,
    LoadedPlugin,
    hookimpl,
    implementations,
)

__all__ = ["HOST_HOOKS", "WORKER_HOOKS", "Hooks", "LoadedPlugin", "hookimpl", "implementations"]
