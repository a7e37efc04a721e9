"""This process's environment: the only module that reads or changes it.

It is small, since a worker needs it and not the settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

#: Of the toolkit's own variables.
PREFIX = "WORKERKIT_"


def environment() -> Mapping[str, str]:
    """The process's environment as it is now."""
    return dict(os.environ)


def add_to_environment(values: Mapping[str, str]) -> None:
    """Set variables of this process, for what is imported and started from now on."""
    os.environ.update(values)


def worker_environment() -> dict[str, str]:
    """The environment for a worker: this process's, without the toolkit's own settings and keys."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
