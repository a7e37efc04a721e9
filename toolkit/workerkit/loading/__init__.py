"""From entry points and settings to plugins that are ready to be called."""

from __future__ import annotations

from workerkit.loading.finding import load_plugins, load_refs, worker_refs

__all__ = ["load_plugins", "load_refs", "worker_refs"]
