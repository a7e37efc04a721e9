"""What is asked seldom: health of the server, and the operators' view of jobs and deliveries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs
from starlette.requests import Request
from starlette.routing import Route, Router

from workerkit.server.answers import send_json
from workerkit.server.auth import Gate
from workerkit.server.deliveries import delivery_operations
from workerkit.server.errors import no_path, wrong_method
from workerkit.server.metrics import Metrics
from workerkit.server.operation import LONGEST_LIST, LONGEST_WAIT, POST, Operation, by_id
from workerkit.server.query import known, whole
from workerkit.server.waits import Waits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from workerkit.host.jobs import Jobs


def operator_routes(jobs: Jobs, gate: Gate, waits: Waits) -> ASGIApp:
    """An ASGI application for `/healthz`, `/readyz`, `/metrics`, `/jobs…` and `/deliveries…`."""

    async def list_jobs(request: Request) -> bytes:
        query = known(request.query_params, "endpoint", "status", "after", "limit")
        return await jobs.list_jobs(
            query.get("endpoint"),
            query.get("status"),
            whole(query, "after", None, 1),
            whole(query, "limit", 100, 1, LONGEST_LIST),
        )

    async def logs(request: Request) -> bytes:
        query = known(request.query_params, "attempt", "after", "wait")
        id, attempt, after = (
            request.path_params["id"],
            whole(query, "attempt", None, 0),
            whole(query, "after", 0, 0),
        )
        seconds = whole(query, "wait", 0, 0, LONGEST_WAIT)
        return await waits.ask(lambda seconds: jobs.logs(id, attempt, after, seconds), seconds)

    operations = {
        "/jobs": Operation(list_jobs, gate),
        "/jobs/{id}": Operation(by_id(jobs.show_job), gate),
        "/jobs/{id}/logs": Operation(logs, gate),
        "/jobs/{id}/cancel": Operation(by_id(jobs.cancel_job), gate, POST),
        **delivery_operations(jobs.outgoing, gate, waits),
    }
    routes = [Route(path, operation) for path, operation in operations.items()]
    routes.append(Route("/metrics", Metrics(jobs, gate)))
    return Router([*_probes(jobs), *routes], redirect_slashes=False, default=_nothing)


def _probes(jobs: Jobs) -> list[Route]:
    """Open to everyone: whether the server lives, and whether workers are ready."""

    async def alive(scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, b'{"status":"ok"}')

    async def ready(scope: Scope, receive: Receive, send: Send) -> None:
        is_ready, body = jobs.readiness()
        await send_json(send, body, status=200 if is_ready else 503)

    return [Route("/healthz", Probe(alive)), Route("/readyz", Probe(ready))]


@attrs.frozen(eq=False)
class Probe:
    """A route for load balancers, which ask with GET or HEAD."""

    answer: Callable[[Scope, Receive, Send], Awaitable[None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the method, then answer."""
        if scope["method"] not in ("GET", "HEAD"):
            raise wrong_method(scope, frozenset({"GET", "HEAD"}))
        await self.answer(scope, receive, send)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise no_path(
        scope["path"],
        "; jobs are under /v2/{endpoint}/: run, runsync, status/{id}, status-sync/{id}, stream/{id}, cancel/{id}, "
        "retry/{id}, purge-queue, health, schema and events; operators have /jobs, /deliveries and /metrics; probes are /healthz and /readyz",
    )
