"""Which functions exist: as the queue remembers them, and as the latest worker said."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from workerkit.errors import ApiError
from workerkit.queue import Store
from workerkit.wire import Descriptor

#: Seconds that a request waits for a function which is still being loaded.
HELD = 8.0


class Catalogue:
    """The endpoints. Known ones accept jobs while their workers are still loading."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Descriptor] = {}
        #: Set once a worker has said which there are.
        self._loaded = asyncio.Event()

    @property
    def names(self) -> list[str]:
        """All endpoints, sorted."""
        return sorted(self._known)

    @property
    def functions(self) -> list[Descriptor]:
        """All functions, by name."""
        return [self._known[name] for name in self.names]

    async def load(self) -> None:
        """Read what earlier runs registered."""
        rows = await self._store.endpoints()
        self._known = {name: msgspec.json.decode(row, type=Descriptor) for name, row in rows.items()}

    async def discovered(self, functions: Sequence[Descriptor]) -> list[str]:
        """Replace what is known by what a worker's `hello` said; returns the names that are gone."""
        found = {function.name: function for function in functions}
        gone = sorted(set(self._known) - set(found))
        self._known = found
        self._loaded.set()
        await self._store.register({name: msgspec.json.encode(row) for name, row in found.items()})
        return gone

    async def wait_for(self, endpoint: str, seconds: float = HELD) -> Descriptor:
        """The same as `find`, but that a function may become known meanwhile, as on the first start of all."""
        if endpoint not in self._known and not self._loaded.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._loaded.wait(), seconds)
        return self.find(endpoint)

    def find(self, endpoint: str) -> Descriptor:
        """The function behind an endpoint; 503 while a worker loads, else 404 with the known names."""
        found = self._known.get(endpoint)
        if found is not None:
            return found
        if not self._loaded.is_set():
            raise ApiError(
                503,
                "loading",
                "the functions are still being loaded; try again in a second",
                {"Retry-After": "1"},
            )
        near = difflib.get_close_matches(endpoint, self._known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ApiError(
            404,
            "unknown_endpoint",
            f"there is no endpoint {endpoint!r}.{hint} Known: {', '.join(self.names)}.",
        )
