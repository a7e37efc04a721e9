"""Where log records go when a command runs: stderr, one line each."""

from __future__ import annotations

import logging
import sys


def show_logs(level: int = logging.INFO) -> None:
    """Print the toolkit's records on stderr; other libraries' from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("workerkit").setLevel(level)
