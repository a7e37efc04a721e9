"""Which functions there are, asked for before anybody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from supplying import a_store
from workerkit.errors import ApiError
from workerkit.host.catalogue import HELD, Catalogue
from workerkit.queue.sqlite import SQLiteStore
from workerkit.wire import Descriptor

RENDER = Descriptor("render", "function")


def played(folder: Path, scenario: Callable[[Catalogue, SQLiteStore], Awaitable[None]]) -> None:
    async def main() -> None:
        store = a_store(folder / "queue.db")
        await store.open()
        try:
            await scenario(Catalogue(store), store)
        finally:
            await store.close()

    asyncio.run(main())


def test_who_asks_on_a_first_start_is_answered_when_the_functions_are_known(tmp_path: Path) -> None:
    async def scenario(catalogue: Catalogue, store: SQLiteStore) -> None:
        asked = [asyncio.create_task(catalogue.wait_for(name)) for name in ("render", "rendr")]
        await asyncio.sleep(0)
        await catalogue.discovered([RENDER])

        assert await asyncio.wait_for(asked[0], HELD) == RENDER
        with pytest.raises(ApiError, match="Did you mean 'render'") as refused:
            await asked[1]
        assert refused.value.status == 404

    played(tmp_path, scenario)


def test_nobody_waits_for_what_takes_long_or_is_known(tmp_path: Path) -> None:
    async def scenario(catalogue: Catalogue, store: SQLiteStore) -> None:
        with pytest.raises(ApiError, match="still being loaded") as refused:
            await catalogue.wait_for("render", 0.01)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})

        await catalogue.discovered([RENDER])
        again = Catalogue(store)
        await again.load()
        assert await again.wait_for("render") == RENDER, "an earlier run has told of it"

    played(tmp_path, scenario)
