"""`python -m made.alone plugins`: workerkit as if nothing else were installed, whatever is.

A page shows what its reader sees, so it must not show the plugins of whoever builds it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, DistributionFinder

from workerkit.cli import main


class Alone:
    """Finds modules as ever, and of the distributions workerkit."""

    find_spec = PathFinder.find_spec

    @staticmethod
    def find_distributions(context: DistributionFinder.Context) -> Iterator[Distribution]:
        """Workerkit's own, when it is what is looked for."""
        for found in PathFinder.find_distributions(context):
            if found.metadata["Name"] == "workerkit":
                yield found


if __name__ == "__main__":
    sys.meta_path = [Alone() if finder is PathFinder else finder for finder in sys.meta_path]
    main()
