"""Files: those that a handler returns become URLs, those that a request names become files."""

from __future__ import annotations


class Files:
    """Stores the files in outputs, and fetches those in inputs."""
