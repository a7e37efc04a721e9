"""`python -m workerkit` is the command `workerkit`."""

from __future__ import annotations

from workerkit.cli import main

if __name__ == "__main__":
    main()
