"""The job API: the hot `/v2/{endpoint}/…` routes as plain ASGI, everything else handed on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import attrs

from workerkit.errors import ApiError, QueueError, suggest
from workerkit.server.answers import ignored_header, send_error, send_json, sent_whole
from workerkit.server.auth import CLIENT, Gate
from workerkit.server.body import GATHER, ClientGone, Gather, read_body
from workerkit.server.errors import no_path, wrong_method
from workerkit.server.query import known, whole
from workerkit.server.waits import Waits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from workerkit.host.jobs import Jobs
    from workerkit.settings import Settings

log = logging.getLogger(__name__)

#: Seconds. RunPod's clients give up on a held /stream after 10.
DEFAULT_WAIT, LEAST_WAIT, LONGEST_WAIT, LONGEST_STREAM = 90.0, 1.0, 300.0, 5.0
#: Of events: milliseconds of a wait, and how many in one answer.
LONGEST_EVENTS, DEFAULT_EVENTS, MOST_EVENTS = 60_000, 100, 1000
GET = frozenset({"GET"})
POST = frozenset({"POST"})
BOTH = GET | POST


@attrs.define(eq=False)
class Call:
    """One request to a hot route. `id` is empty where the route has none."""

    endpoint: str
    id: str
    query: bytes
    headers: Mapping[bytes, bytes]
    receive: Receive
    gather: Gather | None = None
    ignored: tuple[str, ...] = ()


@attrs.frozen(eq=False)
class Route:
    """What one word under `/v2/{endpoint}/` does; the answer's status is 200."""

    methods: frozenset[str]
    has_id: bool
    answer: Callable[[Call], Awaitable[bytes]]


class Api:
    """The ASGI application that shows `jobs` to clients and operators.

    `operator_token` is the command line's own key, good for everything while the server runs.
    """

    def __init__(self, jobs: Jobs, settings: Settings, operator_token: str | None = None) -> None:
        self._jobs = jobs
        self._limits = settings.limits
        self._gate = Gate(settings.server.keys, operator_token)
        #: Requests that wait for news; whoever stops the server ends them.
        self.waits = Waits()
        self._routes = {
            "run": Route(POST, False, self._run),
            "runsync": Route(POST, False, self._runsync),
            "status": Route(BOTH, True, lambda call: jobs.status(call.endpoint, call.id)),
            "status-sync": Route(BOTH, True, self._status_sync),
            "stream": Route(BOTH, True, self._stream),
            "cancel": Route(POST, True, lambda call: jobs.cancel(call.endpoint, call.id)),
            "retry": Route(POST, True, lambda call: jobs.retry(call.endpoint, call.id)),
            "purge-queue": Route(POST, False, lambda call: jobs.purge(call.endpoint)),
            "health": Route(GET, False, lambda call: jobs.health(call.endpoint)),
            "schema": Route(GET, False, lambda call: jobs.schema(call.endpoint)),
            "events": Route(GET, False, self._events),
        }

    @cached_property
    def _others(self) -> ASGIApp:
        # Imported here: Starlette takes its time, and a start should not.
        from workerkit.server.operators import operator_routes

        return operator_routes(self._jobs, self._gate, self.waits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure becomes an answer too."""
        if scope["type"] != "http":
            return
        try:
            parts: list[str] = scope["path"].split("/")
            if len(parts) > 3 and parts[1] == "v2":
                await self._hot(parts, scope, receive, send)
            else:
                await self._others(scope, receive, send)
        except ApiError as error:
            await send_error(send, error)
        except QueueError as error:
            log.warning("%s %s: %s", scope["method"], scope["path"], error)
            await send_error(send, ApiError(503, "queue_unavailable", str(error), {"Retry-After": "1"}))
        except ClientGone:
            pass  # there is nobody to tell
        except asyncio.CancelledError:
            stopping = "the server is stopping; send the request again"
            await send_error(send, ApiError(503, "stopping", stopping, {"Retry-After": "1"}))
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            sentence = "the server failed to answer this; its log says why"
            await send_error(send, ApiError(500, "internal", sentence))

    async def _hot(self, parts: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        endpoint = parts[2]
        self._gate.check(scope, headers, CLIENT, endpoint)
        route = self._routes.get(parts[3])
        if route is None or len(parts) != 4 + route.has_id or (route.has_id and not parts[4]):
            raise self._no_route(parts, route)
        if scope["method"] not in route.methods:
            raise wrong_method(scope, route.methods)
        id = parts[4] if route.has_id else ""
        call = Call(endpoint, id, scope["query_string"], headers, receive, scope.get(GATHER))
        body = await route.answer(call)
        more = [ignored_header(call.ignored)] if call.ignored else ()
        if not sent_whole(scope, body, more):
            await send_json(send, body, headers=more)

    async def _run(self, call: Call) -> bytes:
        id = await self._submit(call, self._limits.run_body, sync=False)
        return b'{"id":"%s","status":"IN_QUEUE"}' % id.encode()

    async def _runsync(self, call: Call) -> bytes:
        seconds = _seconds(call.query, DEFAULT_WAIT, LEAST_WAIT, LONGEST_WAIT)
        limit = self._limits.runsync_body
        if b"idempotency-key" in call.headers:  # the job may be there already
            call.id = await self._submit(call, limit, sync=True)
            return await self._held(call, seconds)
        body = await read_body(call.receive, call.headers, limit, call.gather)
        admitted, answer = await self._jobs.run(call.endpoint, body, seconds)
        call.ignored = admitted.ignored
        return answer

    async def _submit(self, call: Call, limit: int, *, sync: bool) -> str:
        body = await read_body(call.receive, call.headers, limit, call.gather)
        key = call.headers.get(b"idempotency-key")
        admitted = await self._jobs.submit(
            call.endpoint, body, sync=sync, idempotency_key=None if key is None else key.decode("latin-1")
        )
        call.ignored = admitted.ignored
        return admitted.id

    async def _status_sync(self, call: Call) -> bytes:
        return await self._held(call, _seconds(call.query, DEFAULT_WAIT, LEAST_WAIT, LONGEST_WAIT))

    async def _held(self, call: Call, seconds: float) -> bytes:
        try:
            return await self._jobs.wait(call.endpoint, call.id, seconds)
        except asyncio.CancelledError:  # the server stops, the job does not: answer it as it is
            return await self._jobs.status(call.endpoint, call.id)

    async def _stream(self, call: Call) -> bytes:
        """Chunks go to one call only, so a call whose caller has left must not take any."""
        seconds = _seconds(call.query, LONGEST_STREAM, 0.0, LONGEST_STREAM)
        return await _unless_gone(call, self._jobs.stream(call.endpoint, call.id, seconds))

    async def _events(self, call: Call) -> bytes:
        given = parse_qs(call.query.decode("latin-1"), keep_blank_values=True)
        query = known({name: values[-1] for name, values in given.items()}, "after", "limit", "wait")
        limit = whole(query, "limit", DEFAULT_EVENTS, 1, MOST_EVENTS)
        after, milliseconds = query.get("after", ""), whole(query, "wait", 0, 0, LONGEST_EVENTS)

        def asked(seconds: float) -> Coroutine[Any, Any, bytes]:
            return self._jobs.outgoing.events(call.endpoint, after, limit, seconds)

        return await _unless_gone(call, self.waits.ask(asked, milliseconds / 1000))

    def _no_route(self, parts: list[str], route: Route | None) -> ApiError:
        path = "/".join(parts)[:200]
        if route is None:
            return no_path(path, suggest(parts[3][:60], self._routes))
        shape = f"/v2/{parts[2][:63]}/{parts[3]}" + ("/{id}" if route.has_id else "")
        return no_path(path, f"; the path is {shape}")


async def _unless_gone(call: Call, answer: Coroutine[Any, Any, bytes]) -> bytes:
    """The answer, which is given up when nobody waits for it any more."""
    answering = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_gone(call.receive))
    try:
        await asyncio.wait((answering, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientGone
        return answering.result()
    finally:
        answering.cancel()
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _seconds(query: bytes, default: float, least: float, most: float) -> float:
    """`wait`, which is milliseconds, within its bounds."""
    if not query:
        return default
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("wait")
    if given is None:
        return default
    if not (given[-1].isascii() and given[-1].isdigit() and len(given[-1]) < 19):
        raise ApiError(
            400, "bad_wait", f"wait is {given[-1][:60]!r}; it must be a whole number of milliseconds"
        )
    return min(max(int(given[-1]) / 1000, least), most)
