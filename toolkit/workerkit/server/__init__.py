"""The job API over HTTP."""

from __future__ import annotations

from workerkit.server.api import Api
from workerkit.server.listen import bind
from workerkit.server.serving import serve

__all__ = ["Api", "bind", "serve"]
