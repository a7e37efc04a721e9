"""The operators' routes for deliveries: what plugins send when jobs end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request

from workerkit.errors import ApiError
from workerkit.host.filters import FILTERS
from workerkit.host.reading import explain, kind
from workerkit.server.body import read_body
from workerkit.server.operation import GET, LONGEST_LIST, LONGEST_WAIT, POST, Operation, by_id
from workerkit.server.query import known, whole
from workerkit.server.waits import Waits

if TYPE_CHECKING:
    from workerkit.host.outgoing import Outgoing
    from workerkit.server.auth import Gate

#: Bytes of a body that names filters.
MOST_FILTERS = 100_000


def delivery_operations(outgoing: Outgoing, gate: Gate, waits: Waits) -> Mapping[str, Operation]:
    """What answers at `/deliveries…`, by path; a path with a word in it comes before one with an id."""

    async def listed(request: Request) -> bytes:
        query = dict(known(request.query_params, *FILTERS, "after", "limit"))
        after = whole(query, "after", None, 1)
        limit = whole(query, "limit", 100, 1, LONGEST_LIST)
        return await outgoing.list({name: query[name] for name in FILTERS if name in query}, after, limit)

    async def attempts(request: Request) -> bytes:
        query = known(request.query_params, "after", "wait")
        after, seconds = whole(query, "after", None, 0), whole(query, "wait", 0, 0, LONGEST_WAIT)
        return await waits.ask(lambda seconds: outgoing.attempts(after, seconds), seconds)

    async def redeliver_all(request: Request) -> bytes:
        return await outgoing.redeliver_all(await _filters(request))

    return {
        "/deliveries": Operation(listed, gate, GET),
        "/deliveries/attempts": Operation(attempts, gate, GET),
        "/deliveries/redeliver": Operation(redeliver_all, gate, POST),
        "/deliveries/{id}": Operation(by_id(outgoing.show), gate, GET),
        "/deliveries/{id}/redeliver": Operation(by_id(outgoing.redeliver), gate, POST),
    }


async def _filters(request: Request) -> dict[str, Any]:
    body = await read_body(request.receive, dict(request.scope["headers"]), MOST_FILTERS)
    try:
        given = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise explain(body, error) from None
    if not isinstance(given, dict):
        raise ApiError(
            400,
            "bad_body",
            f'the body is {kind(given)}; send an object of filters such as {{"state": "dead"}}',
        )
    return given
