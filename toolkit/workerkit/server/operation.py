"""One operators' route: who may ask, how, and the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs
from starlette.requests import Request

from workerkit.server.answers import send_json
from workerkit.server.auth import OPERATOR, Gate
from workerkit.server.errors import wrong_method

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Answer = Callable[[Request], Awaitable[bytes]]
GET = frozenset({"GET"})
POST = frozenset({"POST"})
LONGEST_LIST = 1000
#: Seconds that a request for more may wait.
LONGEST_WAIT = 60


@attrs.frozen(eq=False)
class Operation:
    """One route as an ASGI application. Errors are raised as `ApiError`, which `Api` answers."""

    answer: Answer
    gate: Gate
    methods: frozenset[str] = GET

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the caller and the method, then answer."""
        self.gate.check(scope, dict(scope["headers"]), OPERATOR)
        if scope["method"] not in self.methods:
            raise wrong_method(scope, self.methods)
        await send_json(send, await self.answer(Request(scope, receive)))


def by_id(ask: Callable[[str], Awaitable[bytes]]) -> Answer:
    """The answer of a route whose path ends with an id."""
    return lambda request: ask(request.path_params["id"])
