"""From entry points and settings to plugins that are ready to be called."""

from __future__ import annotations

from workerkit.loading.candidates import LeftOut
from workerkit.loading.construct import Candidate
from workerkit.loading.finding import Survey, load_plugins, load_refs, resettled, survey, worker_refs
from workerkit.loading.looking import look_over

__all__ = [
    "Candidate",
    "LeftOut",
    "Survey",
    "load_plugins",
    "load_refs",
    "look_over",
    "resettled",
    "survey",
    "worker_refs",
]
