"""What is asked seldom: health of the server, and the operators' view of jobs and deliveries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import attrs
from starlette.requests import Request
from starlette.routing import Route, Router

from workerkit.errors import ApiError, suggest
from workerkit.server.answers import send_json
from workerkit.server.auth import OPERATOR, Gate
from workerkit.server.errors import no_path, wrong_method
from workerkit.server.metrics import Metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from workerkit.host.jobs import Jobs

D = TypeVar("D", int, None)
GET = frozenset({"GET"})
POST = frozenset({"POST"})
LONGEST_LIST = 1000
#: Seconds that a request for logs may wait for more.
LONGEST_WAIT = 60


@attrs.frozen(eq=False)
class Operation:
    """One route as an ASGI application. Errors are raised as `ApiError`, which `Api` answers."""

    answer: Callable[[Request], Awaitable[bytes]]
    gate: Gate
    methods: frozenset[str] = GET

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the caller and the method, then answer."""
        self.gate.check(scope, dict(scope["headers"]), OPERATOR)
        if scope["method"] not in self.methods:
            raise wrong_method(scope, self.methods)
        await send_json(send, await self.answer(Request(scope, receive)))


def operator_routes(jobs: Jobs, gate: Gate) -> ASGIApp:
    """An ASGI application for `/healthz`, `/readyz`, `/metrics`, `/jobs…` and `/deliveries…`."""

    async def list_jobs(request: Request) -> bytes:
        query = _query(request, "endpoint", "status", "after", "limit")
        return await jobs.list_jobs(
            query.get("endpoint"),
            query.get("status"),
            _whole(query, "after", None, 1),
            _whole(query, "limit", 100, 1, LONGEST_LIST),
        )

    async def logs(request: Request) -> bytes:
        query = _query(request, "attempt", "after", "wait")
        return await jobs.logs(
            request.path_params["id"],
            _whole(query, "attempt", None, 0),
            _whole(query, "after", 0, 0),
            _whole(query, "wait", 0, 0, LONGEST_WAIT),
        )

    async def list_deliveries(request: Request) -> bytes:
        query = _query(request, "state", "job", "limit")
        return await jobs.list_deliveries(
            query.get("state"), query.get("job"), _whole(query, "limit", 100, 1, LONGEST_LIST)
        )

    def by_id(ask: Callable[[str], Awaitable[bytes]]) -> Callable[[Request], Awaitable[bytes]]:
        return lambda request: ask(request.path_params["id"])

    operations = {
        "/jobs": Operation(list_jobs, gate),
        "/jobs/{id}": Operation(by_id(jobs.show_job), gate),
        "/jobs/{id}/logs": Operation(logs, gate),
        "/jobs/{id}/cancel": Operation(by_id(jobs.cancel_job), gate, POST),
        "/deliveries": Operation(list_deliveries, gate),
        "/deliveries/{id}": Operation(by_id(jobs.show_delivery), gate),
        "/deliveries/{id}/redeliver": Operation(by_id(jobs.redeliver), gate, POST),
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
        "retry/{id}, purge-queue and health; operators have /jobs, /deliveries and /metrics; probes are /healthz and /readyz",
    )


def _query(request: Request, *known: str) -> Mapping[str, str]:
    for name in request.query_params:
        if name not in known:
            raise ApiError(400, "bad_query", f"{name[:60]!r} is no filter here{suggest(name[:60], known)}")
    return request.query_params


def _whole(query: Mapping[str, str], name: str, default: D, least: int, most: int = 2**62) -> int | D:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise ApiError(
            400, "bad_query", f"{name} is {text[:60]!r}; it must be a whole number from {least} to {most}"
        )
    return int(text)
