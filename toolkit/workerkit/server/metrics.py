"""`/metrics`, for operators: numbers for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workerkit.server.auth import OPERATOR, Gate
from workerkit.server.errors import wrong_method

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from workerkit.host.jobs import Jobs

METHODS = frozenset({"GET", "HEAD"})


@attrs.frozen(eq=False)
class Metrics:
    """The route as an ASGI application."""

    jobs: Jobs
    gate: Gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the caller and the method, then answer in the form that `Accept` asks for."""
        headers = dict(scope["headers"])
        self.gate.check(scope, headers, OPERATOR)
        if scope["method"] not in METHODS:
            raise wrong_method(scope, METHODS)
        body, kind = await self.jobs.metrics(headers.get(b"accept", b"").decode("latin-1"))
        start = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": body})
